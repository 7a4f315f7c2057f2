"""Definitions of any shape: what is asked for and described again has no difference, and every change is one."""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymilvus.grpc_gen import schema_pb2

from engine.milvus import indexing, properties, schemas
from engine.model import Endpoint, IndexDefinition, KeyPolicy, PartitionPlan, Plan, Request
from tests.engine.shapes import NAMES, collection, collections, pairs

T = schema_pb2.DataType


def described(asked: Any, chance: random.Random) -> Any:
    """What a server answers after it was asked for a schema: with its own ids and states, in its own order of parameters."""
    schema = schema_pb2.CollectionSchema.FromString(asked.SerializeToString())
    schema.dbName, schema.version = "other", 3
    schema.properties.extend(pairs({"max_field_id": "110", "timezone": "UTC"}))
    schema.autoID = schema.autoID and chance.random() < 0.5
    for number, field in enumerate(schemas.fields_of(schema), 100):
        field.fieldID = number
        field.state = schema_pb2.FieldState.FieldCreated
        shuffled = [pair for pair in field.type_params if pair.key != "analyzer_params"]
        shuffled += pairs(dict.fromkeys(_analysed(field), ' {"n": 1.0,"type":"english"}'))
        chance.shuffle(shuffled)
        del field.type_params[:]
        field.type_params.extend(shuffled)
    for struct in schema.struct_array_fields:
        struct.fieldID = 900
    for function in schema.functions:
        function.id = 7
        function.input_field_ids.append(100)
    return schema


def _analysed(field: Any) -> list[str]:
    return [pair.key for pair in field.type_params if pair.key == "analyzer_params"]


def planned(schema: Any, policy: KeyPolicy = KeyPolicy.OWN) -> Any:
    """A plan's collection of that schema."""
    return collection(keys=policy).model_copy(update={"definition": schemas.encode(schema)})


@given(collections(), st.sampled_from(KeyPolicy), st.randoms())
def test_what_is_described_again_has_no_difference(
    schema: Any, policy: KeyPolicy, chance: random.Random
) -> None:
    """Whatever a collection consists of: ids, states, order of parameters and spelling of JSON are no difference."""
    plan = planned(schema, policy)
    found = described(schemas.creation_schema(plan), chance)
    assert schemas.differences(plan, found, lite=False) == []
    again = planned(found)
    assert schemas.differences(again, schemas.creation_schema(again), lite=False) == []


CHANGES: dict[str, Any] = {
    "nullable": lambda field: setattr(field, "nullable", not field.nullable),
    "type": lambda field: setattr(field, "data_type", T.Mol),
    "description": lambda field: setattr(field, "description", field.description + "!"),
    "clustering": lambda field: setattr(field, "is_clustering_key", True),
    "partition key": lambda field: setattr(field, "is_partition_key", True),
    "parameter": lambda field: field.type_params.add(key="warmup", value="sync"),
    "default": lambda field: field.default_value.CopyFrom(
        schema_pb2.ValueField(string_data="another")
    ),
    "name": lambda field: setattr(field, "name", field.name + "!"),
}


@pytest.mark.parametrize("change", CHANGES)
@given(schema=collections(), chance=st.randoms())
@settings(max_examples=20)
def test_every_change_is_a_difference(change: str, schema: Any, chance: random.Random) -> None:
    """A field that is otherwise in one thing is told by its name, also inside a struct array."""
    plan = planned(schema)
    found = described(schemas.creation_schema(plan), chance)
    field = chance.choice(schemas.fields_of(found))
    name = field.name
    CHANGES[change](field)
    said = schemas.differences(plan, found, lite=False)
    assert said
    assert any(f"“{name}”" in sentence for sentence in said)


def _function(schema: Any) -> Any:
    """A function of the schema, which gets one if it has none."""
    if not schema.functions:
        schema.functions.add(
            name="words",
            type=schema_pb2.FunctionType.BM25,
            input_field_names=["text"],
            output_field_names=["sparse"],
            params=pairs({"k1": "1.2"}),
        )
    return schema.functions[0]


CHANGES_OF_ALL: dict[str, Any] = {
    "description": lambda schema: setattr(schema, "description", schema.description + "!"),
    "dynamic": lambda schema: setattr(
        schema, "enable_dynamic_field", not schema.enable_dynamic_field
    ),
    "a field more": lambda schema: schema.fields.add(name="more!", data_type=T.Int8),
    "a field fewer": lambda schema: schema.fields.pop(),
    "auto-id": lambda schema: setattr(schema, "autoID", True),
    "a function fewer": lambda schema: schema.functions.pop(0),
    "a function's type": lambda schema: setattr(
        _function(schema), "type", schema_pb2.FunctionType.MinHash
    ),
    "a function's name": lambda schema: setattr(_function(schema), "name", "other!"),
    "a function's description": lambda schema: setattr(_function(schema), "description", "!"),
    "a function's parameter": lambda schema: _function(schema).params.add(key="b", value="0.1"),
    "a function's input": lambda schema: _function(schema).input_field_names.append("more"),
    "a function's output": lambda schema: _function(schema).output_field_names.append("more"),
}


@pytest.mark.parametrize("change", CHANGES_OF_ALL)
@given(schema=collections(), chance=st.randoms())
@settings(max_examples=10)
def test_every_change_of_the_whole_is_a_difference(
    change: str, schema: Any, chance: random.Random
) -> None:
    """What is said of the collection, which fields and functions it has, and all that is said of a function."""
    _function(schema)
    plan = planned(schema)
    found = described(schemas.creation_schema(plan), chance)
    CHANGES_OF_ALL[change](found)
    assert schemas.differences(plan, found, lite=False)


@given(schema=collections(), chance=st.randoms())
def test_another_order_of_the_fields_is_a_difference(schema: Any, chance: random.Random) -> None:
    """Old clients insert by the places of the fields."""
    plan = planned(schema)
    found = described(schemas.creation_schema(plan), chance)
    turned = list(reversed(found.fields))
    del found.fields[:]
    found.fields.extend(turned)
    said = schemas.differences(plan, found, lite=False)
    order = ", ".join(field.name for field in turned)
    assert said == ([f"fields are in another order: {order}"] if len(turned) > 1 else [])


PARAMS = st.dictionaries(
    NAMES,
    st.one_of(st.integers(0, 99).map(str), st.booleans().map(lambda on: str(on).lower()), NAMES),
    max_size=4,
)
INDEXES = st.builds(
    lambda name, field, params: indexing.definition(
        name, field, {"index_type": "HNSW", "metric_type": "COSINE"} | params
    ),
    NAMES,
    NAMES,
    PARAMS,
)


@given(st.lists(INDEXES, max_size=4, unique_by=lambda index: index.name), st.booleans())
def test_indexes_come_back_as_they_went(made: list[IndexDefinition], lite: bool) -> None:
    """What a server or Milvus Lite takes and tells again is the same definition; a changed parameter is a difference."""
    fields_seen = {index.field: index for index in made}
    listed = list(fields_seen.values()) if lite else made
    told = [
        indexing.definition(
            index.field if lite else index.name,
            index.field,
            indexing.creation_params(index, lite=lite),
        )
        for index in listed
    ]
    assert list(indexing.differences(listed, told, lite=lite)) == []
    for index in told:
        others = [other for other in told if other is not index]
        changed = index.model_copy(update={"params": index.params | {"metric_type": "L2"}})
        (said,) = indexing.differences(listed, [*others, changed], lite=lite)
        assert "has metric_type L2, not COSINE" in said


@pytest.mark.parametrize("lite", [False, True])
def test_every_change_of_an_index_is_a_difference(*, lite: bool) -> None:
    """One that is missing, extra, on another field, or without a parameter; a parameter more is what a server adds itself."""

    def made(field: str, name: str = "", **params: str) -> IndexDefinition:
        return indexing.definition(name or field, field, {"index_type": "HNSW"} | params)

    def said(*found: IndexDefinition) -> list[str]:
        return list(indexing.differences([made("vector", M="16")], found, lite=lite))

    assert said() == ["index “vector” on vector is missing"]
    assert said(made("vector", M="16"), made("text")) == ["index “text” is extra"]
    assert said(made("vector")) == ["index “vector” has M missing, not 16"]
    assert said(made("vector", M="16", efConstruction="360")) == []
    assert lite or said(made("text", "vector", M="16")) == ["index “vector” is on text, not vector"]


KEYS = st.one_of(
    st.sampled_from(
        (
            properties.TTL,
            "mmap.enabled",
            "max_field_id",
            "cipher.key",
            "collection.insertRate.max.mb",
            "replicate.id",
            properties.ALLOW_KEYS,
        )
    ),
    NAMES,
)


@given(st.dictionaries(KEYS, st.sampled_from(("1", "true", "x"))), st.sampled_from(KeyPolicy))
def test_every_property_is_carried_or_told(found: dict[str, str], policy: KeyPolicy) -> None:
    """At the end the target has what the source has, but what servers manage; all else that stays behind is said."""
    plan = collection(keys=policy).model_copy(update={"properties": found})
    target = properties.at_creation(plan)
    assert target.keys() & found.keys() <= {
        key for key in found if not properties.comes_last(key)
    } | (properties.for_the_copy(plan).keys())
    assert list(properties.differences(found, target, settled=False)) == []
    target |= properties.at_the_end(plan)
    for key in properties.to_remove(plan, target):
        del target[key]
    assert list(properties.differences(found, target, settled=True)) == []
    told = list(properties.left_behind(found))
    missing = [key for key in found if key not in target and key != "max_field_id"]
    assert len(told) == len(missing)
    assert all(any(key in sentence for sentence in told) for key in missing)


AT_ONCE = ("mmap.enabled", "timezone", "partitionkey.isolation", "what.only.a.newer.server.has")
LAST = (
    *("collection.ttl.seconds", "ttl_field", "allow_insert_auto_id"),
    *("collection.insertRate.max.mb", "collection.deleteRate.max.mb"),
    *("collection.bulkLoadRate.max.mb", "collection.queryRate.max.qps"),
    "collection.searchRate.max.vps",
)
NEVER_SENT = ("max_field_id", "replicate.endTS", "collection.on.truncating")
TOLD = (
    *("replicate.id", "cipher.key", "collection.resource_groups", "database.resource_groups"),
    *("database.force.deny.writing", "database.force.deny.reading"),
)


@pytest.mark.parametrize("key", [*AT_ONCE, *LAST, *NEVER_SENT, *TOLD])
def test_every_property_goes_when_it_may(key: str) -> None:
    """Lifetimes and limits of rates only at the end, a server's own never, its cluster's own never and told, all else at once."""
    plan = collection().model_copy(update={"properties": {key: "7"}})
    assert (key in properties.at_creation(plan)) is (key in AT_ONCE)
    assert (key in properties.at_the_end(plan)) is (key in LAST)
    told = list(properties.left_behind(plan.properties))
    assert [key in sentence for sentence in told] == [True] * (key in TOLD)
    assert properties.expires(plan.properties) is (key in LAST[:2])


@given(collections(), st.dictionaries(KEYS, NAMES), st.lists(INDEXES, max_size=3))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_plan_keeps_its_hash(
    schema: Any, found: dict[str, str], indexes: list[IndexDefinition]
) -> None:
    """Stored and read again a plan has the hash that was approved; one entity more and it has another."""
    source, target = (Endpoint(name=n, uri=f"http://{n}:1") for n in ("a", "b"))
    one = planned(schema).model_copy(update={"properties": found, "indexes": tuple(indexes)})
    plan = Plan(
        request=Request(source=source, target=target),
        source_version="v2.3.5",
        target_version="v2.6.3",
        collections=(one,),
    )
    assert Plan.model_validate_json(plan.model_dump_json()).hash == plan.hash
    more = one.model_copy(update={"partitions": (PartitionPlan(name="_default", entities=1),)})
    assert plan.model_copy(update={"collections": (more,)}).hash != plan.hash
