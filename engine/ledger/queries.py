"""What others ask the ledger: migrations, mismatches, events, and what the scheduler has to do.

It only reads, in transactions that wait for nobody; whatever acts on an answer decides again when it writes.
"""

import sys
from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func
from sqlalchemy import select as select_columns
from sqlalchemy.orm import defer
from sqlmodel import col, select

from engine.ledger.database import Database
from engine.ledger.records import RecordedMismatch, event_of, migration_of, mismatch_of, normal_id
from engine.ledger.repeatable import repeatable
from engine.ledger.tables import ChunkRow, EventRow, MigrationRow, MismatchRow
from engine.ledger.transitions import (
    TransitionRefused,
    last_change,
    lease_is_live,
    load,
    refuse,
    situation_of,
)
from engine.lifecycle import HELD, EventName, Refused, Status, advance
from engine.model import Event, Migration, MismatchKind

_OVER = (
    Status.SUCCESSFUL,
    Status.MISMATCHED,
    Status.REJECTED,
    Status.EXPIRED,
    Status.UNDO_ASKED,
    Status.UNDOING,
    Status.UNDONE,
)
_RESUMABLE_ONLY = (Status.FAILED, Status.CANCELED)


LOOKED_THROUGH: Final = 5_000
"""Events of which `Queries.log` leaves out repetitions: a click must not walk through a week of waiting notes."""

_DUE = (
    select(MigrationRow.id)
    .where(
        (
            (col(MigrationRow.status) == Status.QUEUED)
            & (
                col(MigrationRow.due_at).is_(None)
                | (col(MigrationRow.due_at) <= bindparam("now"))
                | col(MigrationRow.cancel_requested_at).is_not(None)
            )
        )
        | (col(MigrationRow.status) == Status.UNDO_ASKED),
    )
    .order_by(col(MigrationRow.number))
)
_STANDING = (
    select(MigrationRow)
    .where(col(MigrationRow.status).in_(bindparam("statuses", expanding=True)))
    .order_by(col(MigrationRow.number))
    .options(defer(col(MigrationRow.plan)))  # type: ignore[arg-type]  # SQLModel types it as what a row holds
)
_EVENTS = (
    select(EventRow)
    .where(col(EventRow.id) > bindparam("after"))
    .order_by(col(EventRow.id))
    .limit(bindparam("most"))
)
_NAMED = select(EventRow).where(
    col(EventRow.migration_id) == bindparam("of"), col(EventRow.name) == bindparam("its_name")
)
"""Of one name: for several at once SQLite walks through all events of the migration, in the order of their ids."""
_LAST_NAMED = (
    _NAMED.where(col(EventRow.id) < bindparam("before")).order_by(col(EventRow.id).desc()).limit(1)
)
_EVENTS_OF_ONE = _EVENTS.where(col(EventRow.migration_id) == bindparam("of"))


class Queries(Database):
    """The ledger's methods that only read."""

    @repeatable
    def migration(self, migration_id: str) -> Migration:
        """The migration with that id, as people type it.

        Raises:
            InputRejected: There is none.
            LedgerIncompatible: Its plan was stored by another version of Ferry.
        """
        with self._read() as session:
            return migration_of(load(session, migration_id))

    def migrations(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        statuses: Collection[Status] | None = None,
    ) -> tuple[Migration, ...]:
        """Migrations, the newest first; a plan of another version of Ferry is left out (None).

        Args:
            limit: How many at most.
            before: The id of the last migration of the page before.
            statuses: Only those; None means all.
        """
        query = select(MigrationRow).order_by(col(MigrationRow.number).desc()).limit(limit)
        if statuses is not None:
            query = query.where(col(MigrationRow.status).in_(statuses))
        with self._read() as session:
            if before is not None:
                query = query.where(col(MigrationRow.number) < load(session, before).number)
            return tuple(migration_of(row, listed=True) for row in session.exec(query))

    def standing(self, *statuses: Status) -> tuple[Migration, ...]:
        """All migrations in these statuses, the oldest first, without their plans: whoever looks every second needs none."""
        with self._read() as session:
            found = session.exec(_STANDING, params={"statuses": statuses})
            return tuple(migration_of(row, planless=True) for row in found)

    def status_counts(self) -> dict[Status, int]:
        """How many migrations stand in each status; statuses without any are left out."""
        query = select_columns(col(MigrationRow.status), func.count()).group_by(
            col(MigrationRow.status)
        )
        with self._read() as session:
            return {status: int(number) for status, number in session.connection().execute(query)}

    def unfinished(self, identity: str) -> Migration | None:
        """The newest migration of that `Request.identity` that can go on: waiting, running, or resumable after a failure or cancel.

        Raises:
            LedgerIncompatible: Its plan was stored by another version of Ferry.
        """
        goes_on = col(MigrationRow.status).not_in((*_OVER, *_RESUMABLE_ONLY))
        resumable = col(MigrationRow.status).in_(_RESUMABLE_ONLY)
        query = (
            select(MigrationRow)
            .where(
                col(MigrationRow.identity) == identity,
                goes_on | (resumable & col(MigrationRow.cleared_at).is_not(None)),
            )
            .order_by(col(MigrationRow.number).desc())
            .limit(1)
        )
        with self._read() as session:
            row = session.exec(query).first()
            return None if row is None else migration_of(row)

    def due(self, now: datetime) -> tuple[str, ...]:
        """Ids of the queued migrations that may start at `now` (aware), or were canceled, and of those that wait to be undone.

        The oldest comes first.
        """
        with self._read() as session:
            return tuple(session.exec(_DUE, params={"now": now}))

    def expired_leases(self, now: datetime) -> tuple[str, ...]:
        """Ids of the migrations that run, or are being undone, and that nobody works on at `now` (aware).

        The lease expired, or its process is dead.
        """
        with self._read() as session:
            running = session.exec(_STANDING, params={"statuses": tuple(HELD)}).all()
        return tuple(row.id for row in running if not lease_is_live(row, now))

    def events(
        self, *, after_id: int = 0, migration_id: str | None = None, limit: int = 500
    ) -> tuple[Event, ...]:
        """Events in order, after the one with that id; whoever remembers the last id misses none."""
        query = _EVENTS
        given: dict[str, str | int] = {"after": after_id, "most": limit}
        if migration_id is not None:
            query, given["of"] = _EVENTS_OF_ONE, migration_id
        with self._read() as session:
            return tuple(event_of(row) for row in session.exec(query, params=given))

    def log(self, migration_id: str, limit: int = 1_000) -> tuple[Event, ...]:
        """The newest events of a migration, in order, without those that say the same as the one before: a wait is noted again.

        Of a migration that waited for a day fewer than `limit` may be left: no more than `LOOKED_THROUGH` are looked through.
        """
        place = func.lag(col(EventRow.name)).over(order_by=col(EventRow.id))
        said = func.lag(col(EventRow.details)).over(order_by=col(EventRow.id))
        newest = select(EventRow.id).where(col(EventRow.migration_id) == migration_id)
        newest = newest.order_by(col(EventRow.id).desc()).limit(LOOKED_THROUGH)
        before = (
            select_columns(col(EventRow.id), place.label("name"), said.label("details"))
            .where(col(EventRow.id).in_(newest))
            .subquery()
        )
        new = before.c.name.is_distinct_from(col(EventRow.name))
        query = select(EventRow).join(before, before.c.id == col(EventRow.id))
        query = query.where(new | (before.c.details != col(EventRow.details)))
        with self._read() as session:
            found = session.exec(query.order_by(col(EventRow.id).desc()).limit(limit))
            return tuple(event_of(row) for row in found)[::-1]

    @repeatable
    def events_named(self, migration_id: str, *names: str) -> tuple[Event, ...]:
        """All events of these names of a migration, in order: for such as are few."""
        with self._read() as session:
            each = (session.exec(_NAMED, params={"of": migration_id, "its_name": n}) for n in names)
            events = [event_of(row) for found in each for row in found]
        return tuple(sorted(events, key=lambda event: event.id))

    @repeatable
    def last_named(
        self, migration_id: str, *names: str, before_id: int = sys.maxsize
    ) -> Event | None:
        """The last event of one of these names of a migration, before the one with that id."""
        given = {"of": migration_id, "before": before_id}
        with self._read() as session:
            each = (session.exec(_LAST_NAMED, params=given | {"its_name": n}) for n in names)
            events = [event_of(row) for found in each for row in found]
        return max(events, key=lambda event: event.id, default=None)

    def refusal(self, migration_id: str, event: EventName) -> TransitionRefused | None:
        """Why an event would be refused as the migration stands now; None if it would not be.

        Raises InputRejected if there is no such migration.
        """
        with self._read() as session:
            row = load(session, migration_id)
            decision = advance(situation_of(session, row, self._clock()), event)
            if isinstance(decision, Refused):
                return refuse(session, row, decision.sentence)
            return None

    @repeatable
    def noted(self, migration_id: str, name: str) -> bool:
        """Whether an event of that name was ever recorded of the migration."""
        query = select(EventRow.id).where(
            col(EventRow.migration_id) == migration_id, col(EventRow.name) == name
        )
        with self._read() as session:
            return session.exec(query.limit(1)).first() is not None

    def asked_of(self, migration_id: str) -> EventName | None:
        """What its runs are for: what was last asked of it after an end (RESUME, REPAIR or VERIFY); None before it first ended."""
        found = self._asked(migration_id)
        return EventName(found[-1].name) if found else None

    def times_asked(self, migration_id: str) -> int:
        """How often it was asked to go on after an end: 0 in the first run, whatever interrupted that."""
        return len(self._asked(migration_id))

    def _asked(self, migration_id: str) -> list[Event]:
        asked = (EventName.RESUME, EventName.REPAIR, EventName.VERIFY)
        ended = (*_RESUMABLE_ONLY, Status.MISMATCHED, Status.SUCCESSFUL)
        return [e for e in self.events_named(migration_id, *asked) if e.from_status in ended]

    def last_change(self, migration_id: str) -> Event | None:
        """The migration's last change of state: since when it stands as it does, and who did it."""
        with self._read() as session:
            return last_change(session, normal_id(migration_id))

    @repeatable
    def mismatches(
        self,
        migration_id: str,
        collection: str | None = None,
        *,
        chunk_id: int | None = None,
        after_id: int = 0,
        limit: int = 1000,
    ) -> tuple[RecordedMismatch, ...]:
        """What the last verification of each chunk found, in the order of `id`; the next page starts after the last id."""
        query = (
            select(MismatchRow)
            .join(ChunkRow, col(ChunkRow.id) == col(MismatchRow.chunk_id))
            .where(col(MismatchRow.id) > after_id, col(ChunkRow.verified).is_(False))
            .order_by(col(MismatchRow.id))
            .limit(limit)
        )
        if chunk_id is None:
            query = query.where(col(MismatchRow.migration_id) == migration_id)
        else:
            # Of the finding the chunk alone: SQLite would else look through the migration's findings.
            query = query.where(
                col(MismatchRow.chunk_id) == chunk_id, col(ChunkRow.migration_id) == migration_id
            )
        if collection is not None:
            query = query.where(col(MismatchRow.collection) == collection)
        with self._read() as session:
            return tuple(mismatch_of(row) for row in session.exec(query))

    @repeatable
    def mismatch_counts(
        self, migration_id: str, collection: str | None = None
    ) -> dict[str, dict[MismatchKind, int]]:
        """How many mismatches of each kind the last verification found, by collection; collections without any are left out."""
        query = (
            select_columns(col(MismatchRow.collection), col(MismatchRow.kind), func.count())
            .join(ChunkRow, col(ChunkRow.id) == col(MismatchRow.chunk_id))
            .where(col(MismatchRow.migration_id) == migration_id, col(ChunkRow.verified).is_(False))
            .group_by(col(MismatchRow.collection), col(MismatchRow.kind))
        )
        if collection is not None:
            query = query.where(col(MismatchRow.collection) == collection)
        counts: dict[str, dict[MismatchKind, int]] = {}
        with self._read() as session:
            for name, kind, number in session.connection().execute(query):
                counts.setdefault(name, dict.fromkeys(MismatchKind, 0))[kind] = number
        return counts
