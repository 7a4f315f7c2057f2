"""Verification is caught lying by no damage: whatever differs on the target is named by key, kind and field."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from pymilvus import DataType
from pymilvus.grpc_gen import common_pb2, milvus_pb2

import engine
from engine.errors import InputRejected, SourceUnusable
from engine.milvus.connection import connect
from engine.milvus.survey import reader_of, survey
from engine.model import (
    EXAMPLES_MAX,
    ChunkRange,
    CollectionReport,
    Found,
    Outcome,
    Reason,
    SearchComparison,
    Secrets,
)
from engine.proof.searches import QUERIES, compare_searches
from tests.engine.bed import Bed, rows
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

KEYS = range(300)
NAMES = (
    "deleted",
    "extra",
    "vector",
    "text",
    "document",
    "doubled",
    "swapped",
    "balanced",
    "dropped",
    "halved",
    "indexed",
    "crowded",
    "written",
    "fat",
    "same",
)
FIELDS = [("document", DataType.JSON, {})]


@pytest.fixture(scope="module")
def copied(beds: Callable[..., AbstractContextManager[Bed]]) -> Iterator[Bed]:
    """A verified copy of a small collection for each test to damage."""
    with beds() as bed:
        for name in NAMES:
            bed.source.create(name, fields=FIELDS, partitions=["half"])
            made = [row | {"document": {"n": row["id"], "deep": [1, None]}} for row in rows(KEYS)]
            bed.source.insert(name, made[:150], "half")
            bed.source.insert(name, made[150:])
        report = bed.migrate()
        assert report.status is Outcome.SUCCESSFUL, report
        yield bed


def found(bed: Bed, name: str) -> CollectionReport:
    """What a verification says of one collection."""
    report = bed.verify(name)
    (collection,) = report.collections
    same = report.status is Outcome.SUCCESSFUL
    assert collection.verified == same
    answered = collection.same + collection.missing + collection.different + collection.errors
    assert answered == collection.source_entities
    return collection


def search_overlap(bed: Bed, name: str) -> float:
    """The share of hits that searches by vectors of the source's partition `half` find on both sides, proved or not."""
    with connect(bed.source.endpoint, "") as source, connect(bed.target.endpoint, "") as target:
        plan = survey(source, name)
        place = ChunkRange(
            collection=name, partition="half", ordinal=0, lower=None, upper=None, entities=0
        )
        sides = reader_of(source, plan), reader_of(target, plan)
        (found,) = compare_searches(*sides, plan, [place])
    assert (found.queries, found.reason) == (10, "")
    return found.overlap


def change(bed: Bed, name: str, key: int, **values: Any) -> None:
    """Replaces an entity of the target by one that differs."""
    (row,) = bed.target.get(name, [key]).values()
    partition = "half" if key < 150 else "_default"
    bed.target.client.upsert(name, [row | values], partition_name=partition)


def named(collection: CollectionReport) -> list[tuple[int | str, str, tuple[str, ...]]]:
    """Each example as key, kind and fields."""
    return [(each.pk, each.kind, each.fields) for each in collection.examples]


def test_an_equal_copy_is_equal(copied: Bed) -> None:
    """Nothing is found where nothing was damaged, and what was counted is told."""
    collection = found(copied, "same")
    assert (collection.source_entities, collection.target_entities) == (300, 300)
    assert (collection.missing, collection.extra, collection.different) == (0, 0, 0)
    assert collection.notes == ()
    assert collection.searches == (
        SearchComparison(
            field="vector", index_type="FLAT", queries=10, top_k=10, overlap=1.0, exact=True
        ),
    )


def test_a_deleted_entity_is_missing(copied: Bed) -> None:
    """Entities that were deleted on the target are missing, each by its key and partition."""
    copied.target.client.delete("deleted", ids=[7, 200])
    collection = found(copied, "deleted")
    assert (collection.missing, collection.extra, collection.different) == (2, 0, 0)
    assert sorted(named(collection)) == [(7, "missing", ()), (200, "missing", ())]
    assert {each.partition for each in collection.examples} == {"half", "_default"}


def test_an_entity_of_nobody_is_extra(copied: Bed) -> None:
    """An entity that the source never had is extra, below, between and above the keys that it has."""
    strangers = [row | {"document": {}} for row in rows([-5, 1_000])]
    copied.target.insert("extra", strangers)
    collection = found(copied, "extra")
    assert sorted(named(collection)) == [(-5, "extra", ()), (1_000, "extra", ())]
    assert (collection.missing, collection.extra, collection.different) == (0, 2, 0)


def test_one_float_is_enough(copied: Bed) -> None:
    """One changed number in one vector is found though all counts agree, and the field is named."""
    (row,) = copied.target.get("vector", [42]).values()
    change(copied, "vector", 42, vector=[*row["vector"][:3], row["vector"][3] + 0.001])
    collection = found(copied, "vector")
    assert collection.target_entities == 300
    assert named(collection) == [(42, "different", ("vector",))]


def test_every_field_that_differs_is_named(copied: Bed) -> None:
    """Of an entity whose text and JSON changed, both fields are named and no other."""
    change(copied, "text", 9, text="text 9 ", document={"n": 9, "deep": [1, 0]})
    assert named(found(copied, "text")) == [(9, "different", ("document", "text"))]


def test_the_same_document_in_other_words_is_the_same(copied: Bed) -> None:
    """JSON whose keys come in another order is no difference."""
    change(copied, "document", 11, document={"deep": [1, None], "n": 11})
    assert found(copied, "document").verified


def test_a_doubled_entity_is_extra(copied: Bed) -> None:
    """An entity that was inserted twice is extra, though a query answers it once and its content is right."""
    (row,) = copied.target.get("doubled", [3]).values()
    copied.target.insert("doubled", [row, row], "half")
    collection = found(copied, "doubled")
    assert collection.target_entities == 302
    assert named(collection) == [(3, "extra", ()), (3, "extra", ())]
    assert {each.reason for each in collection.examples} == {Reason.DOUBLED}
    assert collection.same == 300


def test_swapped_vectors_are_two_differences(copied: Bed) -> None:
    """Two entities that exchanged their vectors are both different, though the sum of all values is the same."""
    pair = copied.target.get("swapped", [20, 21])
    change(copied, "swapped", 20, vector=pair[21]["vector"])
    change(copied, "swapped", 21, vector=pair[20]["vector"])
    assert named(found(copied, "swapped")) == [
        (20, "different", ("vector",)),
        (21, "different", ("vector",)),
    ]


def test_equal_counts_prove_nothing(copied: Bed) -> None:
    """One entity deleted and another added: the counts agree, and both are named."""
    copied.target.client.delete("balanced", ids=[0])
    copied.target.insert("balanced", [row | {"document": {}} for row in rows([999])], "half")
    collection = found(copied, "balanced")
    assert collection.source_entities == collection.target_entities
    assert sorted(named(collection)) == [(0, "missing", ()), (999, "extra", ())]


def test_a_missing_collection_is_all_missing(copied: Bed) -> None:
    """A collection that is not on the target is reported with all its entities, and ends nothing else."""
    copied.target.drop("dropped")
    collection = found(copied, "dropped")
    assert (collection.missing, collection.same, collection.target_entities) == (300, 0, 0)
    assert len(collection.examples) == EXAMPLES_MAX
    assert collection.notes == ("the collection is not on the target",)


def test_a_missing_partition_is_named(copied: Bed) -> None:
    """A partition that the target lacks is named, and each of its entities is missing."""
    copied.target.client.release_partitions("halved", ["half"])
    copied.target.client.drop_partition("halved", "half")
    collection = found(copied, "halved")
    assert (collection.missing, collection.target_entities) == (150, 150)
    assert "partition “half” is missing" in collection.notes
    assert {each.partition for each in collection.examples} == {"half"}
    assert collection.searches == ()
    assert search_overlap(copied, "halved") < 1.0


def test_an_extra_partition_is_extra(copied: Bed) -> None:
    """Entities in a partition that the source does not have are extra."""
    copied.target.client.create_partition("crowded", "stowaways")
    copied.target.insert("crowded", [row | {"document": {}} for row in rows([5])], "stowaways")
    collection = found(copied, "crowded")
    assert collection.extra == 1
    assert [(each.pk, each.reason) for each in collection.examples] == [(5, Reason.PARTITION)]
    assert "partition “stowaways” is extra, with 1 entities" in collection.notes


def test_a_changed_definition_is_found(copied: Bed) -> None:
    """An index that is not the source's is a difference, though all entities are the same."""
    client = copied.target.client
    client.release_collection("indexed")
    client.drop_index("indexed", "vector_index")
    params = client.prepare_index_params()
    params.add_index("vector", index_name="vector_index", index_type="FLAT", metric_type="IP")
    client.create_index("indexed", params)
    collection = found(copied, "indexed")
    assert (collection.missing, collection.extra, collection.different) == (0, 0, 0)
    assert collection.notes == ("index “vector_index” has metric_type IP, not L2",)
    assert not copied.target.loaded("indexed")


def test_what_was_written_to_the_source_since_is_missing(copied: Bed) -> None:
    """An entity that came to the source after the copy is missing on the target."""
    copied.source.insert("written", [row | {"document": {}} for row in rows([700])])
    assert named(found(copied, "written")) == [(700, "missing", ())]


def test_what_cannot_be_compared_is_an_error_and_ends_nothing(copied: Bed) -> None:
    """Entities that the target cannot answer are errors with their range, all others are compared; nothing is proved by that."""
    fat = next(rows([900], text="fat" * 15_000)) | {"document": {}}
    copied.source.insert("fat", [fat], "half")
    listed: list[Found] = []
    with Proxy(copied.target.uri) as proxy:
        proxy.limit("Query", 20_000)
        copied.target.insert("fat", [fat], "half")
        copied.target.client.delete("fat", ids=[299])
        request = copied.request("fat", target_uri=proxy.uri)
        report = engine.verify(request, Secrets(), listed.append)
    (collection,) = report.collections
    assert report.status is Outcome.MISMATCHED
    assert (collection.errors, collection.missing, collection.same) == (151, 1, 149)
    assert "151 entities in 1 ranges of keys could not be compared" in collection.notes[0]
    (error,) = [each for each in listed if each.kind == Found.ERROR]
    assert (error.partition, error.pk, error.lower, error.upper) == ("half", None, None, None)
    assert [each.pk for each in listed if each is not error] == [299]


def test_what_is_not_there_is_said(copied: Bed) -> None:
    """A database that one side lacks, or an unknown collection, is a sentence and not a mismatch."""
    request = copied.request("same")
    for side in ("source", "target"):
        nowhere = getattr(request, side).model_copy(update={"database": "nowhere"})
        with pytest.raises(InputRejected, match="There is no database “nowhere”"):
            engine.verify(request.model_copy(update={side: nowhere}), Secrets())
    with pytest.raises(SourceUnusable, match="There is no collection “unheard_of”"):
        copied.verify("unheard_of")


def test_nothing_to_compare_is_no_proof(bed: Bed) -> None:
    """A source without a collection, as that of a wrong database may be, is refused and never called the same."""
    bed.target.create("alone", load=False)
    with pytest.raises(SourceUnusable, match="holds no collection"):
        bed.verify()


def test_a_source_that_gives_no_queries_changes_no_verdict(copied: Bed) -> None:
    """Where the entities to search by cannot be read, the copy stays proved, and it is said that no searches were compared."""
    few = math.ceil(QUERIES / 2)  # of each of its two partitions; no other page has so few
    asked = common_pb2.KeyValuePair(key="limit", value=str(few)).SerializeToString()
    gone = milvus_pb2.QueryResults(status=common_pb2.Status(code=100, reason="it is gone"))
    with Proxy(copied.source.uri) as proxy:
        proxy.answer("Query", asked, gone.SerializeToString())
        report = engine.verify(copied.request("same", source_uri=proxy.uri), Secrets())
    (collection,) = report.collections
    assert (report.status, collection.verified) == (Outcome.SUCCESSFUL, True)
    assert [each.field for each in collection.searches] == ["vector"]
    assert "it is gone" in collection.searches[0].reason
    (note,) = collection.notes
    assert note.startswith("Searches on “vector” were not compared: ")
