"""What the messages of a migration say and offer in each state."""

from datetime import timedelta
from typing import Any

import pytest

from bot.approvals import Reason
from bot.views import buttons
from bot.views.card import action_value, parse_action_value, word_of
from bot.views.progress import progress_message
from bot.views.refusals import REASONS, refusal
from bot.views.replies import reply
from bot.views.report import SIGILS, findings_file, report_message
from bot.views.root import root_message
from engine.lifecycle import EventName, Status
from engine.model import CollectionReport, ErrorText, Mismatch, MismatchKind, Outcome, Report


def offered(message: Any) -> list[str]:
    """The action ids of a message's buttons, without View Details, which every root has."""
    return [element["action_id"] for element in elements(message)]


def elements(message: Any) -> list[dict[str, Any]]:
    """A message's buttons that do something."""
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return [e for row in rows for e in row if e["action_id"] != buttons.DETAILS]


BUTTONS = {
    Status.PLANNING: [buttons.CANCEL],
    Status.AWAITING_APPROVAL: [buttons.APPROVE, buttons.REJECT, buttons.CANCEL],
    Status.QUEUED: [buttons.CANCEL],
    Status.RUNNING: [buttons.PAUSE, buttons.CANCEL],
    Status.SUCCESSFUL: [buttons.VERIFY, buttons.UNDO],
    Status.MISMATCHED: [buttons.REPAIR, buttons.REMIGRATE, buttons.UNDO],
    Status.FAILED: [buttons.RESUME, buttons.UNDO],
    Status.CANCELED: [buttons.RESUME, buttons.UNDO],
    Status.REJECTED: [],
    Status.EXPIRED: [],
    Status.PAUSED: [buttons.RESUME, buttons.CANCEL],
    Status.UNDO_ASKED: [buttons.CANCEL],
    Status.UNDOING: [],
    Status.UNDONE: [],
}


@pytest.mark.parametrize("status", Status)
def test_buttons_match_the_state(samples: Any, status: Status) -> None:
    """Only what the lifecycle would accept is offered, with at most one primary button."""
    message = root_message(samples.card(status))
    assert offered(message) == BUTTONS[status]
    assert sum(e.get("style") == "primary" for e in elements(message)) <= 1


@pytest.mark.parametrize("status", Status)
def test_every_button_asks_before_it_acts(samples: Any, status: Status) -> None:
    """A dialog in whole sentences says what will happen; it is not cut off."""
    for element in elements(root_message(samples.card(status))):
        assert element["confirm"]["text"]["text"].endswith(".")
        assert element["accessibility_label"]


def test_what_was_never_approved_cannot_be_resumed(samples: Any) -> None:
    """A request that failed while it was planned offers no Resume, and does not speak of it."""
    error = ErrorText(code="E-SOURCE", message="The source refused the token")
    card = samples.card(Status.FAILED, cleared_at=None, started_at=None, error=error, plan=None)
    message = root_message(card)
    assert offered(message) == []
    assert "Resume" not in str(message)
    assert "nothing was written" in str(message)


@pytest.mark.parametrize("status", Status)
def test_the_root_keeps_who_asked_and_who_decided(samples: Any, texts: Any, status: Status) -> None:
    """In every state: the requester, the reason, each decision with its role, source and target."""
    card = samples.card(status)
    said = "\n".join(texts(root_message(card).blocks))
    assert "<@U01ALICE>" in said
    assert card.migration.reason in said
    assert "`staging` / `shop`" in said
    for decision in card.decisions:
        assert f"{decision.verdict.capitalize()} by <@{decision.user_id}> ({decision.role})" in said


@pytest.mark.parametrize("status", Status)
def test_the_status_comes_first_by_word(samples: Any, status: Status) -> None:
    """The notification and the message name Zilliz's word, an emoji stands only beside it."""
    message = root_message(samples.card(status))
    assert message.text.startswith(f"{word_of(status)}: ")
    assert f"*{word_of(status)}*" in message.blocks[1]["text"]["text"]


def test_the_plans_table_is_there_while_it_is_decided(samples: Any) -> None:
    """Approvers see every collection with its figures."""
    message = root_message(samples.card())
    (table,) = [block for block in message.blocks if block["type"] == "table"]
    rows = [[cell["text"] for cell in row] for row in table["rows"]]
    assert rows[1] == ["articles", "10,000", "5.6 MB", "1", "new"]
    assert len(rows) == 5


def test_a_replacement_cannot_be_overlooked(samples: Any, texts: Any) -> None:
    """What will be deleted stands first in the table, in a list of its own and in the red dialog of Approve."""
    message = root_message(samples.replacing())
    rows = next(block["rows"] for block in message.blocks if block["type"] == "table")
    there = [row[-1]["text"] for row in rows[1:]]
    assert there == ["DELETED: 5,812 entities", "DELETED: 90 entities", "new"]
    title = "*Will be DELETED on `staging` / `shop` before the copy: 2 collections, 5,902 entities*"
    assert f"{title}\n• notes_bm25, 5,812 entities\n• " in "\n".join(texts(message.blocks))
    said = str(elements(message)[0]["confirm"])
    assert "DELETED there: notes_bm25 (5,812 entities), sessions (90 entities)." in said
    assert "'style': 'danger'" in said


def test_the_targets_warning_stands_in_the_approval(samples: Any, texts: Any) -> None:
    """The warning names the target, and markup in it stays text."""
    said = "\n".join(texts(root_message(samples.replacing()).blocks))
    assert "*Warning for `staging`:* This cluster serves the shop's search." in said
    assert "&lt;#search-oncall&gt;" in said


def test_more_collections_than_fit_are_counted(samples: Any, texts: Any) -> None:
    """The first 30 stand in the table, the others are named by number with their entities."""
    plan = samples.plan(*(samples.collection(f"c{n:03}", 1_000) for n in range(200)))
    said = "\n".join(texts(root_message(samples.card(plan=plan)).blocks))
    assert "and 170 more collections with 170,000 entities" in said


def test_a_button_carries_the_plan_that_was_shown(samples: Any) -> None:
    """Approve sends the id and the hash of the plan beside it; a bare id is read as well."""
    card = samples.card()
    value = elements(root_message(card))[0]["value"]
    assert parse_action_value(value) == ("M-4K7QX2F", card.plan.hash)
    assert parse_action_value("M-4K7QX2F") == ("M-4K7QX2F", "")
    assert action_value(samples.card(Status.PLANNING)) == "M-4K7QX2F"


def test_cancel_is_answered_at_once(samples: Any, texts: Any) -> None:
    """After the click no button is left, and the message says who asked and what happens."""
    asked = {"cancel_requested_at": samples.now, "cancel_requested_by": "U03CAROL"}
    card = samples.card(Status.RUNNING, **asked)
    for message in (root_message(card), progress_message(card, samples.progress(), samples.now)):
        assert offered(message) == []
        assert "canceling, asked by <@U03CAROL>" in "\n".join(texts(message.blocks))


def test_a_pause_under_way_can_be_taken_back(samples: Any, texts: Any) -> None:
    """While the worker stops, Resume takes the place of Pause, and Cancel stays."""
    card = samples.card(Status.RUNNING, pause_requested_at=samples.now)
    for message in (root_message(card), progress_message(card, samples.progress(), samples.now)):
        assert offered(message) == [buttons.RESUME, buttons.CANCEL]
        assert "pausing. It stops within seconds" in "\n".join(texts(message.blocks))


def test_the_repair_dialog_says_what_is_deleted(samples: Any) -> None:
    """Before the click: in how many collections, what is deleted and where."""
    repair, *_ = elements(root_message(samples.card(Status.MISMATCHED)))
    said = repair["confirm"]["text"]["text"]
    assert repair["confirm"]["style"] == "danger"
    assert "1 collection that differs" in said
    assert "DELETED on staging/shop" in said


def test_a_pause_that_is_taken_back_is_told_as_one(samples: Any) -> None:
    """A resume of what still runs does not say that it waits to start."""
    event = samples.event(EventName.RESUME).model_copy(update={"from_status": Status.RUNNING})
    said = reply(samples.card(Status.RUNNING), event)
    assert said is not None
    assert said.text.startswith("IN PROGRESS")
    assert "took the pause back" in said.text


def test_what_goes_on_is_not_said_to_start(samples: Any) -> None:
    """Queued again, to be verified, repaired or resumed, it is not said to wait for its start."""
    fresh = samples.card(Status.QUEUED)
    begun = fresh.migration.model_copy(update={"started_at": samples.now})
    assert "is approved and waits to start." in root_message(fresh).text
    again = root_message(fresh.model_copy(update={"migration": begun}))
    assert "goes on as soon as a worker is free." in again.text


def test_the_cancel_dialog_says_what_stays_behind(samples: Any) -> None:
    """Before the click: what stays on the target, that Resume exists, that the source is untouched."""
    _, element = elements(
        progress_message(samples.card(Status.RUNNING), samples.progress(), samples.now)
    )
    said = element["confirm"]["text"]["text"]
    assert element["style"] == element["confirm"]["style"] == "danger"
    assert "stays on staging/shop and must not be used before it is verified" in said
    assert "The source is not touched." in said


def test_what_needs_a_person_stands_first_in_the_report(samples: Any) -> None:
    """The mismatched collection is the first row even when 200 others are well."""
    well = [
        CollectionReport(name=f"c{n}", source_entities=1, target_entities=1, verified=True)
        for n in range(200)
    ]
    bad = CollectionReport(name="bad", source_entities=2, target_entities=1, missing=1)
    report = samples.report(Status.MISMATCHED, collections=(*well, bad))
    message = report_message(samples.card(Status.MISMATCHED), report)
    (table,) = [block for block in message.blocks if block["type"] == "table"]
    row = [cell["text"] for cell in table["rows"][1]]
    assert row == ["bad", "MISMATCHED", "1", "0", "0", "2", "1"]
    assert (
        "1 entity is not the same on both sides: 1 missing, in 1 of 201 collections."
        in message.text
    )


def test_mismatches_are_named_by_key(samples: Any, texts: Any) -> None:
    """Kind, fields, collection, partition and key; a string key is quoted, control characters are written out."""
    message = report_message(samples.card(Status.MISMATCHED), samples.report(Status.MISMATCHED))
    said = "\n".join(texts(message.blocks))
    assert "*missing*: `notes_bm25` key `4711`" in said
    assert '*extra*: `notes_bm25` / `p_2025` key `"aˋb\\n&lt;c&gt;"`' in said
    assert "*different* in `vector`, `title`: `notes_bm25` key `42`" in said
    assert "and 13 more, see the file" in said


def test_an_unverified_collection_is_never_called_verified(samples: Any) -> None:
    """A collection without differences but without proof reads NOT VERIFIED, and the verdict does not claim it."""
    lines = (
        CollectionReport(name="a", source_entities=5, target_entities=5, verified=True),
        CollectionReport(name="b", source_entities=5, notes=("Its index differs.",)),
    )
    report = Report(migration="M-1", status=Outcome.MISMATCHED, collections=lines)
    message = report_message(samples.card(Status.MISMATCHED), report)
    assert "1 of 2 collections verified" in message.text
    assert "NOT VERIFIED" in str(message.blocks)


def test_a_note_of_many_collections_hides_no_other(samples: Any, texts: Any) -> None:
    """What is said of many collections is said once, with the first of their names; a note of one alone still finds its place."""
    lines = [
        CollectionReport(name=f"c{number}", source_entities=5, notes=("It was released.",))
        for number in range(12)
    ]
    alone = CollectionReport(name="z", source_entities=5, verified=True, notes=("It has a note.",))
    report = samples.report(Status.MISMATCHED, collections=(*lines, alone))
    said = "\n".join(texts(report_message(samples.card(Status.MISMATCHED), report).blocks))
    assert said.count("It was released.") == 1
    assert "`c0`, `c1`, `c2` and 9 more: It was released." in said
    assert "`z`: It has a note." in said


def test_the_findings_file_has_a_line_for_each(samples: Any) -> None:
    """Signs as rclone's check has them, a legend, tabs between the columns, keys as JSON."""
    lines = findings_file(samples.report(Status.MISMATCHED)).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "+\tnotes_bm25\t\t4711",
        '-\tnotes_bm25\tp_2025\t"a`b\\n<c>"',
        "*\tnotes_bm25\t\t42\tvector,title",
    ]
    for kind, sigil in SIGILS.items():
        assert any(line.startswith(f"#   {sigil}  {kind.value}:") for line in lines)


def test_the_findings_file_takes_all_of_the_ledgers(samples: Any) -> None:
    """Given the whole list, the file has all of it, not the report's examples."""
    found = [Mismatch(partition="", pk=n, kind=MismatchKind.MISSING) for n in range(5_000)]
    text = findings_file(samples.report(Status.MISMATCHED), {"articles": found})
    assert sum(line.startswith("+\tarticles\t\t") for line in text.splitlines()) == 5_000
    assert "notes_bm25" not in text


def test_a_failure_says_what_happened_where_the_data_is_and_what_to_do(
    samples: Any, texts: Any
) -> None:
    """Three labelled lines in root, reply and report; the notification says the same in sentences."""
    card = samples.card(Status.FAILED)
    event = samples.event(EventName.FAIL, "worker", error=samples.error.model_dump())
    said = reply(card, event)
    assert said is not None
    for message in (root_message(card), said, report_message(card, samples.report(Status.FAILED))):
        lines = "\n".join(texts(message.blocks))
        assert f"*What happened:* {samples.error.message}" in lines
        assert f"*The data:* {samples.error.state}" in lines
        assert f"*What to do:* {samples.error.next_step}" in lines
    assert samples.error.next_step in said.text


def test_a_failure_without_a_text_still_says_all_three(samples: Any) -> None:
    """When the error has only a message, the state of the data and the next step are Ferry's own words."""
    card = samples.card(Status.FAILED, error=ErrorText(code="E", message="It broke"))
    said = reply(card, samples.event(EventName.FAIL, "worker"))
    assert said is not None
    assert "It broke." in said.text
    assert "12,000 of 31,000 entities stay on staging / shop" in said.text
    assert "press Resume" in said.text


@pytest.mark.parametrize("name", EventName)
def test_every_change_of_state_is_told(samples: Any, name: EventName) -> None:
    """Each event of the lifecycle has its reply, because edits notify nobody."""
    said = reply(samples.card(Status.CANCELED), samples.event(name))
    assert said is not None
    assert said.text.endswith((".", "?"))


def test_what_is_not_worth_telling_is_not_told(samples: Any) -> None:
    """Notes and small phases give no reply."""
    card = samples.card(Status.RUNNING)
    assert reply(card, samples.event("phase", "worker", phase="load")) is None
    assert reply(card, samples.event("refused", "U9")) is None


def test_an_approval_is_told_with_its_role_and_comment(samples: Any, texts: Any) -> None:
    """Who, in which role, and what they wrote, as a quotation."""
    card = samples.card(Status.QUEUED, decisions=())
    event = samples.event(EventName.APPROVE, role="Project Admin", comment="go\n<!here>")
    said = reply(card, event)
    assert said is not None
    lines = "\n".join(texts(said.blocks))
    assert "Approved by <@U02BOB> (Project Admin)." in lines
    assert ">go\n>&lt;!here&gt;" in lines


def test_a_second_start_is_told_as_one(samples: Any) -> None:
    """A claim after the first start says that it continues."""
    card = samples.card(Status.RUNNING)
    later = samples.event(EventName.CLAIM, "worker").model_copy(
        update={"at": card.migration.started_at + timedelta(minutes=9)}
    )
    said = reply(card, later)
    assert said is not None
    assert "continues from what is already copied" in said.text


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.ALLOWED])
def test_every_refusal_has_its_own_words(samples: Any, reason: Reason) -> None:
    """Each reason has a text that says what now holds; with nothing else given it is still whole sentences."""
    assert reason in REASONS
    for said in (refusal(reason), refusal(reason, samples.card(), sentence="It is too late")):
        assert said[0].isupper()
        assert "{" not in said
        assert "  " not in said
        assert said.endswith((".", ")"))


def test_the_loser_of_a_race_is_told_who_won(samples: Any) -> None:
    """Who decided and when, and that nothing was changed."""
    card = samples.card(Status.QUEUED)
    said = refusal(Reason.ALREADY_APPROVED, card, by="U02BOB", at=samples.now)
    assert said.startswith("This was already approved by <@U02BOB>, <!date^")
    assert "Nothing was changed" in said
    assert "`M-4K7QX2F` to `staging` / `shop`" in said


def test_who_may_not_approve_is_told_whom_to_ask(samples: Any) -> None:
    """The approvers of the card are named, and the missing role."""
    said = refusal(Reason.NO_ROLE, samples.card(), sentence="A role is missing for acme/x.")
    assert (
        "A role is missing for acme/x. Nothing was changed. Ask <@U02BOB>, <!subteam^S77OWNERS>."
        in said
    )


def test_a_reason_without_a_text_says_its_sentence() -> None:
    """A later reason is answered with what the service says of it, escaped."""
    assert refusal("frozen", sentence="Ask <!here>") == ("Ask &lt;!here&gt;. Nothing was changed.")


def test_a_new_verification_is_not_told_as_a_copy(samples: Any) -> None:
    """Its beginning says that nothing is copied, and no reply says that a copy is complete."""
    card = samples.card(Status.RUNNING)
    began = reply(card, samples.event(EventName.CLAIM, verifies=True))
    assert began is not None
    assert "The verification has begun; nothing is copied." in began.text
    assert reply(card, samples.event("phase", phase="verify")) is not None
    assert reply(card, samples.event("phase", phase="verify", again=True)) is None
