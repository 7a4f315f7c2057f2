"""The clock's rounds come whatever else the bot is busy with."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from bot.ledger import BotLedger
from bot.planning import Planner
from bot.scheduler import THREADS, Scheduler, Ticks
from bot.settings import Settings
from bot.workers import Workers
from engine.ledger import Ledger
from engine.lifecycle import Status
from engine.model import Plan

SECONDS = 20.0


class BlackHole:
    """A planner whose clusters take the connection and never answer, until the test ends."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.asked = threading.Semaphore(0)

    def plan(self, _migration_id: str) -> None:
        """Ask the cluster."""
        self.asked.release()
        self.answered.wait(SECONDS)

    def wait(self, count: int) -> None:
        """Until so many plans wait for their clusters."""
        for _ in range(count):
            assert self.asked.acquire(timeout=SECONDS)


class Rounds:
    """What the rounds do, counted."""

    def __init__(self) -> None:
        self.came = {name: threading.Semaphore(0) for name in ("start", "rescue", "freeze")}

    def round(self) -> None:
        """Start what is due."""
        self.came["start"].release()

    def rescue(self) -> None:
        """Take over what lost its worker."""
        self.came["rescue"].release()

    def note_freezes(self) -> None:
        """Note what waits for a freeze."""
        self.came["freeze"].release()

    def close(self) -> None:
        """Nothing is held."""


def scheduler_of(
    ledger: Ledger, records: BotLedger, settings: Settings, planner: BlackHole, rounds: Rounds
) -> Scheduler:
    """A scheduler whose rounds come often."""
    return Scheduler(
        ledger=ledger,
        records=records,
        settings=settings,
        planner=cast("Planner", planner),
        workers=cast("Workers", rounds),
        note_freezes=rounds.note_freezes,
        changed=lambda: None,
        ticks=Ticks(plan=0.05, start=0.05, rescue=0.05, expire=0.05, freeze=0.05, forget=60),
    )


@contextmanager
def busy(
    ledger: Ledger,
    records: BotLedger,
    settings: Settings,
    plan_for: Callable[..., Plan],
) -> Iterator[tuple[Scheduler, Rounds]]:
    """A scheduler all of whose threads for plans wait for clusters that do not answer."""
    with ledger.transaction() as tx:
        for _ in range(2 * THREADS):
            assert tx.add_migration(plan_for().request, requester="U0ADA").status is Status.PLANNING
    hole, rounds = BlackHole(), Rounds()
    scheduler = scheduler_of(ledger, records, settings, hole, rounds)
    scheduler.start()
    try:
        hole.wait(THREADS)
        yield scheduler, rounds
    finally:
        hole.answered.set()
        scheduler.close()


def test_rounds_do_not_wait_for_clusters_that_do_not_answer(
    ledger: Ledger,
    records: BotLedger,
    configured: Callable[..., Settings],
    plan_for: Callable[..., Plan],
) -> None:
    """While as many plans as may be made at a time wait for black-holed clusters, starts, rescues and looks at freezes go on."""
    with busy(ledger, records, configured(), plan_for) as (_, rounds):
        for came in rounds.came.values():
            # What came before all threads were taken does not count.
            while came.acquire(blocking=False):
                pass
            for _ in range(3):
                assert came.acquire(timeout=SECONDS)


def test_a_check_does_not_wait_behind_plans(
    ledger: Ledger,
    records: BotLedger,
    configured: Callable[..., Settings],
    plan_for: Callable[..., Plan],
) -> None:
    """What a listener or the gate wants looked at is looked at while plans wait for black-holed clusters."""
    with busy(ledger, records, configured(), plan_for) as (scheduler, _):
        looked = threading.Event()
        scheduler.soon(looked.set)
        assert looked.wait(SECONDS)


class Restless(Rounds):
    """A round that wakes the clock and hands on work for as long as the clock goes, so that it does when the clock stops."""

    scheduler: Scheduler

    def rescue(self) -> None:
        """Hand on, again and again."""
        super().rescue()
        while self.scheduler.is_alive():
            self.scheduler.wake()
            self.scheduler.soon(lambda: None)


def test_closing_does_not_wait_for_a_round_that_waits_for_the_clock(
    ledger: Ledger, records: BotLedger, configured: Callable[..., Settings]
) -> None:
    """A round that wakes the clock at the moment the bot is stopped does not keep it from stopping."""
    for _ in range(10):
        rounds = Restless()
        rounds.scheduler = scheduler_of(ledger, records, configured(), BlackHole(), rounds)
        rounds.scheduler.start()
        assert rounds.came["rescue"].acquire(timeout=SECONDS)
        closing = threading.Thread(target=rounds.scheduler.close, daemon=True)
        closing.start()
        closing.join(SECONDS)
        assert not closing.is_alive()
