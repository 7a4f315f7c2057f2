"""Measures the time that is spent copying, over all attempts; where it goes is the caller's to say."""

import time
from collections.abc import Callable
from typing import Final

CLOCK_SECONDS: Final = 2.0
"""How often the time spent copying is recorded while it goes on."""


class Stopwatch:
    """Adds the time of this attempt's copy to what earlier attempts spent.

    Args:
        before: Seconds that earlier attempts spent.
        check: The heartbeat's.
        write: Records the seconds.
    """

    def __init__(
        self, before: float, check: Callable[[], None], write: Callable[[float], None]
    ) -> None:
        self._before = before
        self._check = check
        self._write = write
        self._started = self._recorded = time.monotonic()

    def check(self) -> None:
        """The heartbeat's check, and now and then a record of the time."""
        self._check()
        if time.monotonic() - self._recorded > CLOCK_SECONDS:
            self.record()

    def record(self) -> None:
        """Writes the time spent so far."""
        self._recorded = time.monotonic()
        self._write(self._before + self._recorded - self._started)
