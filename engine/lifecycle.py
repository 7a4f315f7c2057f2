"""The states of a migration and the events between them: one table and one pure function.

    event      from                                    to                  guard
    planned    planning                                awaiting_approval
    enqueue    planning                                queued              the command line: the operator is alone
    approve    awaiting_approval                       queued
    reject     awaiting_approval                       rejected
    expire     awaiting_approval                       expired
    claim      queued · running                        running             no live lease; attempts + 1
    succeed    running                                 successful          refused once cancel was requested
    mismatch   running                                 mismatched          refused once cancel was requested
    fail       planning · running                      failed
    canceled   running                                 canceled            cancel was requested
    release    running                                 queued              canceled if cancel was requested; attempts - 1
    rescue     running                                 queued              no live lease; canceled if requested, failed if the
                                                                           attempts are used up
    cancel     planning · awaiting_approval · queued   canceled
    cancel     running                                 canceled            with a live lease: a flag only, stays running
    resume     failed · canceled · mismatched          queued              it was once allowed to run; clears flag, attempts
    repair     failed · canceled · mismatched          queued              as resume; its runs also mend what did not verify

What is not in the table is refused, with a sentence for people. `successful`, `rejected` and `expired` have no exits, the other
three ends have `resume` and `repair` alone. Cancel is a flag beside the state (River, procrastinate): it wins over success, over
the queue and over a rescue. Chunks have no persisted "in progress", so a crash leaves nothing to roll back.

It never reads a clock, a ledger or a server: what it needs to know comes in as arguments.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Final

ATTEMPTS_MAX: Final = 5
"""How many workers may die over one migration before a rescue fails it instead of queueing it again."""


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


@dataclass(frozen=True, slots=True)
class Situation:
    """All that decides what an event does.

    Attributes:
        cancel_requested: Someone asked to cancel since the last resume.
        lease_live: A worker holds an unexpired lease and is not known to be dead.
        attempts: Claims since the last resume that were not handed back.
        cleared: It was once allowed to run: approved, or queued by an operator who is alone.
    """

    status: Status
    cancel_requested: bool
    lease_live: bool
    attempts: int
    cleared: bool


@dataclass(frozen=True, slots=True)
class Advance:
    """The event applies; `to` is the situation after it."""

    to: Situation


@dataclass(frozen=True, slots=True)
class Refused:
    """The event does not apply; `sentence` tells people why."""

    sentence: str


_GOES_ON: Final = frozenset({Status.FAILED, Status.CANCELED, Status.MISMATCHED})

_FROM: Final[Mapping[EventName, frozenset[Status]]] = MappingProxyType(
    {
        EventName.PLANNED: frozenset({Status.PLANNING}),
        EventName.ENQUEUE: frozenset({Status.PLANNING}),
        EventName.APPROVE: frozenset({Status.AWAITING_APPROVAL}),
        EventName.REJECT: frozenset({Status.AWAITING_APPROVAL}),
        EventName.EXPIRE: frozenset({Status.AWAITING_APPROVAL}),
        EventName.CLAIM: frozenset({Status.QUEUED, Status.RUNNING}),
        EventName.SUCCEED: frozenset({Status.RUNNING}),
        EventName.MISMATCH: frozenset({Status.RUNNING}),
        EventName.FAIL: frozenset({Status.PLANNING, Status.RUNNING}),
        EventName.CANCELED: frozenset({Status.RUNNING}),
        EventName.RELEASE: frozenset({Status.RUNNING}),
        EventName.RESCUE: frozenset({Status.RUNNING}),
        EventName.CANCEL: frozenset(
            {Status.PLANNING, Status.AWAITING_APPROVAL, Status.QUEUED, Status.RUNNING}
        ),
        EventName.RESUME: _GOES_ON,
        EventName.REPAIR: _GOES_ON,
    }
)

_PLAIN: Final[Mapping[EventName, Status]] = MappingProxyType(
    {
        EventName.PLANNED: Status.AWAITING_APPROVAL,
        EventName.REJECT: Status.REJECTED,
        EventName.EXPIRE: Status.EXPIRED,
        EventName.FAIL: Status.FAILED,
    }
)
"""Events that only change the state."""

_DONE: Final[Mapping[EventName, str]] = MappingProxyType(
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
    }
)

_STANDS: Final[Mapping[Status, str]] = MappingProxyType(
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
    }
)

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
    }
)

WORKER_EVENTS: Final = frozenset(
    {
        EventName.SUCCEED,
        EventName.MISMATCH,
        EventName.FAIL,
        EventName.CANCELED,
        EventName.RELEASE,
    }
)
"""With these a worker ends its attempt: only the holder of the lease may say them of a running migration."""


def advance(situation: Situation, event: EventName) -> Advance | Refused:
    """Decide what an event does to a migration, as the table above says; never raises."""
    if situation.status not in _FROM[event]:
        return _refuse(event, f"it {_STANDS[situation.status]}")
    if event in _PLAIN:
        return _end(situation, _PLAIN[event])
    return _DECIDERS[event](situation)


def is_terminal(status: Status) -> bool:
    """Whether a migration in this state has ended: nothing leaves it but a resume or a repair."""
    return status not in _FROM[EventName.CANCEL]


def is_resumable(status: Status) -> bool:
    """Whether a migration that ended so can go on where it stopped, if it was ever allowed to run."""
    return status in _FROM[EventName.RESUME]


def zilliz_word(status: Status) -> str:
    """The status in the words of Zilliz Cloud's Jobs page.

    MISMATCHED is Ferry's own word; a request that was rejected or that expired is a job that was canceled before it began.
    """
    return _ZILLIZ[status]


def _refuse(event: EventName, reason: str) -> Refused:
    return Refused(f"It cannot be {_DONE[event]}: {reason}.")


def _end(situation: Situation, status: Status) -> Advance:
    return Advance(replace(situation, status=status, lease_live=False))


def _clear(situation: Situation) -> Advance:
    return Advance(replace(situation, status=Status.QUEUED, cleared=True))


def _claim(situation: Situation) -> Advance | Refused:
    if situation.lease_live:
        return _refuse(EventName.CLAIM, "another worker is at it")
    attempts = situation.attempts + 1
    return Advance(replace(situation, status=Status.RUNNING, lease_live=True, attempts=attempts))


def _succeed(situation: Situation) -> Advance | Refused:
    if situation.cancel_requested:
        return _refuse(EventName.SUCCEED, "someone asked to cancel it")
    return _end(situation, Status.SUCCESSFUL)


def _mismatch(situation: Situation) -> Advance | Refused:
    if situation.cancel_requested:
        return _refuse(EventName.MISMATCH, "someone asked to cancel it")
    return _end(situation, Status.MISMATCHED)


def _canceled(situation: Situation) -> Advance | Refused:
    if not situation.cancel_requested:
        return _refuse(EventName.CANCELED, "nobody asked to cancel it")
    return _end(situation, Status.CANCELED)


def _release(situation: Situation) -> Advance:
    if situation.cancel_requested:
        return _end(situation, Status.CANCELED)
    # Restarts of the bot are not the migration's fault, so they do not use up its attempts.
    return _end(replace(situation, attempts=max(0, situation.attempts - 1)), Status.QUEUED)


def _rescue(situation: Situation) -> Advance | Refused:
    if situation.lease_live:
        return _refuse(EventName.RESCUE, "its worker is alive")
    if situation.cancel_requested:
        return _end(situation, Status.CANCELED)
    used_up = situation.attempts >= ATTEMPTS_MAX
    return _end(situation, Status.FAILED if used_up else Status.QUEUED)


def _cancel(situation: Situation) -> Advance | Refused:
    asked = replace(situation, cancel_requested=True)
    if situation.status is not Status.RUNNING or not situation.lease_live:
        return _end(asked, Status.CANCELED)
    if situation.cancel_requested:
        return Refused("It is already being canceled; its worker stops after the chunk in hand.")
    return Advance(asked)


def _go_on(event: EventName, situation: Situation) -> Advance | Refused:
    if not situation.cleared:
        return _refuse(event, "it ended before it was approved; ask for a new one")
    return Advance(replace(situation, status=Status.QUEUED, cancel_requested=False, attempts=0))


_DECIDERS: Final[Mapping[EventName, Callable[[Situation], Advance | Refused]]] = MappingProxyType(
    {
        EventName.ENQUEUE: _clear,
        EventName.APPROVE: _clear,
        EventName.CLAIM: _claim,
        EventName.SUCCEED: _succeed,
        EventName.MISMATCH: _mismatch,
        EventName.CANCELED: _canceled,
        EventName.RELEASE: _release,
        EventName.RESCUE: _rescue,
        EventName.CANCEL: _cancel,
        EventName.RESUME: partial(_go_on, EventName.RESUME),
        EventName.REPAIR: partial(_go_on, EventName.REPAIR),
    }
)
