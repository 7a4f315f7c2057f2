"""What a worker records while it copies and verifies: chunks, receipts, mismatches, and how far each collection is.

Chunks are planned once per collection and never computed again. Everything here is one transaction that names the lease's token;
a fenced worker gets LeaseLost and has written nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from engine.ledger import counts
from engine.ledger.leases import Leases
from engine.ledger.records import (
    chunk_of,
    chunk_values,
    collection_of,
    collection_values,
    json_text,
    key_of,
    key_text,
)
from engine.ledger.tables import ChunkRow, CollectionRow, MismatchRow, SetAsideRow
from engine.model import Chunk, ChunkRange, CollectionState, Lease, Mismatch, Receipt, SetAside

PAGE: Final = 500
"""Rows per statement: pages of chunks, keys in an IN list, rows of an insert."""

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
_SET_ASIDE_DROPPED: Final = delete(SetAsideRow).where(
    col(SetAsideRow.chunk_id) == bindparam("of_chunk")
)
_COLLECTION: Final = select(ChunkRow.collection).where(
    col(ChunkRow.id) == bindparam("of_chunk"), col(ChunkRow.migration_id) == bindparam("held_id")
)

_STATE: Final = select(CollectionRow).where(
    col(CollectionRow.migration_id) == bindparam("of"),
    col(CollectionRow.name) == bindparam("its_name"),
)


class Chunks(Leases):
    """The ledger's methods about chunks and collections."""

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
        with self._fenced(lease) as connection:
            if _is_planned(connection, lease.migration_id, collection):
                return False
            _drop_chunks(connection, lease, collection)
        found, rows = 0, (_chunk_values(lease, collection, partition, each) for each in ranges)
        while page := list(islice(rows, PAGE)):
            found += sum(row["entities"] for row in page)
            with self._fenced(lease) as connection:
                connection.execute(insert(ChunkRow), page)
        planned = {"planned_at": self._clock(), "entities": found}
        with self._fenced(lease) as connection:
            _upsert_collection(connection, lease, collection, planned)
        return True

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
                page = [chunk_of(row) for row in session.exec(query)]
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].range.ordinal

    def forget_chunks(self, lease: Lease, collection: str) -> None:
        """Drop a collection's chunks, receipts and mismatches, because it is started over; raises LeaseLost."""
        with self._fenced(lease) as connection:
            _drop_chunks(connection, lease, collection)
            unknown = {"planned_at": None, "entities": None, "source_surplus": None}
            _upsert_collection(connection, lease, collection, unknown)

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
            with self._fenced(lease) as connection:
                collection = _collection_of_chunk(connection, lease, chunk_id)
                verified = None if following else not (recorded or page)
                counts.compared(connection, lease, chunk_id, same=verified is True)
                connection.execute(_COMPARED, {"of_chunk": chunk_id, "found_same": verified})
                if recorded == 0:
                    connection.execute(_FINDINGS_DROPPED, {"of_chunk": chunk_id})
                if page:
                    connection.execute(_DOUBTED, {"of_chunk": chunk_id})
                    rows = [_mismatch_values(lease, collection, chunk_id, each) for each in page]
                    connection.execute(insert(MismatchRow), rows)
            recorded += len(page)
            if not following:
                return recorded
            page = following

    def record_uncompared(self, lease: Lease, chunk_id: int) -> None:
        """Record that a chunk could not be compared: what an earlier comparison found of it counts no more.

        Raises:
            LeaseLost: Another worker holds the migration.
            LookupError: It is not a chunk of this migration.
        """
        with self._fenced(lease) as connection:
            _collection_of_chunk(connection, lease, chunk_id)
            counts.compared(connection, lease, chunk_id, same=False)
            connection.execute(_COMPARED, {"of_chunk": chunk_id, "found_same": None})
            connection.execute(_FINDINGS_DROPPED, {"of_chunk": chunk_id})

    def doubt_receipts(self, lease: Lease, collection: str) -> None:
        """Record that no receipt of a collection is to be believed by itself (`Chunk`); raises LeaseLost."""
        with self._fenced(lease) as connection:
            of_it = (
                col(ChunkRow.migration_id) == lease.migration_id,
                col(ChunkRow.collection) == collection,
            )
            connection.execute(update(ChunkRow).where(*of_it).values(doubted=True))

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

    def collection_states(self, migration_id: str) -> tuple[CollectionState, ...]:
        """What is known of the migration's collections, in the order in which they were first recorded."""
        query = (
            select(CollectionRow)
            .where(col(CollectionRow.migration_id) == migration_id)
            .order_by(col(CollectionRow.id))
        )
        with self._read() as session:
            return tuple(collection_of(row) for row in session.exec(query))

    def collection_state(self, migration_id: str, name: str) -> CollectionState:
        """What is known of one of them; the defaults where nothing was recorded."""
        with self._read() as session:
            row = session.exec(_STATE, params={"of": migration_id, "its_name": name}).first()
            return CollectionState(name=name) if row is None else collection_of(row)

    def set_collection(self, lease: Lease, name: str, **changes: Any) -> None:
        """Record fields of `CollectionState`; the others stay as they are, or get their defaults the first time.

        Raises:
            LeaseLost: Another worker holds the migration.
            TypeError: `CollectionState` has no such field.
        """
        values = collection_values(changes)
        with self._fenced(lease) as connection:
            _upsert_collection(connection, lease, name, values)


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


def _collection_of_chunk(connection: Connection, lease: Lease, chunk_id: int) -> str:
    named = {"of_chunk": chunk_id, "held_id": lease.migration_id}
    collection = connection.execute(_COLLECTION, named).scalar()
    if collection is None:
        raise LookupError(f"{chunk_id} is not a chunk of {lease.migration_id}")
    return str(collection)


def _put_aside(
    connection: Connection, lease: Lease, chunk_id: int, entities: Sequence[SetAside]
) -> None:
    connection.execute(_SET_ASIDE_DROPPED, {"of_chunk": chunk_id})
    if entities:
        place = {
            "migration_id": lease.migration_id,
            "collection": _collection_of_chunk(connection, lease, chunk_id),
            "chunk_id": chunk_id,
        }
        rows = [
            {**place, "partition": each.partition, "pk": key_text(each.pk), "reason": each.reason}
            for each in entities
        ]
        connection.execute(insert(SetAsideRow), rows)


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


def _upsert_collection(
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
