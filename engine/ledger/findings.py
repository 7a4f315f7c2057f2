"""What a worker records while it verifies: of each chunk whether it was found the same, and what is not.

Everything here is made of transactions that name the lease's token, each of which may be made again.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, update
from sqlmodel import col, select

from engine.ledger import counts
from engine.ledger.collections import Collections
from engine.ledger.records import json_text, key_text
from engine.ledger.repeatable import repeatable
from engine.ledger.tables import ChunkRow, MismatchRow
from engine.model import Lease, Mismatch

PAGE: Final = 500
"""Rows per statement: pages of chunks, keys in an IN list, rows of an insert."""

_COMPARED: Final = (
    update(ChunkRow)
    .where(col(ChunkRow.id) == bindparam("of_chunk"))
    .values(verified=bindparam("found_same"))
)
_DOUBTED: Final = (
    update(ChunkRow).where(col(ChunkRow.id) == bindparam("of_chunk")).values(doubted=True)
)
_FINDINGS_DROPPED: Final = delete(MismatchRow).where(
    col(MismatchRow.chunk_id) == bindparam("of_chunk")
)
_FINDINGS: Final = select(func.count()).where(col(MismatchRow.chunk_id) == bindparam("of_chunk"))
_COLLECTION: Final = select(ChunkRow.collection).where(
    col(ChunkRow.id) == bindparam("of_chunk"), col(ChunkRow.migration_id) == bindparam("held_id")
)


class Findings(Collections):
    """The ledger's methods about what verification found."""

    def record_verified(
        self, lease: Lease, chunk_id: int, mismatches: Iterable[Mismatch] = ()
    ) -> int:
        """Record what the comparison of a chunk found, nothing if it is equal; it replaces what an earlier one found.

        The findings may come from servers and are many at times: they are drawn between the transactions, a page for each.
        Until the last of them is recorded the chunk counts as not compared. From the first one on it is doubted (`Chunk`).

        Returns:
            How many findings there were.

        Raises:
            LeaseLost: Another worker holds the migration.
            LookupError: It is not a chunk of this migration.
        """
        drawn = iter(mismatches)
        recorded, page = 0, list(islice(drawn, PAGE))
        while True:
            following = list(islice(drawn, PAGE)) if len(page) == PAGE else []
            verified = None if following else not (recorded or page)
            self._record_findings(lease, chunk_id, page, recorded, verified=verified)
            recorded += len(page)
            if not following:
                return recorded
            page = following

    @repeatable
    def _record_findings(
        self,
        lease: Lease,
        chunk_id: int,
        page: Sequence[Mismatch],
        before: int,
        *,
        verified: bool | None,
    ) -> None:
        with self._fenced(lease) as connection:
            collection = collection_of_chunk(connection, lease, chunk_id)
            counts.compared(connection, lease, chunk_id, same=verified is True)
            connection.execute(_COMPARED, {"of_chunk": chunk_id, "found_same": verified})
            of_it = {"of_chunk": chunk_id}
            if before == 0:
                connection.execute(_FINDINGS_DROPPED, of_it)
            elif connection.execute(_FINDINGS, of_it).scalar() != before:
                return  # it was committed before, and the answer was lost
            if page:
                connection.execute(_DOUBTED, of_it)
                rows = [_mismatch_values(lease, collection, chunk_id, each) for each in page]
                connection.execute(insert(MismatchRow), rows)

    @repeatable
    def record_uncompared(self, lease: Lease, chunk_id: int) -> None:
        """Record that a chunk could not be compared: what an earlier comparison found of it counts no more.

        Raises:
            LeaseLost: Another worker holds the migration.
            LookupError: It is not a chunk of this migration.
        """
        with self._fenced(lease) as connection:
            collection_of_chunk(connection, lease, chunk_id)
            counts.compared(connection, lease, chunk_id, same=False)
            connection.execute(_COMPARED, {"of_chunk": chunk_id, "found_same": None})
            connection.execute(_FINDINGS_DROPPED, {"of_chunk": chunk_id})

    @repeatable
    def doubt_receipts(self, lease: Lease, collection: str) -> None:
        """Record that no receipt of a collection is to be believed by itself (`Chunk`); raises LeaseLost."""
        with self._fenced(lease) as connection:
            of_it = (
                col(ChunkRow.migration_id) == lease.migration_id,
                col(ChunkRow.collection) == collection,
            )
            connection.execute(update(ChunkRow).where(*of_it).values(doubted=True))

    @repeatable
    def clear_verification(self, lease: Lease, collection: str) -> None:
        """Forget what verification found in a collection, because it is verified again; raises LeaseLost."""
        with self._fenced(lease) as connection:
            counts.unproved(connection, lease, collection)
            for table, values in ((ChunkRow, {"verified": None}), (MismatchRow, None)):
                of_it = (
                    col(table.migration_id) == lease.migration_id,
                    col(table.collection) == collection,
                )
                change = delete(table) if values is None else update(table).values(values)
                connection.execute(change.where(*of_it))


def collection_of_chunk(connection: Connection, lease: Lease, chunk_id: int) -> str:
    """The collection of a chunk of the lease's migration; raises LookupError where it is none."""
    named = {"of_chunk": chunk_id, "held_id": lease.migration_id}
    collection = connection.execute(_COLLECTION, named).scalar()
    if collection is None:
        raise LookupError(f"{chunk_id} is not a chunk of {lease.migration_id}")
    return str(collection)


def _mismatch_values(
    lease: Lease, collection: str, chunk_id: int, found: Mismatch
) -> dict[str, Any]:
    return {
        "migration_id": lease.migration_id,
        "collection": collection,
        "chunk_id": chunk_id,
        "partition": found.partition,
        "pk": key_text(found.pk),
        "kind": found.kind,
        "fields": json_text(found.fields),
        "reason": found.reason.value if found.reason else None,
    }
