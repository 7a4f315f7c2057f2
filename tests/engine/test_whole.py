"""Whole databases moved between two real servers: everything arrives as it was, and is proved."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import pytest
from pymilvus import DataType
from pymilvus.grpc_gen import milvus_pb2

import engine
from engine.milvus.connection import connect
from engine.milvus.sample import ALIAS, PARTITIONS, fill
from engine.milvus.sample_values import awkward_key
from engine.milvus.survey import reader_of, survey
from engine.model import CollectionPlan, CollectionReport, Outcome, Report, Secrets
from tests.engine.bed import Bed, Side, rows
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

LEAST = [-(2**63), -(2**63) + 1, -1, 0, 1, 2**63 - 2]
TEXTS = ["", "\0", "a\0b", "\x01", "\x7f", "?", "'", "\\0", "\\u0041", "\u2028", "\U0010ffff"]
LONGEST = 65_535
LONG_KEYS = [(mark * LONGEST)[: LONGEST - 1] + str(n) for n, mark in enumerate("\\'\"x")]
"""As long as Milvus allows, of what has to be escaped: twice as long in an expression."""
ODD = [float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 1e-45]
ARRAYS = {"BOOL": True, "INT8": -7, "INT64": 2**40, "DOUBLE": 0.1, "VARCHAR": "a"}
HALVES = 250
INDEXES = {"vector_index": "FLAT", "by_note": "STL_SORT", "by_code": "Trie"}
TTL = {"collection.ttl.seconds": "86400"}


@dataclass
class Moved:
    """A database that was moved once, for tests that only look at it."""

    bed: Bed
    made: dict[str, int]
    report: Report

    def of(self, name: str) -> CollectionReport:
        """What is reported of a collection."""
        return next(each for each in self.report.collections if each.name == name)

    def plan(self, name: str) -> CollectionPlan:
        """What was planned for a collection."""
        assert self.report.migration is not None
        plan = self.bed.ledger.migration(self.report.migration).plan
        assert plan is not None
        return next(each for each in plan.collections if each.name == name)


@pytest.fixture(scope="module")
def moved(beds: Callable[..., AbstractContextManager[Bed]]) -> Iterator[Moved]:
    """The sample database and a collection for each thing that is awkward to move, in one migration."""
    with beds() as bed:
        made: dict[str, int] = {}

        def sample() -> None:
            uri, database = bed.source.uri, bed.source.database
            made.update(fill(uri, modern=False, scale=0.1, database=database))

        filling = threading.Thread(target=sample)
        filling.start()
        _awkward(bed.source)
        filling.join()
        yield Moved(bed, made, bed.migrate())


def _awkward(side: Side) -> None:
    side.create("twice")
    side.insert("twice", rows(range(100)))
    side.insert("twice", rows(range(10), text="copy"))
    side.insert("twice", rows(range(3), text="another"))
    side.create("numbers")
    side.insert("numbers", rows(LEAST))
    side.create("texts", key="VARCHAR")
    side.insert("texts", rows(TEXTS))
    side.create("longest", key="VARCHAR", key_length=LONGEST)
    side.insert("longest", rows(LONG_KEYS, text="x" * 59_900))
    side.create("empty", partitions=["bare"])
    side.create("floats", fields=[("f", DataType.FLOAT, {}), ("d", DataType.DOUBLE, {})])
    made = (row | {"f": ODD[n], "d": ODD[n]} for n, row in enumerate(rows(range(len(ODD)))))
    side.insert("floats", made)
    shape = {"max_capacity": 4, "max_length": 10}
    lists = [
        (name, DataType.ARRAY, {"element_type": DataType[name]} | shape) for name in sorted(ARRAYS)
    ]
    side.create("arrays", fields=lists)
    filled = (
        row | {name: [value] * (number % 3) for name, value in ARRAYS.items()}
        for number, row in enumerate(rows(range(60)))
    )
    side.insert("arrays", filled)
    side.create("automatic", schema={"auto_id": True})
    side.insert("automatic", ({"vector": row["vector"], "text": "t"} for row in rows(range(50))))
    described = {"description": "Where it all began", "enable_dynamic_field": True}
    side.create(
        "described",
        schema=described,
        fields=[
            ("note", DataType.INT16, {"description": "A short one"}),
            ("code", DataType.VARCHAR, {"max_length": 20, "mmap_enabled": True}),
        ],
        consistency_level="Session",
        num_shards=2,
        properties=TTL | {"mmap.enabled": "true"},
        load=False,
    )
    for field, kind in (("note", "STL_SORT"), ("code", "Trie")):
        params = side.client.prepare_index_params()
        params.add_index(field, index_type=kind, index_name=f"by_{field}")
        side.client.create_index("described", params, sync=False)
    side.client.load_collection("described", _async=True)
    side._loading.append("described")


def test_the_sample_is_moved_and_proved(moved: Moved) -> None:
    """Awkward keys, partitions, partition key, JSON, arrays, dynamic field: each collection is copied and verified."""
    assert moved.report.status is Outcome.SUCCESSFUL, moved.report
    assert moved.report.error is None
    for name, count in moved.made.items():
        found = moved.of(name)
        assert (found.source_entities, found.target_entities) == (count, count)
        assert found.verified
        assert found.notes == ()
    half = moved.made["events"] // 2
    moved.bed.assert_same("events", list(range(-half, half)))
    moved.bed.assert_same("ports", list(range(1, moved.made["ports"] + 1)))


def test_partitions_hold_what_they_held(moved: Moved) -> None:
    """Named partitions hold their own entities on the target; a partition key has as many partitions as before."""
    target = moved.bed.target
    assert set(PARTITIONS) < set(target.client.list_partitions("documents"))
    for name in PARTITIONS:
        assert target.count("documents", name) == moved.made["documents"] // 4
    keys = [awkward_key(number) for number in range(moved.made["documents"])]
    moved.bed.assert_same("documents", keys)
    assert len(target.client.list_partitions("ports")) == 7


@pytest.mark.soak
@pytest.mark.parametrize("partitions", [1, 64])
def test_any_number_of_partitions_of_a_key(bed: Bed, partitions: int) -> None:
    """A partition key has as many partitions on the target as on the source, one or many, and every entity arrives."""
    tenant = ("tenant", DataType.INT64, {"is_partition_key": True})
    bed.source.create("tenants", fields=[tenant], num_partitions=partitions)
    bed.source.insert("tenants", (row | {"tenant": row["id"]} for row in rows(range(3_000))))
    report = bed.migrate("tenants")
    assert report.status is Outcome.SUCCESSFUL, report
    assert len(bed.target.client.list_partitions("tenants")) == partitions
    bed.assert_same("tenants", range(3_000))


def test_the_alias_comes_last(moved: Moved) -> None:
    """The alias points to the collection, and was made after everything was verified."""
    database = moved.bed.target.database
    (alias,) = moved.bed.target.client.list_aliases("documents", db_name=database)["aliases"]
    assert alias == ALIAS
    phases = [
        event.details["phase"]
        for event in moved.bed.ledger.events(migration_id=moved.report.migration)
        if event.name == "phase"
    ]
    assert phases == ["create", "copy", "load", "verify", "alias"]


def test_a_second_migration_finds_it_all_there(moved: Moved) -> None:
    """`ferry migrate` over a moved database stops with exit 2, says what stands there, and changes nothing."""
    bed = moved.bed
    before = {name: bed.target.count(name) for name in bed.target.client.list_collections()}
    done = bed.ferry("migrate", bed.source.uri, bed.target.uri, "--database", bed.source.database)
    assert done.returncode == 2, done.stderr
    for name in sorted(before)[:12]:
        assert f"already holds a collection “{name}”" in done.stderr.replace("\n", " ")
    assert {name: bed.target.count(name) for name in before} == before


def test_entities_of_one_key_in_the_source_are_explained(moved: Moved) -> None:
    """Keys that several entities share are copied once; the gap between the counts is a note, and no mismatch."""
    found = moved.of("twice")
    assert found.verified
    assert (found.source_entities, found.target_entities) == (113, 100)
    (note,) = found.notes
    assert "10 keys are shared by 23 entities" in note
    assert "(13 were not)" in note
    assert moved.bed.target.count("twice") == 100


@pytest.mark.parametrize(("name", "keys"), [("numbers", LEAST), ("texts", TEXTS)])
def test_keys_at_the_ends_of_their_type(moved: Moved, name: str, keys: list[int | str]) -> None:
    """The smallest INT64, the empty text and a NUL are keys like any other."""
    assert moved.of(name).verified
    found = moved.bed.target.client.query(name, output_fields=["id", "text"], limit=100)
    expected = {row["id"]: row["text"] for row in rows(keys)}
    assert {row["id"]: row["text"] for row in found} == expected


def test_the_longest_keys_and_texts_arrive(moved: Moved) -> None:
    """Keys of 65,535 bytes, backslashes and quotes throughout, bound ranges and arrive, with texts of almost that length."""
    assert moved.of("longest").verified
    moved.bed.assert_same("longest", LONG_KEYS)


def test_an_empty_collection_is_carried(moved: Moved) -> None:
    """Nothing is a state too: the collection, its empty partition and its index are made."""
    assert moved.of("empty").verified
    target = moved.bed.target.client
    assert target.list_partitions("empty") == ["_default", "bare"]
    assert target.list_indexes("empty") == ["vector_index"]


def test_floats_are_carried_bit_by_bit(moved: Moved) -> None:
    """NaN, infinities and −0.0 arrive as they were and are verified as equal."""
    assert moved.of("floats").verified
    sides = [side.get("floats", range(len(ODD))) for side in (moved.bed.source, moved.bed.target)]
    for ours, theirs in zip(*(side.values() for side in sides), strict=True):
        assert repr((ours["f"], ours["d"])) == repr((theirs["f"], theirs["d"]))
    assert repr(sides[1][3]["d"]) == "-0.0"


def test_half_floats_of_a_real_server_are_read_bit_by_bit(bed: Bed) -> None:
    """FLOAT16 vectors are read as they are, denormal ones too; a target of 2.3, which they would end, is a conflict in the plan."""
    made = bed.source.client.create_schema(auto_id=False)
    made.add_field("id", DataType.INT64, is_primary=True)
    made.add_field("vector", DataType.FLOAT16_VECTOR, dim=4)
    params = bed.source.client.prepare_index_params()
    params.add_index("vector", index_type="FLAT", metric_type="L2")
    bed.source.client.create_collection("halves", schema=made, index_params=params)
    vectors = np.arange(HALVES * 4, dtype="<u2").view("<f2").reshape(HALVES, 4)
    bed.source.insert("halves", ({"id": n, "vector": vector} for n, vector in enumerate(vectors)))
    with connect(bed.source.endpoint, "") as source:
        reader = reader_of(source, survey(source, "halves"))
        columns = [column for page in reader.pages("") for column in page.messages()]
    found = [column.vectors.float16_vector for column in columns if column.field_name == "vector"]
    assert b"".join(found) == vectors.tobytes()
    (conflict,) = engine.plan(bed.request("halves"), Secrets()).conflicts
    assert "has no FLOAT16_VECTOR for several inserts (used by vector)" in conflict


def test_empty_arrays_of_every_kind_arrive(moved: Moved) -> None:
    """Arrays of all elements arrive, empty ones too: sent back as they were answered they crash Milvus 2.3.5."""
    assert moved.of("arrays").verified
    moved.bed.assert_same("arrays", range(60))
    assert moved.bed.target.get("arrays", [0])[0]["VARCHAR"] == []


def test_keys_that_the_server_made_are_kept(moved: Moved) -> None:
    """A collection with auto-id keeps its keys on a target without; the plan says that this is lost, and so does a comparison."""
    assert moved.of("automatic").verified
    keys = [
        row["id"]
        for row in moved.bed.source.client.query("automatic", output_fields=["id"], limit=100)
    ]
    assert len(keys) == 50
    moved.bed.assert_same("automatic", keys)
    assert moved.bed.target.client.describe_collection("automatic")["auto_id"] is False
    (lost,) = moved.plan("automatic").losses
    assert "auto-id is off on the target" in lost
    assert f"automatic: {lost}" in moved.report.losses
    (compared,) = moved.bed.verify("automatic").collections
    assert compared.verified
    assert any("the target makes none for later entities" in note for note in compared.notes)


def test_the_definition_is_carried(moved: Moved) -> None:
    """Descriptions, consistency level, shards, properties and the dynamic field stand on the target as they were."""
    assert moved.of("described").verified
    ours, theirs = (
        side.client.describe_collection("described")
        for side in (moved.bed.source, moved.bed.target)
    )
    for part in ("description", "consistency_level", "num_shards", "properties", "fields"):
        assert ours[part] == theirs[part]
    assert theirs["enable_dynamic_field"]
    assert theirs["num_shards"] == 2
    assert str(theirs["fields"][-1]["params"]["mmap_enabled"]).lower() == "true"
    found = {name: moved.bed.target.client.describe_index("described", name) for name in INDEXES}
    assert {name: index["index_type"] for name, index in found.items()} == INDEXES
    assert TTL.items() <= dict(theirs["properties"]).items()
    (lost,) = moved.plan("described").losses
    assert "lifetimes (TTL) start again on the target" in lost


def test_a_target_of_too_few_nodes_is_loaded_once(
    bed: Bed, proxied: Callable[[Side], Proxy]
) -> None:
    """What is loaded twice on the source is to be loaded twice on the target; one node refuses that, and loads it once."""
    bed.source.create("twice")
    bed.source.insert("twice", rows(range(20)))
    source, target = proxied(bed.source), proxied(bed.target)
    two = [milvus_pb2.ReplicaInfo(replicaID=number) for number in (1, 2)]
    told = milvus_pb2.GetReplicasResponse(replicas=two).SerializeToString()
    source.answer("GetReplicas", b"twice", told)
    loads = target.keep("LoadCollection")
    report = bed.migrate("twice", source_uri=source.uri, target_uri=target.uri)
    assert report.status is Outcome.SUCCESSFUL, report
    asked = [milvus_pb2.LoadCollectionRequest.FromString(each).replica_number for each in loads]
    assert asked == [2, 1]
    assert bed.target.loaded("twice")


def test_a_database_that_the_target_lacks_is_made(moved: Moved) -> None:
    """A plan for a database that is not on the target has no conflict, makes nothing, and a migration makes it."""
    bed = moved.bed
    missing = bed.target.endpoint.model_copy(update={"database": f"{bed.target.database}_new"})
    request = bed.request("empty").model_copy(update={"target": missing})
    assert engine.plan(request, Secrets()).conflicts == ()
    assert missing.database not in bed.target.client.list_databases()
    report = bed.run(bed.enqueue(request))
    made = Side(bed.target.uri, missing.database)
    try:
        assert report.status is Outcome.SUCCESSFUL
        assert made.client.list_collections() == ["empty"]
    finally:
        made.clear()
