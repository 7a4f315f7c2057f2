"""The one way in which a migration changes its state: decide, update what was decided upon, append the event.

`engine/lifecycle.py` decides; the update names the situation that was decided upon, so of two racers exactly one finds its row. All
of it happens in the caller's transaction; nothing here begins or commits one.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, insert, or_, update
from sqlmodel import Session, col, select

from engine.errors import InputRejected, NeedsPerson
from engine.ledger import audit
from engine.ledger.owners import describe, owner_is_dead
from engine.ledger.records import event_of, json_text, migration_of, normal_id
from engine.ledger.tables import CollectionRow, EventRow, MigrationRow
from engine.lifecycle import (
    DUE,
    HELD,
    TAKING_EVENTS,
    WORKER_EVENTS,
    EventName,
    Refused,
    Situation,
    Status,
    advance,
    is_terminal,
)
from engine.model import Details, ErrorText, Event, Migration

_ROW = (
    select(MigrationRow)
    .where(col(MigrationRow.id) == bindparam("of"))
    .execution_options(populate_existing=True)
)
_LAST_CHANGE = (
    select(EventRow)
    .where(col(EventRow.migration_id) == bindparam("of"), col(EventRow.to_status).is_not(None))
    .order_by(col(EventRow.id).desc())
    .limit(1)
)
_BORROWED = (
    select(CollectionRow.id)
    .where(
        col(CollectionRow.migration_id) == bindparam("of"),
        or_(
            col(CollectionRow.source_was_loaded).is_(False),
            col(CollectionRow.target_was_loaded).is_(False),
        ),
    )
    .limit(1)
)
_APPEND = insert(EventRow)

_CLEARING = frozenset({EventName.CLAIM, EventName.RESUME, EventName.UNDONE})
"""These forget the failure that came before."""


CALLS_CUT = "calls_cut"
"""The detail of an attempt's end that says that calls were under way which it did not wait for."""


class TransitionRefused(InputRejected):
    """The migration does not stand where this act could apply; or someone else was faster.

    Attributes:
        migration: The migration as it stands now.
        sentence: Why it was refused, for people.
        last_event: The last change of state: who won, and when.
    """

    code = "E-REFUSED"

    def __init__(self, migration: Migration, sentence: str, last_event: Event | None) -> None:
        last = ""
        if last_event is not None:
            at = last_event.at.strftime("%Y-%m-%d %H:%M:%S UTC")
            last = (
                f"The last change was “{last_event.name}” by {describe(last_event.actor)} at {at}."
            )
        super().__init__(sentence, state=last, next_step=f"`ferry show {migration.id}` shows it.")
        self.migration = migration
        self.sentence = sentence
        self.last_event = last_event


@dataclass(frozen=True, slots=True)
class Act:
    """An event with all that is recorded of it.

    Attributes:
        actor: Who did it: a Slack user id, `user@host`, or a lease's owner.
        error: Stored with the migration; a claim, a resume and the end of an undo clear it.
        lease_seconds: For a claim or an undo: how long the actor holds the migration.
    """

    event: EventName
    actor: str
    at: datetime
    details: Details | None = None
    error: ErrorText | None = None
    lease_seconds: float = 0.0


def lease_is_live(migration: Migration | MigrationRow, now: datetime) -> bool:
    """Whether a worker holds a migration; a lease whose owner is certainly dead is not live."""
    owner, expires = migration.lease_owner, migration.lease_expires_at
    return bool(owner and expires and expires > now and not owner_is_dead(owner))


def situation_of(session: Session, row: MigrationRow, now: datetime) -> Situation:
    """What `advance` needs to know."""
    return Situation(
        status=row.status,
        cancel_requested=row.cancel_requested_at is not None,
        lease_live=lease_is_live(row, now),
        attempts=row.attempts,
        cleared=row.cleared_at is not None,
        pause_requested=row.pause_requested_at is not None,
        stood=row.stood,
        borrowed=session.exec(_BORROWED, params={"of": row.id}).first() is not None,
    )


def load(session: Session, migration_id: str) -> MigrationRow:
    """The row, as it is now, of the migration with that id as people type it; raises InputRejected if there is none."""
    row = session.exec(_ROW, params={"of": normal_id(migration_id)}).one_or_none()
    if row is None:
        raise InputRejected(
            f"There is no migration {migration_id} in this ledger.",
            state="Nothing was changed.",
            next_step="`ferry jobs` lists the migrations; FERRY_DATABASE_URL says which ledger is read.",
        )
    return row


def last_change(session: Session, migration_id: str) -> Event | None:
    """The migration's last event that was a transition, not a note."""
    row = session.exec(_LAST_CHANGE, params={"of": migration_id}).one_or_none()
    return None if row is None else event_of(row)


def refuse(session: Session, row: MigrationRow, sentence: str) -> TransitionRefused:
    """The refusal, with the migration as it stands and who was last to change it."""
    return TransitionRefused(migration_of(row, listed=True), sentence, last_change(session, row.id))


def move(session: Session, migration_id: str, act: Act) -> Migration:
    """Apply an event to a migration, in one update that finds the row only as it was decided upon.

    Raises:
        TransitionRefused: `advance` refuses, at first or after someone else changed the row.
        InputRejected: There is no such migration.
    """
    while True:
        row = load(session, migration_id)
        before = situation_of(session, row, act.at)
        decision = advance(before, act.event)
        if isinstance(decision, Refused):
            raise refuse(session, row, decision.sentence)
        act = _with_error(act, row, decision.to)
        change = update(MigrationRow).where(*_still(row))
        values = _changes(row, before, decision.to, act)
        if session.connection().execute(change.values(values)).rowcount == 1:
            statuses = (before.status, decision.to.status)
            details = _details(act)
            append_event(session, row.id, act.event, act.actor, act.at, details, statuses)
            audit.append(
                session,
                at=act.at,
                actor=act.actor,
                act=act.event,
                outcome=decision.to.status,
                migration_id=row.id,
                details=details,
            )
            return migration_of(load(session, row.id))
        # Someone else was faster: decide again on what stands there now, which ends because every round is another's success.


def append_event(
    session: Session,
    migration_id: str,
    name: str,
    actor: str,
    at: datetime,
    details: Details | None = None,
    statuses: tuple[Status | None, Status | None] = (None, None),
) -> None:
    """Append an event row; `statuses` (from, to) are for transitions, a note has none."""
    values = {
        "migration_id": migration_id,
        "at": at,
        "name": name,
        "actor": actor,
        "from_status": statuses[0],
        "to_status": statuses[1],
        "details": json_text(details or {}),
    }
    session.connection().execute(_APPEND, values)


def _details(act: Act) -> Details:
    details = dict(act.details or {})
    if act.error is not None:
        details.setdefault("error", act.error.model_dump())
    return details


def _still(row: MigrationRow) -> tuple[ColumnElement[bool], ...]:
    """The row is as it was read, in everything that a decision rests on."""
    return (
        col(MigrationRow.id) == row.id,
        col(MigrationRow.status) == row.status,
        col(MigrationRow.lease_token) == row.lease_token,
        col(MigrationRow.lease_expires_at).is_not_distinct_from(row.lease_expires_at),
        col(MigrationRow.cancel_requested_at).is_not_distinct_from(row.cancel_requested_at),
        col(MigrationRow.pause_requested_at).is_not_distinct_from(row.pause_requested_at),
        col(MigrationRow.stood).is_not_distinct_from(row.stood),
    )


def _with_error(act: Act, row: MigrationRow, after: Situation) -> Act:
    """A rescue that gives up says why; from the first drop on the migration says that it is undone in part.

    Why an undo or a new verification was not done is told by the event alone: the migration stands as it did.
    """
    if act.event is EventName.DROP:
        return replace(act, error=_half_undone())
    undoing = row.status is Status.UNDOING
    rescued = act.event is EventName.RESCUE
    canceled = row.cancel_requested_at is not None and not undoing
    if rescued and after.status not in DUE | {Status.PAUSED} and not canceled:
        act = replace(act, error=act.error or (_undo_given_up if undoing else _given_up)(row))
    not_done = rescued or (act.event in {EventName.FAIL, EventName.CANCELED} and not undoing)
    if act.error is None or row.stood is None or not not_done:
        return act
    told = {"error": act.error.model_dump()}
    return replace(act, error=None, details=(act.details or {}) | told)


def _given_up(row: MigrationRow) -> ErrorText:
    verified = row.stood is not None
    kept = "Nothing was written" if verified else "What was copied is kept"
    again = "verify it again" if verified else "resume it"
    return ErrorText(
        code=NeedsPerson.code,
        message=f"{row.attempts} workers ended in the middle of this migration without saying why.",
        state=f"{kept}; the source was only read.",
        next_step=f"Look at the workers' logs and the machine's memory, then {again}.",
    )


def _undo_given_up(row: MigrationRow) -> ErrorText:
    dropped = "Some of what the migration made on the target is dropped."
    return ErrorText(
        code=NeedsPerson.code,
        message=f"{row.attempts} workers ended in the middle of undoing this migration without saying why.",
        state=dropped if row.stood is Status.FAILED else "Nothing was dropped.",
        next_step="Look at the workers' logs and the machine's memory, then undo it again.",
    )


def _half_undone() -> ErrorText:
    return ErrorText(
        code=NeedsPerson.code,
        message="The undo of this migration has begun and is not done.",
        state="Some of what the migration made on the target is dropped; the source was only read.",
        next_step="Undo it again, or resume it to copy again what was dropped.",
    )


def _changes(row: MigrationRow, before: Situation, after: Situation, act: Act) -> dict[str, Any]:
    """The columns that a transition changes."""
    values: dict[str, Any] = {"status": after.status, "attempts": after.attempts}
    if after.cleared is not before.cleared:
        values["cleared_at"] = act.at if after.cleared else None
    for flag in ("cancel_requested", "pause_requested"):
        asked = getattr(after, flag)
        if asked is not getattr(before, flag):
            values[f"{flag}_at"] = act.at if asked else None
            values[f"{flag}_by"] = act.actor if asked else None
    if after.stood is not before.stood:
        values["stood"] = after.stood
    if act.event in _CLEARING:
        values["error"] = None
    if act.error is not None:
        values["error"] = act.error.model_dump_json()
    if is_terminal(after.status) != is_terminal(before.status):
        values["ended_at"] = act.at if is_terminal(after.status) else None
    return values | _lease_changes(row, before, after, act)


def _calls_until(row: MigrationRow, act: Act) -> datetime | None:
    """Until when a call of this attempt, or of a worker that was lost before it, may still be applied; None where none can.

    A worker that ends waits for its calls first, unless it cut them; of one that was lost, or cut them, some may be under way until
    its lease ends.
    """
    waited = act.event in WORKER_EVENTS and not (act.details or {}).get(CALLS_CUT)
    own = None if waited else row.lease_expires_at
    others = row.others_until if row.others_until and row.others_until > act.at else None
    return _later(own, others)


def late_calls_until(row: MigrationRow) -> datetime | None:
    """Until when a call may still be applied that no worker waits for any more, or a drop of an undo that is under way.

    Other calls of a live worker are its own affair. It is live until its lease ends, unless it is certainly dead: of another
    machine nobody can say that.
    """
    gone = row.lease_owner is None or owner_is_dead(row.lease_owner)
    counts = gone or row.status is Status.UNDOING
    return _later(row.lease_expires_at if counts else None, row.others_until)


def _later(*moments: datetime | None) -> datetime | None:
    return max(filter(None, moments), default=None)


def _lease_changes(
    row: MigrationRow, before: Situation, after: Situation, act: Act
) -> dict[str, Any]:
    """The fencing token grows with each claim and with each end of a run, whoever ends it: a sleeper is fenced at once."""
    if act.event in TAKING_EVENTS:
        return {
            "lease_owner": act.actor,
            "lease_token": row.lease_token + 1,
            "lease_expires_at": act.at + timedelta(seconds=act.lease_seconds),
            "others_until": _later(row.lease_expires_at, row.others_until),
            "started_at": row.started_at or act.at,
        }
    if before.status in HELD and after.status is not before.status:
        return {
            "lease_owner": None,
            "lease_token": row.lease_token + 1,
            "lease_expires_at": _calls_until(row, act),
            "others_until": None,
            "slowed": "",
        }
    return {}
