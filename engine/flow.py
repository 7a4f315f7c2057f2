"""How fast a copy may go: the operator's throttle, chunks that are written at once, the size of a request, and why it is slow.

`Bucket`, `Window` and `Sizes` are pure, time comes in as an argument; `Flow` shares them between the threads of one attempt.
Nothing here talks to a server or to the ledger.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from engine.errors import Throttled
from engine.executors import WRITERS
from engine.model import Throttle

MEGABYTE: Final = 1_000_000
REQUEST_BYTES_MAX: Final = 64 * MEGABYTE
"""What a Milvus server takes in one message, unless it or a proxy before it is told otherwise."""
REQUEST_BYTES_MIN: Final = 4_096
SHARE: Final = 0.9
"""How much of a request the entities of estimated size may fill: estimates vary."""
SLICE_SECONDS: Final = 0.25
"""How long a waiting writer sleeps at most before it looks again: at a changed throttle, or at the end of the attempt."""
COOL_SECONDS: Final = 1.0
"""Refusals within this time are one: they come from requests that were under way together."""
SHOWN_SECONDS: Final = 20.0
"""For how long a wait for a server is shown if nothing shows that it is over; waits between retries last 16 s at most."""


class Bucket:
    """A rate in units a second, paid for afterwards: whoever comes waits until what went before is paid for (a token bucket)."""

    def __init__(self, rate: float | None = None) -> None:
        self.rate = rate
        self._debt = 0.0
        self._at = 0.0

    def change(self, rate: float | None, now: float) -> None:
        """Goes on at another rate; None is none, and forgives what is owed."""
        self._settle(now)
        self.rate = rate
        if rate is None:
            self._debt = 0.0

    def ready_in(self, now: float) -> float:
        """Seconds until the next one may go."""
        self._settle(now)
        return max(0.0, self._debt / self.rate) if self.rate else 0.0

    def spend(self, units: float, now: float) -> None:
        """Takes so many units."""
        self._settle(now)
        if self.rate:
            self._debt += units

    def _settle(self, now: float) -> None:
        # One second's worth may be saved up, so that a short pause of the source does not lower the rate.
        if self.rate:
            self._debt = max(-self.rate, self._debt - (now - self._at) * self.rate)
        self._at = now


class Window:
    """How many chunks may be written at once: half as many after a refusal, one more for each round that went well (AIMD).

    Args:
        most: As many as there are writers.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._limit = float(most)
        self._cut_at = float("-inf")

    @property
    def limit(self) -> int:
        """How many."""
        return int(self._limit)

    def refused(self, now: float) -> None:
        """A server asked for fewer requests."""
        if now - self._cut_at >= COOL_SECONDS:
            self._limit = max(1.0, self._limit / 2)
            self._cut_at = now

    def went_well(self) -> None:
        """A chunk was written."""
        self._limit = min(float(self.most), self._limit + 1 / self._limit)


class Sizes:
    """How many bytes a request may have: half of one that was too large, twice as many after a run of chunks that went well.

    Each lowering doubles the run that it takes, so that a server's limit is not tried again and again.
    """

    def __init__(self) -> None:
        self.now = REQUEST_BYTES_MAX
        self._patience = 4
        self._run = 0

    def entities(self, planned: int, bytes_each: float) -> int:
        """How many entities a page may have.

        Args:
            planned: As many as were planned.
            bytes_each: The estimated size of one.
        """
        return max(1, min(planned, int(SHARE * self.now / max(bytes_each, 1.0))))

    def too_large(self, size: int) -> None:
        """A request of so many bytes was refused."""
        lowered = max(REQUEST_BYTES_MIN, size // 2)
        if lowered < self.now:
            self.now = lowered
            self._patience *= 2
            self._run = 0

    def went_well(self) -> None:
        """A chunk was written in requests of the size of now."""
        self._run += 1
        if self.now < REQUEST_BYTES_MAX and self._run >= self._patience:
            self.now, self._run = min(REQUEST_BYTES_MAX, self.now * 2), 0


class Flow:
    """The pace of one attempt, for all of its threads.

    Args:
        halt: Set when the attempt must end: nobody waits any longer.
        writers: How many write at most.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        halt: threading.Event,
        writers: int = WRITERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._halt = halt
        self._clock = clock
        self._throttle = Throttle()
        self._entities = Bucket()
        self._bytes = Bucket()
        self._window = Window(writers)
        self._writing = 0
        self._held_at = float("-inf")
        self._waits_for = ("", float("-inf"))
        self._changed = threading.Condition()

    def throttle(self, throttle: Throttle) -> None:
        """Goes on at what the operator allows."""
        with self._changed:
            if throttle == self._throttle:
                return
            self._throttle, now = throttle, self._clock()
            megabytes = throttle.megabytes_per_second
            self._entities.change(throttle.entities_per_second, now)
            self._bytes.change(megabytes and megabytes * MEGABYTE, now)

    @contextmanager
    def turn(self, entities: int, size: int) -> Iterator[None]:
        """A writer's turn: begins when throttle and window allow it, or the attempt must end (the writer asks about that next).

        Args:
            entities: What it will write.
            size: The bytes of that.
        """
        with self._changed:
            while (pause := self._pause()) > 0 and not self._halt.is_set():
                self._changed.wait(min(pause, SLICE_SECONDS))
            now = self._clock()
            self._entities.spend(entities, now)
            self._bytes.spend(size, now)
            self._writing += 1
        try:
            yield
        finally:
            with self._changed:
                self._writing -= 1
                self._changed.notify_all()
        with self._changed:
            self._window.went_well()
            self._waits_for = ("", float("-inf"))

    def refused(self, failure: BaseException) -> None:
        """The target did not take a request, and it is made again: if it asked for fewer, there will be fewer."""
        if isinstance(failure, Throttled):
            with self._changed:
                self._window.refused(self._clock())

    def waits(self, reason: str) -> None:
        """A call to a server is going to be made again after a while."""
        with self._changed:
            self._waits_for = (reason, self._clock())

    def reason(self) -> str:
        """Why the copy is slower than it could be, as a sentence for people; "" when nothing slows it."""
        with self._changed:
            now = self._clock()
            waits_for, since = self._waits_for
            if waits_for and now - since < SHOWN_SECONDS:
                return f"Waiting: {waits_for}"
            if now - self._held_at < COOL_SECONDS:
                return f"Throttled by the operator to {self._throttle}."
            if self._window.limit < self._window.most:
                fewer = f"{self._window.limit} of {self._window.most} chunks are written at once"
                return f"The target asked for fewer requests: {fewer}."
            return ""

    def _pause(self) -> float:
        """Seconds until it is worth to look again; 0 when a writer may go on."""
        now = self._clock()
        pause = max(self._entities.ready_in(now), self._bytes.ready_in(now))
        if pause > 0:
            self._held_at = now
            return pause
        return SLICE_SECONDS if self._writing >= self._window.limit else 0.0
