"""What the migrations of one ledger share: collections that several of them read, or would take for their own.

Whoever loaded a source's collection releases it when its attempt ends, unless another migration that has not ended still reads it:
then that one does. A target's collection belongs to the one that recorded its id first. What clusters hold is not asked here.
"""

from typing import Final

from sqlalchemy import Update, update
from sqlmodel import Session, col, select

from engine.ledger.leases import Leases
from engine.ledger.tables import CollectionRow, MigrationRow
from engine.ledger.transitions import load
from engine.lifecycle import Status
from engine.model import Endpoint, Lease, Request

_READING: Final = (Status.RUNNING, Status.QUEUED)
"""A queued migration with a mark was handed back by a crash, and goes on."""


class Shared(Leases):
    """The ledger's methods about what migrations share."""

    def is_loaded_for_another(self, lease: Lease, name: str) -> bool:
        """Whether another migration that has not ended loaded this collection of the lease's source and is to release it."""
        with self._read() as session:
            return _is_anothers(session, lease, name)

    def hand_load_on(self, lease: Lease, name: str) -> bool:
        """Leave the release of a source's collection to another migration that has not ended, if there is one that is to do it.

        Of two that end at once one finds the other, and that one finds none: the transactions follow one another.

        Returns:
            Whether there is one; this migration is then not to release it any more.

        Raises:
            LeaseLost: Another worker holds the migration.
        """
        with self._write(ordered=True) as session:
            self._check(session, lease)
            if not _is_anothers(session, lease, name):
                return False
            own = _own_row(lease, name).values(source_was_loaded=None)
            session.connection().execute(own)
            return True

    def record_created(self, lease: Lease, name: str, phase: str, target_id: int) -> bool:
        """Record that this migration made the target's collection of that id, unless another one's record says so.

        Servers answer two who make the same collection at the same moment that each of them did. The id 0 tells nobody apart:
        Milvus Lite gives it to every collection.

        Returns:
            Whether it is this migration's.

        Raises:
            LeaseLost: Another worker holds the migration.
        """
        with self._write(ordered=True) as session:
            self._check(session, lease)
            if target_id and _has_another_maker(session, lease, name, target_id):
                return False
            own = _own_row(lease, name).values(phase=phase, target_id=target_id)
            session.connection().execute(own)
            return True


def _own_row(lease: Lease, name: str) -> Update:
    return update(CollectionRow).where(
        col(CollectionRow.migration_id) == lease.migration_id, col(CollectionRow.name) == name
    )


def _has_another_maker(session: Session, lease: Lease, name: str, target_id: int) -> bool:
    # Not by the address, of which a cluster may have several: a server makes its ids of the time and a counter.
    query = select(CollectionRow.migration_id).where(
        col(CollectionRow.migration_id) != lease.migration_id,
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
    own = _place(load(session, lease.migration_id).request)
    return any(_place(request) == own for request in session.exec(query))


def _place(request: str) -> tuple[str, str]:
    source: Endpoint = Request.model_validate_json(request).source
    return source.uri.rstrip("/"), source.database
