"""What a report says beside the comparison: of that which comes last (lifetimes, aliases), and of what cannot be mended; pure.

A proved collection gets from Ferry what comes last, once. From then on that is its operator's, who may lengthen a lifetime or move
an alias to the next version: it is told, and neither set again nor a difference.
"""

from collections.abc import Sequence
from typing import Final

from engine.model import CollectionReport

ANOTHERS: Final = (
    "another collection of that name stands on the target, which this migration did not make; it was not read, and what was copied "
    "is not there any more"
)
ABSENT: Final = "the collection is not on the target"
RELEASED: Final = (
    "It was released on the target: it was loaded there to be compared, and released again."
)
KEYLESS: Final = (
    "The target made its keys, so that no entity can be told from another: Resume and Repair leave it as it is; Re-migrate asks to "
    "drop it and copy it again."
)
AUTO_ID_OFF: Final = (
    "Auto-id is on on the source and off on the target: the keys are the same, and the target makes none for "
    "later entities."
)
_LEFT: Final = "Changed on the target since it was handed over, and left so: {}."
_RESUME: Final = (
    "Resume and Repair prove it once more and set this; until then the target is not as the source."
)


def noted(report: CollectionReport, *notes: str) -> CollectionReport:
    """The report with these notes after its own; an empty one is left out."""
    return report.model_copy(update={"notes": (*report.notes, *filter(None, notes))})


def judged(
    report: CollectionReport, unsettled: Sequence[str], *, handed_over: bool
) -> CollectionReport:
    """The report of a collection with what of that which comes last is not as on the source.

    Args:
        report: The comparison's.
        unsettled: One sentence each.
        handed_over: Whether it was handed over: then it changes no verdict.
    """
    if not unsettled:
        return report
    if handed_over:
        return noted(report, _LEFT.format("; ".join(unsettled)))
    notes = (*unsettled, _RESUME, *report.notes)
    return report.model_copy(update={"verified": False, "notes": notes})
