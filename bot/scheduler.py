"""The clock: APScheduler wakes what has to look at the ledger, and lends its threads to slow work of listeners.

    plan       requests that are being planned and that nobody plans in this process
    start      due migrations, and workers that ended
    rescue     running migrations whose worker is gone
    expire     requests that nobody decided in time, and reminders before that
    freeze     requests that wait for approval while a freeze begins or ends
    forget     old deliveries

No truth is kept here: whatever a dead process was about to do, the next round finds in the ledger again.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from bot.ledger import BotLedger
from bot.notes import REMINDED
from bot.planning import ACTOR, Planner
from bot.settings import Policy, Settings
from bot.waiting import expires_at, reminder_due
from bot.workers import Workers
from engine.errors import FerryError
from engine.ledger import Ledger, TransitionRefused
from engine.lifecycle import EventName, Status

THREADS: Final = 8
"""Plans at a time, and as much other slow work: checks of clusters. The rounds are short and have a thread each."""
KEEP_DELIVERIES: Final = timedelta(hours=1)
"""Slack repeats a delivery for five minutes."""

_ROUNDS: Final = "rounds"
_PLANS: Final = "plans"
"""Pools of their own, beside the default: a cluster that takes a minute to say nothing must hold up none of the others' work."""

_log = structlog.get_logger(__name__)


class Ticks(NamedTuple):
    """Seconds between two rounds of each kind."""

    plan: float = 2.0
    start: float = 1.0
    rescue: float = 5.0
    expire: float = 30.0
    freeze: float = 10.0
    forget: float = 600.0


TICKS: Final = Ticks()


class Scheduler:
    """The rounds over one ledger.

    Args:
        ledger: The truth.
        records: The bot's part of it.
        settings: When requests expire, by target.
        planner: Makes plans.
        workers: Starts processes.
        note_freezes: Notes on what waits that a freeze began or ended.
        changed: Called after every change.
        ticks: How often.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        records: BotLedger,
        settings: Settings,
        planner: Planner,
        workers: Workers,
        note_freezes: Callable[[], None],
        changed: Callable[[], None],
        ticks: Ticks = TICKS,
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._settings = settings
        self._planner = planner
        self._workers = workers
        self._changed = changed
        self._planning: set[str] = set()
        self._awaited: dict[str, Callable[[], None]] = {}
        self._guard = threading.Lock()
        self._adding = threading.Lock()
        self._closed = False
        rounds = {
            "plan": (self.plan_requested, ticks.plan),
            "start": (workers.round, ticks.start),
            "rescue": (workers.rescue, ticks.rescue),
            "expire": (self.expire_old, ticks.expire),
            "freeze": (note_freezes, ticks.freeze),
            "forget": (self.forget_old, ticks.forget),
        }
        self._pools = {
            "default": ThreadPoolExecutor(THREADS),
            _PLANS: ThreadPoolExecutor(THREADS),
            _ROUNDS: ThreadPoolExecutor(len(rounds)),
        }
        self._clock = BackgroundScheduler(
            executors=self._pools,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        self._went = dict.fromkeys(rounds, time.monotonic())
        for name, (work, seconds) in rounds.items():
            self._clock.add_job(
                _reported(name, self._timed(name, work)),
                "interval",
                seconds=seconds,
                id=name,
                executor=_ROUNDS,
                next_run_time=datetime.now(UTC),
            )

    def start(self) -> None:
        """Begin; the first rounds come at once, so that what a dead bot left is picked up."""
        self._clock.start()

    def is_alive(self) -> bool:
        """Whether its rounds come."""
        return bool(self._clock.running)

    def round_ages(self) -> Mapping[str, float]:
        """Seconds since each kind of round last went through without a failure, or since the start."""
        now = time.monotonic()
        return {name: now - at for name, at in self._went.items()}

    def close(self) -> None:
        """Have the workers hand back what they do, then no more rounds; waits for those that run."""
        self._workers.close()
        with self._adding:
            self._closed = True
            # Its loop would hand a round that is due just now to threads that take no more, and die of it.
            self._clock.remove_all_jobs()
        # APScheduler would wait for the threads with the lock in hand for which a round that wakes the clock waits.
        self._clock.shutdown(wait=False)
        for pool in self._pools.values():
            pool.shutdown(wait=True)

    def wake(self) -> None:
        """Something changed: plan, start and look for a freeze now instead of with the next tick."""
        if not self._clock.running:
            return
        with suppress(JobLookupError):  # it is being closed
            for name in ("plan", "start", "freeze"):
                self._clock.modify_job(name, next_run_time=datetime.now(UTC))

    def soon(self, work: Callable[[], None], *, after_seconds: float = 0.0) -> None:
        """Do something slow on the scheduler's threads; nothing any more once it is closed."""
        self._later(work, "default", after_seconds)

    def when_planned(self, migration_id: str, then: Callable[[], None]) -> None:
        """Call `then` once a request is not being planned any more, whoever planned it; never if this process ends before."""
        with self._guard:
            self._awaited[migration_id] = then
        self.wake()

    def plan_requested(self) -> None:
        """Have every request planned that is not being planned in this process, and tell who waits for the others."""
        with self._guard:
            awaited = set(
                self._awaited
            )  # read first: what comes after the ledger was read is not over yet
        requested = self._ledger.standing(Status.PLANNING)
        for migration in requested:
            with self._guard:
                if migration.id in self._planning:
                    continue
                self._planning.add(migration.id)
            self._later(partial(self._plan, migration.id), _PLANS)
        for migration_id in awaited.difference(each.id for each in requested):
            with self._guard:
                then = self._awaited.pop(migration_id)
            self.soon(then)

    def expire_old(self) -> None:
        """End the requests that waited too long, and remind of those that soon will have."""
        now = datetime.now(UTC)
        for migration in self._ledger.standing(Status.AWAITING_APPROVAL):
            policy = self._settings.policy_of(migration.request.target)
            put_up = self._ledger.last_change(migration.id)
            since = put_up.at if put_up else migration.created_at
            if expires_at(since, policy) <= now:
                self._expire(migration.id)
            elif reminder_due(since, policy, now, ()) is not None:
                self._remind(migration.id, since, policy, now)

    def _expire(self, migration_id: str) -> None:
        try:
            with self._ledger.transaction() as tx:
                tx.apply(migration_id, EventName.EXPIRE, actor=ACTOR)
        except TransitionRefused as refused:
            _log.info("not_expired", migration=migration_id, reason=refused.sentence)
        self._changed()

    def _remind(self, migration_id: str, since: datetime, policy: Policy, now: datetime) -> None:
        """Once for each time of the policy, whichever replica is first: acts follow one another."""
        with self._ledger.transaction() as tx:
            told = [
                float(event.details["hours"])
                for event in self._ledger.events_named(migration_id, REMINDED)
                if event.at >= since
            ]
            hours = reminder_due(since, policy, now, told)
            if hours is None or tx.migration(migration_id).status is not Status.AWAITING_APPROVAL:
                return
            tx.note(migration_id, REMINDED, ACTOR, {"hours": hours})
        self._changed()

    def forget_old(self) -> None:
        """Drop deliveries that Slack will not repeat."""
        self._records.forget_deliveries(datetime.now(UTC) - KEEP_DELIVERIES)

    def _later(self, work: Callable[[], None], pool: str, after_seconds: float = 0.0) -> None:
        at = datetime.now(UTC) + timedelta(seconds=after_seconds)
        with self._adding:
            if not self._closed:
                self._clock.add_job(_reported("soon", work), "date", run_date=at, executor=pool)

    def _timed(self, name: str, work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            work()
            self._went[name] = time.monotonic()

        return run

    def _plan(self, migration_id: str) -> None:
        try:
            self._planner.plan(migration_id)
        finally:
            with self._guard:
                self._planning.discard(migration_id)


def _reported(name: str, work: Callable[[], None]) -> Callable[[], None]:
    """A round that fails says so and comes again; APScheduler would log it as its own fault."""

    def run() -> None:
        try:
            work()
        except FerryError as error:
            _log.warning("round_waits", round=name, error=str(error))
        except Exception:  # noqa: BLE001  # the outermost loop of these threads: the log says what happened
            _log.exception("round_failed", round=name)

    return run
