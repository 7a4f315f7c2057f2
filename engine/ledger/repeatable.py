"""Makes a transaction of the ledger again whose database was away, for as long as whoever holds the ledger wants to wait.

Only what may be made again without harm is marked so: its answer may have been lost after it was committed. Whoever waits for
nothing (the bot, a person at the command line) is told at once. Nothing here knows a database.
"""

import math
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar, cast

from engine.errors import LedgerAway

Waits = Callable[[float], bool]
"""Waits a moment and says whether to try again; takes since when a step has failed, by `time.monotonic`."""


class _Ledger(Protocol):
    waits: Waits


Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def at_once(_since: float) -> bool:
    """Waits for nothing."""
    return False


def repeatable(method: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """A method of one transaction that may be made again, also after one whose answer was lost."""

    @wraps(method)
    def made(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        ledger, since = cast(_Ledger, args[0]), math.inf
        while True:
            try:
                return method(*args, **kwargs)
            except LedgerAway:
                since = min(since, time.monotonic())
                if not ledger.waits(since):
                    raise

    return made
