"""How long a copy will still take, or that nobody can say yet; pure, and the one place that says it.

Nothing here reads a clock: what was copied in the last minute comes from the ledger (`Progress`).
"""

from typing import Final

from engine.model import Progress

ESTIMATE_FROM: Final = 0.01
"""The part that must be copied before a remaining time means something."""
ESTIMATE_AFTER_SECONDS: Final = 10.0
"""How long must have been copied before that, and over how long a rate is taken at least."""


def entities_per_second(progress: Progress) -> float | None:
    """The rate of the last minute, or of the whole copy where that says nothing yet; None where nothing was copied in it."""
    if not progress.recent_seconds > 0:
        return None
    if progress.recent_seconds >= ESTIMATE_AFTER_SECONDS:
        return progress.recent_entities / progress.recent_seconds
    if progress.copied <= 0 or not progress.seconds > 0:
        return None
    return progress.copied / progress.seconds


def remaining_seconds(progress: Progress) -> float | None:
    """The time left to copy; None while it would be a guess, 0 when all is copied, never negative.

    It is a guess at the beginning, and while nothing was copied for so long that no rate is left.
    """
    left = progress.entities - progress.copied
    if left <= 0:
        return 0.0
    begun = progress.copied >= ESTIMATE_FROM * progress.entities
    if not begun or not progress.seconds >= ESTIMATE_AFTER_SECONDS:
        return None
    rate = entities_per_second(progress)
    return left / rate if rate else None
