"""A message that cannot be delivered holds up no other: the thread says what is missing, and it arrives once the cause is gone."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from bot.budget import POST, Rate
from bot.ledger import BotLedger, Kind
from bot.sandbox import Sandbox, words_of
from bot.sender import Sender
from engine.ledger import Ledger
from engine.lifecycle import EventName
from engine.model import Migration
from tests.bot.story import ALARM, CHANNEL
from tests.bot.telling import Telling, run, words

FILES = "files.getUploadURLExternal"
NOT_DELIVERED = "Not delivered"


def told(sandbox: Sandbox, said: str) -> int:
    """How many messages of the thread say that."""
    return sum(said in each for each in words(sandbox))


def test_a_channel_without_the_bot_does_not_silence_an_emergency(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """The glass is broken and Ferry is not in the channel for it: all else is told, how to mend it once, then the channel."""
    narrator = telling(policy={"break_glass_channel": ALARM})
    sandbox.set_members(ALARM, ["U0ADA"])
    run(ledger, records, awaiting("U0ADA"), None, forced=True)
    narrator.rounds(2, seconds=1)
    root, *replies = words(sandbox)
    assert root.startswith("IN PROGRESS")
    assert any("Rate" in each and "Cancel" in each for each in replies)
    narrator.rounds(5, seconds=61)
    (said,) = [each for each in words(sandbox) if NOT_DELIVERED in each]
    assert f"/invite @Ferry` in <#{ALARM}>" in said
    sandbox.set_members(ALARM, ["U0ADA", sandbox.config.apps[0].bot_user])
    narrator.rounds(1, seconds=61)
    (alarm,) = sandbox.messages(ALARM)
    assert "Break-glass" in words_of(alarm)
    assert told(sandbox, NOT_DELIVERED) == 1
    assert records.pending() == ()


@pytest.mark.parametrize(
    ("fault", "todo"),
    [({"error": "missing_scope"}, "files:write"), ({"status": 407}, "files.slack.com")],
)
def test_a_file_that_slack_does_not_take_holds_up_nothing(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
    fault: dict[str, object],
    todo: str,
) -> None:
    """Without the scope, or behind a proxy, the plan's file waits: states are shown, the thread says why, and it comes at last."""
    narrator = telling()
    sandbox.fail_next(FILES, times=1000, **fault)
    run(ledger, records, awaiting("U0ADA"), EventName.SUCCEED)
    narrator.rounds(2, seconds=1)
    root, *replies = words(sandbox)
    assert root.startswith("SUCCESSFUL")
    assert any(each.startswith("SUCCESSFUL") for each in replies)
    assert told(sandbox, NOT_DELIVERED) == 0
    narrator.rounds(20, seconds=61)
    (said,) = [each for each in words(sandbox) if NOT_DELIVERED in each]
    assert todo in said
    sandbox.clear_faults()
    narrator.rounds(2, seconds=61)
    assert [stored.name for stored in sandbox.files if stored.content]
    assert told(sandbox, NOT_DELIVERED) == 1
    assert records.pending() == ()


def test_a_host_for_files_that_does_not_answer_is_asked_once_a_minute(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    awaiting: Callable[..., Migration],
) -> None:
    """However many files wait, what lasts until its time limit is tried once a minute; each gets its turn, each thread is told."""
    narrator = telling()
    sandbox.fail_next(FILES, status=407, times=1000)
    for _ in range(3):
        awaiting("U0ADA")
    narrator.rounds(59, seconds=1)
    assert len(sandbox.journal.calls(FILES)) == 1
    narrator.rounds(8, seconds=61)
    for root in sandbox.messages(CHANNEL):
        said = [words_of(message) for message in sandbox.thread(CHANNEL, root["ts"])]
        assert sum(NOT_DELIVERED in each for each in said) == 1


def test_a_refused_file_is_given_up_and_said(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """A file that Slack will never take is tried once; the thread says Slack's word for it."""
    narrator = telling()
    sandbox.fail_next(FILES, "file_uploads_disabled", times=1000)
    awaiting("U0ADA")
    narrator.rounds(3, seconds=61)
    assert len(sandbox.journal.calls(FILES)) == 1
    (said,) = [each for each in words(sandbox) if NOT_DELIVERED in each]
    assert "file_uploads_disabled" in said
    assert "not tried again" in said
    assert records.pending() == ()


def test_who_has_left_holds_up_nobody(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """A requester whose account is gone cannot be told in person: the approver and the thread are."""
    narrator = telling()
    people = sandbox._core.workspace.users
    people["U0ADA"] = people["U0ADA"].model_copy(update={"deleted": True})
    run(ledger, records, awaiting("U0ADA"), EventName.SUCCEED)
    narrator.rounds(20, seconds=61)
    (direct,) = sandbox.messages(sandbox.direct_channel("U0GRACE"))
    assert "SUCCESSFUL" in words_of(direct)
    (said,) = [each for each in words(sandbox) if NOT_DELIVERED in each]
    assert "<@U0ADA> has not been told" in said
    assert [owed.recipient for owed in records.pending()] == ["U0ADA"]


def test_an_outage_is_not_said_to_be_a_message_that_is_missing(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """What waits because Slack is away arrives when it is back, and no thread complains of it."""
    narrator = telling()
    sandbox.outage()
    run(ledger, records, awaiting("U0ADA"), EventName.SUCCEED)
    narrator.rounds(20, seconds=61)
    sandbox.outage(on=False)
    narrator.rounds(3, seconds=61)
    assert told(sandbox, NOT_DELIVERED) == 0
    assert records.pending() == ()


def test_replies_stay_in_order_behind_one_that_waits(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """A reply that Slack does not take holds back the replies and files behind it; what people are told in person goes on."""
    narrator = telling({POST: Rate(0.5, 2)})
    migration = awaiting("U0ADA")
    run(ledger, records, migration, EventName.SUCCEED)
    narrator.rounds()
    assert told(sandbox, "Started.") == 0
    assert sandbox.messages(sandbox.direct_channel("U0ADA")) != []
    narrator.rounds(20, seconds=2)
    replies = words(sandbox)[1:]
    found = [
        next(at for at, each in enumerate(replies) if begin in each)
        for begin in ("The plan is ready", "Approved by", "Started.", "VERIFIED")
    ]
    assert found == sorted(found)
    assert replies[1] == ""  # the plan's file, where it belongs
    assert records.pending() == ()


def test_a_message_that_cannot_be_made_silences_no_other(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault of Ferry's own in one message keeps that message back alone, and not for ever."""
    narrator = telling()
    run(ledger, records, awaiting("U0ADA"), EventName.SUCCEED)
    with monkeypatch.context() as broken:

        def fail(*_: object) -> None:
            raise IndexError("a fault")

        broken.setattr(Sender, "_upload", fail)
        narrator.rounds()
        assert words(sandbox)[0].startswith("SUCCESSFUL")
        assert [owed.kind for owed in records.pending()] == [Kind.PLAN]
    narrator.rounds(seconds=61)
    assert records.pending() == ()


def test_a_day_of_attempts_is_not_the_last(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """After thousands of attempts (an outage of a day) a message is still tried once a minute."""
    narrator = telling()
    awaiting("U0ADA")
    sandbox.outage()
    narrator.rounds()
    with ledger.engine.begin() as connection:
        connection.execute(text("UPDATE bot_outbox SET attempts = 1500"))
    narrator.rounds(2, seconds=61)
    sandbox.outage(on=False)
    narrator.rounds(2, seconds=61)
    assert words(sandbox)[0].startswith("PENDING")
    assert records.pending() == ()
