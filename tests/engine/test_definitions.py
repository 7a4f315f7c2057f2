"""Definitions: every type, index and property that Milvus Lite has arrives, what comes last comes last, keys stay."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pymilvus import DataType, Function, FunctionType, MilvusClient
from pymilvus.grpc_gen import milvus_pb2

import engine
from engine.lifecycle import EventName
from engine.milvus import definitions, schemas
from engine.milvus.capabilities import Target, unsupported
from engine.milvus.connection import connect
from engine.milvus.survey import survey
from engine.model import CollectionPlan, KeyPolicy, Outcome, Report, Secrets
from engine.planner import Standing, make_plan
from tests.engine.bed import FLAT, Bed, Side, rows, running
from tests.engine.proxy import Proxy
from tests.engine.shapes import collection, lite_collections

TTL = "collection.ttl.seconds"
ALLOW = "allow_insert_auto_id"
PROPERTIES = {TTL: "86400", "mmap.enabled": "true", "of.tomorrow": "kept", "max_field_id": "110"}
COUNT = 12
SCALARS: dict[str, tuple[DataType, dict[str, Any], Any, Any]] = {
    "flag": (DataType.BOOL, {}, True, False),
    "tiny": (DataType.INT8, {}, -7, 3),
    "small": (DataType.INT16, {}, -300, 3),
    "whole": (DataType.INT32, {}, 70_000, 3),
    "large": (DataType.INT64, {}, 2**40, 3),
    "single": (DataType.FLOAT, {}, 0.5, 1.5),
    "double": (DataType.DOUBLE, {}, 0.1, 1.5),
    "text": (DataType.VARCHAR, {"max_length": 60}, "größer", "nothing"),
    "place": (DataType.GEOMETRY, {}, "POINT (1 2)", "POINT (0 0)"),
    "moment": (DataType.TIMESTAMPTZ, {}, "2025-01-02T03:04:05Z", "2024-01-01T00:00:00Z"),
}
"""Type, parameters, a value, a default."""


def properties(side: Side, name: str) -> dict[str, str]:
    """A collection's properties as its server tells them."""
    return dict(side.client.describe_collection(name)["properties"])


def _everything(side: Side) -> None:
    """A collection with a field of each kind, bare, nullable and with a default value."""
    made = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    made.add_field("id", DataType.VARCHAR, is_primary=True, max_length=30)
    for name, (kind, params, _, default) in SCALARS.items():
        made.add_field(name, kind, **params)
        made.add_field(f"{name}_or_null", kind, nullable=True, **params)
        made.add_field(f"{name}_or_default", kind, default_value=default, **params)
    made.add_field("payload", DataType.JSON, nullable=True)
    list_of = {"max_capacity": 4, "max_length": 20}
    made.add_field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, nullable=True, **list_of)
    made.add_field("owner", DataType.VARCHAR, max_length=20, is_partition_key=True)
    analysis = {"tokenizer": "standard", "filter": ["lowercase"]}
    made.add_field(
        "body", DataType.VARCHAR, max_length=500, enable_analyzer=True, analyzer_params=analysis
    )
    made.add_field("dense", DataType.FLOAT_VECTOR, dim=4)
    made.add_field("other", DataType.FLOAT_VECTOR, dim=2, nullable=True)
    made.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    made.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    made.add_function(Function("bm25", FunctionType.BM25, ["body"], ["words"]))
    params = side.client.prepare_index_params()
    hnsw = {"M": 8, "efConstruction": 64}
    params.add_index("dense", index_type="HNSW", metric_type="COSINE", params=hnsw)
    params.add_index("other", **FLAT)
    params.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    params.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
    params.add_index("text", index_type="INVERTED")
    side.client.create_collection(
        "everything", schema=made, index_params=params, properties=PROPERTIES
    )
    side.client.insert("everything", [_entity(number) for number in range(COUNT)])


def _entity(number: int) -> dict[str, Any]:
    full = number % 2 == 0
    entity = {
        "id": f"key {number}",
        "payload": {"n": number} if full else None,
        "tags": ["a", "b"][: number % 3] if full else None,
        "owner": f"owner {number % 3}",
        "body": f"the {number} quick foxes",
        "dense": [float(number)] * 4,
        "other": [1.0, float(number)] if full else None,
        "sparse": {number: 0.5, 1_000: 1.0},
        "extra": number,
    }
    for name, (_, _, value, _) in SCALARS.items():
        entity |= {name: value, f"{name}_or_null": value if full else None}
        if full:
            entity[f"{name}_or_default"] = value
    return entity


@pytest.fixture
def everything(lite_bed: Bed) -> Iterator[Bed]:
    """A bed whose source holds `everything`."""
    _everything(lite_bed.source)
    return lite_bed


def test_everything_that_milvus_lite_has_arrives(everything: Bed) -> None:
    """Each scalar type bare, null and by default, JSON, arrays, several vectors, functions, indexes and properties stand there."""
    (planned,) = engine.plan(everything.request(), Secrets()).collections
    assert planned.conflict is None
    with Proxy(everything.target.uri) as proxy:
        made, altered = proxy.keep("CreateCollection"), proxy.keep("AlterCollection")
        report = everything.migrate(target_uri=proxy.uri)
    assert report.status is Outcome.SUCCESSFUL, report
    keys = [f"key {number}" for number in range(COUNT)]
    ours, theirs = (side.get("everything", keys) for side in (everything.source, everything.target))
    assert len(ours) == COUNT
    assert ours == theirs
    assert theirs["key 1"]["large_or_null"] is None
    assert theirs["key 1"]["large_or_default"] == 3
    described, copied = (
        side.client.describe_collection("everything")
        for side in (everything.source, everything.target)
    )
    assert described["fields"] == copied["fields"]
    assert described["functions"] == copied["functions"]
    hnsw = everything.target.client.describe_index("everything", "dense")
    assert (hnsw["index_type"], hnsw["metric_type"]) == ("HNSW", "COSINE")
    found = everything.target.client.search(
        "everything", data=["foxes"], anns_field="words", limit=3
    )
    assert len(found[0]) == 3
    (request,) = (milvus_pb2.CreateCollectionRequest.FromString(each) for each in made)
    assert {pair.key for pair in request.properties} == {"mmap.enabled", "of.tomorrow"}
    (last,) = (milvus_pb2.AlterCollectionRequest.FromString(each) for each in altered)
    assert {pair.key: pair.value for pair in last.properties} == {TTL: "86400"}
    kept = {key: value for key, value in PROPERTIES.items() if key != "max_field_id"}
    assert properties(everything.target, "everything") == kept
    assert everything.verify().status is Outcome.SUCCESSFUL


def test_a_lifetime_that_is_missing_is_a_difference(everything: Bed) -> None:
    """A comparison of two databases sees a property that was taken away, and an index that is otherwise."""
    assert everything.migrate().status is Outcome.SUCCESSFUL
    client = everything.target.client
    client.drop_collection_properties("everything", [TTL])
    client.release_collection("everything")
    client.drop_index("everything", "other_idx")
    report = everything.verify()
    assert report.status is Outcome.MISMATCHED
    (found,) = report.collections
    assert f"property {TTL} is missing, not 86400" in found.notes
    assert any("on other is missing" in note for note in found.notes)
    assert not found.missing


def test_the_database_is_made_with_its_properties(lite_bed: Bed) -> None:
    """A database that the target lacks gets the source's properties, but none that would keep the migration from writing."""
    source = Side(lite_bed.source.uri, "harbour")
    target = Side(lite_bed.target.uri)
    deny = "database.force.deny.writing"
    try:
        source.client.alter_database_properties("harbour", {"timezone": "Asia/Tokyo", deny: "true"})
        source.create("cargo")
        source.insert("cargo", rows(range(5)))
        place = target.endpoint.model_copy(update={"database": "harbour"})
        request = lite_bed.request("cargo").model_copy(
            update={"source": source.endpoint, "target": place}
        )
        plan = engine.plan(request, Secrets())
        assert any(
            deny in lost and "keep this migration from writing" in lost for lost in plan.losses
        )
        assert lite_bed.run(lite_bed.enqueue(request)).status is Outcome.SUCCESSFUL
        made = target.client.describe_database("harbour")
        assert made["timezone"] == "Asia/Tokyo"
        assert deny not in made
    finally:
        source.clear()
        Side(lite_bed.target.uri, "harbour").clear()
        target.client.close()


def _automatic(side: Side, count: int = 40) -> list[int]:
    side.create("automatic", schema={"auto_id": True})
    made = ({"vector": row["vector"], "text": row["text"]} for row in rows(range(count)))
    side.insert("automatic", made)
    found = side.client.query("automatic", output_fields=["id"], limit=count)
    return [row["id"] for row in found]


def test_keys_are_kept_where_the_target_makes_keys_too(lite_bed: Bed) -> None:
    """Auto-id stays on, the source's keys are taken, and the property that this needs stands there only while it is needed."""
    keys = _automatic(lite_bed.source)
    (planned,) = engine.plan(lite_bed.request(), Secrets()).collections
    assert planned.keys is KeyPolicy.ALLOWED
    assert engine.keys_in_question(lite_bed.request(), Secrets()) == ()
    assert planned.losses == ()
    assert any(ALLOW in note for note in planned.notes)
    with Proxy(lite_bed.target.uri) as proxy:
        gate = proxy.hold("LoadCollection", 1)
        migration = lite_bed.queued(target_uri=proxy.uri)
        with running(lite_bed, migration) as (reports, _):
            gate.wait()
            assert properties(lite_bed.target, "automatic")[ALLOW] == "true"
            gate.open.set()
    assert reports[0].status is Outcome.SUCCESSFUL, reports[0]
    assert ALLOW not in properties(lite_bed.target, "automatic")
    assert lite_bed.target.client.describe_collection("automatic")["auto_id"] is True
    lite_bed.assert_same("automatic", keys)
    assert lite_bed.verify().status is Outcome.SUCCESSFUL


def test_a_lifetime_waits_for_the_proof(lite_bed: Bed) -> None:
    """What is not proved gets no lifetime yet, and the report says so; once it is mended, it gets it."""
    lite_bed.source.create("fleeting", properties={TTL: "3600"})
    lite_bed.source.insert("fleeting", rows(range(50)))
    with Proxy(lite_bed.target.uri) as proxy:
        gate = proxy.hold("LoadCollection", 1)
        migration = lite_bed.queued(target_uri=proxy.uri)
        with running(lite_bed, migration) as (reports, _):
            gate.wait()
            lite_bed.target.client.delete("fleeting", ids=[7])
            gate.open.set()
        assert reports[0].status is Outcome.MISMATCHED
        assert f"Once it is proved, {TTL} is set on the target." in reports[0].collections[0].notes
        assert TTL not in properties(lite_bed.target, "fleeting")
        engine.repair(lite_bed.ledger, migration, "tester")
        assert lite_bed.run(migration).status is Outcome.SUCCESSFUL
    assert properties(lite_bed.target, "fleeting")[TTL] == "3600"


@pytest.mark.usefixtures("short_leases")
def test_what_is_in_doubt_is_deleted_and_inserted_where_the_target_makes_keys(
    lite_bed: Bed,
) -> None:
    """An upsert would give the entities new keys on a server: after a lost answer and a resume none was sent."""
    keys = _automatic(lite_bed.source)
    with Proxy(lite_bed.target.uri) as proxy:
        proxy.lose_answer("Insert", 1)
        gate = proxy.hold("Insert", 3)
        migration = lite_bed.queued(target_uri=proxy.uri)
        with running(lite_bed, migration, chunk_bytes=200) as (reports, _):
            gate.wait()
            lite_bed.act(migration, EventName.CANCEL)
            gate.open.set()
        assert reports[0].status is Outcome.CANCELED
        lite_bed.act(migration, EventName.RESUME)
        report: Report = lite_bed.run(migration)
        assert proxy.calls["Delete"] > 0
        assert proxy.calls["Upsert"] == 0
    assert report.status is Outcome.SUCCESSFUL, report
    lite_bed.assert_same("automatic", keys)


@given(schema=lite_collections())
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_collection_of_milvus_lite_goes_round(
    lite_sides: tuple[Side, Side], schema: Any
) -> None:
    """Surveyed, made on the target and described again, a collection of any shape has no difference."""
    clusters = [connect(side.endpoint, "") for side in lite_sides]
    with clusters[0] as source, clusters[1] as target:
        asked = collection().model_copy(
            update={"name": "shape", "definition": schemas.encode(schema), "keys": KeyPolicy.OWN}
        )
        try:
            definitions.create(source, asked)
            definitions.complete(source, asked)
            planned = survey(source, "shape")
            assert schemas.differences(asked, schemas.schema_of(planned), lite=True) == []
            assert list(unsupported(Target(target.version, lite=True), schema, ())) == []
            definitions.create(target, planned)
            definitions.complete(target, planned)
            assert definitions.differences(target, planned, settled=True) == ()
        finally:
            for cluster in clusters:
                if "shape" in definitions.collection_names(cluster):
                    definitions.drop(cluster, "shape")


def test_a_plan_for_a_server_says_what_is_lost_there(lite_bed: Bed) -> None:
    """Held against a newer server and an older one, a source's plan tells nulls that become defaults, keys, indexes and types."""
    both = {"nullable": True, "default_value": 3}
    weight = ("weight", DataType.INT32, both)
    lite_bed.source.create("cargo", schema={"auto_id": True}, fields=[weight], load=False)
    request = lite_bed.request("cargo")

    def planned(version: str) -> CollectionPlan:
        with connect(lite_bed.source.endpoint, "") as source:
            standing = Standing(lite_bed.target.endpoint, version, is_lite=False)
            (found,) = make_plan(source, standing, request).collections
        return found

    lite_bed.source.client.release_collection("cargo")
    released = planned("v2.6.3")
    assert released.conflict is None
    (lost,) = released.losses
    assert "a null in weight becomes its default value" in lost
    rows = [{"vector": [0.0] * 4, "text": "", "weight": weight} for weight in (3, 5)]
    lite_bed.source.insert("cargo", rows)
    lite_bed.source.client.load_collection("cargo")
    newer = planned("v2.6.3")
    assert (newer.conflict, newer.losses) == (None, ())
    assert newer.keys is KeyPolicy.ALLOWED
    middle = planned("v2.5.0")
    assert middle.keys is KeyPolicy.PLAIN
    assert len(middle.losses) == 1
    older = planned("v2.4.9")
    assert older.conflict is not None
    assert "has no nullable fields (used by weight)" in older.conflict
    assert "has no default values (used by weight)" in older.conflict


def test_a_lifetime_that_the_source_does_not_have_is_a_difference(lite_bed: Bed) -> None:
    """Where entities expire on the target alone no migration ends well, and two databases are not the same."""
    lite_bed.source.create("lasting")
    lite_bed.source.insert("lasting", rows(range(20)))
    with Proxy(lite_bed.target.uri) as proxy:
        gate = proxy.hold("LoadCollection", 1)
        migration = lite_bed.queued(target_uri=proxy.uri)
        with running(lite_bed, migration) as (reports, _):
            gate.wait()
            lite_bed.target.client.alter_collection_properties("lasting", {TTL: "60"})
            gate.open.set()
        said = f"property {TTL} is 60, and the source has none"
        assert reports[0].status is Outcome.FAILED
        assert reports[0].error is not None
        assert said in reports[0].error.message
        report = lite_bed.verify()
        assert report.status is Outcome.MISMATCHED
        assert said in report.collections[0].notes
        lite_bed.target.client.drop_collection_properties("lasting", [TTL])
        lite_bed.act(migration, EventName.RESUME)
        assert lite_bed.run(migration).status is Outcome.SUCCESSFUL
    assert lite_bed.verify().status is Outcome.SUCCESSFUL
