"""What each version of Milvus holds: a row of the table for each thing that a target may lack."""

from typing import Any

import pytest
from pymilvus.grpc_gen import schema_pb2

from engine.milvus.capabilities import Target, parse_version, unsupported
from engine.milvus.indexing import definition

T = schema_pb2.DataType
LITE = Target("milvus_lite 3.2.2", lite=True)


def schema(**field: Any) -> Any:
    """A collection of one such field beside its key."""
    made = schema_pb2.CollectionSchema(name="c")
    made.fields.add(name="id", data_type=T.Int64, is_primary_key=True)
    made.fields.add(**{"name": "f", "data_type": T.VarChar} | field)
    return made


def with_function() -> Any:
    """A collection whose server makes sparse vectors."""
    made = schema()
    made.functions.add(name="bm25", type=schema_pb2.FunctionType.BM25)
    return made


def with_struct() -> Any:
    """A collection with an array of structs."""
    made = schema()
    made.struct_array_fields.add(name="parts")
    return made


def analysed() -> Any:
    """A collection whose text is taken apart for search."""
    made = schema()
    made.fields[1].type_params.add(key="enable_analyzer", value="true")
    return made


def two_vectors() -> Any:
    """A collection with two vectors."""
    made = schema(data_type=T.FloatVector)
    made.fields.add(name="g", data_type=T.FloatVector)
    return made


def index(kind: str, field: str = "f", **params: str) -> Any:
    """An index as a server describes it."""
    return definition("i", field, {"index_type": kind} | params)


@pytest.mark.parametrize(
    ("needs", "without", "since"),
    [
        (schema(data_type=T.Array, element_type=T.Int64), "v2.3.1", "v2.3.2"),
        (schema(data_type=T.Float16Vector), "v2.3.22", "v2.4.0"),
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
        (schema(data_type=T.FloatVector, nullable=True), "v2.6.16", "v2.6.17"),
        (analysed(), "v2.4.15", "v2.5.0"),
        (two_vectors(), "v2.3.22", "v2.4.0"),
        (schema(data_type=T.Text), "v2.6.19", "v3.0.0"),
    ],
)
def test_what_a_version_lacks_is_said(needs: Any, without: str, since: str) -> None:
    """The last version without a feature is refused with its name in the sentence, the first with it is not."""
    (said,) = unsupported(Target(without, lite=False), needs, ())
    assert said.startswith(f"{without} has no ")
    assert list(unsupported(Target(since, lite=False), needs, ())) == []


@pytest.mark.parametrize(
    "kind", [T.BinaryVector, T.Float16Vector, T.BFloat16Vector, T.Int8Vector], ids=T.Name
)
def test_milvus_lite_lacks_these_vectors(kind: int) -> None:
    """Milvus Lite refuses all vectors but float and sparse, whatever its version number says."""
    (said,) = unsupported(LITE, schema(data_type=kind), ())
    assert "(used by f)" in said


@pytest.mark.parametrize(
    "needs",
    [schema(nullable=True), schema(data_type=T.SparseFloatVector), with_function(), analysed()],
)
def test_milvus_lite_has_what_is_new(needs: Any) -> None:
    """Nulls, sparse vectors and functions need no server of 2.5 where the target is Milvus Lite."""
    assert list(unsupported(LITE, needs, ())) == []


@pytest.mark.parametrize(
    ("target", "taken", "refused"),
    [
        (Target("v2.4.9", lite=False), ("like", "null", "interval"), ("Timestamp",)),
        (Target("v2.5.0", lite=False), ("LIKE", "interval"), ("like", "TRUE", "Null", "exists")),
        (LITE, ("like", "null"), ("Interval", "iso", "_seq")),
    ],
)
def test_fields_called_like_words_of_the_target_are_said(
    target: Target, taken: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    """What the target would refuse when the collection is made is found in the plan, and nothing else."""
    needs = schema(name=refused[0]) if refused else schema()
    for name in (*taken, *refused[1:]):
        needs.fields.add(name=name, data_type=T.Int64)
    said = [sentence.partition(" of its own ")[2] for sentence in unsupported(target, needs, ())]
    assert said == ([f"({', '.join(refused)})"] if refused else [])


def test_milvus_lite_cannot_read_ranges_of_such_keys() -> None:
    """A key called like a word of its filters is a conflict there, another field of that name is not."""
    needs = schema(name="is")
    assert list(unsupported(LITE, needs, ())) == []
    needs.fields[0].name = "null"
    (said,) = unsupported(LITE, needs, ())
    assert said.endswith("(null)")


def test_every_field_in_the_way_is_named() -> None:
    """One sentence for each missing feature, with all the fields that use it."""
    both = schema(nullable=True)
    both.fields.add(name="g", data_type=T.SparseFloatVector, nullable=True)
    said = list(unsupported(Target("v2.3.5", lite=False), both, ()))
    assert said == [
        "v2.3.5 has no SPARSE_FLOAT_VECTOR (used by g)",
        "v2.3.5 has no nullable fields (used by f)",
        "v2.3.5 has no nullable vectors (used by g)",
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


@pytest.mark.parametrize(
    ("needs", "without", "since"),
    [
        (index("INVERTED"), "v2.3.22", "v2.4.0"),
        (index("BITMAP"), "v2.4.15", "v2.5.0"),
        (index("INVERTED", json_path="f['a']"), "v2.5.10", "v2.5.11"),
        (index("NGRAM"), "v2.6.1", "v2.6.2"),
        (index("RTREE"), "v2.6.3", "v2.6.4"),
    ],
)
def test_an_index_that_a_version_lacks_is_said(needs: Any, without: str, since: str) -> None:
    """The index is named with its field; a type that no table knows is left to the target."""
    (said,) = unsupported(Target(without, lite=False), schema(), [needs])
    assert "“i”" in said
    assert list(unsupported(Target(since, lite=False), schema(), [needs])) == []
    assert list(unsupported(Target(without, lite=False), schema(), [index("OF_TOMORROW")])) == []


@pytest.mark.parametrize(
    ("kind", "needs"),
    [
        (T.VarChar, index("BITMAP")),
        (T.JSON, index("INVERTED", json_path="f['a']")),
        (T.FloatVector, index("DISKANN", metric_type="L2")),
        (T.SparseFloatVector, index("SPARSE_WAND", metric_type="IP")),
        (T.SparseFloatVector, index("AUTOINDEX", metric_type="IP")),
    ],
)
def test_milvus_lite_lacks_these_indexes(kind: int, needs: Any) -> None:
    """What Milvus Lite would refuse when the collection is made is found in the plan."""
    (said,) = unsupported(LITE, schema(data_type=kind), [needs])
    assert "has no index" in said


def test_milvus_lite_keeps_one_index_per_field() -> None:
    """Two indexes of one field are told by its name."""
    (said,) = unsupported(LITE, schema(), [index("INVERTED"), index("INVERTED")])
    assert said == "milvus_lite 3.2.2 keeps one index per field (f has several)"


def test_what_an_array_is_made_of_has_to_be_known_too() -> None:
    """An array of times needs a server that has arrays and times."""
    times = schema(data_type=T.Array, element_type=T.Timestamptz)
    (said,) = unsupported(Target("v2.6.5", lite=False), times, ())
    assert "TIMESTAMPTZ (used by f)" in said
    assert list(unsupported(Target("v2.6.6", lite=False), times, ())) == []
