"""What keeps a collection from being read or held at all is a sentence in the plan."""

from typing import Any

import pytest
from pymilvus.grpc_gen import common_pb2, schema_pb2

from engine.milvus.capabilities import not_portable, provider_functions
from engine.milvus.survey import never_loaded, unreadable_field

T = schema_pb2.DataType


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("x refused Query: field note is not loaded: invalid parameter", "note"),
        ("x refused Query: not allowed to retrieve raw data of field words", "words"),
        ("x refused Query: collection not loaded", ""),
        ("x refused Query: partition not loaded[partition=7]", ""),
    ],
)
def test_a_field_that_is_not_answered_is_named(message: str, field: str) -> None:
    """Servers name the field that was left out of a load; what else they refuse is not taken for that."""
    assert unreadable_field(message) == field


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"enable_namespace": True}, "kept in namespaces"),
        ({"external_source": "s3://bucket/lake"}, "not in Milvus but in s3://bucket/lake"),
        ({"file_resource_ids": [7]}, "files that were uploaded"),
    ],
)
def test_what_belongs_to_its_cluster_is_said(change: dict[str, Any], said: str) -> None:
    """Namespaces, external data and uploaded dictionaries cannot be copied through the client's interface."""
    (sentence,) = not_portable(schema_pb2.CollectionSchema(name="c", **change))
    assert said in sentence
    assert list(not_portable(schema_pb2.CollectionSchema(name="c"))) == []


def test_a_field_that_is_never_loaded_is_a_conflict() -> None:
    """It is named with what can be done."""
    schema = schema_pb2.CollectionSchema(name="c")
    skip = common_pb2.KeyValuePair(key="field.skipLoad", value="true")
    schema.fields.add(name="cold", data_type=T.JSON, type_params=[skip])
    schema.fields.add(name="warm", data_type=T.JSON)
    said = never_loaded("c", schema)
    assert said is not None
    assert "never loads cold" in said
    assert "leave the collection out" in said


def test_models_outside_milvus_are_named() -> None:
    """A function that calls a provider is told with its name; BM25 calls none."""
    schema = schema_pb2.CollectionSchema(name="c")
    schema.functions.add(name="bm25", type=schema_pb2.FunctionType.BM25)
    embedding = schema.functions.add(name="embed", type=schema_pb2.FunctionType.TextEmbedding)
    embedding.params.add(key="provider", value="openai")
    assert [(f.name, provider) for f, provider in provider_functions(schema)] == [
        ("embed", "openai")
    ]
