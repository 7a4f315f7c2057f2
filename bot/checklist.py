"""The steps of a cut-over, as the seed document and Zilliz Cloud's guide name them, and what is known of each; pure.

Ferry knows by itself whether the migration ran and whether it is validated. The other steps happen outside of it: people tick
them. A step that is not ticked stops nothing.
"""

from enum import StrEnum
from typing import Final

from engine.lifecycle import Status


class Step(StrEnum):
    """What is done in a cut-over, in its order."""

    PAUSE_WRITES = "pause_writes"
    RUN = "run"
    VALIDATE = "validate"
    SWITCH = "switch"
    RESUME_WRITES = "resume_writes"


OWN: Final = frozenset({Step.RUN, Step.VALIDATE})
"""The steps that Ferry ticks."""

_GOES_ON: Final = frozenset({Status.FAILED, Status.CANCELED, Status.MISMATCHED})
_OPEN: Final = frozenset(
    {
        *(Status.AWAITING_APPROVAL, Status.QUEUED, Status.RUNNING, Status.PAUSED),
        *(Status.SUCCESSFUL, *_GOES_ON),
    }
)


def may_be_ticked(step: Step, status: Status, *, cleared: bool) -> bool:
    """Whether a person may tick a step now, or take the tick back.

    Args:
        step: Which one.
        status: Where the migration stands.
        cleared: Whether it was once allowed to run: what was not, and has ended, goes no further.
    """
    if step in OWN:
        return False
    if step is Step.PAUSE_WRITES:
        return status in _OPEN and (cleared or status not in _GOES_ON)
    return status is Status.SUCCESSFUL


def why_not(step: Step, status: Status) -> str:
    """Why a step cannot be ticked now, plain text."""
    if step in OWN:
        return "Ferry ticks this step by itself."
    if step is Step.PAUSE_WRITES:
        return "Nothing waits for this step as the migration stands."
    if status is Status.MISMATCHED:
        return "The target differs from the source: do not switch over yet."
    return "It is not validated yet, so it is too early to switch over."
