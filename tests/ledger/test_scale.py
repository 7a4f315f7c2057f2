"""What the ledger reads as the number of things grows, on both databases: never more than is asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text, update
from sqlmodel import col

from engine import reports
from engine.heartbeat import WAITING
from engine.ledger import Ledger, proofs, queries
from engine.ledger.tables import ChunkRow, EventRow, MigrationRow
from engine.ledger.transitions import load
from engine.lifecycle import EventName
from engine.model import (
    ChunkSums,
    CollectionReport,
    Lease,
    Mismatch,
    MismatchKind,
    Plan,
    Receipt,
    Request,
    SetAside,
)
from tests.beds.counting import plans, rows_read
from tests.ledger.test_database import old_database

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


def test_what_the_target_refused_is_not_what_it_took(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """A chunk whose last entity may have been set aside is not the one by which is seen whether the target takes anything."""
    refused, taken, _ = chunked(3)
    aside = SetAside(partition="_default", pk=10, reason="NaN")
    ledger.record_receipt(lease, refused, RECEIPT, [aside])
    assert ledger.taken_chunk(lease.migration_id, "films") is None
    ledger.record_receipt(lease, taken, RECEIPT)
    found = ledger.taken_chunk(lease.migration_id, "films")
    assert found is not None
    assert found.id == taken


def test_a_few_chunks_are_read_by_their_places(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """A sample of a collection's chunks is read without the others, in the order in which it was drawn."""
    chunked(8)
    with rows_read(ChunkRow) as read:
        found = ledger.chunks_at(lease.migration_id, "films", (5, 2, 99))
    assert [each.range.ordinal for each in found] == [5, 2]
    assert read["ChunkRow"] == len(found)


def waits(ledger: Ledger, lease: Lease, number: int) -> None:
    """Notes of a worker that waits, as `engine/heartbeat.py` leaves them."""
    note = {"migration_id": lease.migration_id, "name": WAITING, "actor": lease.owner}
    note |= {"at": ledger.now(), "details": '{"reason":"It does not answer."}'}
    with ledger._writing() as connection:
        connection.execute(insert(EventRow), [note] * number)


def test_what_happened_of_late_is_what_is_told(ledger: Ledger, lease: Lease) -> None:
    """Of many events the newest are read, in order; a wait that was noted again and again is one entry of the log."""
    waits(ledger, lease, 50)
    ledger.note(lease, "phase", {"phase": "copy"})
    waits(ledger, lease, 50)
    with rows_read(EventRow) as read:
        log = ledger.log(lease.migration_id, 4)
    assert [event.name for event in log] == [EventName.CLAIM, WAITING, "phase", WAITING]
    assert read["EventRow"] == len(log)


def test_no_more_events_are_looked_through_than_so_many(
    ledger: Ledger, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happened is told of the newest events alone, however many there are: a click does not walk through all of them."""
    waits(ledger, lease, 50)
    ledger.note(lease, "phase", {"phase": "copy"})
    waits(ledger, lease, 50)
    for looked_through, told in ((50, [WAITING]), (52, [WAITING, "phase", WAITING])):
        monkeypatch.setattr(queries, "LOOKED_THROUGH", looked_through)
        assert [event.name for event in ledger.log(lease.migration_id)] == told


def test_an_event_is_found_among_many_by_its_name(ledger: Ledger, lease: Lease) -> None:
    """The last event of some names, before another one too, and all of them: no other event is read."""
    ledger.note(lease, "held", {"why": "first"})
    waits(ledger, lease, 50)
    ledger.note(lease, "freed")
    ledger.note(lease, "held", {"why": "last"})
    waits(ledger, lease, 50)
    named = lease.migration_id, "held", "freed"
    with rows_read(EventRow) as read:
        last = ledger.last_named(*named)
        assert last is not None
        before = ledger.last_named(*named, before_id=last.id)
        found = ledger.events_named(*named)
    assert [event.name for event in found] == ["held", "freed", "held"]
    assert (before, last) == found[1:]
    assert read["EventRow"] == 2 + 2 + len(found)
    assert ledger.last_named(lease.migration_id, "other") is None


@pytest.mark.parametrize("on_each_database", ["sqlite"], indirect=True)
def test_nothing_walks_through_all_events(ledger: Ledger, lease: Lease) -> None:
    """What is asked of a migration's events is found by their name or by a change of state, however many notes there are."""
    of = lease.migration_id
    with plans(ledger) as said:
        ledger.noted(of, "held")
        ledger.asked_of(of)
        ledger.last_named(of, "held", "freed")
        ledger.events_named(of, "held", "freed")
        ledger.last_change(of)
        with ledger.transaction() as act:
            assert not proofs.lapsed(act.session, load(act.session, of), act.now)
            act.note(of, "held", "U1")
    walks = [each for each in said if "event" in each.split() and "_id_id (migration_id=?)" in each]
    assert [each for each in said if "SEARCH event" in each]
    assert walks == []
    assert not [each for each in said if "ix_event_migration_id (" in each]


@pytest.mark.parametrize("on_each_database", ["sqlite"], indirect=True)
def test_findings_are_paged_without_sorting_them(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """A page of findings, of all of a migration, of a collection or of a chunk, is found in its order and by what was asked for."""
    (chunk,) = chunked(1)
    missing = Mismatch(partition="_default", pk=1, kind=MismatchKind.MISSING)
    ledger.record_verified(lease, chunk, [missing])
    with plans(ledger) as said:
        assert ledger.mismatches(lease.migration_id)
        assert ledger.mismatches(lease.migration_id, "films")
        assert ledger.mismatches(lease.migration_id, chunk_id=chunk)
    assert not [each for each in said if "TEMP B-TREE" in each]
    searched = [each for each in said if "SEARCH mismatch" in each]
    assert [each.partition("INDEX ")[2].partition(" ")[0] for each in searched] == [
        "ix_mismatch_migration_id_id",
        "ix_mismatch_migration_id_collection",
        "ix_mismatch_chunk_id",
    ]


@pytest.mark.parametrize("on_each_database", ["sqlite"], indirect=True)
def test_a_collections_report_counts_its_own_findings(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """What is found of one collection is counted and shown without a look at what is found of the others."""
    missing = Mismatch(partition="_default", pk=1, kind=MismatchKind.MISSING)
    for name in ("films", "people"):
        (chunk,) = chunked(1, name)
        ledger.record_verified(lease, chunk, [missing])
    with plans(ledger) as said:
        found = reports.findings(
            ledger, lease.migration_id, CollectionReport(name="films", source_entities=10)
        )
    assert (found.missing, len(found.examples)) == (1, 1)
    searched = [each for each in said if "SEARCH mismatch" in each]
    assert len(searched) == 2
    assert all("(migration_id=? AND collection=?" in each for each in searched)


ACTS = st.lists(st.tuples(st.sampled_from("rsdubcf"), st.integers(0, 3)), max_size=25)


@given(acts=ACTS)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
def test_what_is_counted_is_what_the_chunks_say(
    ledger: Ledger, lease: Lease, chunked: Chunked, acts: list[tuple[str, int]]
) -> None:
    """After any receipts and verdicts, given and taken away in any order, a progress is what all chunks add up to."""
    of = lease.migration_id
    ledger.forget_chunks(lease, "films")
    chunked(4)
    missing = Mismatch(partition="_default", pk=1, kind=MismatchKind.MISSING)
    for number, (act, place) in enumerate(acts):
        ids = [chunk.id for chunk in ledger.chunks(of, "films")]
        match act:
            case "r":
                receipt = RECEIPT.model_copy(update={"entities": number, "bytes": number * 9})
                ledger.record_receipt(lease, ids[place], receipt)
            case "s":
                ledger.record_verified(lease, ids[place])
            case "d":
                ledger.record_verified(lease, ids[place], [missing])
            case "u":
                ledger.record_uncompared(lease, ids[place])
            case "b":
                with ledger.transaction() as tx:
                    proofs.forget(tx.session, of)
            case "c":
                ledger.clear_verification(lease, "films")
            case _:
                ledger.forget_chunks(lease, "films")
                chunked(4)
    chunks = list(ledger.chunks(of, "films"))
    receipts = [chunk.receipt for chunk in chunks if chunk.receipt]
    reached = ledger.totals(of)
    assert reached.copied == sum(each.entities for each in receipts)
    assert reached.bytes == sum(each.bytes for each in receipts)
    assert reached.verified == sum(
        chunk.receipt.entities for chunk in chunks if chunk.verified and chunk.receipt
    )


@pytest.mark.parametrize("on_each_database", ["sqlite"], indirect=True)
def test_a_progress_reads_no_chunks(ledger: Ledger, lease: Lease, plan: Plan) -> None:
    """A progress is found in the rows of the collections, however many chunks there are; of these only the latest are read."""
    with ledger.transaction() as act:
        stored = update(MigrationRow).where(col(MigrationRow.id) == lease.migration_id)
        act.session.connection().execute(stored.values(plan=plan.model_dump_json()))
    with plans(ledger) as said:
        ledger.totals(lease.migration_id)
    read = {each for each in said if "chunk" in each}
    assert all("ix_chunk_copied (migration_id=? AND copied_at>?)" in each for each in read), read


def test_what_was_copied_before_it_was_counted_counts(
    url: str, wish: Request, tmp_path: Path
) -> None:
    """What the chunks of an older ledger add up to is what its migration's progress says after the upgrade."""
    database = old_database(url, wish, tmp_path)
    with database.begin() as connection:
        copied = (
            "UPDATE chunk SET copied_entities = 10 + ordinal, copied_bytes = 640 WHERE ordinal < 2"
        )
        connection.execute(text(copied))
    database.dispose()
    with Ledger.open(url) as ledger:
        reached = ledger.totals("M-0000001")
    assert (reached.entities, reached.copied, reached.verified) == (30, 21, 11)
    assert reached.bytes == 1280
