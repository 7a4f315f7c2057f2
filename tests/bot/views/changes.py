"""Every change of state that the lifecycle allows and that is told in Slack: what the golden files have to cover."""

from itertools import product
from typing import Any, NamedTuple

from bot.ledger import Kind
from bot.narrator import kinds
from bot.notes import REMIGRATED
from engine.lifecycle import ATTEMPTS_MAX, Advance, EventName, Situation, Status, advance
from engine.model import Event, Migration

_UNDOING = frozenset({Status.UNDO_ASKED, Status.UNDOING})
_VERIFIED_IN = frozenset({Status.QUEUED, Status.RUNNING, Status.PAUSED})
_BORROWS = frozenset(Status) - {Status.PLANNING, Status.AWAITING_APPROVAL}
_RESULTS = (Status.SUCCESSFUL, Status.MISMATCHED)
_STOOD = (Status.SUCCESSFUL, Status.MISMATCHED, Status.FAILED, Status.CANCELED)


class Change(NamedTuple):
    """An event and the states before and after it."""

    before: Status
    event: EventName
    after: Status


def changes() -> tuple[Change, ...]:
    """All changes that `advance` allows from any situation, in the order of their names."""
    flags = product((False, True), repeat=5)
    situations = [
        Situation(
            status,
            cancel_requested=cancel,
            lease_live=lease,
            attempts=attempts,
            cleared=cleared,
            pause_requested=pause,
            stood=stood,
            borrowed=borrowed,
        )
        for status, (cancel, lease, cleared, pause, borrowed), attempts in product(
            Status, list(flags), (0, ATTEMPTS_MAX)
        )
        for stood in _stood(status)
        if not borrowed or status in _BORROWS
    ]
    found = {
        Change(each.status, event, decided.to.status)
        for each, event in product(situations, EventName)
        if isinstance(decided := advance(each, event), Advance)
    }
    return tuple(sorted(found))


def _stood(status: Status) -> tuple[Status | None, ...]:
    """Where a migration may have stood when an undo, or a new verification, was asked for that is under way now."""
    if status in _UNDOING:
        return _STOOD
    return (None, *_RESULTS) if status in _VERIFIED_IN else (None,)


def told(change: Change, migration: Migration) -> tuple[Kind, ...]:
    """The messages that a change makes."""
    event = Event(
        id=1,
        migration_id=migration.id,
        at=migration.created_at,
        name=change.event,
        actor="U02BOB",
        from_status=change.before,
        to_status=change.after,
        details={},
    )
    return kinds(event, migration)


def event_of(samples: Any, change: Change) -> Event:
    """The change as an event of the example migration."""
    details: dict[str, Any] = {}
    left = (
        change.before in _UNDOING and change.after in _STOOD and change.event is not EventName.KEEP
    )
    failed = change.event is EventName.FAIL
    if change.after is Status.FAILED or left or failed:
        details["error"] = samples.error.model_dump()
    if change.event is EventName.REOPEN:
        details["changes"] = ["articles: the field “title” is gone.", "“sessions” is gone."]
    found: Event = samples.event(change.event, **details)
    return found.model_copy(update={"from_status": change.before, "to_status": change.after})


def asked_again(samples: Any) -> Event:
    """What differs was asked for again, as a migration of its own."""
    asked: Event = samples.event(
        REMIGRATED, role="Project Admin of acme/search", **{"as": "M-9XB3M1C"}
    )
    return asked
