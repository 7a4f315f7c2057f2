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
    fail       undoing                                 failed              something was dropped
    canceled   running                                 canceled            cancel was requested
    release    running                                 queued              canceled if cancel was requested, paused if a pause
                                                                           was; attempts - 1
    rescue     running                                 queued              no live lease; canceled (*) or paused if requested,
                                                                           failed if the attempts are used up
    release    undoing                                 undo_asked          attempts - 1
    rescue     undoing                                 undo_asked          no live lease; where it stood if the attempts are used up
    cancel     planning · awaiting_approval · queued   canceled (*)
               · paused
    cancel     running                                 canceled (*)        with a live lease: a flag only, stays running
    pause      queued                                  paused
    pause      running                                 paused              with a live lease: a flag only, stays running; refused
                                                                           once cancel was requested
    resume     failed · canceled · mismatched · paused queued              it was once allowed to run; clears flags, attempts
    repair     failed · canceled · mismatched          queued              as resume; its runs also mend what did not verify
    verify     successful · mismatched                 queued              as resume; only compares; remembers where it stood
    resume     running                                 running             withdraws a pause that is under way
    ask_undo   successful · mismatched · failed        undo_asked          it was once allowed to run; remembers where it stood;
               · canceled                                                  clears attempts
    keep       undo_asked                              where it stood      somebody takes the wish back
    undo       undo_asked · undoing                    undoing             a worker takes it: no live lease; attempts + 1
    undo_now   successful · mismatched · failed        undoing             the command line, asked and taken at once: it was once
               · canceled                                                  allowed to run; remembers where it stood
    drop       undoing                                 undoing             right before the first drop: from now on it stood as
                                                                           failed
    undo_left  undoing                                 where it stood      the undo cannot be done
    undone     undoing                                 undone
    reopen     queued                                  planning            before it ever ran: what was approved is not what would
                                                                           run; what allowed it to run is forgotten

(*) A migration whose worker was lost with collections loaded only to be read is queued instead, with the flag: a worker takes it,
puts them back, and ends it as canceled. Canceled once more, because no worker can, it ends as it is.

What is not in the table is refused, with a sentence for people. `rejected`, `expired` and `undone` have no exits; the other ends
have `undo`, and all but `successful` also `resume` and `repair`. Cancel and pause are flags beside the state (River,
procrastinate): cancel wins over success, pause, the queue and a rescue; a pause is asked of a running migration alone and is
forgotten when it stops running. Chunks have no persisted "in progress", so a crash leaves nothing to roll back. An undo that is
not done leaves the migration as it stood; from the first drop on that is `failed`: it can be undone again, or resumed, which makes
anew what was dropped. A new verification that is not done leaves it as it stood too: fail, cancel, canceled and rescue lead there.

It never reads a clock, a ledger or a server: what it needs to know comes in as arguments.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Final

from engine.states import (
    DONE,
    STANDS,
    Advance,
    EventName,
    Refused,
    Situation,
    Status,
    zilliz_word,
)

__all__ = [
    "ATTEMPTS_MAX",
    "DUE",
    "HELD",
    "TAKING_EVENTS",
    "WORKER_EVENTS",
    "Advance",
    "EventName",
    "Refused",
    "Situation",
    "Status",
    "advance",
    "canceling",
    "is_resumable",
    "is_terminal",
    "is_undoable",
    "zilliz_word",
]

ATTEMPTS_MAX: Final = 5
"""How many workers may die over one migration before a rescue fails it instead of queueing it again."""


_GOES_ON: Final = frozenset({Status.FAILED, Status.CANCELED, Status.MISMATCHED})

_RESULTS: Final = frozenset({Status.SUCCESSFUL, Status.MISMATCHED})

_UNDOABLE: Final = _GOES_ON | _RESULTS

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
        EventName.FAIL: frozenset({Status.PLANNING, Status.RUNNING, Status.UNDOING}),
        EventName.CANCELED: frozenset({Status.RUNNING}),
        EventName.RELEASE: frozenset({Status.RUNNING, Status.UNDOING}),
        EventName.RESCUE: frozenset({Status.RUNNING, Status.UNDOING}),
        EventName.CANCEL: frozenset(
            {
                Status.PLANNING,
                Status.AWAITING_APPROVAL,
                Status.QUEUED,
                Status.RUNNING,
                Status.PAUSED,
            }
        ),
        EventName.RESUME: _GOES_ON | {Status.PAUSED, Status.RUNNING},
        EventName.REPAIR: _GOES_ON,
        EventName.PAUSE: frozenset({Status.QUEUED, Status.RUNNING}),
        EventName.VERIFY: _RESULTS,
        EventName.ASK_UNDO: _UNDOABLE,
        EventName.KEEP: frozenset({Status.UNDO_ASKED}),
        EventName.UNDO: frozenset({Status.UNDO_ASKED, Status.UNDOING}),
        EventName.UNDO_NOW: _UNDOABLE,
        EventName.DROP: frozenset({Status.UNDOING}),
        EventName.UNDO_LEFT: frozenset({Status.UNDOING}),
        EventName.UNDONE: frozenset({Status.UNDOING}),
        EventName.REOPEN: frozenset({Status.QUEUED}),
    }
)

_PLAIN: Final[Mapping[EventName, Status]] = MappingProxyType(
    {
        EventName.PLANNED: Status.AWAITING_APPROVAL,
        EventName.REJECT: Status.REJECTED,
        EventName.EXPIRE: Status.EXPIRED,
        EventName.UNDONE: Status.UNDONE,
    }
)
"""Events that only change the state."""

WORKER_EVENTS: Final = frozenset(
    {
        EventName.SUCCEED,
        EventName.MISMATCH,
        EventName.FAIL,
        EventName.CANCELED,
        EventName.RELEASE,
        EventName.DROP,
        EventName.UNDO_LEFT,
        EventName.UNDONE,
    }
)
"""Only the holder of the lease may say these of a migration that is held; all but `drop` end its attempt."""

TAKING_EVENTS: Final = frozenset({EventName.CLAIM, EventName.UNDO, EventName.UNDO_NOW})
"""These give a lease."""

HELD: Final = frozenset({Status.RUNNING, Status.UNDOING})
"""The states in which a worker holds a lease, or did when it died."""

DUE: Final = frozenset({Status.QUEUED, Status.UNDO_ASKED})
"""The states in which a worker is waited for."""


def advance(situation: Situation, event: EventName) -> Advance | Refused:
    """Decide what an event does to a migration, as the table above says; never raises."""
    if situation.status not in _FROM[event]:
        return _refuse(event, f"it {STANDS[situation.status]}")
    if event in _PLAIN:
        return _end(situation, _PLAIN[event])
    return _DECIDERS[event](situation)


def is_terminal(status: Status) -> bool:
    """Whether a migration in this state has ended: nothing leaves it but a resume, a repair, a verification or an undo."""
    return status not in _FROM[EventName.CANCEL]


def is_resumable(status: Status) -> bool:
    """Whether a migration that stands so can go on where it stopped, if it was ever allowed to run."""
    return status in _FROM[EventName.RESUME] - HELD


def is_undoable(status: Status) -> bool:
    """Whether an undo of a migration that stands so can be asked for, if it was ever allowed to run."""
    return status in _UNDOABLE


def canceling(status: Status) -> EventName:
    """What a cancel means to a migration that stands so: an undo that has not begun is taken back."""
    return EventName.KEEP if status is Status.UNDO_ASKED else EventName.CANCEL


_MADE_NOTHING: Final = "it ended before it was approved, so it made nothing"


def _refuse(event: EventName, reason: str) -> Refused:
    return Refused(f"It cannot be {DONE[event]}: {reason}.")


def _end(situation: Situation, status: Status = Status.FAILED) -> Advance:
    """Where a migration goes that nobody works on any more.

    An undo or a new verification that fails or is canceled leaves it as it stood, and a cancel of that is over with it.
    """
    if status in {Status.FAILED, Status.CANCELED}:
        status = situation.stood or status
    canceled = situation.cancel_requested and status not in _RESULTS
    ended = replace(situation, status=status, lease_live=False, pause_requested=False)
    stood = None if is_terminal(status) else situation.stood
    return Advance(replace(ended, cancel_requested=canceled, stood=stood))


def _clear(situation: Situation) -> Advance:
    return Advance(replace(situation, status=Status.QUEUED, cleared=True))


def _reopen(situation: Situation) -> Advance | Refused:
    if situation.stood is not None or situation.borrowed:
        return _refuse(EventName.REOPEN, "it has run already")
    return Advance(replace(situation, status=Status.PLANNING, cleared=False))


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


def _fail(situation: Situation) -> Advance:
    undoing = situation.status is Status.UNDOING
    return _end(replace(situation, stood=None) if undoing else situation)


def _canceled(situation: Situation) -> Advance | Refused:
    if not situation.cancel_requested:
        return _refuse(EventName.CANCELED, "nobody asked to cancel it")
    return _end(situation, Status.CANCELED)


def _release(situation: Situation) -> Advance:
    # Restarts of the bot are not the migration's fault, so they do not use up its attempts.
    handed = replace(situation, attempts=max(0, situation.attempts - 1))
    if situation.status is Status.UNDOING:
        return _undo_again(handed)
    return _stopped(handed, Status.QUEUED)


def _rescue(situation: Situation) -> Advance | Refused:
    if situation.lease_live:
        return _refuse(EventName.RESCUE, "its worker is alive")
    used_up = situation.attempts >= ATTEMPTS_MAX
    if situation.status is Status.UNDOING:
        return _end(situation) if used_up else _undo_again(situation)
    if situation.cancel_requested and situation.borrowed and not used_up:
        return _put_back_first(situation)
    return _stopped(situation, Status.FAILED if used_up else Status.QUEUED)


def _stopped(situation: Situation, otherwise: Status) -> Advance:
    """Where a migration goes that runs no more: what people asked for comes first."""
    if situation.cancel_requested:
        return _end(situation, Status.CANCELED)
    return _end(situation, Status.PAUSED if situation.pause_requested else otherwise)


def _put_back_first(situation: Situation) -> Advance:
    return Advance(replace(situation, status=Status.QUEUED, lease_live=False))


def _cancel(situation: Situation) -> Advance | Refused:
    asked = replace(situation, cancel_requested=True, pause_requested=False)
    if situation.status is Status.RUNNING and situation.lease_live:
        if situation.cancel_requested:
            return Refused(
                "It is already being canceled; its worker stops after the chunk in hand."
            )
        return Advance(asked)
    waits_already = situation.cancel_requested and situation.status is Status.QUEUED
    if situation.borrowed and not waits_already:
        return _put_back_first(asked)
    return _end(asked, Status.CANCELED)


def _pause(situation: Situation) -> Advance | Refused:
    if situation.cancel_requested:
        return _refuse(EventName.PAUSE, "someone asked to cancel it")
    if situation.status is not Status.RUNNING or not situation.lease_live:
        return _end(situation, Status.PAUSED)
    if situation.pause_requested:
        return Refused("It is already being paused; its worker stops after the chunk in hand.")
    return Advance(replace(situation, pause_requested=True))


def _resume(situation: Situation) -> Advance | Refused:
    if situation.status is Status.RUNNING:
        if not situation.pause_requested:
            return _refuse(EventName.RESUME, f"it {STANDS[Status.RUNNING]}")
        return Advance(replace(situation, pause_requested=False))
    return _go_on(EventName.RESUME, situation)


def _go_on(event: EventName, situation: Situation) -> Advance | Refused:
    if not situation.cleared:
        return _refuse(event, "it ended before it was approved; ask for a new one")
    return Advance(replace(situation, status=Status.QUEUED, cancel_requested=False, attempts=0))


def _verify(situation: Situation) -> Advance | Refused:
    return _go_on(EventName.VERIFY, replace(situation, stood=situation.status))


def _undo_again(situation: Situation) -> Advance:
    return Advance(replace(situation, status=Status.UNDO_ASKED, lease_live=False))


def _ask_undo(situation: Situation) -> Advance | Refused:
    if not situation.cleared:
        return _refuse(EventName.UNDO, _MADE_NOTHING)
    asked = replace(situation, status=Status.UNDO_ASKED, stood=situation.status)
    return Advance(replace(asked, attempts=0))


def _undo(situation: Situation) -> Advance | Refused:
    if situation.lease_live:
        return _refuse(EventName.UNDO, "another process is at it")
    attempts = situation.attempts + 1
    return Advance(replace(situation, status=Status.UNDOING, lease_live=True, attempts=attempts))


def _undo_now(situation: Situation) -> Advance | Refused:
    asked = _ask_undo(situation)
    return asked if isinstance(asked, Refused) else _undo(asked.to)


def _drop(situation: Situation) -> Advance:
    return Advance(replace(situation, stood=Status.FAILED))


_DECIDERS: Final[Mapping[EventName, Callable[[Situation], Advance | Refused]]] = MappingProxyType(
    {
        EventName.ENQUEUE: _clear,
        EventName.APPROVE: _clear,
        EventName.CLAIM: _claim,
        EventName.SUCCEED: _succeed,
        EventName.MISMATCH: _mismatch,
        EventName.FAIL: _fail,
        EventName.CANCELED: _canceled,
        EventName.RELEASE: _release,
        EventName.RESCUE: _rescue,
        EventName.CANCEL: _cancel,
        EventName.RESUME: _resume,
        EventName.REPAIR: partial(_go_on, EventName.REPAIR),
        EventName.PAUSE: _pause,
        EventName.VERIFY: _verify,
        EventName.ASK_UNDO: _ask_undo,
        EventName.KEEP: _end,
        EventName.UNDO: _undo,
        EventName.UNDO_NOW: _undo_now,
        EventName.DROP: _drop,
        EventName.UNDO_LEFT: _end,
        EventName.REOPEN: _reopen,
    }
)
