"""What the ledger reads as the number of things grows, on both databases: never more than is asked for."""

from collections.abc import Callable

from engine.ledger import Ledger
from engine.ledger.tables import ChunkRow
from engine.model import ChunkSums, Lease, Receipt
from tests.beds.counting import rows_read

Chunked = Callable[..., list[int]]
RECEIPT = Receipt(entities=10, bytes=640, digest="0123456789abcdef" * 2)


def test_only_what_is_not_proved_is_read(ledger: Ledger, lease: Lease, chunked: Chunked) -> None:
    """A verification that goes on, a repair, and a list of what could not be compared read just the chunks that are not proved."""
    ids = chunked(8)
    for each in ids[:6]:
        ledger.record_receipt(lease, each, RECEIPT)
        ledger.record_verified(lease, each)
    with rows_read(ChunkRow) as read:
        left = list(ledger.chunks(lease.migration_id, "films", unproved_only=True))
    assert [chunk.id for chunk in left] == ids[6:]
    assert read["ChunkRow"] == len(left)


def test_chunks_are_summed_up_by_the_database(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """What all chunks of a collection add up to is what they say one by one, and none of them is read for it."""
    ids = chunked(6)
    chunked(3, "people")
    assert ledger.chunk_sums(lease.migration_id, "none") == ChunkSums(
        **dict.fromkeys(ChunkSums.model_fields, 0)
    )
    assert ledger.taken_chunk(lease.migration_id, "films") is None
    ledger.mark_attempted(lease, ids[:4])
    ledger.record_receipt(lease, ids[0], RECEIPT.model_copy(update={"entities": 0}))
    ledger.record_receipt(lease, ids[1], RECEIPT)
    with rows_read(ChunkRow) as read:
        sums = ledger.chunk_sums(lease.migration_id, "films")
    assert not read
    chunks = list(ledger.chunks(lease.migration_id, "films"))
    doubtful = [each for each in chunks if each.attempted and each.receipt is None]
    assert sums == ChunkSums(
        chunks=len(chunks),
        entities=sum(each.range.entities for each in chunks),
        attempted=sum(each.attempted for each in chunks),
        copied=sum(each.receipt.entities for each in chunks if each.receipt),
        doubtful=len(doubtful),
        doubtful_entities=sum(each.range.entities for each in doubtful),
    )
    assert ledger.taken_chunk(lease.migration_id, "films") == chunks[1]


def test_a_few_chunks_are_read_by_their_places(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """A sample of a collection's chunks is read without the others, in the order in which it was drawn."""
    chunked(8)
    with rows_read(ChunkRow) as read:
        found = ledger.chunks_at(lease.migration_id, "films", (5, 2, 99))
    assert [each.range.ordinal for each in found] == [5, 2]
    assert read["ChunkRow"] == len(found)
