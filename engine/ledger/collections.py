"""How far each collection of a migration is, and how it was found: a row for each, which its worker alone writes.

Everything here is one transaction that names the lease's token, and that may be made again.
"""

from typing import Any, Final

from sqlalchemy import Connection, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from engine.ledger.leases import Leases
from engine.ledger.records import collection_of, collection_values
from engine.ledger.repeatable import repeatable
from engine.ledger.tables import CollectionRow
from engine.model import CollectionState, Lease

_STATE: Final = select(CollectionRow).where(
    col(CollectionRow.migration_id) == bindparam("of"),
    col(CollectionRow.name) == bindparam("its_name"),
)


class Collections(Leases):
    """The ledger's methods about a migration's collections."""

    @repeatable
    def collection_states(self, migration_id: str) -> tuple[CollectionState, ...]:
        """What is known of the migration's collections, in the order in which they were first recorded."""
        query = (
            select(CollectionRow)
            .where(col(CollectionRow.migration_id) == migration_id)
            .order_by(col(CollectionRow.id))
        )
        with self._read() as session:
            return tuple(collection_of(row) for row in session.exec(query))

    @repeatable
    def collection_state(self, migration_id: str, name: str) -> CollectionState:
        """What is known of one of them; the defaults where nothing was recorded."""
        with self._read() as session:
            row = session.exec(_STATE, params={"of": migration_id, "its_name": name}).first()
            return CollectionState(name=name) if row is None else collection_of(row)

    @repeatable
    def set_collection(self, lease: Lease, name: str, **changes: Any) -> None:
        """Record fields of `CollectionState`; the others stay as they are, or get their defaults the first time.

        Raises:
            LeaseLost: Another worker holds the migration.
            TypeError: `CollectionState` has no such field.
        """
        values = collection_values(changes)
        with self._fenced(lease) as connection:
            upsert_collection(connection, lease, name, values)


def upsert_collection(
    connection: Connection, lease: Lease, name: str, values: dict[str, Any]
) -> None:
    """Two writers of one worker may be the first at once, so it is one statement."""
    place = {"migration_id": lease.migration_id, "name": name}
    first = {**CollectionState(name=name).model_dump(), **place, **values}
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(CollectionRow).values(first)
    # Setting the name to itself where nothing else changes: an upsert has to set something.
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["migration_id", "name"], set_=values or {"name": name}
        )
    )
