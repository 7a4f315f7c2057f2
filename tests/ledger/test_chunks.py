"""Chunks, receipts, verification: stored once, in order, replaced whole, summed up by the database."""

import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import engine
from engine.ledger import Ledger, new_owner
from engine.ledger.findings import PAGE
from engine.lifecycle import EventName, Status
from engine.model import (
    ChunkRange,
    CollectionPlan,
    CollectionReport,
    CollectionState,
    Lease,
    Mismatch,
    MismatchKind,
    PartitionPlan,
    Plan,
    PrimaryKey,
    Receipt,
    Request,
)

Chunked = Callable[..., list[int]]
RECEIPT = Receipt(entities=10, bytes=640, digest="0123456789abcdef" * 2)
MISSING = Mismatch(partition="_default", pk=1, kind=MismatchKind.MISSING)
DIFFERENT = Mismatch(
    partition="_default", pk="a\0'\"\n✓", kind=MismatchKind.DIFFERENT, fields=("vector", "name")
)

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
# Milvus carries VARCHAR keys as UTF-8, in which a lone surrogate cannot be written.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
KEYS = st.one_of(INT64, TEXT)


def one_range(ordinal: int, **changes: Any) -> ChunkRange:
    """A chunk of the collection "films"."""
    plain = ChunkRange(
        collection="films", partition="p", ordinal=ordinal, lower=None, upper=None, entities=1
    )
    return plain.model_copy(update=changes)


def test_an_interrupted_planning_counts_for_nothing(ledger: Ledger, lease: Lease) -> None:
    """When the ranges break off in the middle the collection is not planned, and the next planning leaves nothing of it."""

    def breaking() -> Iterator[ChunkRange]:
        yield from (one_range(ordinal) for ordinal in range(PAGE + 1))
        raise ConnectionError

    with pytest.raises(ConnectionError):
        ledger.store_chunks(lease, "films", "p", breaking())
    assert not ledger.chunks_planned(lease.migration_id, "films")
    whole = [one_range(ordinal) for ordinal in range(2)]
    assert ledger.store_chunks(lease, "films", "p", whole)
    assert [chunk.range for chunk in ledger.chunks(lease.migration_id, "films")] == whole


def test_chunks_are_planned_once(ledger: Ledger, lease: Lease, chunked: Chunked) -> None:
    """A second planning of a collection changes nothing, also when the first one found no chunk at all."""
    chunked(3)
    assert ledger.store_chunks(lease, "films", "p", [one_range(7)]) is False
    assert len(list(ledger.chunks(lease.migration_id, "films"))) == 3
    assert ledger.store_chunks(lease, "empty", "p", []) is True
    assert ledger.chunks_planned(lease.migration_id, "empty")
    assert ledger.store_chunks(lease, "empty", "p", []) is False


def test_a_range_of_another_collection_is_refused(ledger: Ledger, lease: Lease) -> None:
    """Ranges that do not belong to the collection or the partition are a mistake and are not stored."""
    for stray in (one_range(0, collection="people"), one_range(0, partition="q")):
        with pytest.raises(ValueError, match="does not belong"):
            ledger.store_chunks(lease, "films", "p", [stray])
    assert not ledger.chunks_planned(lease.migration_id, "films")


def test_a_collections_partitions_are_stored_together(ledger: Ledger, lease: Lease) -> None:
    """Ranges of several partitions go into one planning when none is named."""
    ranges = [one_range(0, partition="a"), one_range(1, partition="b")]
    assert ledger.store_chunks(lease, "films", "", ranges)
    assert [chunk.range for chunk in ledger.chunks(lease.migration_id, "films")] == ranges


def test_chunks_come_in_order_over_many_pages(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """More chunks than a page holds come complete, once each, in the order of their ordinals."""
    chunked(2 * PAGE + 1)
    ordinals = [c.range.ordinal for c in ledger.chunks(lease.migration_id, "films")]
    assert ordinals == list(range(2 * PAGE + 1))


def test_pending_chunks_are_those_without_a_receipt(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """Receipts that are recorded while the pending chunks are walked disturb nothing and are not walked again."""
    ids = chunked(PAGE + 10)
    for done in ids[3:6]:
        ledger.record_receipt(lease, done, RECEIPT)
    walked = []
    for chunk in ledger.chunks(lease.migration_id, "films", pending_only=True):
        walked.append(chunk.id)
        if len(walked) % 50 == 0:
            ledger.record_receipt(lease, chunk.id, RECEIPT)
    assert walked == ids[:3] + ids[6:]
    left = list(ledger.chunks(lease.migration_id, "films", pending_only=True))
    assert len(left) == len(walked) - len(walked) // 50


def test_walking_chunks_takes_no_memory_that_grows(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """The peak of walking ten pages of chunks is below twice that of walking the first two."""
    chunked(10 * PAGE)

    def walk(number: int) -> None:
        for _ in islice(ledger.chunks(lease.migration_id, "films"), number):
            pass

    def peak(number: int) -> int:
        tracemalloc.start()
        walk(number)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    walk(2 * PAGE)  # caches fill
    assert peak(10 * PAGE) < 2 * peak(2 * PAGE)


def test_a_window_of_chunks_is_marked_before_its_first_write(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """Exactly the window's chunks are marked as attempted; a stranger among them marks none."""
    ids = chunked(5)
    ledger.mark_attempted(lease, ids[:2])
    with pytest.raises(LookupError):
        ledger.mark_attempted(lease, [ids[3], 999_999])
    attempted = [chunk.attempted for chunk in ledger.chunks(lease.migration_id, "films")]
    assert attempted == [True, True, False, False, False]


def test_a_receipt_is_read_back(ledger: Ledger, lease: Lease, chunked: Chunked) -> None:
    """A receipt stands on its chunk; a new one replaces it and takes the verification with it."""
    (chunk,) = chunked(1)
    ledger.record_receipt(lease, chunk, RECEIPT)
    ledger.record_verified(lease, chunk)
    again = Receipt(entities=2**62, bytes=2**62, digest="f" * 32)
    ledger.record_receipt(lease, chunk, again)
    (read,) = ledger.chunks(lease.migration_id, "films")
    assert (read.receipt, read.verified, read.attempted) == (again, None, True)


def test_a_receipt_for_a_chunk_that_is_gone_is_an_error(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """A receipt is never lost in silence: for a forgotten chunk it raises, though the lease holds."""
    (chunk,) = chunked(1)
    ledger.forget_chunks(lease, "films")
    with pytest.raises(LookupError):
        ledger.record_receipt(lease, chunk, RECEIPT)
    with pytest.raises(LookupError):
        ledger.record_verified(lease, chunk)


def test_receipts_of_other_migrations_are_out_of_reach(
    ledger: Ledger, chunked: Chunked, at: Any
) -> None:
    """A lease opens its own migration's chunks only."""
    (chunk,) = chunked(1)
    other = ledger.claim(at(Status.QUEUED).id, new_owner())
    with pytest.raises(LookupError):
        ledger.record_receipt(other, chunk, RECEIPT)
    with pytest.raises(LookupError):
        ledger.mark_attempted(other, [chunk])


def test_writers_of_one_worker_record_at_the_same_time(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """Eight threads record 200 receipts, mark, verify and renew at once: everything is there afterwards."""
    ids = chunked(200)
    start = threading.Barrier(8)

    def write(number: int) -> None:
        start.wait()
        for chunk in ids[number::8]:
            ledger.mark_attempted(lease, [chunk])
            ledger.record_receipt(lease, chunk, RECEIPT)
            ledger.record_verified(lease, chunk)
        ledger.set_collection(lease, "films", phase="copied")
        ledger.renew(lease, 30)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert all(
        chunk.receipt == RECEIPT and chunk.verified
        for chunk in ledger.chunks(lease.migration_id, "films")
    )
    assert ledger.totals(lease.migration_id).verified == 2000


def test_collections_are_recorded_field_by_field(ledger: Ledger, lease: Lease) -> None:
    """Each change touches its fields only; the report comes back whole; the order is that of the first mention."""
    report = CollectionReport(name="films", source_entities=3, examples=(DIFFERENT,))
    ledger.set_collection(lease, "films", target_id=2**62, source_was_loaded=False)
    ledger.set_collection(lease, "actors")
    ledger.set_collection(lease, "films", phase="copied", read_timestamp=2**62, report=report)
    ledger.set_collection(lease, "films", source_surplus=2**62)
    ledger.store_chunks(lease, "films", "p", [])
    assert ledger.collection_states(lease.migration_id) == (
        CollectionState(
            name="films",
            phase="copied",
            target_id=2**62,
            source_was_loaded=False,
            read_timestamp=2**62,
            source_surplus=2**62,
            report=report,
        ),
        CollectionState(name="actors"),
    )
    with pytest.raises(TypeError, match="no colour"):
        ledger.set_collection(lease, "films", colour="red")


def test_a_source_that_nobody_put_back_is_told(ledger: Ledger, wish: Request, clock: Any) -> None:
    """A source's collection that was loaded for the copy, and that no worker could release before a cancel ended, is told."""
    plan = Plan(
        request=wish,
        source_version="2",
        target_version="2",
        collections=(collection_plan("films", 3),),
    )
    with ledger.transaction() as transaction:
        migration = transaction.add_migration(wish, requester="me")
        transaction.record_plan(migration.id, plan, "me")
        transaction.apply(migration.id, EventName.ENQUEUE, actor="me")
    lease = ledger.claim(migration.id, new_owner(), lease_seconds=30)
    ledger.set_collection(lease, "films", source_was_loaded=False)
    assert engine.report(ledger, migration.id).collections[0].notes == ()
    clock.pass_seconds(31)
    with ledger.transaction() as transaction:
        transaction.apply(migration.id, EventName.CANCEL, actor="me")
    assert ledger.migration(migration.id).status is Status.QUEUED
    ledger.finish(ledger.claim(migration.id, new_owner()), EventName.CANCELED)
    assert ledger.migration(migration.id).status is Status.CANCELED
    (note,) = engine.report(ledger, migration.id).collections[0].notes
    assert "It was loaded on the source only to be read, and no worker came to release it" in note
    with ledger.transaction() as transaction:
        transaction.apply(migration.id, EventName.RESUME, actor="me")
    lease = ledger.claim(migration.id, new_owner())
    ledger.set_collection(lease, "films", source_was_loaded=None)
    ledger.finish(lease, EventName.FAIL)
    assert engine.report(ledger, migration.id).collections[0].notes == ()


def test_totals_add_up(ledger: Ledger, wish: Request) -> None:
    """Progress is the sum over all chunks, by collection in the plan's order; only equal chunks count as verified."""
    plan = Plan(
        request=wish,
        source_version="2",
        target_version="2",
        collections=tuple(collection_plan(name, 30) for name in ("people", "films", "empty")),
    )
    with ledger.transaction() as transaction:
        migration = transaction.add_migration(wish, requester="me")
        transaction.record_plan(migration.id, plan, "me")
        transaction.apply(migration.id, EventName.ENQUEUE, actor="me")
    lease = ledger.claim(migration.id, new_owner())
    ledger.set_phase(lease, "copying")
    ledger.store_chunks(lease, "films", "p", (one_range(n, entities=10) for n in range(3)))
    first, second, _ = ledger.chunks(migration.id, "films")
    ledger.record_receipt(lease, first.id, RECEIPT)
    ledger.record_receipt(lease, second.id, RECEIPT)
    ledger.record_verified(lease, first.id)
    ledger.record_verified(lease, second.id, [MISSING])
    ledger.set_collection(lease, "films", phase="copied", copy_seconds=2.5)
    ledger.set_collection(lease, "people", copy_seconds=1.0)
    progress = ledger.totals(migration.id)
    assert (progress.phase, progress.entities, progress.seconds) == ("copying", 90, 3.5)
    assert (progress.copied, progress.verified, progress.bytes) == (20, 10, 1280)
    assert [(c.name, c.entities, c.copied, c.verified, c.phase) for c in progress.collections] == [
        ("people", 30, 0, 0, "waiting"),
        ("films", 30, 20, 10, "copied"),
        ("empty", 30, 0, 0, "waiting"),
    ]


def test_what_was_found_counts_in_the_place_of_what_was_planned(
    ledger: Ledger, wish: Request
) -> None:
    """A released collection is planned by its server's statistics; from when its keys are read the progress counts these."""
    planned = {"more": 5, "fewer": 900, "none": 7, "waiting": 3}
    plan = Plan(
        request=wish,
        source_version="2",
        target_version="2",
        collections=tuple(collection_plan(name, number) for name, number in planned.items()),
    )
    with ledger.transaction() as transaction:
        migration = transaction.add_migration(wish, requester="me")
        transaction.record_plan(migration.id, plan, "me")
        transaction.apply(migration.id, EventName.ENQUEUE, actor="me")
    lease = ledger.claim(migration.id, new_owner())

    def told() -> dict[str, int]:
        return {each.name: each.entities for each in ledger.totals(migration.id).collections}

    for name, chunks in (("more", 3), ("fewer", 1), ("none", 0)):
        ranges = (one_range(n, entities=10) for n in range(chunks))
        ledger.store_chunks(
            lease, name, "", (each.model_copy(update={"collection": name}) for each in ranges)
        )
    assert told() == {"more": 30, "fewer": 10, "none": 0, "waiting": 3}
    assert ledger.totals(migration.id).entities == 43
    ledger.forget_chunks(lease, "more")
    assert told() == {"more": 5, "fewer": 10, "none": 0, "waiting": 3}


def collection_plan(name: str, entities: int) -> CollectionPlan:
    """A collection as planned, with nothing in it that matters here."""
    return CollectionPlan(
        name=name,
        definition="",
        fields=(),
        primary_field="id",
        primary_type="INT64",
        auto_id=False,
        entities=entities,
        bytes=0,
        partitions=(PartitionPlan(name="_default", entities=entities),),
        partition_key=False,
        num_partitions=1,
        shards=1,
        consistency_level="Strong",
        properties={},
        indexes=(),
        aliases=(),
        loaded=True,
    )


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=True,
)
@given(bounds=st.lists(st.tuples(st.none() | KEYS, st.none() | KEYS), max_size=4), pk=KEYS)
def test_any_key_survives(
    ledger: Ledger,
    lease: Lease,
    bounds: list[tuple[PrimaryKey | None, PrimaryKey | None]],
    pk: PrimaryKey,
) -> None:
    """Bounds and keys come back equal and of the same type: the whole INT64 range, NUL, quotes, newlines, any script."""
    ledger.forget_chunks(lease, "films")
    ranges = [
        one_range(ordinal, lower=lower, upper=upper)
        for ordinal, (lower, upper) in enumerate([*bounds, (pk, None)])
    ]
    assert ledger.store_chunks(lease, "films", "p", ranges)
    chunks = list(ledger.chunks(lease.migration_id, "films"))
    assert [chunk.range for chunk in chunks] == ranges
    found = Mismatch(partition="p", pk=pk, kind=MismatchKind.EXTRA)
    ledger.record_verified(lease, chunks[-1].id, [found])
    (read,) = ledger.mismatches(lease.migration_id)
    assert read.mismatch == found
    assert type(read.mismatch.pk) is type(pk)
