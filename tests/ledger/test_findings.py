"""What a comparison of a chunk found: recorded page by page, replaced whole, counted once the last of it is there."""

from collections.abc import Callable, Iterator
from itertools import chain

import pytest

from engine.ledger import Ledger
from engine.ledger.findings import PAGE
from engine.model import Lease, Mismatch, MismatchKind, Reason, Receipt

Chunked = Callable[..., list[int]]
RECEIPT = Receipt(entities=10, bytes=640, digest="0123456789abcdef" * 2)
MISSING = Mismatch(partition="_default", pk=1, kind=MismatchKind.MISSING)
DIFFERENT = Mismatch(
    partition="_default", pk="a\0'\"\n✓", kind=MismatchKind.DIFFERENT, fields=("vector", "name")
)
DOUBLED = Mismatch(partition="p", pk=2, kind=MismatchKind.EXTRA, reason=Reason.DOUBLED)


def test_a_comparison_replaces_the_earlier_one(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """After a second comparison of a chunk only its own findings are there."""
    (chunk,) = chunked(1)
    ledger.record_receipt(lease, chunk, RECEIPT)
    ledger.record_verified(lease, chunk, [MISSING, DIFFERENT, DOUBLED])
    found = ledger.mismatches(lease.migration_id)
    assert [(m.collection, m.chunk_id, m.mismatch) for m in found] == [
        ("films", chunk, MISSING),
        ("films", chunk, DIFFERENT),
        ("films", chunk, DOUBLED),
    ]
    ledger.record_verified(lease, chunk, [DIFFERENT])
    assert [m.mismatch for m in ledger.mismatches(lease.migration_id)] == [DIFFERENT]
    ledger.record_verified(lease, chunk)
    assert ledger.mismatches(lease.migration_id) == ()


def test_findings_count_when_the_last_is_recorded(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """A comparison that breaks off after some pages of findings leaves its chunk as not compared, and is simply repeated."""
    (chunk,) = chunked(1)
    missing = [MISSING.model_copy(update={"pk": key}) for key in range(3 * PAGE)]

    def breaking() -> Iterator[Mismatch]:
        yield from missing[: 2 * PAGE + 1]
        raise TimeoutError

    ledger.record_receipt(lease, chunk, RECEIPT)
    with pytest.raises(TimeoutError):
        ledger.record_verified(lease, chunk, breaking())
    (read,) = ledger.chunks(lease.migration_id, "films")
    assert read.verified is None
    assert ledger.mismatches(lease.migration_id) == ()
    assert ledger.record_verified(lease, chunk, missing) == 3 * PAGE
    assert ledger.mismatch_counts(lease.migration_id)["films"][MismatchKind.MISSING] == 3 * PAGE


def test_mismatches_are_paged_and_counted(ledger: Ledger, lease: Lease, chunked: Chunked) -> None:
    """More findings than a page holds are read page by page without a gap, and counted by kind and collection."""
    films, people = chunked(1)[0], chunked(1, "people")[0]
    missing = [MISSING.model_copy(update={"pk": key}) for key in range(PAGE + 5)]
    ledger.record_verified(lease, films, [*missing, DIFFERENT])
    ledger.record_verified(lease, people, [DIFFERENT])
    read: list[Mismatch] = []
    after = 0
    while page := ledger.mismatches(lease.migration_id, "films", after_id=after, limit=100):
        read.extend(found.mismatch for found in page)
        after = page[-1].id
    assert read == [*missing, DIFFERENT]
    nothing = dict.fromkeys(MismatchKind, 0)
    assert ledger.mismatch_counts(lease.migration_id) == {
        "films": nothing | {MismatchKind.MISSING: PAGE + 5, MismatchKind.DIFFERENT: 1},
        "people": nothing | {MismatchKind.DIFFERENT: 1},
    }


def test_a_copied_again_chunk_has_no_findings_until_it_is_compared(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """Findings about an earlier copy are not reported for the new one."""
    (chunk,) = chunked(1)
    ledger.record_verified(lease, chunk, [MISSING])
    ledger.record_receipt(lease, chunk, RECEIPT)
    assert ledger.mismatches(lease.migration_id) == ()
    assert ledger.mismatch_counts(lease.migration_id) == {}


def test_an_uncompared_chunk_has_no_findings(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """What was found in a chunk is not reported any more once it could not be compared; what was found in others is."""
    one, other = chunked(2)
    for chunk in (one, other):
        ledger.record_verified(lease, chunk, [MISSING])
    ledger.record_uncompared(lease, one)
    assert [m.chunk_id for m in ledger.mismatches(lease.migration_id)] == [other]
    assert [each.verified for each in ledger.chunks(lease.migration_id, "films")] == [None, False]


def test_a_cleared_verification_leaves_the_receipts(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """Clearing forgets what was compared in this collection, keeps what was copied, and leaves others alone."""
    films, people = chunked(1)[0], chunked(1, "people")[0]
    for chunk in (films, people):
        ledger.record_receipt(lease, chunk, RECEIPT)
        ledger.record_verified(lease, chunk, [MISSING])
    ledger.clear_verification(lease, "films")
    (read,) = ledger.chunks(lease.migration_id, "films")
    assert (read.receipt, read.verified) == (RECEIPT, None)
    assert [m.collection for m in ledger.mismatches(lease.migration_id)] == ["people"]


def test_a_chunk_is_doubted_from_its_first_finding_until_its_next_receipt(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """Neither a clearing, nor a comparison that cannot be made or finds it the same, makes its receipt believed again."""
    chunk, other = chunked(2)

    def doubted() -> list[bool]:
        return [each.doubted for each in ledger.chunks(lease.migration_id, "films")]

    def breaking() -> Iterator[Mismatch]:
        yield from [MISSING] * (PAGE + 1)
        raise TimeoutError

    for each in (chunk, other):
        ledger.record_receipt(lease, each, RECEIPT)
        ledger.record_verified(lease, each)
    assert doubted() == [False, False]
    with pytest.raises(TimeoutError):
        ledger.record_verified(lease, chunk, chain([MISSING] * PAGE, breaking()))
    for then in (ledger.record_uncompared, ledger.record_verified):
        assert doubted() == [True, False]
        then(lease, chunk)
    ledger.clear_verification(lease, "films")
    assert doubted() == [True, False]
    ledger.record_receipt(lease, chunk, RECEIPT)
    assert doubted() == [False, False]
    ledger.doubt_receipts(lease, "films")
    assert doubted() == [True, True]


def test_a_forgotten_collection_can_be_planned_anew(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """After forgetting, chunks, receipts, findings and how many keys were shared are gone, and a new planning is stored."""
    (chunk,) = chunked(1)
    ledger.record_verified(lease, chunk, [MISSING])
    ledger.set_collection(lease, "films", source_surplus=3)
    ledger.forget_chunks(lease, "films")
    assert ledger.collection_state(lease.migration_id, "films").source_surplus is None
    assert not ledger.chunks_planned(lease.migration_id, "films")
    assert ledger.mismatches(lease.migration_id) == ()
    assert chunk not in chunked(2)
