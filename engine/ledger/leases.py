"""A worker's right to write: claim, renew, and the end of its attempt.

The fencing token grows with every claim and whenever a run ends, and every write of a worker names the token it holds, in the
statement that writes: a worker that slept through its takeover changes nothing any more (Kleppmann; measured in our E1: by id
alone a late write is taken, by id and token never). People's acts are in `transaction.py`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, update
from sqlmodel import Session, col, select

from engine.errors import CancelRequested, LeaseLost, MigrationBusy
from engine.ledger import proofs
from engine.ledger.database import Database
from engine.ledger.owners import describe
from engine.ledger.records import collection_values, migration_of, throttle_of
from engine.ledger.repeatable import repeatable
from engine.ledger.tables import CollectionRow, MigrationRow
from engine.ledger.transitions import (
    Act,
    TransitionRefused,
    append_event,
    last_change,
    lease_is_live,
    load,
    move,
)
from engine.lifecycle import HELD, TAKING_EVENTS, WORKER_EVENTS, EventName, Status
from engine.model import CollectionReport, Details, ErrorText, Lease, Migration, Orders

LEASE_SECONDS: Final = 30.0
"""How long a lease lasts; its worker renews it every third of that (procrastinate: 10 s and 30 s)."""

HOLDS: Final = (
    col(MigrationRow.id) == bindparam("held_id"),
    col(MigrationRow.lease_token) == bindparam("held_token"),
    col(MigrationRow.lease_owner) == bindparam("held_owner"),
    col(MigrationRow.status).in_(HELD),
)
"""The conditions under which a lease's holder may still write for its migration; the lease comes as `held_by(lease)`."""

FENCE: Final = select(MigrationRow.number).where(*HOLDS).with_for_update(read=True)
"""A query that finds a row while the lease holds, and on PostgreSQL keeps it so until the transaction ends.

Without the share lock a takeover that commits between the query and the write would go unseen there.
"""

_ORDERS = select(
    MigrationRow.cancel_requested_at,
    MigrationRow.pause_requested_at,
    MigrationRow.throttle,
    MigrationRow.status,
).where(*HOLDS)


_CONCLUDED = update(CollectionRow).where(
    col(CollectionRow.migration_id) == bindparam("held_id"),
    col(CollectionRow.name) == bindparam("its_name"),
)


def held_by(lease: Lease) -> dict[str, str | int]:
    """What a statement with `HOLDS` or `FENCE` in it is executed with."""
    return {"held_id": lease.migration_id, "held_token": lease.token, "held_owner": lease.owner}


class Leases(Database):
    """The ledger's methods about who may work on a migration."""

    def claim(
        self,
        migration_id: str,
        owner: str,
        lease_seconds: float = LEASE_SECONDS,
        event: EventName = EventName.CLAIM,
    ) -> Lease:
        """Take a queued migration, or a running one whose worker's lease expired or whose worker is certainly dead.

        What is too old of its proofs counts as not compared from now on (`proofs.py`).

        Args:
            migration_id: Which one.
            owner: Who takes it: `new_owner()` of the worker's own process.
            lease_seconds: How long the lease lasts unless it is renewed.
            event: UNDO takes one that waits to be undone, UNDO_NOW one that has ended, to drop what it made.

        Raises:
            MigrationBusy: A live worker holds it.
            TransitionRefused: It does not stand where this could be done.
            InputRejected: There is no such migration.
        """
        if event not in TAKING_EVENTS:
            raise ValueError(f"{event} gives no lease")
        with self._write(ordered=True) as session:
            row = load(session, migration_id)
            verifies = event is EventName.CLAIM and row.stood is not None
            told: Details | None = {"verifies": True} if verifies else None
            act = Act(event, owner, self._clock(), told, lease_seconds=lease_seconds)
            stale = event is EventName.CLAIM and proofs.lapsed(session, row, act.at)
            try:
                migration = move(session, migration_id, act)
            except TransitionRefused as refused:
                if lease_is_live(refused.migration, act.at):
                    raise _busy(refused.migration) from refused
                raise
            if stale:
                proofs.forget(session, migration.id)
            taken = load(session, migration.id)
            taken.phase = ""  # that of the run before is over
            return Lease(
                migration_id=taken.id,
                token=taken.lease_token,
                owner=owner,
                others_until=taken.others_until,
            )

    def renew(self, lease: Lease, lease_seconds: float = LEASE_SECONDS) -> None:
        """Hold on to the migration for that long from now; raises LeaseLost."""
        expires = self._clock() + timedelta(seconds=lease_seconds)
        self._set(lease, lease_expires_at=expires)

    @repeatable
    def finish(
        self,
        lease: Lease,
        event: EventName,
        details: Details | None = None,
        error: ErrorText | None = None,
        verdicts: Mapping[str, CollectionReport] | None = None,
    ) -> Migration:
        """End this attempt (succeed, mismatch, fail, canceled, release, undo_left or undone) and give up the lease.

        DROP ends nothing: the lease still holds after it.

        Args:
            lease: The attempt's.
            event: How it ends.
            details: Of the event.
            error: Why it failed.
            verdicts: Reports of collections that count together with this end, or not at all.

        Raises:
            LeaseLost: Another worker holds the migration, or it ended.
            CancelRequested: It cannot succeed or mismatch, because someone asked to cancel first; the lease still holds.
            TransitionRefused: It cannot end as canceled, because nobody asked.
        """
        if event not in WORKER_EVENTS:
            raise ValueError(f"a worker does not end its attempt with {event}")
        with self._write(ordered=True) as session:
            if ended := _ended_so(session, lease, event):
                return ended
            self._check(session.connection(), lease)
            act = Act(event, lease.owner, self._clock(), details, error)
            try:
                ended = move(session, lease.migration_id, act)
            except TransitionRefused as refused:
                if refused.migration.cancel_requested_at is not None:
                    raise CancelRequested(refused.sentence) from refused
                raise
            for name, report in (verdicts or {}).items():
                values = collection_values({"phase": "verified", "report": report})
                its_row = {"held_id": ended.id, "its_name": name}
                session.connection().execute(_CONCLUDED.values(values), its_row)
            return ended

    @repeatable
    def set_phase(self, lease: Lease, phase: str) -> None:
        """Say in which phase the migration is; raises LeaseLost."""
        self._set(lease, phase=phase)

    @repeatable
    def note(self, lease: Lease, name: str, details: Details | None = None) -> None:
        """Record something that happened and changed no state; raises LeaseLost."""
        with self._write(ordered=True) as session:
            self._check(session.connection(), lease)
            at = self._clock()
            append_event(session, lease.migration_id, name, lease.owner, at, details)

    @repeatable
    def orders(self, lease: Lease) -> Orders:
        """What people asked of the migration meanwhile: one read, cheap enough for every chunk; raises LeaseLost."""
        with self._reading() as connection:
            found = connection.execute(_ORDERS, held_by(lease)).first()
        if found is None:
            raise _lost(lease)
        cancel, pause, throttle, status = found
        # What was asked of a run says nothing about an undo that came after it.
        runs = status is Status.RUNNING
        return Orders(
            cancel=runs and cancel is not None,
            pause=runs and pause is not None,
            throttle=throttle_of(throttle),
        )

    def set_slowed(self, lease: Lease, reason: str) -> None:
        """Say why the migration is slower than it could be, "" when it is not; raises LeaseLost."""
        self._set(lease, slowed=reason)

    def _set(self, lease: Lease, **values: Any) -> None:
        with self._writing() as connection:
            change = update(MigrationRow).where(*HOLDS).values(values)
            if connection.execute(change, held_by(lease)).rowcount != 1:
                raise _lost(lease)

    @contextmanager
    def _fenced(self, lease: Lease) -> Iterator[Connection]:
        """A write transaction that is open only to the lease's holder, until its end."""
        with self._writing() as connection:
            self._check(connection, lease)
            yield connection

    def _check(self, connection: Connection, lease: Lease) -> None:
        if connection.execute(FENCE, held_by(lease)).first() is None:
            raise _lost(lease)


def _ended_so(session: Session, lease: Lease, event: EventName) -> Migration | None:
    """The migration, if this very attempt ended so before: it was committed, and the answer was lost."""
    last = last_change(session, lease.migration_id)
    if last is None or (last.actor, last.name) != (lease.owner, event) or event is EventName.DROP:
        return None
    return migration_of(load(session, lease.migration_id))


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"{lease.migration_id} is no longer held with token {lease.token}")


def _busy(migration: Migration) -> MigrationBusy:
    until = migration.lease_expires_at
    holder = describe(migration.lease_owner or "")
    return MigrationBusy(
        f"{migration.id} is being worked on by {holder}, whose lease runs until {until:%H:%M:%S} UTC.",
        state="It goes on there; nothing was changed here.",
        next_step=f"`ferry show {migration.id}` shows its progress, `ferry cancel {migration.id}` stops it.",
    )
