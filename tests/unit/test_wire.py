"""Messages are taken apart and put together as protobuf itself does it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from engine.milvus.wire import Column, QueryAnswer, write_request
from tests.unit.columns import column_of

T = schema_pb2.DataType

NAMES = st.text(max_size=200)
LONGS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40)
FLOATS = st.lists(st.floats(width=32), max_size=60)


@st.composite
def columns(draw: st.DrawFn) -> Any:
    """A `FieldData` with numbers, vectors or texts, with or without marks of validity."""
    field = schema_pb2.FieldData(field_name=draw(NAMES), field_id=draw(st.integers(0, 2**40)))
    kind = draw(st.sampled_from(["longs", "floats", "texts"]))
    if kind == "longs":
        field.type = T.Int64
        field.scalars.long_data.data.extend(draw(LONGS))
    elif kind == "floats":
        field.type = T.FloatVector
        field.vectors.dim = draw(st.integers(1, 300))
        field.vectors.float_vector.data.extend(draw(FLOATS))
    else:
        field.type = T.VarChar
        field.scalars.string_data.data.extend(draw(st.lists(st.text(max_size=300), max_size=5)))
    field.valid_data.extend(draw(st.lists(st.booleans(), max_size=5)))
    return field


@given(st.lists(columns(), max_size=6), st.integers(0, 2**31 - 1), NAMES)
def test_an_answer_is_taken_apart_into_its_columns(
    fields: list[Any], code: int, reason: str
) -> None:
    """Status, names, types and each column's content are what protobuf decodes."""
    status = common_pb2.Status(code=code, reason=reason)
    whole = milvus_pb2.QueryResults(status=status, fields_data=fields, collection_name="c")
    answer = QueryAnswer.of(whole.SerializeToString())
    assert answer.status == status
    sent = [field.SerializeToString() for field in fields]
    assert [column.message().SerializeToString() for column in answer.columns] == sent
    heads = [(each.name, each.type, each.may_hold_nulls) for each in answer.columns]
    assert heads == [(each.field_name, each.type, bool(each.valid_data)) for each in fields]


@pytest.mark.parametrize("kind", [milvus_pb2.InsertRequest, milvus_pb2.UpsertRequest])
@given(fields=st.lists(columns(), max_size=6), rows=st.integers(0, 2**31))
def test_a_request_is_what_protobuf_would_encode(kind: Any, fields: list[Any], rows: int) -> None:
    """A server decodes the same request, whichever way it was put together."""
    named = {"db_name": "d", "collection_name": "c", "partition_name": "p", "num_rows": rows}
    pieces = [(field.SerializeToString()[:3], field.SerializeToString()[3:]) for field in fields]
    encoded = write_request(kind(**named), pieces)
    whole = kind(**named, fields_data=fields)
    decoded = kind.FromString(encoded)
    assert decoded.SerializeToString(deterministic=True) == whole.SerializeToString(
        deterministic=True
    )


@given(columns(), st.data())
def test_a_cut_message_is_an_error(field: Any, data: st.DataObject) -> None:
    """An answer that ends in the middle of a column is never taken for a shorter one."""
    whole = milvus_pb2.QueryResults(fields_data=[field]).SerializeToString()
    cut = data.draw(st.integers(1, len(whole) - 1)) if len(whole) > 1 else 1
    with pytest.raises(ValueError, match="cut off"):
        QueryAnswer.of(whole[:cut])


def test_a_view_of_a_message_is_no_copy() -> None:
    """A page is in memory once: its columns are views of the answer."""
    column = column_of(schema_pb2.FieldData(field_name="v"))
    answer = milvus_pb2.QueryResults(fields_data=[column.message()]).SerializeToString()
    assert QueryAnswer.of(answer).columns[0].wire.obj is answer


def test_a_part_that_comes_twice_is_left_to_protobuf() -> None:
    """Parts of a message that are said again are merged by whoever decodes it: such a column is no plain run of vectors."""
    vectors = schema_pb2.FieldData(type=schema_pb2.DataType.FloatVector, field_name="v")
    vectors.vectors.dim = 2
    vectors.vectors.float_vector.data.extend([0.5, 1.5])
    wire = vectors.SerializeToString()
    assert Column(memoryview(wire)).float_vectors() is not None
    assert Column(memoryview(wire * 2)).float_vectors() is None
