"""What the migrations of one ledger share: collections that several of them read, would take for their own, or make in turn.

Whoever loaded a source's collection releases it when its attempt ends, unless another migration that has not ended still reads it:
then that one does. A target's collection belongs to the one that recorded its id first. Calls that one of them lost may still be
applied to what another one makes under the same name. What clusters hold is not asked here.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import Update, bindparam, update
from sqlalchemy.orm import defer
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from engine.ledger.leases import Leases
from engine.ledger.records import listed_plan_of, migration_of
from engine.ledger.repeatable import repeatable
from engine.ledger.tables import CollectionRow, EventRow, MigrationRow
from engine.ledger.transitions import (
    Act,
    append_event,
    late_calls_until,
    lease_is_live,
    load,
    move,
)
from engine.lifecycle import HELD, EventName, Status
from engine.model import Details, Endpoint, LateCalls, Lease, Migration, Request
from engine.model.state import (
    CREATING,
    DATABASE_TAKEN,
    MAKES_DATABASE,
    REPLACING,
    WAITING,
)

_READING: Final = (Status.RUNNING, Status.QUEUED)
"""A queued migration with a mark was handed back by a crash, and goes on."""

_UNSETTLED: Final = (
    select(MigrationRow)
    .where(
        col(MigrationRow.id) != bindparam("of"),
        col(MigrationRow.status).in_(HELD)
        | (col(MigrationRow.lease_expires_at) > bindparam("now")),
    )
    .options(defer(col(MigrationRow.plan)))  # type: ignore[arg-type]  # SQLModel types it as what a row holds
)
"""The other migrations that have calls under way, or lost some a moment ago."""
_RUNNING: Final = (
    select(MigrationRow.id, MigrationRow.request)
    .where(col(MigrationRow.id) != bindparam("of"), col(MigrationRow.status) == Status.RUNNING)
    .order_by(col(MigrationRow.number))
)
_DATABASE_MADE: Final = (
    select(EventRow.id)
    .where(col(EventRow.migration_id) == bindparam("of"), col(EventRow.name).in_(MAKES_DATABASE))
    .limit(1)
)
_REQUEST: Final = select(MigrationRow.request).where(col(MigrationRow.id) == bindparam("of"))


class Shared(Leases):
    """The ledger's methods about what migrations share."""

    @repeatable
    def is_loaded_for_another(self, lease: Lease, name: str) -> bool:
        """Whether another migration that has not ended loaded this collection of the lease's source and is to release it."""
        with self._read() as session:
            return _is_anothers(session, lease, name)

    @repeatable
    def hand_load_on(self, lease: Lease, name: str) -> bool:
        """Leave the release of a source's collection to another migration that has not ended, if there is one that is to do it.

        Of two that end at once one finds the other, and that one finds none: the transactions follow one another.

        Returns:
            Whether there is one; this migration is then not to release it any more.

        Raises:
            LeaseLost: Another worker holds the migration.
        """
        with self._write(ordered=True) as session:
            self._check(session.connection(), lease)
            if not _is_anothers(session, lease, name):
                return False
            own = _own_row(lease, name).values(source_was_loaded=None)
            session.connection().execute(own)
            return True

    @repeatable
    def record_created(self, lease: Lease, name: str, phase: str, target_id: int) -> bool:
        """Record that this migration made the target's collection of that id, unless another one's record says so.

        Servers answer two who make the same collection at the same moment that each of them did. The id 0 tells nobody apart:
        Milvus Lite gives it to every collection. There whoever makes one is its maker, and what had its name before is gone.

        Returns:
            Whether it is this migration's.

        Raises:
            LeaseLost: Another worker holds the migration.
        """
        with self._write(ordered=True) as session:
            self._check(session.connection(), lease)
            if target_id and _has_another_maker(session, lease.migration_id, name, target_id):
                return False
            if not target_id:
                _forget_earlier_makers(session, lease, name)
            own = _own_row(lease, name).values(phase=phase, target_id=target_id)
            session.connection().execute(own)
            return True

    @repeatable
    def may_be_anothers(self, migration_id: str, name: str, target_id: int) -> bool:
        """Whether another migration's record says that it made the target's collection of that id, or one is about to record that.

        Args:
            migration_id: Not this one's.
            name: The collection's.
            target_id: The server's own id of it.
        """
        with self._read() as session:
            of = load(session, migration_id)
            if target_id and _has_another_maker(session, of.id, name, target_id):
                return True
            held = session.exec(_held_in(CREATING, of.id, [name]))
            return any(_target(row.request) == _target(of.request) for row in held)

    @repeatable
    def take_over(self, lease: Lease, name: str, target_id: int) -> LateCalls | None:
        """Record that what another migration made under that name and id is about to be dropped for this one.

        Not while a worker of that one is alive. One whose worker was lost is handed back in the same transaction: whoever claims it
        after that finds it in `replacing`.

        Returns:
            What has to end first, if anything.

        Raises:
            LeaseLost: Another worker holds the migration.
        """
        with self._write(ordered=True) as session:
            self._check(session.connection(), lease)
            now = self._clock()
            own = _target(load(session, lease.migration_id).request)
            for row in session.exec(_held_makers(lease.migration_id, name, target_id)).all():
                if not target_id and _target(row.request) != own:
                    continue
                if lease_is_live(row, now):
                    # Two that wait for each other would wait for ever.
                    session.connection().execute(_own_row(lease, name).values(phase=WAITING))
                    return _at_work(row, now)
                move(session, row.id, Act(EventName.RESCUE, lease.owner, now))
            session.connection().execute(_own_row(lease, name).values(phase=REPLACING))
            return None

    @repeatable
    def replacing(self, lease: Lease, names: Collection[str]) -> LateCalls | None:
        """Another migration whose live worker is about to drop one of these collections of the lease's target for its own."""
        now = self._clock()
        with self._read() as session:
            own = _target(load(session, lease.migration_id).request)
            for row in session.exec(_held_in(REPLACING, lease.migration_id, names)):
                if _target(row.request) == own and lease_is_live(row, now):
                    return _at_work(row, now)
        return None

    @repeatable
    def leave_database(self, lease: Lease) -> str:
        """Leave the target's database to another migration that runs there, if there is one: it uses it, or is about to.

        An undo of that one drops it then. One that begins after this finds the lease's migration in `late_calls`.

        Returns:
            Its id, "" where there is none; where there is one, this migration is not to drop it any more.

        Raises:
            LeaseLost: Another worker holds the migration.
        """
        with self._write(ordered=True) as session:
            self._check(session.connection(), lease)
            own = _target(load(session, lease.migration_id).request)
            for other, request in session.exec(_RUNNING, params={"of": lease.migration_id}):
                if _target(request) == own:
                    told: Details = {"from": lease.migration_id}
                    append_event(session, other, DATABASE_TAKEN, lease.owner, self._clock(), told)
                    return other
            return ""

    @repeatable
    def late_calls(
        self, lease: Lease, names: Collection[str], *, database: bool = False
    ) -> LateCalls | None:
        """What another migration lost, or is undoing, that may still change collections of these names on the lease's target.

        Args:
            lease: The worker's right.
            names: The collections'.
            database: Whether the target's database counts as well: an undo of the migration that made it drops it once nothing
                stands in it, whatever that migration's collections are called.

        Returns:
            That of the migration whose calls may arrive longest; None where none can.
        """
        now, of = self._clock(), lease.migration_id
        with self._read() as session:
            own = _target(session.exec(_REQUEST, params={"of": of}).one())
            doubted = [
                LateCalls(migration=row.id, until=until, undoing=row.status is Status.UNDOING)
                for row in session.exec(_UNSETTLED, params={"of": of, "now": now})
                if (until := late_calls_until(row)) is not None
                and until > now
                and _target(row.request) == own
                and (_makes(row, names) or (database and _made_database(session, row.id)))
            ]
        return max(doubted, key=lambda late: late.until, default=None)

    def maker(self, target: Endpoint, names: Collection[str]) -> Migration | None:
        """The newest migration whose record says that it made a collection of one of these names there, without its plan.

        One that was undone has no such record any more. What stands there now is not asked.
        """
        query = (
            select(MigrationRow)
            .join(CollectionRow, col(CollectionRow.migration_id) == col(MigrationRow.id))
            .where(col(CollectionRow.name).in_(names), col(CollectionRow.target_id).is_not(None))
            .order_by(col(MigrationRow.number).desc())
            .options(defer(col(MigrationRow.plan)))  # type: ignore[arg-type]  # as above
        )
        with self._read() as session:
            made = (row for row in session.exec(query) if _target(row.request) == _place(target))
            newest = next(made, None)
            return None if newest is None else migration_of(newest, planless=True)


def _held_by_others(migration_id: str) -> SelectOfScalar[MigrationRow]:
    return (
        select(MigrationRow)
        .join(CollectionRow, col(CollectionRow.migration_id) == col(MigrationRow.id))
        .where(col(MigrationRow.id) != migration_id, col(MigrationRow.status).in_(HELD))
        .options(defer(col(MigrationRow.plan)))  # type: ignore[arg-type]  # as above
    )


def _held_in(phase: str, migration_id: str, names: Collection[str]) -> SelectOfScalar[MigrationRow]:
    """The other migrations with a worker, or one that was lost, of which a collection of these names is in that phase."""
    return _held_by_others(migration_id).where(
        col(CollectionRow.name).in_(names), col(CollectionRow.phase) == phase
    )


def _held_makers(migration_id: str, name: str, target_id: int) -> SelectOfScalar[MigrationRow]:
    """Likewise, which made the collection of that id."""
    return _held_by_others(migration_id).where(
        col(CollectionRow.name) == name, col(CollectionRow.target_id) == target_id
    )


def _at_work(row: MigrationRow, now: datetime) -> LateCalls:
    undoing, until = row.status is Status.UNDOING, row.lease_expires_at or now
    return LateCalls(migration=row.id, until=until, undoing=undoing, working=not undoing)


def _own_row(lease: Lease, name: str) -> Update:
    return update(CollectionRow).where(
        col(CollectionRow.migration_id) == lease.migration_id, col(CollectionRow.name) == name
    )


def _forget_earlier_makers(session: Session, lease: Lease, name: str) -> None:
    made = select(col(MigrationRow.id), col(MigrationRow.request)).join(
        CollectionRow, col(CollectionRow.migration_id) == col(MigrationRow.id)
    )
    others = made.where(
        col(MigrationRow.id) != lease.migration_id,
        col(CollectionRow.name) == name,
        col(CollectionRow.target_id) == 0,
    )
    own = _target(load(session, lease.migration_id).request)
    earlier = [of for of, request in session.exec(others) if _target(request) == own]
    of_them = (col(CollectionRow.migration_id).in_(earlier), col(CollectionRow.name) == name)
    session.connection().execute(update(CollectionRow).where(*of_them).values(target_id=None))


def _has_another_maker(session: Session, migration_id: str, name: str, target_id: int) -> bool:
    # Not by the address, of which a cluster may have several: a server makes its ids of the time and a counter.
    query = select(CollectionRow.migration_id).where(
        col(CollectionRow.migration_id) != migration_id,
        col(CollectionRow.name) == name,
        col(CollectionRow.target_id) == target_id,
    )
    return session.exec(query).first() is not None


def _is_anothers(session: Session, lease: Lease, name: str) -> bool:
    query = (
        select(MigrationRow.request)
        .join(CollectionRow, col(CollectionRow.migration_id) == col(MigrationRow.id))
        .where(
            col(MigrationRow.id) != lease.migration_id,
            col(MigrationRow.status).in_(_READING),
            col(CollectionRow.name) == name,
            col(CollectionRow.source_was_loaded).is_(False),
        )
    )
    own = _source(load(session, lease.migration_id).request)
    return any(_source(request) == own for request in session.exec(query))


def _makes(row: MigrationRow, names: Collection[str]) -> bool:
    """Whether it may have made or dropped one of these; of a plan in another format nobody knows."""
    plan = listed_plan_of(row.plan)
    return plan is None or any(each.name in names for each in plan.collections)


def _made_database(session: Session, migration_id: str) -> bool:
    return session.exec(_DATABASE_MADE, params={"of": migration_id}).first() is not None


def _source(request: str) -> tuple[str, str]:
    return _place(Request.model_validate_json(request).source)


def _target(request: str) -> tuple[str, str]:
    return _place(Request.model_validate_json(request).target)


def _place(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.uri.rstrip("/"), endpoint.database
