"""What grows with the number of things: nothing is read again for each of them."""

import threading
from collections.abc import Callable

import pytest

import engine
from engine.ledger.tables import ChunkRow, CollectionRow
from engine.model import Outcome, Secrets
from engine.proof.drift import SAMPLE_CHUNKS
from engine.proof.searches import RANGES
from tests.beds.counting import rows_read
from tests.engine.bed import Bed, Side, rows, running, until
from tests.engine.proxy import Proxy

FEW, MANY = 3, 9
CHUNKS = 60


@pytest.fixture
def states_read(lite_bed: Bed) -> dict[int, int]:
    """How many states of collections migrations of few and of many collections read."""
    read = {}
    for number in (FEW, MANY):
        names = [f"c{number}_{each}" for each in range(number)]
        for name in names:
            lite_bed.source.create(name)
            lite_bed.source.insert(name, rows(range(5)))
        with rows_read(CollectionRow) as counted:
            report = lite_bed.migrate(*names)
        assert report.status is Outcome.SUCCESSFUL, report
        read[number] = counted["CollectionRow"]
    return read


def test_each_collection_reads_its_own_state(states_read: dict[int, int]) -> None:
    """Three times as many collections read three times as many states: no phase reads all of them for each."""
    assert states_read[MANY] <= states_read[FEW] * MANY / FEW


def test_a_whole_pass_over_chunks_is_for_what_is_done_with_each(lite_bed: Bed) -> None:
    """Of all chunks only those that are planned, copied and compared are read one by one; all else is summed up by the database."""
    lite_bed.source.create("one")
    lite_bed.source.insert("one", rows(range(CHUNKS)))
    migration = lite_bed.queued("one")
    with rows_read(ChunkRow) as counted:
        report = lite_bed.run(migration, chunk_bytes=1)
    assert report.status is Outcome.SUCCESSFUL, report
    assert lite_bed.chunks(migration, "one") == (CHUNKS,) * 3
    few = SAMPLE_CHUNKS + RANGES + 1
    assert counted["ChunkRow"] <= 2 * CHUNKS + few


def test_an_undo_reads_each_chunk_once(lite_bed: Bed) -> None:
    """What an undo has to know of all chunks together it does not read one by one."""
    lite_bed.source.create("one")
    lite_bed.source.insert("one", rows(range(CHUNKS)))
    migration = lite_bed.queued("one")
    lite_bed.run(migration, chunk_bytes=1)
    with rows_read(ChunkRow) as counted:
        undone = engine.undo(lite_bed.ledger, migration, Secrets())
    assert undone.dropped == ("one",)
    assert counted["ChunkRow"] == CHUNKS


@pytest.mark.real_milvus
def test_small_collections_wait_side_by_side(bed: Bed, proxied: Callable[[Side], Proxy]) -> None:
    """A plan has one read point, and several small collections are compared, or looked at, at once."""
    names = [f"c{number}" for number in range(FEW)]
    for name in names:
        bed.source.create(name)
        bed.source.insert(name, rows(range(5)))
    source, target = proxied(bed.source), proxied(bed.target)
    migration = bed.queued(source_uri=source.uri, target_uri=target.uri)
    assert source.calls["AllocTimestamp"] == 1
    compare = target.hold("Query", 1)
    with running(bed, migration) as (reports, _):
        until(lambda: target.calls["Query"] >= FEW, 30)
        compare.open.set()
    assert reports[0].status is Outcome.SUCCESSFUL, reports[0]
    look = target.hold("Query", target.calls["Query"] + 1)
    before = target.calls["Query"]
    undoing = threading.Thread(target=engine.undo, args=(bed.ledger, migration, Secrets()))
    undoing.start()
    until(lambda: target.calls["Query"] >= before + FEW, 30)
    look.open.set()
    undoing.join(90)
    assert bed.target.client.list_collections() == []


def test_what_is_being_planned_and_compared_is_told(lite_bed: Bed) -> None:
    """Of many collections it is said which one is looked at or compared, of how many, and how many ranges of its keys were."""
    for name in ("a", "b"):
        lite_bed.source.create(name)
        lite_bed.source.insert(name, rows(range(5)))
    planned: list[str] = []
    plan = engine.plan(lite_bed.request(), Secrets(), planned.append)
    assert planned == [
        f"“{name}” is being looked at, {place} of 2 collections."
        for place, name in enumerate(("a", "b"), 1)
    ]
    lite_bed.run(lite_bed.enqueue_plan(plan))
    compared: list[str] = []
    engine.verify(lite_bed.request(), Secrets(), None, compared.append)
    assert compared[0] == "“a” is being compared, 1 of 2 collections."
    assert compared[-1] == "“b” is being compared, 2 of 2 collections: 1 ranges of its keys so far."
