"""What each version of Milvus holds: a row of the table for each thing that a target may lack."""

from typing import Any

import pytest
from pymilvus.grpc_gen import schema_pb2

from engine.milvus.capabilities import parse_version, unsupported

T = schema_pb2.DataType


def schema(**field: Any) -> Any:
    """A collection of one such field beside its key."""
    made = schema_pb2.CollectionSchema(name="c")
    made.fields.add(name="id", data_type=T.Int64, is_primary_key=True)
    made.fields.add(name="f", **{"data_type": T.VarChar} | field)
    return made


def with_function() -> Any:
    """A collection whose server makes sparse vectors."""
    made = schema()
    made.functions.add(name="bm25")
    return made


def with_struct() -> Any:
    """A collection with an array of structs."""
    made = schema()
    made.struct_array_fields.add(name="parts")
    return made


@pytest.mark.parametrize(
    ("needs", "without", "since"),
    [
        (schema(data_type=T.Array, element_type=T.Int64), "v2.3.1", "v2.3.2"),
        (schema(data_type=T.Float16Vector), "v2.3.2", "v2.3.3"),
        (schema(data_type=T.BFloat16Vector), "v2.3.5-lite", "v2.4.0"),
        (schema(data_type=T.SparseFloatVector), "v2.3.22", "2.4.0-rc.1"),
        (schema(data_type=T.Int8Vector), "v2.5.9", "v2.6.0"),
        (schema(data_type=T.Geometry), "v2.6.3", "v2.6.4"),
        (schema(data_type=T.Timestamptz), "v2.6.5", "v2.6.6"),
        (schema(nullable=True), "v2.4.15", "v2.5.0"),
        (schema(default_value=schema_pb2.ValueField(string_data="")), "v2.4.15", "v2.5.0"),
        (schema(is_clustering_key=True), "v2.4.6", "v2.4.7"),
        (with_function(), "v2.4.15", "v2.5.0-beta"),
        (with_struct(), "v2.6.3", "v2.6.4"),
    ],
)
def test_what_a_version_lacks_is_said(needs: Any, without: str, since: str) -> None:
    """The last version without a feature is refused with its name in the sentence, the first with it is not."""
    (said,) = unsupported(without, needs, lite=False)
    assert said.startswith(f"{without} has no ")
    assert list(unsupported(since, needs, lite=False)) == []


@pytest.mark.parametrize(
    "kind", [T.BinaryVector, T.Float16Vector, T.BFloat16Vector, T.Int8Vector], ids=T.Name
)
def test_milvus_lite_lacks_these_vectors(kind: int) -> None:
    """Milvus Lite refuses all vectors but float and sparse, whatever its version number says."""
    (said,) = unsupported("milvus_lite 3.2.2", schema(data_type=kind), lite=True)
    assert "(used by f)" in said


@pytest.mark.parametrize(
    "needs", [schema(nullable=True), schema(data_type=T.SparseFloatVector), with_function()]
)
def test_milvus_lite_has_what_is_new(needs: Any) -> None:
    """Nulls, sparse vectors and functions need no server of 2.5 where the target is Milvus Lite."""
    assert list(unsupported("milvus_lite 3.2.2", needs, lite=True)) == []


def test_every_field_in_the_way_is_named() -> None:
    """One sentence for each missing feature, with all the fields that use it."""
    both = schema(nullable=True)
    both.fields.add(name="g", data_type=T.SparseFloatVector, nullable=True)
    said = list(unsupported("v2.3.5", both, lite=False))
    assert said == [
        "v2.3.5 has no SPARSE_FLOAT_VECTOR (used by g)",
        "v2.3.5 has no nullable fields (used by f, g)",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v2.3.5-lite", (2, 3, 5)),
        ("2.6.12", (2, 6, 12)),
        ("v2.5.4-hotfix-20250101-abc", (2, 5, 4)),
        ("milvus_lite 3.2.2", (3, 2, 2)),
        ("master-20261101-deadbeef", (99, 0, 0)),
    ],
)
def test_a_version_is_read_from_what_servers_say(text: str, expected: tuple[int, ...]) -> None:
    """The first three numbers count; a build without a number is taken for the newest."""
    assert parse_version(text) == expected
