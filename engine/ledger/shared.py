"""What the migrations of one ledger share: source collections that one of them loaded and others read as well.

Whoever loaded a collection releases it when its attempt ends, unless another migration that has not ended still reads it: then that
one does. What clusters hold is not asked here.
"""

from typing import Final

from sqlalchemy import update
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
            own = update(CollectionRow).where(
                col(CollectionRow.migration_id) == lease.migration_id,
                col(CollectionRow.name) == name,
            )
            session.connection().execute(own.values(source_was_loaded=None))
            return True


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
