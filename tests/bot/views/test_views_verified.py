"""What the messages say of a new verification that is not done, and of what cannot be repaired."""

from typing import Any

import pytest

from bot.views import buttons
from bot.views.replies import reply
from bot.views.root import root_message
from engine.lifecycle import EventName, Status
from engine.model import CollectionReport, ErrorText, KeyPolicy


def drawn(message: Any) -> list[dict[str, Any]]:
    """A message's buttons that do something."""
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return [each for row in rows for each in row if each["action_id"] != buttons.DETAILS]


def test_what_cannot_be_repaired_is_not_offered_for_repair(samples: Any) -> None:
    """Where the target made the keys, Re-migrate alone is offered; beside others, the dialog says that those are left."""
    anew = samples.collection("notes_bm25", keys=KeyPolicy.NEW)
    alone = samples.card(Status.MISMATCHED, plan=samples.plan(anew))
    assert [each["action_id"] for each in drawn(root_message(alone))] == [
        buttons.REMIGRATE,
        buttons.UNDO,
    ]
    unequal = [
        CollectionReport(name=name, source_entities=5, target_entities=4, missing=1)
        for name in ("articles", "notes_bm25")
    ]
    report = samples.report(Status.MISMATCHED).model_copy(update={"collections": tuple(unequal)})
    plan = samples.plan(samples.collection("articles"), anew)
    both = samples.card(Status.MISMATCHED, plan=plan, report=report)
    repair, *_ = drawn(root_message(both))
    said = repair["confirm"]["text"]["text"]
    assert "In 1 collection that differs" in said
    assert "Where the target made the keys, nothing is mended: Re-migrate" in said
    assert said.endswith(".")


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.PAUSED])
def test_the_cancel_of_a_verification_says_that_nothing_is_lost(
    samples: Any, status: Status
) -> None:
    """Before the click: the migration then stands as it had ended; nothing is incomplete."""
    card = samples.card(status, stood=Status.SUCCESSFUL, started_at=samples.now)
    said = drawn(root_message(card))[-1]["confirm"]["text"]["text"]
    assert "stands as it had ended" in said
    assert "incomplete" not in said


@pytest.mark.parametrize("name", [EventName.FAIL, EventName.CANCELED, EventName.RESCUE])
def test_a_verification_that_is_not_done_is_no_failed_migration(
    samples: Any, name: EventName
) -> None:
    """The reply keeps the word of how the migration had ended, says so, and why it was not verified again."""
    away = ErrorText(code="E-UNAVAILABLE", message="The source is away", next_step="Verify again.")
    details = {} if name is EventName.CANCELED else {"error": away.model_dump()}
    moved = {"from_status": Status.RUNNING, "to_status": Status.SUCCESSFUL}
    event = samples.event(name, **details).model_copy(update=moved)
    said = reply(samples.card(Status.SUCCESSFUL), event)
    assert said is not None
    assert said.text.startswith("SUCCESSFUL: ")
    assert "It was not verified again and stands as it had ended" in said.text
    assert ("The source is away" in said.text) is bool(details)
