"""What a query answered becomes what an insert takes: the same values, in the form that servers accept."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymilvus.grpc_gen import schema_pb2

from engine.milvus.outgoing import make_writable, writable
from tests.unit.columns import column_of

T = schema_pb2.DataType
ELEMENTS = {
    T.Bool: ("bool_data", True),
    T.Int8: ("int_data", 3),
    T.Int16: ("int_data", 3),
    T.Int32: ("int_data", 3),
    T.Int64: ("long_data", 3),
    T.Float: ("float_data", 0.5),
    T.Double: ("double_data", 0.5),
    T.VarChar: ("string_data", "three"),
    T.Timestamptz: ("timestamptz_data", 1_700_000_000),
}
SCALARS: dict[int, tuple[str, Any, Any]] = {
    T.Bool: ("bool_data", True, False),
    T.Int8: ("int_data", 3, 0),
    T.Int16: ("int_data", 3, 0),
    T.Int32: ("int_data", 3, 0),
    T.Int64: ("long_data", 2**60, 0),
    T.Float: ("float_data", 0.5, 0.0),
    T.Double: ("double_data", 0.1, 0.0),
    T.VarChar: ("string_data", "three", ""),
    T.JSON: ("json_data", b'{"a": 1}', b""),
    T.Geometry: ("geometry_data", b"\x01\x02", b""),
    T.Timestamptz: ("timestamptz_data", 1_700_000_000, 0),
}
"""Where the values of a type are, a value, and what stands in the place of a null."""


def scalar(kind: int, slot: str, values: Sequence[Any], valid: Sequence[bool] = ()) -> Any:
    """A column as a query answers it."""
    column = schema_pb2.FieldData(field_name="f", type=kind, valid_data=valid)
    getattr(column.scalars, slot).data.extend(values)
    return column


def arrays(element: int, rows: Sequence[Sequence[Any]]) -> Any:
    """An array column as a query answers it: an empty row says no type."""
    column = schema_pb2.FieldData(field_name="f", type=T.Array)
    column.scalars.array_data.element_type = element
    for values in rows:
        row = column.scalars.array_data.data.add()
        if values:
            getattr(row, ELEMENTS[element][0]).data.extend(values)
    return column


def sent_as(column: Any, rows: int) -> Any:
    """What a server decodes of a column that was answered so."""
    return schema_pb2.FieldData.FromString(b"".join(writable(column_of(column), rows)))


@pytest.mark.parametrize("element", ELEMENTS, ids=T.Name)
def test_an_empty_array_says_its_type(element: int) -> None:
    """Every row of an array column is typed; the full ones keep their values, the empty ones stay empty."""
    slot, value = ELEMENTS[element]
    column = arrays(element, [[], [value, value], [], [value]])
    make_writable(column, 4)
    rows = column.scalars.array_data.data
    assert [row.WhichOneof("data") for row in rows] == [slot] * 4
    assert [list(getattr(row, slot).data) for row in rows] == [[], [value, value], [], [value]]


def test_a_column_of_empty_arrays_only_is_typed() -> None:
    """The one row of a page may be empty: this is what crashes Milvus 2.3.5 untyped."""
    column = arrays(T.VarChar, [[]])
    make_writable(column, 1)
    assert column.scalars.array_data.data[0].WhichOneof("data") == "string_data"


@pytest.mark.parametrize("kind", SCALARS, ids=T.Name)
def test_placeholders_of_nulls_are_left_out(kind: int) -> None:
    """An insert holds the valid values alone, in order; which ones are valid stays as it was."""
    slot, value, placeholder = SCALARS[kind]
    valid = [True, False, False, True, True, False]
    values = [value if each else placeholder for each in valid]
    column = scalar(kind, slot, values, valid)
    make_writable(column, 6)
    assert list(getattr(column.scalars, slot).data) == [value] * 3
    assert list(column.valid_data) == valid


@given(st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1))
def test_preparing_twice_changes_nothing(rows: list[int | None]) -> None:
    """A page that is prepared again, for an upsert after a failed insert, stays as it is."""
    valid = [row is not None for row in rows]
    column = scalar(T.Int64, "long_data", [row or 0 for row in rows], valid)
    make_writable(column, len(rows))
    once = column.SerializeToString()
    make_writable(column, len(rows))
    assert column.SerializeToString() == once
    assert list(column.scalars.long_data.data) == [row for row in rows if row is not None]


def test_a_null_in_an_array_column_is_left_out() -> None:
    """Null arrays go as null, empty arrays as empty and typed."""
    column = arrays(T.Int64, [[1], [], []])
    column.valid_data.extend([True, False, True])
    make_writable(column, 3)
    make_writable(column, 3)
    rows = column.scalars.array_data.data
    assert [list(row.long_data.data) for row in rows] == [[1], []]
    assert [row.WhichOneof("data") for row in rows] == ["long_data", "long_data"]


def test_an_all_null_column_without_values_passes() -> None:
    """A server may answer nulls only and no data at all."""
    column = schema_pb2.FieldData(field_name="f", type=T.Int64, valid_data=[False, False])
    column.scalars.SetInParent()
    make_writable(column, 2)
    assert list(column.valid_data) == [False, False]


def test_only_the_dynamic_field_is_marked() -> None:
    """`$meta` is marked as dynamic, any other JSON column is not."""
    dynamic, plain = (scalar(T.JSON, "json_data", [b"{}"]) for _ in range(2))
    dynamic.field_name = "$meta"
    sent = [sent_as(column, 1) for column in (dynamic, plain)]
    assert [column.is_dynamic for column in sent] == [True, False]
    assert [column.scalars for column in sent] == [dynamic.scalars, plain.scalars]


def test_vectors_pass_untouched() -> None:
    """A vector column is not looked into."""
    column = schema_pb2.FieldData(field_name="v", type=T.FloatVector)
    column.vectors.dim = 2
    column.vectors.float_vector.data.extend([0.5, -0.0])
    answered = column_of(column)
    assert writable(answered, 1) == (answered.wire,)


def test_a_field_with_a_default_value_says_that_it_is_valid() -> None:
    """An answer leaves the marks out; servers from 2.5 on refuse an insert of such a field without them."""
    answered = column_of(scalar(T.Int64, "long_data", [1, 2]))
    column = schema_pb2.FieldData.FromString(b"".join(writable(answered, 2, frozenset({"f"}))))
    assert list(column.valid_data) == [True, True]
    assert list(column.scalars.long_data.data) == [1, 2]
    marked = column_of(scalar(T.Int64, "long_data", [1], [True, False]))
    column = schema_pb2.FieldData.FromString(b"".join(writable(marked, 2, frozenset({"f"}))))
    assert list(column.valid_data) == [True, False]
