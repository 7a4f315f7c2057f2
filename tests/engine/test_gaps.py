"""What the target counts is what was found there, or the proof says that it is not; and no proof holds all chunks in memory."""

import gc
from collections.abc import Callable

import pytest

import engine
from engine.ledger import chunks, new_owner
from engine.lifecycle import EventName
from engine.milvus.connection import connect
from engine.milvus.pages import CollectionReader
from engine.model import AutoId, Chunk, CollectionReport, Found, Outcome, PrimaryKey, Reason
from engine.proof.keyless import proof_of
from tests.engine.bed import Bed, Side, rows
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

KEYS = range(100)
CHUNK_BYTES = 500
LIFETIME = {"collection.ttl.seconds": "86400"}
NONE_YET = {"collection.ttl.seconds": "-1"}
"""Of a target whose copy is not proved; this server cannot take a property away."""


def proved_again(bed: Bed, migration: str, check: Callable[[], None]) -> CollectionReport:
    """Takes an ended migration of one collection, and proves that."""
    bed.act(migration, EventName.VERIFY)
    lease = bed.ledger.claim(migration, new_owner())
    plan = bed.ledger.migration(migration).plan
    assert plan is not None
    (collection,) = plan.collections
    with connect(bed.source.endpoint, "") as source, connect(bed.target.endpoint, "") as target:
        return proof_of(source, target, collection, check).of_migration(bed.ledger, lease)


def counted_ranges(monkeypatch: pytest.MonkeyPatch, side: Side) -> list[object]:
    """The ranges of keys that a side is asked to count from now on."""
    ranges: list[object] = []
    count = CollectionReader.count

    def counting(
        self: CollectionReader,
        partition: str,
        lower: PrimaryKey | None = None,
        upper: PrimaryKey | None = None,
    ) -> int:
        if self.cluster.endpoint == side.endpoint and (lower, upper) != (None, None):
            ranges.append((partition, lower, upper))
        return count(self, partition, lower, upper)

    monkeypatch.setattr(CollectionReader, "count", counting)
    return ranges


def after(calls: int, act: Callable[[], object]) -> Callable[[], None]:
    """Something that acts once, when it was called that often and is called again."""
    left = iter([False] * calls + [True])

    def called() -> None:
        if next(left, False):
            act()

    return called


@pytest.mark.parametrize(
    ("of_target", "stranger", "verified", "said"),
    [
        ({}, True, False, "The target counts 101 entities, and what was compared explains 100"),
        ({}, False, False, "The target counts 99 entities, and what was compared explains 100"),
        (LIFETIME, False, True, "1 of the entities that were compared are gone from the target"),
        (
            NONE_YET,
            False,
            False,
            "The target counts 99 entities, and what was compared explains 100",
        ),
    ],
)
def test_a_gap_that_nothing_explains_is_no_proof(
    bed: Bed, of_target: dict[str, str], *, stranger: bool, verified: bool, said: str
) -> None:
    """What comes to the target, or goes, once its chunk was compared is seen by the count; where entities expire there one may go.

    The copy of a collection whose entities expire has no lifetime before it is proved.
    """
    bed.source.create("counted", properties=LIFETIME if of_target else {})
    bed.source.insert("counted", rows(KEYS))
    migration = bed.queued("counted")
    assert bed.run(migration, chunk_bytes=CHUNK_BYTES).status is Outcome.SUCCESSFUL
    if of_target:
        bed.target.client.alter_collection_properties("counted", of_target)

    def meddle() -> None:
        if stranger:
            bed.target.insert("counted", rows([1_000]))
        else:
            bed.target.client.delete("counted", ids=[50])

    compared = bed.chunks(migration, "counted")[0]
    report = proved_again(bed, migration, after(compared, meddle))
    assert (report.missing, report.extra, report.different) == (0, 0, 0)
    assert report.verified is verified
    assert report.target_entities == (101 if stranger else 99)
    assert said in report.notes[0]


def test_ranges_are_counted_only_where_the_target_counts_more(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clean proof counts the target as a whole; an entity that is there twice makes it count every range, and is named."""
    bed.source.create("twice")
    bed.source.insert("twice", rows(KEYS))
    migration = bed.queued("twice")
    ranges = counted_ranges(monkeypatch, bed.target)
    assert bed.run(migration, chunk_bytes=CHUNK_BYTES).status is Outcome.SUCCESSFUL
    assert ranges == []
    bed.target.insert("twice", rows([50]))
    report = proved_again(bed, migration, lambda: None)
    assert not report.verified
    assert [(each.pk, each.reason) for each in report.examples] == [(50, Reason.DOUBLED)]
    assert len(ranges) >= bed.chunks(migration, "twice")[0] > 1


@pytest.mark.parametrize("shared", [[], [50]], ids=["each key once", "a key twice"])
def test_ranges_are_counted_only_where_the_source_counts_more(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, shared: list[int]
) -> None:
    """A copy counts no range of a source that holds as many entities as keys; else each, and what shares a key is explained."""
    name = f"source_{len(shared)}"
    bed.source.create(name)
    bed.source.insert(name, rows(KEYS))
    bed.source.insert(name, rows(shared))
    ranges = counted_ranges(monkeypatch, bed.source)
    migration = bed.queued(name)
    assert bed.run(migration, chunk_bytes=CHUNK_BYTES).status is Outcome.SUCCESSFUL
    assert bed.target.count(name) == len(KEYS)
    chunks_planned = bed.chunks(migration, name)[0]
    assert chunks_planned > 1
    assert len(ranges) >= chunks_planned if shared else ranges == []


def test_a_proof_by_content_holds_few_chunks(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a collection with new keys is proved, no more of its chunks are in memory than a page of them and a sample."""
    monkeypatch.setattr(chunks, "PAGE", 2)
    bed.source.create("automatic", schema={"auto_id": True})
    bed.source.insert(
        "automatic", [{"vector": row["vector"], "text": row["text"]} for row in rows(range(400))]
    )
    request = bed.request("automatic").model_copy(update={"auto_id": AutoId.NEW})
    migration = bed.enqueue(request)
    assert bed.run(migration, chunk_bytes=CHUNK_BYTES).status is Outcome.SUCCESSFUL
    stored = bed.chunks(migration, "automatic")[0]
    held: list[int] = []

    def look() -> None:
        held.append(sum(isinstance(each, Chunk) for each in gc.get_objects()))

    gc.collect()
    look()
    others = held.pop()  # what failures of earlier tests still hold
    assert proved_again(bed, migration, look).verified
    assert stored > 20
    assert 0 < max(held) - others < 10


def test_what_cannot_be_compared_any_more_is_counted_once(
    bed: Bed, proxied: Callable[[Side], Proxy]
) -> None:
    """A range in which something was missing, and that the target does not answer now, is an error as a whole and nothing else."""
    target = proxied(bed.target)
    bed.source.create("fat")
    bed.source.insert("fat", [*rows(KEYS), *rows([1_000], text="fat" * 15_000)])
    migration = bed.queued("fat", target_uri=target.uri)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    bed.target.client.delete("fat", ids=[50])
    bed.act(migration, EventName.VERIFY)
    (found,) = bed.run(migration).collections
    assert (found.missing, found.errors) == (1, 0)
    target.limit("Query", 20_000)
    bed.act(migration, EventName.RESUME)
    (found,) = bed.run(migration).collections
    assert (found.missing, found.errors, found.same) == (0, len(KEYS) + 1, 0)
    assert [each.kind for each in engine.listed(bed.ledger, migration)] == [Found.ERROR]
