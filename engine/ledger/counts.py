"""Keeps in a collection's row what its chunks add up to: who looks at a progress each half second must not sum up a million chunks.

Whoever gives a chunk a receipt or a verdict, or takes one away, calls one of these in the same transaction, before the chunk
changes; where all proofs of a migration lapse, `proofs.py` says so itself.
"""

from typing import Any

from sqlalchemy import Connection, ScalarSelect, bindparam, case, func, update
from sqlmodel import col, select

from engine.ledger.leases import FENCE, held_by
from engine.ledger.tables import ChunkRow, CollectionRow
from engine.model import Lease, Receipt


def _of_chunk(value: Any) -> ScalarSelect[int]:
    """A number of the chunk as it stands."""
    one = select(func.coalesce(value, 0)).where(col(ChunkRow.id) == bindparam("of_chunk"))
    return one.scalar_subquery()


_PROVED_OF_CHUNK = case((col(ChunkRow.verified).is_(True), col(ChunkRow.copied_entities)), else_=0)
_ITS_NAME = (
    select(ChunkRow.collection)
    .where(
        col(ChunkRow.id) == bindparam("of_chunk"),
        col(ChunkRow.migration_id) == bindparam("held_id"),
    )
    .scalar_subquery()
)
_ROW = update(CollectionRow).where(
    col(CollectionRow.migration_id) == bindparam("held_id"), col(CollectionRow.name) == _ITS_NAME
)
_RECEIVED = _ROW.where(FENCE.exists()).values(
    copied=col(CollectionRow.copied)
    + bindparam("its_entities")
    - _of_chunk(col(ChunkRow.copied_entities)),
    copied_bytes=col(CollectionRow.copied_bytes)
    + bindparam("its_bytes")
    - _of_chunk(col(ChunkRow.copied_bytes)),
    proved=col(CollectionRow.proved) - _of_chunk(_PROVED_OF_CHUNK),
)
_SAME = _ROW.values(
    proved=col(CollectionRow.proved)
    + _of_chunk(col(ChunkRow.copied_entities))
    - _of_chunk(_PROVED_OF_CHUNK)
)
_NOT_SAME = _ROW.values(proved=col(CollectionRow.proved) - _of_chunk(_PROVED_OF_CHUNK))
_OF_COLLECTION = update(CollectionRow).where(
    col(CollectionRow.migration_id) == bindparam("held_id"),
    col(CollectionRow.name) == bindparam("its_name"),
)


def received(connection: Connection, lease: Lease, chunk_id: int, receipt: Receipt) -> bool:
    """A chunk gets a receipt, while the lease holds; False if it does not, or the chunk is not one of its migration."""
    values = {"its_entities": receipt.entities, "its_bytes": receipt.bytes, "of_chunk": chunk_id}
    return connection.execute(_RECEIVED, values | held_by(lease)).rowcount == 1


def compared(connection: Connection, lease: Lease, chunk_id: int, *, same: bool) -> None:
    """A chunk is found the same, or is not any more."""
    of = {"of_chunk": chunk_id, "held_id": lease.migration_id}
    connection.execute(_SAME if same else _NOT_SAME, of)


def unproved(connection: Connection, lease: Lease, collection: str) -> None:
    """No chunk of a collection counts as found the same any more."""
    _set(connection, lease, collection, proved=0)


def emptied(connection: Connection, lease: Lease, collection: str) -> None:
    """All chunks of a collection go."""
    _set(connection, lease, collection, copied=0, copied_bytes=0, proved=0)


def _set(connection: Connection, lease: Lease, collection: str, **values: int) -> None:
    of = {"held_id": lease.migration_id, "its_name": collection}
    connection.execute(_OF_COLLECTION.values(values), of)
