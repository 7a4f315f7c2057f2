"""Named places between two steps of a migration at which a test kills or pauses the process.

In production nothing is armed and a point costs one comparison. Nothing is caught, cleaned up or written here that a real crash
would not leave behind as well.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

CRASH_AT: Final = "FERRY_CRASH_AT"
"""`7`: the process dies at the seventh point that it reaches; `written:2`: the second time that it reaches `written`."""

CRASH_SIGNAL: Final = "FERRY_CRASH_SIGNAL"
"""`SIGSTOP` pauses the process there instead, with all its threads, until someone continues it."""

CRASH_LOG: Final = "FERRY_CRASH_LOG"
"""A file that gets the name of each point as it is reached, one a line."""


_HELD_SECONDS = 1.0
"""Much longer than such an instant, and over when a process that was paused for longer goes on for good."""


class _Armed:
    """Counts the points that a process reaches, over all its threads, and dies at the one that was asked for."""

    def __init__(self, where: str, log: str, number: signal.Signals) -> None:
        name, _, occurrence = where.rpartition(":")
        self._name = name
        self._occurrence = int(occurrence) if occurrence else 0
        self._signal = number
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if log else None
        self._hits: Counter[str] = Counter()
        self._lock = threading.Lock()

    def hit(self, name: str) -> None:
        with self._lock:
            self._hits[name] += 1
            if self._log is not None:
                os.write(self._log, f"{name}\n".encode())
            hits = self._hits[self._name] if self._name else self._hits.total()
            if hits == self._occurrence and self._name in {"", name}:
                os.kill(os.getpid(), self._signal)
                while self._signal is signal.SIGKILL:
                    signal.pause()  # no thread gets past a point between the signal and the process's end
                # A paused process is let go on for an instant while one of its threads holds the ledger's lock: that one alone.
                time.sleep(_HELD_SECONDS)


_armed: _Armed | None = None


def arm(environment: Mapping[str, str]) -> None:
    """Makes the points count, if the environment says so; a process that is to be killed by a test calls it once.

    Args:
        environment: With `FERRY_CRASH_AT`, `FERRY_CRASH_LOG`, both or neither.

    Raises:
        ValueError: `FERRY_CRASH_AT` is neither a number nor a name and a number.
        KeyError: There is no such signal.
    """
    global _armed  # noqa: PLW0603  # one process, one count; a parameter through every layer would serve tests alone
    where, log = environment.get(CRASH_AT, ""), environment.get(CRASH_LOG, "")
    number = signal.Signals[environment.get(CRASH_SIGNAL, "SIGKILL")]
    _armed = _Armed(where, log, number) if where or log else None


def reached(name: str) -> None:
    """The process is at the point of that name now."""
    if _armed is not None:
        _armed.hit(name)
