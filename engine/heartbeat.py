"""Keeps a worker's lease alive, hears of cancel and shutdown, and tells how far the migration has come.

One thread beside the copy; it never touches a cluster. What it hears it only notes: the runner asks `check` between chunks.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Self

import structlog

from engine.errors import CancelRequested, LeaseLost, ServiceUnavailable, ShutdownRequested
from engine.ledger import LEASE_SECONDS, Ledger
from engine.model import Lease, Progress

RENEW_SECONDS: Final = 10.0
BEAT_SECONDS: Final = 0.5

log = structlog.get_logger(__name__)


class Heartbeat:
    """Runs beside one attempt, as a context manager.

    Args:
        ledger: Where the lease is.
        lease: The lease to renew.
        stop: Set from outside when the process is asked to end (SIGTERM).
        on_progress: Called with the progress at each beat, from the heartbeat's thread.

    Attributes:
        halt: Set as soon as the attempt must end, for whatever reason: ends waits at once.
    """

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        stop: threading.Event,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.halt = threading.Event()
        self._ledger = ledger
        self._lease = lease
        self._stop = stop
        self._on_progress = on_progress
        self._reason: type[CancelRequested | LeaseLost | ShutdownRequested] | None = None
        self._done = threading.Event()
        self._renewed_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Raises the signal that ends the attempt, if there is one; cheap enough for every chunk.

        A lease that could not be renewed in time counts as lost, whatever the ledger says later.
        """
        if self._reason is None and time.monotonic() - self._renewed_at > LEASE_SECONDS:
            self._end(LeaseLost)
        if self._reason is not None:
            raise self._reason

    def check_now(self) -> None:
        """As `check`, after a look at the ledger: what was asked a moment ago counts too."""
        self._listen()
        self.check()

    def _run(self) -> None:
        while not self._done.wait(BEAT_SECONDS):
            try:
                self._beat()
            except ServiceUnavailable as error:
                # The lease outlives a short outage of the ledger; after it, `check` ends the attempt.
                log.warning(
                    "ledger_unreachable", migration=self._lease.migration_id, error=str(error)
                )
            except Exception:  # this thread's outermost loop: without it the lease would run out
                log.exception("heartbeat_failed", migration=self._lease.migration_id)
                self._end(ShutdownRequested)

    def _beat(self) -> None:
        self._listen()
        if self._reason is LeaseLost:
            return
        if time.monotonic() - self._renewed_at >= RENEW_SECONDS:
            self._renew()
        if self._on_progress is not None:
            self._on_progress(self._ledger.totals(self._lease.migration_id))

    def _renew(self) -> None:
        try:
            self._ledger.renew(self._lease)
        except LeaseLost:
            self._end(LeaseLost)
        else:
            self._renewed_at = time.monotonic()

    def _listen(self) -> None:
        try:
            if self._ledger.cancel_requested(self._lease):
                self._end(CancelRequested)
            elif self._stop.is_set():
                self._end(ShutdownRequested)
        except LeaseLost:
            self._end(LeaseLost)

    def _end(self, reason: type[CancelRequested | LeaseLost | ShutdownRequested]) -> None:
        self._reason = reason
        self.halt.set()
