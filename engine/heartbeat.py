"""Keeps a worker's lease alive, says how long it still may write, hears of cancel, pause and shutdown, and tells the progress.

One thread beside the copy; it never touches a cluster. What it hears it only notes: the runner asks `check` between chunks.
"""

import math
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, Self

import structlog

from engine.errors import (
    CancelRequested,
    LeaseLost,
    PauseRequested,
    ServiceUnavailable,
    ShutdownRequested,
    StopWork,
)
from engine.flow import Flow
from engine.ledger import LEASE_SECONDS, Ledger
from engine.milvus.failures import CallLost
from engine.model import LateCalls, Lease, Progress, Throttle

BEAT_SECONDS: Final = 0.5

GRACE_SECONDS: Final = 2.5
"""How long calls under way may take to end once the attempt must end; then their connections are cut (design.md: 5 s in all)."""

TIDY_SECONDS: Final = 0.7
"""How long what is done after that (a side is put back) may take even then; there are two sides."""

LAST_BEAT_SECONDS: Final = 0.1
"""The time between beats once the attempt must end: what hangs is cut on time."""

AGAIN_SECONDS: Final = 0.2
"""The time between two tries of what the ledger did not take."""

RENEWALS: Final = 3
"""How often a lease is renewed in its time (procrastinate: every 10 s of 30 s)."""

WAITING: Final = "waiting"
"""The note in the ledger that says why the migration waits for a server."""
WAITING_SECONDS: Final = 15.0
"""The shortest time between two such notes."""

MARGIN: Final = 1 / 6
"""The share of a lease at its end in which nothing is written any more: clocks differ, and a call takes its way."""

log = structlog.get_logger(__name__)


class Heartbeat:
    """Runs beside one attempt, as a context manager.

    Args:
        ledger: Where the lease is.
        lease: The lease to renew.
        stop: Set from outside when the process is asked to end (SIGTERM).
        on_progress: Called with the progress at each beat, from the heartbeat's thread.
        lease_seconds: How long the lease lasts from each renewal.

    Attributes:
        halt: Set as soon as the attempt must end, for whatever reason: ends waits at once.
        flow: The pace of the attempt; it hears of the operator's throttle here.
        ledger: The ledger for the attempt: a short outage of it is waited for.
    """

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        stop: threading.Event,
        on_progress: Callable[[Progress], None] | None = None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.halt = threading.Event()
        self.flow = Flow(self.halt)
        self.ledger = ledger.waiting(self._outlives)
        self._ledger = ledger
        self._lease = lease
        self._stop = stop
        self._on_progress = on_progress
        self._reason: type[StopWork] | None = None
        self._done = threading.Event()
        self._lease_seconds = lease_seconds
        self._renewed_at = -math.inf
        self._renewing = threading.Lock()
        self._has_cut = False
        self._void_at = -math.inf
        self._cut: Callable[[], None] | None = None
        self._cut_not_before = self._halted_at = math.inf
        self._waits_for = ""
        self._slowed = ""
        self._waiting_told_at = -math.inf
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._renew()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def has_cut(self) -> bool:
        """Whether calls were cut, or were lost a moment ago, so that some of them may still arrive."""
        return self._has_cut or time.monotonic() < self._void_at

    def check(self) -> None:
        """Raises the signal that ends the attempt, if there is one; cheap enough for every chunk."""
        if self._reason is None:
            self.permit()
        if self._reason is not None:
            raise self._reason

    def check_now(self) -> None:
        """As `check`, after a look at the ledger: what was asked a moment ago counts too."""
        self._listen(self.ledger)
        self.check()

    def permit(self) -> float:
        """Seconds for which something may still be written under the lease; asked right before each writing call.

        A call that ends within them has ended before another worker can hold the migration. A worker that was
        paused asks the ledger: if nobody took over it holds on, and if the ledger does not answer the lease counts as lost.

        Raises:
            LeaseLost: None are left.
        """
        if self._left() <= self._lease_seconds * MARGIN:
            try:
                self._renew()
            except ServiceUnavailable as error:
                log.warning(
                    "lease_not_renewed", migration=self._lease.migration_id, error=str(error)
                )
        left = self._left()
        if left <= 0 and self._reason is not LeaseLost:
            self._end(LeaseLost)
        if self._reason is LeaseLost:
            raise LeaseLost(f"{self._lease.migration_id} may not be written for any more")
        return left

    @contextmanager
    def cutting(self, cut: Callable[[], None]) -> Iterator[Callable[[int], None]]:
        """While the block runs, `cut` is called at each beat once the attempt should have ended `GRACE_SECONDS` ago.

        A block that begins late in that time has `TIDY_SECONDS` of its own. One that puts back many things calls what this yields
        after each, with how many are left: as long as its server answers it goes on, unless the process is to end.

        A server that neither answers nor hangs up would hold a cancel for as long as a call may take.
        """
        self._cut_not_before = _now() + TIDY_SECONDS
        self._cut = cut
        try:
            yield self._answered
        finally:
            self._cut = None

    def _answered(self, left: int) -> None:
        if left and not self._stop.is_set():
            self._cut_not_before = _now() + GRACE_SECONDS
            self.flow.waits(
                f"What was loaded only to be read is released: {left:,} collections left."
            )

    def outlast_others(self) -> None:
        """Returns once no call of a worker that was lost can be applied any more: what it left in doubt can then be settled.

        Raises:
            StopWork: As `check`, also while it waits.
        """
        until = self._lease.others_until

        def late() -> tuple[datetime, str] | None:
            if until is None or until <= self._ledger.now():
                return None
            return until, _may_arrive("Calls that were lost", until)

        self._outlast(late)

    def outlast_migrations(self, names: Collection[str], *, database: bool = False) -> None:
        """Returns once nothing that another migration lost can change the target's collections of these names.

        Nor is one of them being undone or replaced then. Other calls of live workers are not waited for.

        Args:
            names: The collections'.
            database: Whether what may take away the target's database is waited for as well.

        Raises:
            StopWork: As `check`, also while it waits.
        """

        def late() -> tuple[datetime, str] | None:
            found = self.ledger.late_calls(self._lease, names, database=database)
            return _why(found or self.ledger.replacing(self._lease, names))

        self._outlast(late)

    def outlast_replacing(self, names: Collection[str]) -> None:
        """Returns once no other migration is about to drop a collection of these names and to make its own instead.

        Raises:
            StopWork: As `check`, also while it waits.
        """
        self._outlast(lambda: _why(self.ledger.replacing(self._lease, names)))

    def take_over(self, name: str, target_id: int) -> None:
        """Returns once no worker of another migration is at its collection of this name and id; none begins to be from then on.

        Raises:
            StopWork: As `check`, also while it waits.
        """
        self._outlast(lambda: _why(self.ledger.take_over(self._lease, name, target_id)))

    def waits(self, failure: BaseException) -> None:
        """Takes why a call to a server is being waited with; the next beat writes it to the ledger, for people to see."""
        self._tell(getattr(failure, "message", str(failure)))

    def _tell(self, reason: str) -> None:
        self._waits_for = reason
        self.flow.waits(reason)

    def source_waits(self, failure: BaseException) -> None:
        """As `waits`, for the source, which may have asked for fewer requests."""
        self.flow.source_refused(failure)
        self.waits(failure)

    def target_waits(self, failure: BaseException) -> None:
        """As `waits`, for the target, which may have asked for fewer requests, or still get what was lost on the way to it."""
        if isinstance(failure, CallLost):
            self._void_at = max(self._void_at, failure.void_at)
        self.flow.refused(failure)
        self.waits(failure)

    def _outlast(self, late: Callable[[], tuple[datetime, str] | None]) -> None:
        """Waits for as long as `late` says until when something may arrive, and why that is waited for."""
        waited = False
        while (found := late()) is not None:
            until, why = found
            self._tell(why)
            left = (until - self._ledger.now()).total_seconds()
            self.halt.wait(max(0.0, min(left, BEAT_SECONDS)))
            self.check()
            waited = True
        if waited:
            self._tell("")

    def _outlives(self, since: float) -> bool:
        """Waits a moment for a ledger that is away; False where this attempt cannot outlive that.

        It may while nobody can have taken the lease, and for one lease at most: a ledger that renews it and takes nothing else is
        not away. An attempt that must end does not wait longer for it than for its servers.
        """
        now = _now()
        ending = self.halt.is_set() and now - self._halted_at > GRACE_SECONDS
        if self._left() <= 0 or time.monotonic() - since > self._lease_seconds or ending:
            return False
        self._done.wait(AGAIN_SECONDS)
        return True

    def _left(self) -> float:
        return self._renewed_at + self._lease_seconds * (1 - MARGIN) - _now()

    def _run(self) -> None:
        while not self._done.wait(LAST_BEAT_SECONDS if self.halt.is_set() else BEAT_SECONDS):
            self._cut_overdue()
            try:
                self._beat()
            except LeaseLost:  # also when the attempt's end was recorded a moment ago
                self._end(LeaseLost)
            except ServiceUnavailable as error:
                # The lease outlives a short outage of the ledger; after it, `check` ends the attempt.
                log.warning(
                    "ledger_unreachable", migration=self._lease.migration_id, error=str(error)
                )
            except Exception:  # this thread's outermost loop: without it the lease would run out
                log.exception("heartbeat_failed", migration=self._lease.migration_id)
                self._end(ShutdownRequested)

    def _cut_overdue(self) -> None:
        cut = self._cut
        due = max(self._halted_at + GRACE_SECONDS, self._cut_not_before)
        if cut is not None and self.halt.is_set() and _now() > due:
            self._has_cut = True
            cut()

    def _beat(self) -> None:
        self._listen(self._ledger)
        if self._reason is LeaseLost:
            return
        if _now() - self._renewed_at >= self._lease_seconds / RENEWALS:
            self._renew()
        if self._waits_for and _now() - self._waiting_told_at > WAITING_SECONDS:
            self._waiting_told_at = _now()
            reason, self._waits_for = self._waits_for, ""
            self._ledger.note(self._lease, WAITING, {"reason": reason})
        slowed = self.flow.reason()
        if slowed != self._slowed:
            self._slowed = slowed
            self._ledger.set_slowed(self._lease, slowed)
        if self._on_progress is not None:
            self._on_progress(self._ledger.totals(self._lease.migration_id))

    def _renew(self) -> None:
        with self._renewing:
            started = _now()
            try:
                self._ledger.renew(self._lease, self._lease_seconds)
            except LeaseLost:
                self._end(LeaseLost)
            else:
                self._renewed_at = started  # not later: the ledger counts from before it answered

    def _listen(self, ledger: Ledger) -> None:
        try:
            orders = ledger.orders(self._lease)
            self.flow.throttle(orders.throttle or Throttle())
            if orders.cancel:
                self._end(CancelRequested)
            elif orders.pause:
                self._end(PauseRequested)
            elif self._stop.is_set():
                self._end(ShutdownRequested)
        except LeaseLost:
            self._end(LeaseLost)

    def _end(self, reason: type[StopWork]) -> None:
        self._reason = reason
        if not self.halt.is_set():
            self._halted_at = _now()
            self.halt.set()


@contextmanager
def held(ledger: Ledger, lease: Lease) -> Iterator[None]:
    """A block of work under a lease; one that is lost to nobody, because it could not be renewed for too long, is an outage.

    Raises:
        LeaseLost: Another worker has it, or it was ended from elsewhere.
        ServiceUnavailable: Nobody has it.
    """
    try:
        yield
    except LeaseLost as lost:
        if ledger.migration(lease.migration_id).lease_token != lease.token:
            raise
        raise ServiceUnavailable(
            f"The ledger has not heard of {lease.migration_id} for so long that this process may not go on with it: "
            "it did not answer, or this process or its machine stood still.",
            state="Nobody is at it now. What was done before stands; nothing is lost.",
            next_step="See that the ledger's database is up and that nothing locks it; then enter the same again, which goes on.",
        ) from lost


def _why(found: LateCalls | None) -> tuple[datetime, str] | None:
    """Until when another migration is waited for at least, and why."""
    if found is None:
        return None
    if found.undoing:
        return found.until, f"{found.migration} is being undone; that must end first."
    if found.working:
        return found.until, f"{found.migration} is at work there; that must end first."
    return found.until, _may_arrive(f"Calls that {found.migration} lost", found.until)


def _may_arrive(what: str, until: datetime) -> str:
    return f"{what} may still reach the target until {until:%H:%M:%S} UTC."


def _now() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the process or the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
