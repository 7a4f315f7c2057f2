"""The short way to a page's canonical values comes to the same values as decoding it, for any columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pymilvus.grpc_gen import schema_pb2

from engine.errors import DataUnreadable
from engine.milvus.canonical import canonical_columns
from engine.milvus.canonical_page import UncutVectors, canonical_page
from engine.milvus.pages import Page
from engine.milvus.wire import Column
from tests.unit.columns import column_of

T = schema_pb2.DataType
ROWS = 3
NAN_WITH_PAYLOAD = b"\x01\x00\xc0\xff"


def vectors(name: str, numbers: list[float], dimension: int, valid: tuple[bool, ...] = ()) -> Any:
    """A column of float vectors as protobuf decodes it."""
    field = schema_pb2.FieldData(type=T.FloatVector, field_name=name, valid_data=valid)
    field.vectors.dim = dimension
    field.vectors.float_vector.data.extend(numbers)
    return field


def page(fields: list[Any]) -> Page:
    """A page of these columns."""
    return Page(range(ROWS), tuple(map(column_of, fields)))


def outcome(call: Callable[[], Mapping[str, Sequence[bytes]]]) -> dict[str, list[bytes]] | str:
    """The values, or that they are refused: of a page with two faults either may be named."""
    try:
        return {name: list(values) for name, values in call().items()}
    except DataUnreadable:
        return "refused"


@st.composite
def columns(draw: st.DrawFn) -> Any:
    """A column of three entities: vectors that fit or do not, with or without marks of validity, or keys."""
    if draw(st.booleans()):
        field = schema_pb2.FieldData(type=T.Int64, field_name=draw(st.sampled_from("ab")))
        field.scalars.long_data.data.extend([1, 2, 3])
        return field
    size = draw(st.sampled_from([0, 1, 6, 6, 6, 9]))
    numbers = draw(st.lists(st.floats(width=32), min_size=size, max_size=size))
    valid = draw(st.sampled_from([(), (), (True, True, True), (True, False, True)]))
    return vectors(draw(st.sampled_from("ab")), numbers, draw(st.sampled_from([2, 2, 3, 0])), valid)


@given(st.lists(columns(), max_size=3))
@example([vectors("a", [1.0] * 6, 2), vectors("a", [1.0] * 6, 2)])
@example([vectors("a", [1.0, float("nan")] * 3, 2)])
@example([vectors("a", [-0.0, 0.0] * 3, 2)])
@example([vectors("a", [1.0] * 9, 2), vectors("b", [], 2), vectors("a", [1.0] * 6, 2)])
def test_both_ways_come_to_the_same_values(fields: list[Any]) -> None:
    """The same values, or a refusal both ways."""
    found = outcome(lambda: canonical_page(page(fields)))
    assert found == outcome(lambda: canonical_columns(fields, ROWS))


def test_plain_vectors_are_not_decoded() -> None:
    """The short way is taken for what it is there for; its values can be indexed and sliced like any other."""
    field = vectors("a", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2)
    (values,) = canonical_page(page([field])).values()
    (expected,) = canonical_columns([field], ROWS).values()
    assert isinstance(values, UncutVectors)
    assert [values[0], values[-1]] == [expected[0], expected[-1]]
    assert values[1:] == expected[1:]
    assert len(values) == ROWS
    with pytest.raises(IndexError):
        values[ROWS]


@pytest.mark.parametrize("place", ["field", "vectors", "floats"])
def test_what_is_not_known_takes_the_long_way_and_is_refused(place: str) -> None:
    """A part of a column that this version does not know is an error wherever it stands, as when it is decoded."""
    unknown = b"\xfa\x7f\x01x"  # field 2047
    floats = schema_pb2.FloatArray(data=[1.0] * 6).SerializeToString()
    floats += unknown if place == "floats" else b""
    inner = b"\x08\x02" + b"\x12" + bytes([len(floats)]) + floats
    inner += unknown if place == "vectors" else b""
    head = schema_pb2.FieldData(type=T.FloatVector, field_name="a").SerializeToString()
    whole = head + b"\x22" + bytes([len(inner)]) + inner
    whole += unknown if place == "field" else b""
    column = Column(memoryview(whole))
    assert column.float_vectors() is None
    with pytest.raises(DataUnreadable, match="does not know"):
        canonical_page(Page(range(ROWS), (column,)))


def test_every_nan_is_the_same() -> None:
    """A NaN with other bits has the canonical value of any NaN."""
    field = vectors("a", [0.0] * 6, 2)
    wire = column_of(field).wire.tobytes()
    strange = Column(memoryview(wire[:-4] + NAN_WITH_PAYLOAD))
    plain = vectors("a", [0.0] * 5 + [float("nan")], 2)
    assert canonical_page(Page(range(ROWS), (strange,))) == canonical_columns([plain], ROWS)
