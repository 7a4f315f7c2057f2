"""How long a migration will take, said before it starts, and what limits it; pure.

A rate comes from what was copied to the same target before; where nothing was, a rate is assumed and the answer says so. While a
migration runs `pace.py` says what is left.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from engine.model import Plan, Progress, Throttle

ASSUMED_ENTITIES: Final = 10_000.0
ASSUMED_BYTES: Final = 20_000_000.0
"""A second, of small entities and of large ones: about half of what `make bench` measures on one machine (docs/benchmarks.md)."""
SHARE_OF_COPY: Final = 0.5
"""Of the whole time: loading and verifying take as long again (docs/benchmarks.md, "Where the time of a whole migration goes")."""
PER_COLLECTION_SECONDS: Final = 2.0
"""To make a collection and its indexes and to load it, however little it holds."""
MEASURED_FROM_SECONDS: Final = 5.0
"""A copy that was shorter says nothing about a rate."""


class Forecast(NamedTuple):
    """What to expect.

    Attributes:
        seconds: From the start to the end of the verification.
        limit: What sets the pace, one sentence without a full stop.
    """

    seconds: float
    limit: str


class _Rate(NamedTuple):
    entities: float
    bytes: float


def forecast(plan: Plan, before: Sequence[Progress], throttle: Throttle | None = None) -> Forecast:
    """How long the plan will take.

    Args:
        plan: What is to be copied.
        before: Whole copies to the same target, the newest first.
        throttle: What the operator allows.
    """
    rate, why = _measured(before, plan.request.target.name)
    seconds = _seconds(plan, rate)
    if throttle is not None:
        allowed = _allowed(plan, throttle)
        if allowed > seconds:
            seconds, why = allowed, f"The throttle of {throttle} sets the pace"
    made = PER_COLLECTION_SECONDS * len(plan.collections)
    return Forecast(seconds / SHARE_OF_COPY + made, why)


def _measured(before: Sequence[Progress], target: str) -> tuple[_Rate, str]:
    for copy in before:
        if copy.seconds >= MEASURED_FROM_SECONDS and copy.copied and copy.bytes:
            rate = _Rate(copy.copied / copy.seconds, copy.bytes / copy.seconds)
            took = f"{rate.entities:,.0f} entities/s, {rate.bytes / 1e6:,.1f} MB/s"
            return rate, f"The target sets the pace: {target} took {took} in an earlier migration"
    rate = _Rate(ASSUMED_ENTITIES, ASSUMED_BYTES)
    assumed = f"{rate.entities:,.0f} entities/s and {rate.bytes / 1e6:,.0f} MB/s"
    return (
        rate,
        f"A guess: how fast {target} is has not been measured yet, so {assumed} are assumed",
    )


def _seconds(plan: Plan, rate: _Rate) -> float:
    return max(plan.entities / rate.entities, plan.bytes / rate.bytes)


def _allowed(plan: Plan, throttle: Throttle) -> float:
    entities, megabytes = throttle.entities_per_second, throttle.megabytes_per_second
    by_entities = plan.entities / entities if entities else 0.0
    return max(by_entities, plan.bytes / (megabytes * 1e6) if megabytes else 0.0)
