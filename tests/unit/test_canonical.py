"""Every column type against every kind of damage: each is detected, and named by key, kind and field."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pymilvus.grpc_gen import schema_pb2

from engine.errors import DataUnreadable
from engine.milvus.canonical import NULL, canonical_column, canonical_columns
from engine.proof.comparison import explain, keyed_rows
from engine.proof.digest import ContentDigest

T = schema_pb2.DataType
Put = Callable[[Any, Sequence[Any]], None]


@dataclass(frozen=True)
class Kind:
    """A column type: how values get into a `FieldData`, what stands for null in it, and values that are close to each other."""

    type: int
    put: Put
    blank: Any
    near: tuple[Any, ...]
    element: int = 0

    @property
    def of(self) -> int:
        """The type of its numbers: of its elements, if it has any."""
        return self.element or self.type


def scalar(type_: int, slot: str, blank: Any, *near: Any) -> Kind:
    """A type whose slot holds a value per entity."""

    def put(field: Any, values: Sequence[Any]) -> None:
        getattr(field.scalars, slot).data.extend(values)

    return Kind(type_, put, blank, near)


def array(element: int, slot: str, *near: Sequence[Any]) -> Kind:
    """An array of one element type."""

    def put(field: Any, values: Sequence[Any]) -> None:
        field.scalars.array_data.element_type = element
        for value in values:
            getattr(field.scalars.array_data.data.add(), slot).data.extend(value)

    return Kind(T.Array, put, [], near, element)


def set_vectors(message: Any, slot: str, dim: int, raw: bytes) -> None:
    """Puts raw bytes into the slot of a `VectorField`."""
    message.dim = dim
    if slot == "float_vector":
        message.float_vector.data.extend(np.frombuffer(raw, "<f4").tolist())
    else:
        setattr(message, slot, raw)


def flipped(raw: bytes) -> tuple[bytes, ...]:
    """The bytes with each of their bits flipped in turn."""
    number = int.from_bytes(raw, "big")
    return tuple((number ^ (1 << bit)).to_bytes(len(raw), "big") for bit in range(8 * len(raw)))


def dense(type_: int, slot: str, dim: int, raw: bytes) -> Kind:
    """A dense vector type; every single flipped bit is near."""

    def put(field: Any, values: Sequence[bytes]) -> None:
        set_vectors(field.vectors, slot, dim, b"".join(values))

    return Kind(type_, put, bytes(len(raw)), (raw, *flipped(raw)))


def put_sparse(field: Any, values: Sequence[bytes]) -> None:
    """Sparse vectors from their bytes."""
    field.vectors.sparse_float_vector.contents.extend(values)


def put_vector_array(field: Any, values: Sequence[bytes]) -> None:
    """Arrays of 2-d float vectors from their bytes."""
    field.vectors.vector_array.dim = 2
    for value in values:
        row = field.vectors.vector_array.data.add()
        if value:
            set_vectors(row, "float_vector", 2, value)


def put_structs(field: Any, values: Sequence[tuple[list[int], list[str]]]) -> None:
    """Struct arrays of a number and a text, stored as two arrays."""
    for name, kind, part in (("s[n]", INT8_ARRAY, 0), ("s[t]", TEXT_ARRAY, 1)):
        column = field.struct_arrays.fields.add(field_name=name, type=kind.type)
        kind.put(column, [value[part] for value in values])


INT8_ARRAY = array(T.Int8, "int_data", [1, 2], [2, 1], [1], [1, 2, 0], [12])
TEXT_ARRAY = array(T.VarChar, "string_data", ["ab", "c"], ["a", "bc"], ["abc"], ["ab", "c", ""])
FLOATS = np.array([1.5, -0.0], "<f4").tobytes()
HALVES = np.array([1.5, -0.0], "<f2").tobytes()
SPARSE = np.array([[3, 0x3F800000], [70000, 0x40000000]], "<u4").tobytes()

KINDS = {
    "bool": scalar(T.Bool, "bool_data", False, True, False),  # noqa: FBT003  # values, not options
    "int8": scalar(T.Int8, "int_data", 0, -1, 1, 127),
    "int16": scalar(T.Int16, "int_data", 0, 300, -300),
    "int32": scalar(T.Int32, "int_data", 0, 2**31 - 1, -(2**31)),
    "int64": scalar(T.Int64, "long_data", 0, 2**53, 2**53 + 1, -(2**63)),
    "float": scalar(T.Float, "float_data", 0.0, 1.0, float(np.nextafter(np.float32(1), 2)), -0.0),
    "double": scalar(T.Double, "double_data", 0.0, 1.0, 1.0 + 2**-52, -0.0, float("inf")),
    "varchar": scalar(T.VarChar, "string_data", "", "a", "a ", "A", "á", "a\u0301", "\0", "null"),
    "text": scalar(T.Text, "string_data", "", "a", "b"),
    "json": scalar(T.JSON, "json_data", b"null", b"1", b"1.0", b'"1"', b"{}", b"[]", b'{"a":null}'),
    "timestamptz text": scalar(
        T.Timestamptz, "string_data", "", "2025-05-01T00:00:00Z", "2025-05-01T00:00:00.000001Z"
    ),
    "timestamptz number": scalar(T.Timestamptz, "timestamptz_data", 0, 1, 2),
    "geometry text": scalar(T.Geometry, "geometry_wkt_data", "", "POINT (1 2)", "POINT (2 1)"),
    "geometry binary": scalar(T.Geometry, "geometry_data", b"", b"\1", b"\2"),
    "mol": scalar(T.Mol, "mol_data", b"", b"\1", b"\2"),
    "smiles": scalar(T.Mol, "mol_smiles_data", "", "CO", "OC"),
    "date": scalar(T.Date, "date_data", 0, 1, 2),
    "time": scalar(T.Time, "time_data", 0, 1, 2),
    "bytes": scalar(T.VarChar, "bytes_data", b"", b"\1", b"\2"),
    "array of bool": array(T.Bool, "bool_data", [True], [False], [True, True]),
    "array of int8": INT8_ARRAY,
    "array of int64": array(T.Int64, "long_data", [2**53], [2**53 + 1], [0]),
    "array of float": array(T.Float, "float_data", [1.0], [-1.0], [0.0], [-0.0]),
    "array of double": array(T.Double, "double_data", [1.0], [1.0 + 2**-52]),
    "array of varchar": TEXT_ARRAY,
    "float vector": dense(T.FloatVector, "float_vector", 2, FLOATS),
    "binary vector": dense(T.BinaryVector, "binary_vector", 12, b"\xa5\x70"),
    "float16 vector": dense(T.Float16Vector, "float16_vector", 2, HALVES),
    "bfloat16 vector": dense(T.BFloat16Vector, "bfloat16_vector", 2, HALVES),
    "int8 vector": dense(T.Int8Vector, "int8_vector", 3, b"\1\0\xff"),
    "sparse vector": Kind(
        T.SparseFloatVector, put_sparse, b"", (SPARSE, SPARSE[8:], *flipped(SPARSE))
    ),
    "array of vectors": Kind(
        T.ArrayOfVector, put_vector_array, b"", (FLOATS, FLOATS * 2, *flipped(FLOATS))
    ),
    "struct array": Kind(
        T.ArrayOfStruct,
        put_structs,
        ([], []),
        (([1], ["a"]), ([1, 2], ["a", "b"]), ([1], ["b"])),
        T.Int8,
    ),
}

COMPACT = [
    name for name in KINDS if name != "struct array"
]  # a struct's parts carry their own marks
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def column(kind: Kind, values: Sequence[Any], name: str = "x", *, compact: bool = False) -> Any:
    """A `FieldData`; None is null, as a placeholder or, when compact, left out."""
    field = schema_pb2.FieldData(field_name=name, type=kind.type)
    marks = [value is not None for value in values]
    if not all(marks):
        field.valid_data.extend(marks)
    data = [kind.blank if value is None else value for value in values]
    if compact:
        data = [value for value in values if value is not None]
    kind.put(field, data)
    return field


def page(kind: Kind, values: Sequence[Any], keys: Sequence[int] = (1, 2, 3)) -> Any:
    """Keys and canonical columns of a page: a key, the column under test and one beside it."""
    fields = [
        column(KINDS["int64"], keys, "id"),
        column(kind, values),
        column(KINDS["varchar"], ["same"] * len(keys), "y"),
    ]
    return keys, canonical_columns(fields, len(keys))


def compare(source: Any, target: Any) -> list[tuple[Any, str, tuple[str, ...]]]:
    """The findings, after the digests have agreed that there are any."""
    digests = [ContentDigest(), ContentDigest()]
    digests[0].add(source[1])
    digests[1].add(target[1])
    found = explain(keyed_rows(*source), keyed_rows(*target))
    findings = [(m.pk, str(m.kind), m.fields) for m in found]
    assert (digests[0] == digests[1]) == (not findings)
    return findings


@kinds
def test_a_changed_value_is_named(kind: Kind) -> None:
    """Each value against each other value of its type, among them every single flipped bit of every vector type."""
    first = kind.near[0]
    for other in (*kind.near[1:], kind.blank):
        if other == first and type(other) is type(first):
            continue
        source = page(kind, [first, first, first])
        assert compare(source, page(kind, [first, other, first])) == [(2, "different", ("x",))]
        assert compare(page(kind, [first, other, first]), source) == [(2, "different", ("x",))]


WIDTHS = {T.Int8: 8, T.Int16: 16, T.Int32: 32, T.Date: 32}


def bit_flips(kind: Kind, value: Any) -> list[Any]:
    """The value with one bit flipped, for each of its bits; of texts that are read as numbers, the lowest bit of each digit."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        width = WIDTHS.get(kind.of, 64)
        raws = flipped(value.to_bytes(width // 8, "big", signed=True))
        return [int.from_bytes(raw, "big", signed=True) for raw in raws]
    if isinstance(value, float):
        width_of = "<f8" if kind.of == T.Double else "<f4"
        raws = flipped(np.array(value, width_of).tobytes())
        return [float(np.frombuffer(raw, width_of)[0]) for raw in raws]
    if isinstance(value, str):
        places = [n for n, char in enumerate(value) if char.isdigit()] or range(len(value))
        bits = (1,) if any(map(str.isdigit, value)) else (1, 2, 4, 8, 16, 32, 64)
        return [
            value[:n] + chr(ord(value[n]) ^ bit) + value[n + 1 :] for n in places for bit in bits
        ]
    if isinstance(value, bytes):
        return list(flipped(value))
    within = [(n, bit) for n, each in enumerate(value) for bit in bit_flips(kind, each)]
    made = [[*value[:n], changed, *value[n + 1 :]] for n, changed in within]
    return [tuple(each) for each in made] if isinstance(value, tuple) else made


@kinds
def test_one_flipped_bit_is_named(kind: Kind) -> None:
    """Every bit of a value of every type, one at a time, in the middle one of three entities: all of them are found."""
    value = kind.near[0]
    source = page(kind, [value] * 3)
    flips = bit_flips(kind, value)
    found = [compare(source, page(kind, [value, flip, value])) for flip in flips]
    assert found == [[(2, "different", ("x",))]] * len(flips)
    assert flips


@pytest.mark.parametrize("name", COMPACT)
def test_null_is_not_the_empty_or_default_value(name: str) -> None:
    """Null against the placeholder that stands for it, in both directions."""
    kind = KINDS[name]
    null = page(kind, [kind.near[0], None, kind.near[0]])
    blank = page(kind, [kind.near[0], kind.blank, kind.near[0]])
    assert compare(null, blank) == [(2, "different", ("x",))]
    assert compare(blank, null) == [(2, "different", ("x",))]


def test_a_null_struct_is_not_an_empty_one() -> None:
    """A struct array is null when its parts are."""
    kind = KINDS["struct array"]
    field = column(kind, [([1], ["a"]), ([], [])])
    empty = canonical_column(field, 2)
    for part in field.struct_arrays.fields:
        part.valid_data.extend([True, False])
    assert canonical_column(field, 2) == [empty[0], NULL] != empty


@kinds
def test_a_dropped_and_a_doubled_entity_are_named(kind: Kind) -> None:
    """The target lacks key 2, then has key 3 twice."""
    value, other = kind.near[0], kind.near[1]
    source = page(kind, [value, other, value])
    assert compare(source, page(kind, [value, value], (1, 3))) == [(2, "missing", ())]
    doubled = page(kind, [value, other, value, value], (1, 2, 3, 3))
    assert compare(source, doubled) == [(3, "extra", ())]


@kinds
def test_swapped_values_of_two_entities_are_named(kind: Kind) -> None:
    """Both entities differ although each column holds the same values."""
    value, other = kind.near[0], kind.near[1]
    findings = compare(page(kind, [value, other, other]), page(kind, [other, value, other]))
    assert findings == [(1, "different", ("x",)), (2, "different", ("x",))]


@pytest.mark.parametrize("name", COMPACT)
def test_both_encodings_of_null_are_equal(name: str) -> None:
    """Placeholders, and data of the valid entities alone, for none, some and all null."""
    kind = KINDS[name]
    first, second = kind.near[:2]
    for values in ([first, None, second], [None, first, None], [None] * 3):
        full = canonical_column(column(kind, values), 3)
        assert full == canonical_column(column(kind, values, compact=True), 3)
        assert [value == NULL for value in full] == [value is None for value in values]


@kinds
def test_marks_that_are_all_true_equal_none(kind: Kind) -> None:
    """Some servers leave them out."""
    field = column(kind, kind.near[:2])
    without = canonical_column(field, 2)
    field.valid_data.extend([True, True])
    assert canonical_column(field, 2) == without
    assert NULL not in without


@kinds
def test_lengths_that_fit_no_encoding_are_an_error(kind: Kind) -> None:
    """Too few and too many values, and marks for another number of entities."""
    field = column(kind, kind.near[:2])
    for rows in (1, 3):
        with pytest.raises(DataUnreadable, match=r"column '(x|s.[nt].)'"):
            canonical_column(field, rows)
    field.valid_data.extend([True, False, False, True])
    with pytest.raises(DataUnreadable):
        canonical_column(field, 2)
    field.valid_data.pop()
    with pytest.raises(DataUnreadable):
        canonical_column(field, 4)


@kinds
def test_an_empty_page_has_no_values(kind: Kind) -> None:
    """No entities, no values, no error."""
    assert canonical_column(column(kind, []), 0) == []


def test_canonical_values_are_the_same_in_every_release() -> None:
    """Receipts outlive a release: the digest over every type must never change."""
    total = ContentDigest()
    for kind in KINDS.values():
        total.add(page(kind, [kind.near[0], kind.near[1], kind.blank])[1])
    assert total.hexdigest() == "2ed2675b3c0fa73a6c00aea148bae1ab"
