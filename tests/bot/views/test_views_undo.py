"""An undo in Slack's words: what its dialog says before the click, and what the thread says afterwards."""

from typing import Any

from bot.views import buttons
from bot.views.replies import reply
from bot.views.root import root_message
from engine.lifecycle import EventName, Status


def button(card: Any) -> dict[str, Any] | None:
    """The Undo button of the root message."""
    rows = (block["elements"] for block in root_message(card).blocks if block["type"] == "actions")
    return next((e for row in rows for e in row if e["action_id"] == buttons.UNDO), None)


def undo_dialog(card: Any) -> str:
    """What the dialog of the root message's Undo says."""
    found = button(card)
    assert found is not None
    assert (found["style"], found["confirm"]["style"]) == ("danger", "danger")
    return str(found["confirm"]["text"]["text"])


def test_the_undo_dialog_says_what_is_dropped_and_what_is_not_brought_back(samples: Any) -> None:
    """Before the click: the collections by name and where, and those whose old content is lost; nothing is cut off."""
    said = undo_dialog(samples.card(Status.SUCCESSFUL))
    assert "DROPS on staging/shop" in said
    assert "articles, catalogue_de, notes_bm25, sessions" in said
    assert "NOT brought back" not in said
    replaced = samples.replacing()
    changes = {"status": Status.MISMATCHED, "started_at": samples.now, "cleared_at": samples.now}
    ended = replaced.migration.model_copy(update=changes)
    said = undo_dialog(replaced.model_copy(update={"migration": ended}))
    assert "NOT brought back: notes_bm25 (5,812 entities), sessions (90 entities)." in said
    assert said.endswith("The source is not touched.")
    many = samples.plan(*(samples.collection(f"c{n:03}", 1) for n in range(200)))
    said = undo_dialog(samples.card(Status.SUCCESSFUL, plan=many))
    assert "c000, c001" in said
    assert " more." in said
    assert said.endswith("The source is not touched.")


def test_a_database_that_is_left_is_told(samples: Any) -> None:
    """The migration made the database, and another one uses it: the reply says so, also where nothing else was there to drop."""
    left = "M-9XB3M1C uses it; an undo of that one drops it."
    undone = samples.event(EventName.UNDONE, database=False, database_left=left)
    said = reply(samples.card(Status.UNDONE), undone)
    assert said is not None
    assert f"The database shop is left: {left}" in said.text
    assert "It had made nothing there." not in said.text


def test_what_never_ran_is_not_undone(samples: Any) -> None:
    """Canceled before it started, it made nothing: no Undo."""
    card = samples.card(Status.CANCELED, started_at=None)
    assert button(card) is None


def test_an_undo_that_went_on_without_its_worker_is_told_as_one(samples: Any) -> None:
    """A lost worker's undo goes on by itself; one that is given up says how the data stands and what to do."""
    lost = samples.event(EventName.RESCUE).model_copy(update={"from_status": Status.UNDOING})
    said = reply(samples.card(Status.UNDO_ASKED), lost)
    assert said is not None
    assert "what is dropped is not dropped twice" in said.text
    told = lost.model_copy(update={"details": {"error": samples.error.model_dump()}})
    said = reply(samples.card(Status.SUCCESSFUL), told)
    assert said is not None
    assert "The undo was not done." in said.text
    assert samples.error.next_step in said.text
