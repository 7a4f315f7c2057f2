"""Of any number of bots on one ledger one posts at a time; when it goes, another goes on where it stopped. On both databases."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from bot.courier import Courier
from bot.floor import BEAT_SECONDS, FLOOR_SECONDS, HELD_SECONDS
from bot.ledger import BotLedger, Kind, Posted
from bot.notes import REMINDED
from bot.runtime import running_bot
from bot.sandbox import Sandbox, words_of
from bot.settings import Settings
from bot.views.message import Message
from engine.errors import ServiceUnavailable
from engine.ledger import Ledger
from engine.lifecycle import EventName, Status
from engine.model import Migration
from tests.bot.story import CHANNEL, QUICK
from tests.bot.telling import SetClock, Telling, run, words


@pytest.fixture
def ledger_url(on_each_database: str) -> str:
    """Each test runs on both databases."""
    return on_each_database


@pytest.fixture
def two(telling: Callable[..., Telling]) -> tuple[Telling, Telling]:
    """Two bots' narrators by one clock; the first one has the floor, and the second has seen that."""
    clock = SetClock()
    first, second = telling(clock=clock), telling(clock=clock)
    first.rounds()
    second.rounds()
    return first, second


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """`between(act)`: does something once, when Slack has taken a post and the bot does not know it yet."""
    post = Courier.post

    def during_the_next_post(act: Callable[[], None]) -> None:
        left = [act]

        def posted(courier: Courier, channel: str, message: Message, thread_ts: str = "") -> Posted:
            answer = post(courier, channel, message, thread_ts)
            while left:
                left.pop()()
            return answer

        monkeypatch.setattr(Courier, "post", posted)

    return during_the_next_post


def doubled(sandbox: Sandbox) -> list[str]:
    """What stands in the channel, or in a thread of it, more than once; files have no words."""
    roots = sandbox.messages(CHANNEL)
    said = Counter(words_of(m) for root in roots for m in sandbox.thread(CHANNEL, root["ts"]))
    return [each for each, count in said.items() if each and count > 1]


def test_what_one_bot_is_posting_another_does_not_post(
    two: tuple[Telling, Telling],
    between: Callable[[Callable[[], None]], None],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """A second bot that looks while the first waits for Slack's answer posts nothing: one root, and each reply once."""
    first, second = two
    run(ledger, records, awaiting("U0ADA"), EventName.SUCCEED)
    between(second.rounds)
    first.rounds(3)
    assert words(sandbox)[0].startswith("SUCCESSFUL")
    assert doubled(sandbox) == []
    assert records.pending() == ()


def test_a_bot_that_is_gone_is_followed_within_seconds(
    two: tuple[Telling, Telling],
    sandbox: Sandbox,
    awaiting: Callable[..., Migration],
) -> None:
    """When the first bot is heard of no more, the second posts after ten seconds and not before."""
    _, second = two
    awaiting("U0ADA")
    second.rounds(seconds=FLOOR_SECONDS - 0.5)
    assert sandbox.messages(CHANNEL) == []
    second.rounds(seconds=0.5)
    assert len(sandbox.messages(CHANNEL)) == 1


def test_a_bot_that_lives_keeps_the_floor(
    two: tuple[Telling, Telling],
    sandbox: Sandbox,
    awaiting: Callable[..., Migration],
) -> None:
    """However long the second bot waits, it posts nothing while the first one beats."""
    first, second = two
    for _ in range(10):
        first.rounds(seconds=BEAT_SECONDS)
        second.rounds()
    awaiting("U0ADA")
    second.rounds()
    assert sandbox.messages(CHANNEL) == []
    first.rounds()
    assert len(sandbox.messages(CHANNEL)) == 1


def test_a_bot_that_ends_gives_the_floor_back(
    two: tuple[Telling, Telling],
    sandbox: Sandbox,
    awaiting: Callable[..., Migration],
) -> None:
    """After an orderly end the next bot posts at once."""
    first, second = two
    first.narrator.close()
    awaiting("U0ADA")
    second.rounds()
    assert len(sandbox.messages(CHANNEL)) == 1


def test_a_process_that_is_certainly_dead_is_followed_at_once(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """After a SIGKILL the bot that is started anew on the same machine need not wait."""
    command = "from engine.ledger import new_owner; print(new_owner())"
    ended = subprocess.run(
        [sys.executable, "-c", command], stdout=subprocess.PIPE, text=True, check=True
    )
    assert records.follow(records.speaker(), ended.stdout.strip())
    awaiting("U0ADA")
    telling().rounds()
    assert len(sandbox.messages(CHANNEL)) == 1


def test_a_bot_that_slept_through_its_time_posts_no_more(
    two: tuple[Telling, Telling],
    between: Callable[[Callable[[], None]], None],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """A bot that stood still between two messages leaves the rest to the one that took over; what it had posted stays known."""
    first, second = two
    migration = awaiting("U0ADA")
    first.rounds()
    run(ledger, records, migration, EventName.SUCCEED)
    calls: list[int] = []

    def sleep() -> None:
        first.clock.seconds += HELD_SECONDS
        calls.append(len(sandbox.journal.calls("chat.postMessage")))

    between(sleep)
    first.narrator.tell()
    assert len(sandbox.journal.calls("chat.postMessage")) == calls[0]
    second.rounds(2, seconds=FLOOR_SECONDS)
    first.rounds()
    assert words(sandbox)[0].startswith("SUCCESSFUL")
    assert doubled(sandbox) == []
    assert records.pending() == ()


def failing(
    monkeypatch: pytest.MonkeyPatch, records: BotLedger, name: str, times: int
) -> Callable[[], int]:
    """The ledger does not take that write so many times; returns how often it still will not."""
    write, left = getattr(records, name), [times]

    def fail(*given: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise ServiceUnavailable("It does not answer.")
        return write(*given, **named)

    monkeypatch.setattr(records, name, fail)
    return lambda: left[0]


def test_what_was_posted_is_written_down_before_anything_else_is_posted(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The ledger fails for a moment after a post: nothing is posted until it has taken that, and nothing is posted twice."""
    narrator = telling()
    run(ledger, records, awaiting("U0ADA"), EventName.SUCCEED)
    left = failing(monkeypatch, records, "settle", 3)
    for _ in range(3):
        with pytest.raises(ServiceUnavailable):
            narrator.rounds()
        assert len(sandbox.journal.calls("chat.postMessage")) == 1
    assert left() == 0
    narrator.rounds(2, seconds=1)
    assert len(sandbox.messages(CHANNEL)) == 1
    assert doubled(sandbox) == []
    assert records.pending() == ()


def test_a_root_that_was_posted_anew_is_not_forgotten(
    telling: Callable[..., Telling],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The ledger fails when a deleted root was posted again for a reply: there is one new root, and the reply stands under it."""
    narrator = telling()
    migration = awaiting("U0ADA")
    narrator.rounds()
    records.forget_posted(migration.id, Kind.ROOT)
    with ledger.transaction() as tx:
        tx.note(migration.id, REMINDED, "ferry", {"hours": 1.0})
    failing(monkeypatch, records, "put_posted", 1)
    with pytest.raises(ServiceUnavailable):
        narrator.rounds()
    narrator.rounds(2, seconds=1)
    assert len(sandbox.messages(CHANNEL)) == 2
    assert records.pending() == ()


def test_an_outage_of_the_ledger_gives_the_floor_to_nobody(
    two: tuple[Telling, Telling],
    between: Callable[[Callable[[], None]], None],
    sandbox: Sandbox,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The ledger is away for long after a post: whoever had the floor writes that down before another bot may post it again."""
    first, second = two
    run(ledger, records, awaiting("U0ADA"), EventName.SUCCEED)
    is_away = threading.Event()
    for name in ("settle", "speaker", "follow"):
        answers = getattr(BotLedger, name)

        def asked(*given: Any, answers: Any = answers, **named: Any) -> Any:
            if is_away.is_set():
                raise ServiceUnavailable("It does not answer.")
            return answers(*given, **named)

        monkeypatch.setattr(BotLedger, name, asked)
    between(is_away.set)
    with pytest.raises(ServiceUnavailable):
        first.rounds()
    with pytest.raises(ServiceUnavailable):
        second.rounds(seconds=FLOOR_SECONDS)
    is_away.clear()
    second.rounds()
    first.rounds()
    second.rounds(2, seconds=FLOOR_SECONDS)
    assert words(sandbox)[0].startswith("SUCCESSFUL")
    assert doubled(sandbox) == []
    assert records.pending() == ()


def test_two_bots_at_once_and_then_one_tell_all_of_it_once(
    sandbox: Sandbox,
    quiet: Settings,
    ledger_url: str,
    ledger: Ledger,
    records: BotLedger,
    awaiting: Callable[..., Migration],
) -> None:
    """A rolling deploy: the new bot starts before the old one ends; each migration has one root, and each of its messages once."""
    settings = quiet.model_copy(update={"database_url": ledger_url})

    def all_told() -> bool:
        return not ledger.events(after_id=records.place()) and not records.pending()

    with running_bot(settings, pace=QUICK):
        made = [awaiting("U0ADA") for _ in range(4)]
        with running_bot(settings, pace=QUICK) as new:
            for migration in made:
                with ledger.transaction() as tx:
                    tx.apply(migration.id, EventName.REJECT, actor="U0GRACE")
                new.narrator.wake()
            sandbox.wait_for(all_told, 60, "everything told")
    with running_bot(settings, pace=QUICK):
        made.append(awaiting("U0ADA"))
        sandbox.wait_for(all_told, 60, "what came after the deploy")
    roots = [words_of(root) for root in sandbox.messages(CHANNEL)]
    assert len(roots) == len(made)
    assert sum(root.startswith("CANCELED") for root in roots) == len(made) - 1
    assert doubled(sandbox) == []
    assert ledger.migration(made[-1].id).status is Status.AWAITING_APPROVAL
