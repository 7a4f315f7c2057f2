"""Hypothesis strategies for collections of any shape that Milvus knows, or that Milvus Lite holds."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from pymilvus.grpc_gen import common_pb2, schema_pb2

from engine.milvus import schemas
from engine.model import CollectionPlan, PartitionPlan

T = schema_pb2.DataType
NAMES = st.text("abcdefgh_", min_size=1, max_size=8)
TEXTS = st.text(max_size=8)
SCALARS = (T.Bool, T.Int8, T.Int16, T.Int32, T.Int64, T.Float, T.Double, T.VarChar, T.JSON)
NEWER = (T.Geometry, T.Timestamptz, T.Text)
VECTORS = (T.FloatVector, T.BinaryVector, T.Float16Vector, T.BFloat16Vector, T.Int8Vector)
DEFAULTS: dict[int, Any] = {
    T.Bool: {"bool_data": True},
    T.Int32: {"int_data": 7},
    T.Int64: {"long_data": 2**40},
    T.Double: {"double_data": 0.1},
    T.VarChar: {"string_data": "nothing"},
}


ANY = (*SCALARS, *NEWER, *VECTORS, T.SparseFloatVector, T.Array)
LITE = (*SCALARS, T.Geometry, T.Timestamptz, T.FloatVector, T.SparseFloatVector, T.Array)


@st.composite
def fields(draw: st.DrawFn, name: str, kinds: Sequence[int] = ANY) -> Any:
    """A field of one of the types with any marks."""
    kind = draw(st.sampled_from(kinds))
    field = schema_pb2.FieldSchema(
        name=name, data_type=kind, description=draw(TEXTS), nullable=draw(st.booleans())
    )
    params: dict[str, str] = {}
    if kind in VECTORS:
        params["dim"] = str(draw(st.integers(1, 64)) * 8)
    if kind == T.Array:
        field.element_type = draw(st.sampled_from(SCALARS[:-1]))
        params |= {"max_capacity": str(draw(st.integers(1, 100)))}
    if T.VarChar in {kind, field.element_type}:
        params["max_length"] = str(draw(st.integers(1, 1000)))
    if kind == T.VarChar and draw(st.booleans()):
        params |= {"enable_analyzer": "true", "analyzer_params": '{"type": "english", "n": 1.0}'}
    if draw(st.booleans()):
        params["mmap.enabled"] = draw(st.sampled_from(("true", "false")))
    if kind in DEFAULTS and draw(st.booleans()):
        field.default_value.CopyFrom(schema_pb2.ValueField(**DEFAULTS[kind]))
    field.type_params.extend(pairs(params))
    return field


@st.composite
def collections(draw: st.DrawFn) -> Any:
    """A schema of any fields, functions and struct arrays."""
    schema = schema_pb2.CollectionSchema(name="c", description=draw(TEXTS))
    schema.enable_dynamic_field = draw(st.booleans())
    schema.fields.add(name="id", data_type=T.Int64, is_primary_key=True)
    names = draw(st.lists(NAMES.filter(lambda name: name != "id"), max_size=6, unique=True))
    schema.fields.extend(draw(fields(name)) for name in names)
    if names and draw(st.booleans()):
        function = schema.functions.add(name="f", type=schema_pb2.FunctionType.BM25)
        function.input_field_names.append("id")
        function.output_field_names.append(names[0])
        function.params.extend(pairs({"k": draw(TEXTS), "b": "1"}))
    if draw(st.booleans()):
        struct = schema.struct_array_fields.add(name="struct", description=draw(TEXTS))
        struct.fields.extend((draw(fields("one")), draw(fields("two"))))
    return schema


def pairs(params: dict[str, str]) -> list[Any]:
    """Parameters as messages hold them."""
    return [common_pb2.KeyValuePair(key=key, value=value) for key, value in params.items()]


@st.composite
def lite_collections(draw: st.DrawFn) -> Any:
    """A schema that Milvus Lite holds."""
    schema = schema_pb2.CollectionSchema(name="shape", description=draw(TEXTS))
    schema.enable_dynamic_field = draw(st.booleans())
    schema.fields.add(name="id", data_type=T.Int64, is_primary_key=True)
    schema.fields.add(name="v", data_type=T.FloatVector, type_params=pairs({"dim": "4"}))
    names = draw(st.lists(NAMES.filter(lambda name: name not in {"id", "v"}), unique=True))
    schema.fields.extend(draw(fields(name, LITE)) for name in names)
    return schema


def keyed_schema(kind: int = T.Int64) -> Any:
    """A collection that makes its keys."""
    made = schema_pb2.CollectionSchema(name="c", autoID=True)
    made.fields.add(name="id", data_type=kind, is_primary_key=True, autoID=True)
    return made


def collection(**changes: Any) -> CollectionPlan:
    """A planned collection that makes its keys."""
    plain = CollectionPlan(
        name="c",
        definition=schemas.encode(keyed_schema()),
        fields=("id: Int64 (primary key)",),
        primary_field="id",
        primary_type="INT64",
        auto_id=True,
        entities=0,
        bytes=0,
        partitions=(PartitionPlan(name="_default", entities=0),),
        partition_key=False,
        num_partitions=1,
        shards=1,
        consistency_level="Bounded",
        properties={},
        indexes=(),
        aliases=(),
        loaded=True,
    )
    return plain.model_copy(update=changes)
