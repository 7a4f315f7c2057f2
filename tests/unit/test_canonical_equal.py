"""What must compare as equal although its encoding differs, and what must not although it looks alike."""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pymilvus.grpc_gen import schema_pb2

from engine.errors import DataUnreadable
from engine.milvus.canonical import canonical_column, canonical_columns
from engine.milvus.canonical_geometry import canonical_wkb, canonical_wkt

T = schema_pb2.DataType


def canonical(field: Any, rows: int = 1) -> list[bytes]:
    """The values of a `FieldData`."""
    return canonical_column(field, rows)


def scalars(type_: int, slot: str, *values: Any) -> Any:
    """A scalar column."""
    field = schema_pb2.FieldData(field_name="x", type=type_)
    getattr(field.scalars, slot).data.extend(values)
    return field


def arrays(element: int, *rows: tuple[str, Sequence[Any]] | None) -> Any:
    """An array column; None is a row without any slot."""
    field = schema_pb2.FieldData(field_name="x", type=T.Array)
    field.scalars.array_data.element_type = element
    for row in rows:
        message = field.scalars.array_data.data.add()
        if row is not None:
            getattr(message, row[0]).SetInParent()
            getattr(message, row[0]).data.extend(row[1])
    return field


def vectors(type_: int, slot: str, dim: int, raw: bytes) -> Any:
    """A dense vector column."""
    field = schema_pb2.FieldData(field_name="x", type=type_)
    field.vectors.dim = dim
    if slot == "float_vector":
        field.vectors.float_vector.data.extend(np.frombuffer(raw, "<f4").tolist())
    else:
        setattr(field.vectors, slot, raw)
    return field


def sparse(*pairs: tuple[int, float]) -> Any:
    """A sparse column of one entity, its pairs in the order given."""
    field = schema_pb2.FieldData(field_name="x", type=T.SparseFloatVector)
    content = b"".join(struct.pack("<If", *pair) for pair in pairs)
    field.vectors.sparse_float_vector.contents.append(content)
    return field


# --- encodings ---


def test_an_array_is_the_same_in_any_integer_slot() -> None:
    """`int_data`, `long_data` and a mixture of both; the element type said or not."""
    narrow = canonical(arrays(T.Int8, ("int_data", [1, -2]), ("int_data", [3])), 2)
    wide = canonical(arrays(T.Int64, ("long_data", [1, -2]), ("long_data", [3])), 2)
    mixed = canonical(arrays(T.Int8, ("int_data", [1, -2]), ("long_data", [3])), 2)
    unsaid = canonical(arrays(0, ("int_data", [1, -2]), ("int_data", [3])), 2)
    assert narrow == wide == mixed == unsaid


def test_an_empty_array_is_the_same_with_and_without_a_slot() -> None:
    """Milvus 2.3.5 answers an empty array without one, Milvus Lite with one."""
    with_slot = canonical(arrays(T.Int8, ("int_data", []), ("int_data", [1])), 2)
    without = canonical(arrays(T.Int8, None, ("int_data", [1])), 2)
    alone = canonical(arrays(T.Int8, None, None), 2)
    assert with_slot == without
    assert alone == [with_slot[0]] * 2


def test_the_flag_of_a_dynamic_column_makes_no_difference() -> None:
    """Flagged and unflagged, JSON or text."""
    plain = scalars(T.JSON, "json_data", b'{"a": 1}')
    flagged = scalars(T.JSON, "json_data", b'{"a": 1}')
    flagged.is_dynamic = True
    assert canonical(plain) == canonical(flagged)
    assert canonical(plain) == canonical(scalars(T.JSON, "string_data", '{"a":1}'))


def test_text_is_one_family() -> None:
    """VARCHAR, STRING and TEXT hold the same text."""
    assert (
        len({canonical(scalars(t, "string_data", "a"))[0] for t in (T.VarChar, T.String, T.Text)})
        == 1
    )


def test_numbers_text_and_booleans_of_one_look_differ() -> None:
    """1, 1.0 in both widths, true, "1" and the document 1 are six values."""
    columns = [
        scalars(T.Int64, "long_data", 1),
        scalars(T.Float, "float_data", 1),
        scalars(T.Double, "double_data", 1),
        scalars(T.Bool, "bool_data", 1),
        scalars(T.VarChar, "string_data", "1"),
        scalars(T.JSON, "json_data", b"1"),
    ]
    assert len({canonical(column)[0] for column in columns}) == 6


def test_sparse_vectors_are_sorted_by_index() -> None:
    """The order of the pairs makes no difference; an explicit zero and a swapped pair of values do."""
    ordered = canonical(sparse((1, 0.5), (2**31 + 7, 0.25)))
    assert canonical(sparse((2**31 + 7, 0.25), (1, 0.5))) == ordered
    assert canonical(sparse((1, 0.25), (2**31 + 7, 0.5))) != ordered
    assert canonical(sparse((1, 0.5), (2, 0.0), (2**31 + 7, 0.25))) != ordered


def test_a_page_of_sparse_vectors_is_sorted_row_by_row() -> None:
    """Empty rows, rows that start below the row before, one unsorted row among them."""
    field = sparse((5, 1.0), (6, 1.0))
    contents = field.vectors.sparse_float_vector.contents
    contents.extend([b"", struct.pack("<IfIf", 9, 2.0, 1, 1.0), b"", struct.pack("<If", 0, 3.0)])
    rows = [
        canonical(sparse((5, 1.0), (6, 1.0))),
        canonical(sparse()),
        canonical(sparse((1, 1.0), (9, 2.0))),
    ]
    rows += [canonical(sparse()), canonical(sparse((0, 3.0)))]
    assert canonical(field, 5) == [row[0] for row in rows]


def test_a_vector_without_its_dimension_is_cut_by_the_entities() -> None:
    """The dimension is the schema's; without nulls the lengths tell it."""
    raw = np.arange(6, dtype="<f4").tobytes()
    said = canonical(vectors(T.FloatVector, "float_vector", 3, raw), 2)
    assert canonical(vectors(T.FloatVector, "float_vector", 0, raw), 2) == said


def test_struct_parts_have_the_same_name_with_and_without_their_struct() -> None:
    """`s[n]` and `n`, in either order."""

    def structs(*names: str) -> list[bytes]:
        field = schema_pb2.FieldData(field_name="s", type=T.ArrayOfStruct)
        for name in names:
            part = arrays(T.Int64, ("long_data", [len(name.strip("s[]"))]))
            part.field_name = name
            field.struct_arrays.fields.append(part)
        return canonical(field)

    assert structs("s[n]", "s[mm]") == structs("mm", "n")


# --- NaN ---


def nans() -> dict[str, tuple[Any, Any, Any]]:
    """Per type: two different NaNs, and a number."""
    f4 = [struct.pack("<I", bits) for bits in (0x7FC00000, 0xFFC01234, 0x7F800000)]
    f8 = [struct.pack("<Q", bits) for bits in (0x7FF8 << 48, (0xFFF8 << 48) + 5, 0x7FF0 << 48)]
    f2 = [struct.pack("<H", bits) for bits in (0x7E00, 0xFE01, 0x7C00)]
    b2 = [struct.pack("<H", bits) for bits in (0x7FC0, 0xFF81, 0x7F80)]
    singles = [struct.unpack("<f", raw)[0] for raw in f4]
    doubles = [struct.unpack("<d", raw)[0] for raw in f8]
    columns = {
        "float": [scalars(T.Float, "float_data", x) for x in singles],
        "double": [scalars(T.Double, "double_data", x) for x in doubles],
        "array": [arrays(T.Float, ("float_data", [1.0, x])) for x in singles],
        "float vector": [vectors(T.FloatVector, "float_vector", 1, raw) for raw in f4],
        "float16 vector": [vectors(T.Float16Vector, "float16_vector", 1, raw) for raw in f2],
        "bfloat16 vector": [vectors(T.BFloat16Vector, "bfloat16_vector", 1, raw) for raw in b2],
        "sparse vector": [sparse((1, x), (2, 1.0)) for x in singles],
    }
    return {name: (fields[0], fields[1], fields[2]) for name, fields in columns.items()}


@pytest.mark.parametrize("name", nans())
def test_every_nan_is_one_value(name: str) -> None:
    """NaNs of other sign and payload are equal; infinity, one bit away, is not NaN."""
    first, second, infinity = nans()[name]
    assert canonical(first) == canonical(second) != canonical(infinity)


# --- what cannot be compared ---


def test_what_the_schema_does_not_know_is_an_error() -> None:
    """A part that a newer server sends must not be left out of the proof: field 99 of the column and of an array's row."""
    unknown = b"\x9a\x06\x01x"
    field = scalars(T.Int64, "long_data", 1)
    field.MergeFromString(unknown)
    with pytest.raises(DataUnreadable, match="does not know"):
        canonical(field)
    field = arrays(T.Int64, ("long_data", [1]), ("long_data", [2]))
    field.scalars.array_data.data[1].MergeFromString(unknown)
    with pytest.raises(DataUnreadable, match="does not know"):
        canonical(field, 2)


@pytest.mark.parametrize(
    "field",
    [
        vectors(T.FloatVector, "float_vector", 4, bytes(20)),
        vectors(T.Float16Vector, "float16_vector", 2, bytes(6)),
        vectors(T.BinaryVector, "binary_vector", 16, bytes(3)),
    ],
)
def test_a_vector_that_is_cut_off_is_an_error(field: Any) -> None:
    """The bytes are no whole number of vectors."""
    with pytest.raises(DataUnreadable, match="dimension"):
        canonical(field)


def test_a_sparse_vector_that_is_cut_off_is_an_error() -> None:
    """Half a pair is no pair."""
    field = sparse((1, 1.0))
    field.vectors.sparse_float_vector.contents[0] = bytes(12)
    with pytest.raises(DataUnreadable, match="cut off"):
        canonical(field)


def test_a_column_that_comes_twice_is_an_error() -> None:
    """Which of the two counts cannot be known."""
    field = scalars(T.Int64, "long_data", 1)
    with pytest.raises(DataUnreadable, match="twice"):
        canonical_columns([field, field], 1)


# --- timestamps ---


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2025-05-01T23:59:59+08:00", 1746115199000000),
        ("2025-05-01 15:59:59.000000Z", 1746115199000000),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_a_timestamp_is_its_instant(text: str, micros: int) -> None:
    """Text with any zone equals the number of microseconds."""
    number = scalars(T.Timestamptz, "timestamptz_data", micros)
    assert canonical(scalars(T.Timestamptz, "string_data", text)) == canonical(number)


@pytest.mark.parametrize("text", ["2025-05-01T00:00:00", "soon", ""])
def test_a_timestamp_without_a_zone_or_a_date_stays_text(text: str) -> None:
    """No zone is guessed."""
    assert canonical(scalars(T.Timestamptz, "string_data", text)) == [b"x" + text.encode()]


# --- geometries ---

WKB = struct.Struct("<BI")
POINT = WKB.pack(1, 1) + struct.pack("<dd", 1, 2)
LINE = WKB.pack(1, 2) + struct.pack("<Idddd", 2, 1, 2, 3, 4.5)
POLYGON = WKB.pack(1, 3) + struct.pack("<II6d", 1, 3, 0, 0, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("wkb", "texts"),
    [
        (POINT, ["POINT (1 2)", "point(1.0 2e0)", " POINT  ( 1 2 ) "]),
        (b"\0" + struct.pack(">Idd", 1, 1, 2), ["POINT (1 2)"]),
        (WKB.pack(1, 1001) + struct.pack("<ddd", 1, 2, 3), ["POINT Z (1 2 3)", "POINTZ(1 2 3)"]),
        (LINE, ["LINESTRING (1 2, 3 4.5)", "LINESTRING(1 2,3 4.50)"]),
        (POLYGON, ["POLYGON ((0 0, 1 1, 0 0))"]),
        (WKB.pack(1, 4) + struct.pack("<I", 1) + POINT, ["MULTIPOINT (1 2)", "MULTIPOINT ((1 2))"]),
        (WKB.pack(1, 6) + struct.pack("<I", 1) + POLYGON, ["MULTIPOLYGON (((0 0, 1 1, 0 0)))"]),
        (
            WKB.pack(1, 7) + struct.pack("<I", 2) + POINT + LINE,
            ["GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (1 2, 3 4.5))"],
        ),
        (WKB.pack(1, 1) + struct.pack("<dd", np.nan, np.nan), ["POINT EMPTY"]),
        (WKB.pack(1, 2) + struct.pack("<I", 0), ["LINESTRING EMPTY"]),
    ],
)
def test_a_geometry_is_the_same_in_text_and_binary(wkb: bytes, texts: list[str]) -> None:
    """Every spelling of the text and both byte orders."""
    assert {canonical_wkb(wkb), *map(canonical_wkt, texts)} == {canonical_wkt(texts[0])}
    assert canonical_wkb(wkb).startswith(b"g")


@pytest.mark.parametrize(
    "blob", [b"", b"\1", POINT[:-1], POINT + b"\0", WKB.pack(1, 99), WKB.pack(1, 9001)]
)
def test_what_is_no_geometry_is_compared_as_it_is(blob: bytes) -> None:
    """Bytes that cannot be read stay as they are, and so does text."""
    assert canonical_wkb(blob) == b"w" + blob
    assert canonical_wkt("SRID=4326;POINT(1 2)") == b"hSRID=4326;POINT(1 2)"
