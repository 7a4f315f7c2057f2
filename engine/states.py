"""The names of a migration's states and events, the words for them, and what a decision is made of (`lifecycle.py` decides)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Status(StrEnum):
    """Where a migration stands."""

    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    MISMATCHED = "mismatched"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    PAUSED = "paused"
    UNDO_ASKED = "undo_asked"
    UNDOING = "undoing"
    UNDONE = "undone"


class EventName(StrEnum):
    """What can happen to a migration; the ledger stores each with who did it and when."""

    PLANNED = "planned"
    ENQUEUE = "enqueue"
    APPROVE = "approve"
    REJECT = "reject"
    EXPIRE = "expire"
    CLAIM = "claim"
    SUCCEED = "succeed"
    MISMATCH = "mismatch"
    FAIL = "fail"
    CANCELED = "canceled"
    RELEASE = "release"
    RESCUE = "rescue"
    CANCEL = "cancel"
    RESUME = "resume"
    REPAIR = "repair"
    PAUSE = "pause"
    VERIFY = "verify"
    ASK_UNDO = "ask_undo"
    KEEP = "keep"
    UNDO = "undo"
    UNDO_NOW = "undo_now"
    DROP = "drop"
    UNDO_LEFT = "undo_left"
    UNDONE = "undone"
    REOPEN = "reopen"


DONE: Final[Mapping[EventName, str]] = MappingProxyType(
    {
        EventName.PLANNED: "put up for approval",
        EventName.ENQUEUE: "queued",
        EventName.APPROVE: "approved",
        EventName.REJECT: "rejected",
        EventName.EXPIRE: "expired",
        EventName.CLAIM: "started",
        EventName.SUCCEED: "ended as successful",
        EventName.MISMATCH: "ended as mismatched",
        EventName.FAIL: "ended as failed",
        EventName.CANCELED: "ended as canceled",
        EventName.RELEASE: "handed back",
        EventName.RESCUE: "rescued",
        EventName.CANCEL: "canceled",
        EventName.RESUME: "resumed",
        EventName.REPAIR: "repaired",
        EventName.PAUSE: "paused",
        EventName.VERIFY: "verified again",
        EventName.ASK_UNDO: "undone",
        EventName.KEEP: "kept",
        EventName.UNDO: "undone",
        EventName.UNDO_NOW: "undone",
        EventName.DROP: "dropped",
        EventName.UNDO_LEFT: "left as it stands",
        EventName.UNDONE: "recorded as undone",
        EventName.REOPEN: "put back to be planned",
    }
)
"""What was to be done to a migration, for "it cannot be …"."""

STANDS: Final[Mapping[Status, str]] = MappingProxyType(
    {
        Status.PLANNING: "is still being planned",
        Status.AWAITING_APPROVAL: "still waits for approval",
        Status.QUEUED: "already waits to be started",
        Status.RUNNING: "is already running",
        Status.SUCCESSFUL: "has already ended successfully",
        Status.MISMATCHED: "has ended, and its result is not the same as the source",
        Status.FAILED: "has failed",
        Status.CANCELED: "was canceled",
        Status.REJECTED: "was rejected",
        Status.EXPIRED: "expired before anyone decided",
        Status.PAUSED: "is paused",
        Status.UNDO_ASKED: "waits to be undone",
        Status.UNDOING: "is being undone",
        Status.UNDONE: "was undone",
    }
)
"""How it stands, for "it …"."""

_ZILLIZ: Final[Mapping[Status, str]] = MappingProxyType(
    {
        Status.PLANNING: "PENDING",
        Status.AWAITING_APPROVAL: "PENDING",
        Status.QUEUED: "PENDING",
        Status.RUNNING: "IN PROGRESS",
        Status.SUCCESSFUL: "SUCCESSFUL",
        Status.MISMATCHED: "MISMATCHED",
        Status.FAILED: "FAILED",
        Status.CANCELED: "CANCELED",
        Status.REJECTED: "CANCELED",
        Status.EXPIRED: "CANCELED",
        Status.PAUSED: "IN PROGRESS",
        Status.UNDO_ASKED: "IN PROGRESS",
        Status.UNDOING: "IN PROGRESS",
        Status.UNDONE: "CANCELED",
    }
)


def zilliz_word(status: Status) -> str:
    """The status in the words of Zilliz Cloud's Jobs page.

    MISMATCHED is Ferry's own word; a request that was rejected or that expired is a job that was canceled before it began. A paused
    migration is a job in progress, an undone one a canceled job; the state beside the word tells them apart.
    """
    return _ZILLIZ[status]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that decides what an event does.

    Attributes:
        cancel_requested: Someone asked to cancel since the last resume.
        lease_live: A worker holds an unexpired lease and is not known to be dead.
        attempts: Claims since the last resume that were not handed back.
        cleared: It was once allowed to run: approved, or queued by an operator who is alone.
        pause_requested: Someone asked the running migration to pause.
        stood: While an undo or a new verification is asked for or under way: where the migration stands if it is not done.
        borrowed: Collections are loaded only to be read, and are to be released again.
    """

    status: Status
    cancel_requested: bool
    lease_live: bool
    attempts: int
    cleared: bool
    pause_requested: bool = False
    stood: Status | None = None
    borrowed: bool = False


@dataclass(frozen=True, slots=True)
class Advance:
    """The event applies; `to` is the situation after it."""

    to: Situation


@dataclass(frozen=True, slots=True)
class Refused:
    """The event does not apply; `sentence` tells people why."""

    sentence: str
