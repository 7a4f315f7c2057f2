"""What the ledger says arrives in Slack: once, in order, within limits, and in the end always."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.budget import POST, RATES, UPDATE, UPLOAD, Budget, Rate
from bot.ledger import BotLedger, Kind
from bot.narrator import WAIT_OVER, is_new_wait, kinds
from bot.notes import WAITING
from bot.sandbox import Sandbox, words_of
from bot.sandbox.ratelimits import RateLimits
from engine import heartbeat
from engine.ledger import Ledger
from engine.lifecycle import EventName, Status
from engine.model import Event, Migration
from tests.bot.telling import OWNER, SetClock, Telling, run, words

CHANNEL = "C0MIGRATE"


def test_each_event_is_told_once(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """However often and by how many narrators the ledger is read, each event is one reply, in its order."""
    first, second = telling(), telling()
    run(ledger, records, awaiting("U0ADA"), EventName.SUCCEED)
    for narrator in (first, second, first, second):
        narrator.rounds()
    root, *replies = words(sandbox)
    assert root.startswith("SUCCESSFUL")
    told = [text for text in replies if "Rate" not in text and "Cut-over" not in text]
    for text, begin in zip(
        told, ("The plan is ready", "", "Approved by", "Started."), strict=False
    ):
        assert begin in text  # the second is the plan's file
    assert len(told) == 6
    assert sum("Cut-over" in text for text in replies) == 1
    assert records.pending() == ()


def test_an_outage_delays_messages_and_loses_none(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """What happens while Slack is away is told when it is back: each reply once, and the last state in the root message."""
    narrator = telling()
    migration = awaiting("U0ADA")
    narrator.rounds()
    sandbox.outage()
    run(ledger, records, migration, EventName.SUCCEED)
    narrator.rounds(20, seconds=5)
    sandbox.outage(on=False)
    narrator.rounds(5, seconds=60)
    root, *replies = words(sandbox)
    assert root.startswith("SUCCESSFUL")
    for begin in ("The plan is ready", "Approved by", "Started."):
        assert sum(begin in text for text in replies) == 1
    assert records.pending() == ()


def test_the_last_state_arrives_in_spite_of_429(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """Slack refuses every other call as too many; nothing is called before Retry-After, and the end is told all the same."""
    narrator = telling()
    migration = awaiting("U0ADA")
    narrator.rounds()
    run(ledger, records, migration, EventName.SUCCEED)
    sandbox.fail_next("chat.update", "ratelimited", retry_after=30, times=2)
    sandbox.fail_next("chat.postMessage", "ratelimited", retry_after=30, times=2)

    def calls() -> int:
        return sum(len(sandbox.journal.calls(f"chat.{name}")) for name in ("update", "postMessage"))

    before = calls()
    narrator.rounds()
    narrator.rounds(10, seconds=2)
    assert calls() == before + 1
    narrator.rounds(10, seconds=31)
    assert words(sandbox)[0].startswith("SUCCESSFUL")
    assert records.pending() == ()


def test_an_uninvited_bot_tells_when_it_is_invited(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """A request made while the bot was not in the channel is posted once somebody invites it."""
    narrator = telling()
    everyone = list(sandbox.config.channels[0].members)
    sandbox.set_members(
        CHANNEL, [each for each in everyone if each.startswith("U0") and "BOT" not in each]
    )
    awaiting("U0ADA")
    narrator.rounds(3, seconds=10)
    assert sandbox.messages(CHANNEL) == []
    sandbox.set_members(CHANNEL, everyone)
    narrator.rounds(2, seconds=61)
    assert len(sandbox.messages(CHANNEL)) == 1
    assert records.pending() == ()


def test_a_deleted_message_is_posted_again(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """When somebody deletes the request's message, the next state makes a new one."""
    narrator = telling()
    migration = awaiting("U0ADA")
    narrator.rounds()
    (root,) = sandbox.messages(CHANNEL)
    WebClient("xoxb-sandbox", base_url=sandbox.api_url).chat_delete(channel=CHANNEL, ts=root["ts"])
    run(ledger, records, migration, None)
    narrator.rounds(3, seconds=1)
    roots = [m for m in sandbox.messages(CHANNEL) if not m["deleted"]]
    assert any(words_of(m).startswith("IN PROGRESS") for m in roots)
    assert records.pending() == ()


def test_refused_blocks_still_tell_what_happened(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """If Slack refuses a message's blocks, its sentence is posted alone."""
    narrator = telling()
    sandbox.fail_next("chat.postMessage", "invalid_blocks")
    awaiting("U0ADA")
    narrator.rounds(2)
    (root, *_) = sandbox.messages(CHANNEL)
    assert "waits for approval" in root["text"]
    assert root["blocks"] == []
    assert records.pending() == ()


def test_progress_leaves_room_for_states(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """Progress edits stay within the budget and never keep a change of state from being shown at once."""
    narrator = telling({UPDATE: Rate(0.1, 5)})
    migrations = [awaiting("U0ADA") for _ in range(4)]
    narrator.rounds()
    for migration in migrations:
        run(ledger, records, migration, None)
    narrator.rounds(40, seconds=5)
    edits = len(sandbox.journal.calls("chat.update"))
    assert edits <= 5 + 200 * 0.1
    with ledger.transaction() as tx:
        tx.apply(migrations[0].id, EventName.CANCEL, actor="U0ADA")
    narrator.rounds()
    assert len(sandbox.journal.calls("chat.update")) >= edits + 1
    shown = [words_of(message) for message in sandbox.messages(CHANNEL)]
    assert "canceling" in next(text for text in shown if migrations[0].id in text)


def test_a_request_that_cannot_be_planned_is_told_to_its_requester(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    plan_for: Callable[..., Any],
) -> None:
    """A request that fails while it is planned is a direct message, not a post in the channel."""
    narrator = telling()
    with ledger.transaction() as tx:
        migration = tx.add_migration(plan_for().request, requester="U0ADA")
        tx.apply(migration.id, EventName.FAIL, actor="ferry")
    narrator.rounds()
    assert sandbox.messages(CHANNEL) == []
    (told,) = sandbox.messages(sandbox.direct_channel("U0ADA"))
    assert "FAILED" in words_of(told)


def event(name: str, before: Status | None, after: Status | None, **details: Any) -> Event:
    """An event as the ledger tells it."""
    return Event(
        id=1,
        migration_id="M-1",
        at=datetime(2026, 3, 1, tzinfo=UTC),
        name=name,
        actor="x",
        from_status=before,
        to_status=after,
        details=details,
    )


def test_the_command_line_is_not_told_in_slack(awaiting: Callable[..., Migration]) -> None:
    """What somebody runs on the command line makes no message."""
    migration = awaiting("alice@host")
    assert kinds(event("claim", Status.QUEUED, Status.RUNNING), migration) == ()


def test_a_phase_is_a_reply(awaiting: Callable[..., Migration]) -> None:
    """The beginning of the verification is told, a phase of no interest is not."""
    migration = awaiting("U0ADA")
    assert kinds(event("phase", None, None, phase="verify"), migration) == (
        Kind.REPLY,
        Kind.CHECKLIST,
    )
    assert kinds(event("phase", None, None, phase="aliases"), migration) == ()


def test_a_wait_for_a_server_is_told_once(
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
    telling: Callable[..., Telling],
) -> None:
    """What a worker waits for stands in the thread, once for each wait however often it is noted."""
    migration = awaiting()
    run(ledger, records, migration, EventName.RELEASE)
    lease = ledger.claim(migration.id, OWNER)
    told = telling()
    for _ in range(2):
        ledger.note(lease, heartbeat.WAITING, {"reason": "old <does> not answer."})
        told.rounds()
    assert sum("It waits. old &lt;does&gt; not answer." in said for said in words(sandbox)) == 1
    (first, second) = (each for each in ledger.events(limit=100) if each.name == WAITING)
    assert is_new_wait(first, None)
    assert not is_new_wait(second, first)
    later = second.model_copy(update={"at": first.at + WAIT_OVER + timedelta(seconds=1)})
    assert is_new_wait(later, first)


def test_a_budget_lasts() -> None:
    """A bucket gives its burst at once, then its rate; a channel's bucket is its own."""
    clock = SetClock()
    budget = Budget({POST: Rate(1.0, 2)}, clock)
    assert [budget.take(POST, "C1") for _ in range(3)] == [0.0, 0.0, 1.0]
    assert budget.take(POST, "C2") == 0.0
    clock.seconds += 1
    assert budget.take(POST, "C1") == 0.0
    assert budget.take(UPDATE) == 0.0


@pytest.mark.parametrize("method", [POST, UPDATE, UPLOAD])
def test_the_budget_of_bots_started_one_after_another_stays_below_slacks_limits(
    method: str,
) -> None:
    """Whoever takes all that it is given, started anew whenever a bucket was full, is never told to slow down."""
    clock, limits = SetClock(), RateLimits()
    limits.enforced, limits.clock = True, clock
    slack = {POST: ("chat.postMessage", 4), UPDATE: ("chat.update", 3), UPLOAD: ("files.upload", 4)}
    said = 0
    for started in range(40):
        budget = Budget(RATES, clock, spent=True)
        for _ in range(10 * (started % 7)):
            while budget.take(method, "C1") == 0.0:
                assert limits.retry_after("A1", *slack[method], "C1") is None
                said += 1
            clock.seconds += 1.0
        clock.seconds += 0.1 * started
        while budget.take(method, "C1") == 0.0:
            assert limits.retry_after("A1", *slack[method], "C1") is None
            said += 1
    assert said > 500


def test_retry_after_holds_for_all_channels() -> None:
    """After a 429 no call of that method is made before its time, in no channel."""
    clock = SetClock()
    budget = Budget({}, clock)
    budget.block(POST, 30)
    clock.seconds += 29
    assert budget.take(POST, "C9") == pytest.approx(1.0)
    clock.seconds += 1
    assert budget.take(POST, "C9") == 0.0


def test_a_report_keeps_its_words_and_its_buttons_only_while_they_fit(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """Asked to undo, the report loses its buttons; kept, it has them again; what a sleeping bot missed gives it none back."""
    narrator, migration = telling(), awaiting("U0ADA")
    run(ledger, records, migration, EventName.SUCCEED)
    narrator.rounds(3, seconds=60)

    def report() -> tuple[str, bool]:
        posted = records.posted(migration.id)[Kind.REPORT]
        (root,) = sandbox.messages(CHANNEL)
        found = next(m for m in sandbox.thread(CHANNEL, root["ts"]) if m["ts"] == posted.ts)
        return words_of(found), any(block["type"] == "actions" for block in found["blocks"])

    def people(event: EventName) -> None:
        with ledger.transaction() as tx:
            tx.apply(migration.id, event, actor="U0GRACE")

    said, has_buttons = report()
    assert has_buttons
    people(EventName.ASK_UNDO)
    narrator.rounds(3, seconds=60)
    outdated, has_buttons = report()
    assert not has_buttons
    assert "Outdated" in outdated
    assert said.removesuffix("Undo")[:80] in outdated
    people(EventName.KEEP)
    narrator.rounds(3, seconds=60)
    assert report() == (said, True)
    people(EventName.ASK_UNDO)
    lease = ledger.claim(migration.id, OWNER, event=EventName.UNDO)
    ledger.finish(lease, EventName.DROP)
    ledger.finish(lease, EventName.UNDONE, {"dropped": ["articles"]})
    narrator.rounds(3, seconds=60)
    assert report() == (outdated, False)
    assert records.pending() == ()
