"""How fast an attempt may go: the operator's throttle, how much is done at once, the size of a request, and why it is slow.

`Bucket`, `Window` and `Sizes` are pure, time comes in as an argument; `Flow` shares them between the threads of one attempt.
Nothing here talks to a server or to the ledger.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from engine.errors import Throttled
from engine.executors import READERS, WRITERS
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
    """How many may be at it at once: half as many after a refusal, one more for each round that went well (AIMD).

    Args:
        most: As many as there are threads for it.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._limit = float(most)
        self._cut_at = float("-inf")

    @property
    def limit(self) -> int:
        """How many."""
        return int(self._limit)

    def refused(self, now: float, busy: int = 0) -> None:
        """A server asked for fewer requests, while so many were at it (0 where that is not known)."""
        if now - self._cut_at >= COOL_SECONDS:
            self._limit = max(1.0, min(self._limit, busy or self._limit) / 2)
            self._cut_at = now

    def went_well(self) -> None:
        """One of them was done."""
        self._limit = min(float(self.most), self._limit + 1 / self._limit)


class Sizes:
    """How large a message may be: half of one that was too large, twice as large after a run that went well.

    Each lowering doubles the run that it takes, so that a server's limit is not tried again and again.

    Args:
        most: Where it begins, and where growing ends: bytes of a request, or whatever else sizes are told in.
        least: Where halving ends.
    """

    def __init__(self, most: int = REQUEST_BYTES_MAX, least: int = REQUEST_BYTES_MIN) -> None:
        self.now = self._most = most
        self._least = least
        self._patience = 4
        self._run = 0

    def entities(self, planned: int, bytes_each: float) -> int:
        """How many entities a page may have, where sizes are bytes.

        Args:
            planned: As many as were planned.
            bytes_each: The estimated size of one.
        """
        return max(1, min(planned, int(SHARE * self.now / max(bytes_each, 1.0))))

    def too_large(self, size: int) -> None:
        """A message of this size was refused."""
        lowered = max(self._least, size // 2)
        if lowered < self.now:
            self.now = lowered
            self._patience *= 2
            self._run = 0

    def went_well(self) -> None:
        """Something was passed in messages of the size of now."""
        self._run += 1
        if self.now < self._most and self._run >= self._patience:
            self.now, self._run = min(self._most, self.now * 2), 0


class Pace:
    """The pace of one kind of work on one cluster: what the operator allows, and how much at once the server does.

    Args:
        halt: Set when the attempt must end: nobody waits any longer.
        most: How many threads do it at most.
        clock: Seconds that never go back.
    """

    def __init__(
        self, halt: threading.Event, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._halt = halt
        self._clock = clock
        self._entities = Bucket()
        self._bytes = Bucket()
        self._window = Window(most)
        self._busy = 0
        self._held_at = float("-inf")
        self._changed = threading.Condition()

    def throttle(self, throttle: Throttle) -> None:
        """Goes on at what the operator allows."""
        with self._changed:
            now, megabytes = self._clock(), throttle.megabytes_per_second
            self._entities.change(throttle.entities_per_second, now)
            self._bytes.change(megabytes and megabytes * MEGABYTE, now)

    @contextmanager
    def turn(self, entities: int = 0, size: int = 0) -> Iterator[None]:
        """A turn: begins when throttle and window allow it, or the attempt must end (whoever has it asks about that next).

        Args:
            entities: What will be written, if that is known already (`spend`).
            size: The bytes of that.
        """
        with self._changed:
            while (pause := self._pause()) > 0 and not self._halt.is_set():
                self._changed.wait(min(pause, SLICE_SECONDS))
            self._busy += 1
            self._spend(entities, size)
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()
        with self._changed:
            self._window.went_well()

    def spend(self, entities: int, size: int) -> None:
        """Adds what a turn turned out to be: the next ones wait for it."""
        with self._changed:
            self._spend(entities, size)

    def refused(self) -> None:
        """The server asked for fewer requests: there will be fewer."""
        with self._changed:
            self._window.refused(self._clock(), self._busy)

    @property
    def busy(self) -> bool:
        """Whether anyone is at it."""
        return self._busy > 0

    @property
    def held(self) -> bool:
        """Whether the operator's throttle holds it."""
        return self._clock() - self._held_at < COOL_SECONDS

    @property
    def fewer(self) -> str:
        """How many at once of how many, "2 of 4"; "" where there are as many as there can be."""
        now, most = self._window.limit, self._window.most
        return f"{now} of {most}" if now < most else ""

    def _spend(self, entities: int, size: int) -> None:
        now = self._clock()
        self._entities.spend(entities, now)
        self._bytes.spend(size, now)

    def _pause(self) -> float:
        """Seconds until it is worth to look again; 0 when one more may go on."""
        now = self._clock()
        pause = max(self._entities.ready_in(now), self._bytes.ready_in(now))
        if pause > 0:
            self._held_at = now
            return pause
        return SLICE_SECONDS if self._busy >= self._window.limit else 0.0


class Flow:
    """The pace of one attempt, for all of its threads.

    Args:
        halt: Set when the attempt must end: nobody waits any longer.
        writers: How many write at most.
        clock: Seconds that never go back.

    Attributes:
        source: How the source's entities are read.
        target: How the target's entities are read.
    """

    def __init__(
        self,
        halt: threading.Event,
        writers: int = WRITERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._throttle = Throttle()
        self._writes = Pace(halt, writers, clock)
        # What writers meet is read again by them: a refused chunk, a difference that is to be named.
        self.source = Pace(halt, READERS + writers, clock)
        self.target = Pace(halt, READERS + writers, clock)
        self._waits_for = ("", float("-inf"))

    def throttle(self, throttle: Throttle) -> None:
        """Goes on at what the operator allows: that much is written, and that much is read from either cluster."""
        if throttle != self._throttle:
            self._throttle = throttle
            for pace in (self._writes, self.source, self.target):
                pace.throttle(throttle)

    @contextmanager
    def turn(self, entities: int, size: int) -> Iterator[None]:
        """A writer's turn (`Pace.turn`), to write so many entities and bytes."""
        with self._writes.turn(entities, size):
            yield
        self._waits_for = ("", float("-inf"))

    def source_refused(self, failure: BaseException) -> None:
        """The source did not answer, and is asked again: if it wants fewer requests, there will be fewer."""
        if isinstance(failure, Throttled):
            self.source.refused()

    def refused(self, failure: BaseException) -> None:
        """As `source_refused`, for the target: of what it refused, writes or reads, there will be less."""
        if isinstance(failure, Throttled):
            (self.target if self.target.busy else self._writes).refused()

    def waits(self, reason: str) -> None:
        """A call to a server is going to be made again after a while."""
        self._waits_for = (reason, self._clock())

    def reason(self) -> str:
        """Why the work is slower than it could be, as a sentence for people; "" when nothing slows it."""
        waits_for, since = self._waits_for
        if waits_for and self._clock() - since < SHOWN_SECONDS:
            return f"Waiting: {waits_for}"
        if any(pace.held for pace in (self._writes, self.source, self.target)):
            return f"Throttled by the operator to {self._throttle}."
        for who, pace, what in (
            ("target", self._writes, "chunks are written"),
            ("source", self.source, "pages are read"),
            ("target", self.target, "pages are read"),
        ):
            if fewer := pace.fewer:
                return f"The {who} asked for fewer requests: {fewer} {what} at once."
        return ""
