"""What a worker records while it copies: chunks, their receipts, and what the target refused.

Chunks are planned once per collection and never computed again. Everything here is made of transactions that name the lease's
token, each of which may be made again; a fenced worker gets LeaseLost and has written nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, update
from sqlmodel import col, select

from engine.ledger import counts
from engine.ledger.collections import upsert_collection
from engine.ledger.findings import PAGE, Findings, collection_of_chunk
from engine.ledger.records import (
    chunk_of,
    chunk_values,
    key_of,
    key_text,
)
from engine.ledger.repeatable import repeatable
from engine.ledger.tables import ChunkRow, CollectionRow, SetAsideRow
from engine.model import Chunk, ChunkRange, Lease, Receipt, SetAside

_RECEIPT: Final = (
    update(ChunkRow)
    .where(col(ChunkRow.id) == bindparam("of_chunk"))
    .values(
        attempted=True,
        copied_entities=bindparam("its_entities"),
        copied_bytes=bindparam("its_bytes"),
        digest=bindparam("its_digest"),
        copied_at=bindparam("taken_at"),
        verified=None,
        doubted=False,
    )
)

_STORED: Final = select(func.count()).where(
    col(ChunkRow.migration_id) == bindparam("of"),
    col(ChunkRow.collection) == bindparam("its_name"),
    col(ChunkRow.ordinal).in_(bindparam("ordinals", expanding=True)),
)
_SET_ASIDE_DROPPED: Final = delete(SetAsideRow).where(
    col(SetAsideRow.chunk_id) == bindparam("of_chunk")
)


class Chunks(Findings):
    """The ledger's methods about chunks."""

    def store_chunks(
        self, lease: Lease, collection: str, partition: str, ranges: Iterable[ChunkRange]
    ) -> bool:
        """Store the planned chunks of a whole collection a page at a time, and mark it as planned when all are stored.

        The ranges may come from a server: none is read while a transaction is open, and no more than a page is in memory. What an
        interrupted planning left is dropped first.

        Args:
            lease: The worker's right.
            collection: The collection that all ranges belong to.
            partition: The partition of all ranges, or "" if each range says its own.
            ranges: With ordinals that differ; they may be none.

        Returns:
            False if its chunks were stored before: then nothing was changed.

        Raises:
            LeaseLost: Another worker holds the migration.
            ValueError: A range belongs to another collection or partition.
        """
        if not self._begin_chunks(lease, collection):
            return False
        found, rows = 0, (_chunk_values(lease, collection, partition, each) for each in ranges)
        while page := list(islice(rows, PAGE)):
            found += sum(row["entities"] for row in page)
            self._add_chunks(lease, collection, page)
        self._end_chunks(lease, collection, found)
        return True

    @repeatable
    def _begin_chunks(self, lease: Lease, collection: str) -> bool:
        with self._fenced(lease) as connection:
            if _is_planned(connection, lease.migration_id, collection):
                return False
            _drop_chunks(connection, lease, collection)
            return True

    @repeatable
    def _add_chunks(self, lease: Lease, collection: str, page: list[dict[str, Any]]) -> None:
        with self._fenced(lease) as connection:
            known = {"of": lease.migration_id, "its_name": collection}
            ordinals = [each["ordinal"] for each in page]
            stored = connection.execute(_STORED, known | {"ordinals": ordinals}).scalar()
            if stored != len(page):  # else it was committed before, and the answer was lost
                connection.execute(insert(ChunkRow), page)

    @repeatable
    def _end_chunks(self, lease: Lease, collection: str, entities: int) -> None:
        planned = {"planned_at": self._clock(), "entities": entities}
        with self._fenced(lease) as connection:
            upsert_collection(connection, lease, collection, planned)

    @repeatable
    def chunks_planned(self, migration_id: str, collection: str) -> bool:
        """Whether the collection's chunks are stored (they may be none)."""
        with self._reading() as connection:
            return _is_planned(connection, migration_id, collection)

    def chunks(
        self,
        migration_id: str,
        collection: str,
        *,
        pending_only: bool = False,
        unproved_only: bool = False,
    ) -> Iterator[Chunk]:
        """The collection's chunks in the order of their ordinals, a page at a time.

        Each page is a read of its own, so receipts may be recorded while it goes on; `pending_only` leaves out what has a receipt
        when its page is read, `unproved_only` what was found the same.
        """
        after = -1
        while True:
            page = self._chunk_page(
                migration_id,
                collection,
                after,
                pending_only=pending_only,
                unproved_only=unproved_only,
            )
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].range.ordinal

    @repeatable
    def _chunk_page(
        self,
        migration_id: str,
        collection: str,
        after: int,
        *,
        pending_only: bool,
        unproved_only: bool,
    ) -> list[Chunk]:
        query = (
            select(ChunkRow)
            .where(
                col(ChunkRow.migration_id) == migration_id,
                col(ChunkRow.collection) == collection,
                col(ChunkRow.ordinal) > after,
            )
            .order_by(col(ChunkRow.ordinal))
            .limit(PAGE)
        )
        if pending_only:
            query = query.where(col(ChunkRow.digest).is_(None))
        if unproved_only:
            query = query.where(col(ChunkRow.verified).is_not(True))
        with self._read() as session:
            return [chunk_of(row) for row in session.exec(query)]

    @repeatable
    def forget_chunks(self, lease: Lease, collection: str) -> None:
        """Drop a collection's chunks, receipts and mismatches, because it is started over; raises LeaseLost."""
        with self._fenced(lease) as connection:
            _drop_chunks(connection, lease, collection)
            unknown = {"planned_at": None, "entities": None, "source_surplus": None}
            upsert_collection(connection, lease, collection, unknown)

    @repeatable
    def mark_attempted(self, lease: Lease, chunk_ids: Sequence[int]) -> None:
        """Record, before their first write, that these chunks may be on the target in part: one commit for all.

        Raises:
            LeaseLost: Another worker holds the migration.
            LookupError: One of them is not a chunk of this migration.
        """
        with self._fenced(lease) as connection:
            for start in range(0, len(chunk_ids), PAGE):
                some = set(chunk_ids[start : start + PAGE])
                change = update(ChunkRow).where(
                    col(ChunkRow.id).in_(some), col(ChunkRow.migration_id) == lease.migration_id
                )
                if connection.execute(change.values(attempted=True)).rowcount != len(some):
                    raise LookupError(f"not all of {some} are chunks of {lease.migration_id}")

    @repeatable
    def record_receipt(
        self,
        lease: Lease,
        chunk_id: int,
        receipt: Receipt,
        set_aside: Sequence[SetAside] | None = None,
    ) -> None:
        """Record that a chunk stands on the target: two statements, of which the first names the token.

        A chunk that had one gets the new one, and has to be verified again.

        Args:
            lease: The worker's right.
            chunk_id: The chunk.
            receipt: Of all its entities on the source.
            set_aside: Those of them that the target refused, in place of what was recorded before; None leaves that.

        Raises:
            LeaseLost: Another worker holds the migration; the receipt was not taken.
            LookupError: It is not a chunk of this migration.
        """
        values = {
            "of_chunk": chunk_id,
            "its_entities": receipt.entities,
            "its_bytes": receipt.bytes,
            "its_digest": receipt.digest,
            "taken_at": self._clock(),
        }
        with self._writing() as connection:
            if not counts.received(connection, lease, chunk_id, receipt):
                self._check(connection, lease)
                raise LookupError(f"{chunk_id} is not a chunk of {lease.migration_id}")
            connection.execute(_RECEIPT, values)
            if set_aside is not None:
                _put_aside(connection, lease, chunk_id, set_aside)

    @repeatable
    def set_aside(self, migration_id: str, collection: str) -> dict[int, tuple[SetAside, ...]]:
        """The entities of a collection that the target refused, by chunk."""
        query = (
            select(SetAsideRow)
            .where(
                col(SetAsideRow.migration_id) == migration_id,
                col(SetAsideRow.collection) == collection,
            )
            .order_by(col(SetAsideRow.id))
        )
        found: dict[int, tuple[SetAside, ...]] = {}
        with self._read() as session:
            for row in session.exec(query):
                each = SetAside(partition=row.partition, pk=key_of(row.pk), reason=row.reason)
                found[row.chunk_id] = (*found.get(row.chunk_id, ()), each)
        return found


def _is_planned(connection: Connection, migration_id: str, collection: str) -> bool:
    query = select(CollectionRow.planned_at).where(
        col(CollectionRow.migration_id) == migration_id, col(CollectionRow.name) == collection
    )
    return connection.execute(query).scalar() is not None


def _drop_chunks(connection: Connection, lease: Lease, collection: str) -> None:
    counts.emptied(connection, lease, collection)
    connection.execute(
        delete(ChunkRow).where(
            col(ChunkRow.migration_id) == lease.migration_id,
            col(ChunkRow.collection) == collection,
        )
    )


def _chunk_values(
    lease: Lease, collection: str, partition: str, each: ChunkRange
) -> dict[str, Any]:
    if each.collection != collection or partition not in {"", each.partition}:
        raise ValueError(f"{each} does not belong to {collection}/{partition}")
    return chunk_values(lease.migration_id, each)


def _put_aside(
    connection: Connection, lease: Lease, chunk_id: int, entities: Sequence[SetAside]
) -> None:
    connection.execute(_SET_ASIDE_DROPPED, {"of_chunk": chunk_id})
    if entities:
        place = {
            "migration_id": lease.migration_id,
            "collection": collection_of_chunk(connection, lease, chunk_id),
            "chunk_id": chunk_id,
        }
        rows = [
            {**place, "partition": each.partition, "pk": key_text(each.pk), "reason": each.reason}
            for each in entities
        ]
        connection.execute(insert(SetAsideRow), rows)
