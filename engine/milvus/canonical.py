"""Turns a column of a query answer into one canonical value per entity, so that equal content has equal bytes; never writes.

    canonical_columns(fields, rows)  -> {field name: [bytes, ...]}     # what ContentDigest.add and keyed_rows take
    canonical_column(field, rows)    -> [bytes, ...]                   # one schema_pb2.FieldData

A page goes through `engine/milvus/canonical_page.py`, which comes to the same values sooner.

A value is a tag byte and the value; null is the tag NULL alone. What counts as equal, whichever server encoded the answer:

- Integers are one family (tag i, 64 bit), text is one family (tag s): INT8 against INT64, VARCHAR against TEXT is the schema's
  difference, and `int_data` or `long_data` in an array is an encoder's choice. 5, 5.0 and "5" differ.
- Floats compare by their bits, in scalars, arrays and all vector types, except that all NaNs are one value. -0.0 and 0.0 differ:
  Milvus 2.3.5 and Milvus Lite 3.2.2 keep the sign, so a lost one is a change.
- Nulls come in two encodings: data of full length with placeholders, and data of the valid entities alone (Milvus PR 49924: vectors
  are always compact, ArrayOfVector never). The lengths tell which; a length that fits neither is an error. No `valid_data` equals
  all true. Null, empty, zero and JSON's `null` all differ.
- JSON and `$meta`: `engine/milvus/canonical_json.py`. Geometry: `engine/milvus/canonical_geometry.py`. Whether a column is flagged
  as dynamic makes no difference.
- TIMESTAMPTZ is microseconds since 1970 UTC, from a number or ISO 8601 text; text without a zone, or no date at all, stays text.
- Sparse vectors are sorted by index; an explicit zero stays. The dimension of a vector is the schema's and is not in the value.

A field absent on one side is the caller's to find. Parts of an answer that the installed protobuf schema does not know are an
error: what the digest cannot see must not be called verified.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any, TypeAlias

import numpy as np
from google.protobuf.unknown_fields import UnknownFieldSet
from numpy.typing import NDArray

from engine.errors import DataUnreadable
from engine.milvus.canonical_geometry import canonical_wkb, canonical_wkt
from engine.milvus.canonical_json import canonical_documents
from engine.milvus.grpc_gen import schema_pb2

NULL = b"\0"
"""The canonical value of null, in every type."""

_Numbers: TypeAlias = NDArray[Any]
_Parser: TypeAlias = Callable[[list[Any]], list[bytes]]

_NUMBERS = {
    "bool_data": (b"b", "u1"),
    "int_data": (b"i", "<i8"),
    "long_data": (b"i", "<i8"),
    "float_data": (b"f", "<f4"),
    "double_data": (b"d", "<f8"),
    "timestamptz_data": (b"T", "<i8"),
    "date_data": (b"D", "<i8"),
    "time_data": (b"t", "<i8"),
}
_TEXTS = {"string_data": b"s", "mol_smiles_data": b"M"}
_BLOBS = {"bytes_data": b"y", "mol_data": b"m"}
FLOAT_VECTOR_TAG = b"F"
_VECTORS = {
    "float_vector": (FLOAT_VECTOR_TAG, 32),
    "binary_vector": (b"B", 1),
    "float16_vector": (b"H", 16),
    "bfloat16_vector": (b"G", 16),
    "int8_vector": (b"I", 8),
}
"""Tag and bits per dimension."""

_HALF_NANS = {"float16_vector": (0x7C00, 0x7E00), "bfloat16_vector": (0x7F80, 0x7FC0)}
"""The bits of infinity, above which (the sign aside) everything is NaN, and the one NaN that stands for all."""

_BLOCK_BYTES = 1 << 17
"""What is tagged at a time: small enough to stay in a core's cache between the two copies."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def canonical_columns(
    fields: Iterable[Any], rows: int, *, taken: Container[str] = ()
) -> dict[str, list[bytes]]:
    """The canonical values of a page by field name.

    Args:
        fields: `FieldData` messages of one answer.
        rows: How many entities the page has.
        taken: Names of columns that the answer has as well.

    Raises:
        DataUnreadable: A column's lengths fit no encoding, it holds what this version does not know, or a name comes twice.
    """
    columns: dict[str, list[bytes]] = {}
    for field in fields:
        if field.field_name in columns or field.field_name in taken:
            raise _unreadable(field, "it comes twice in one answer")
        columns[field.field_name] = canonical_column(field, rows)
    return columns


def canonical_column(field: Any, rows: int) -> list[bytes]:
    """One canonical value per entity of a `FieldData` message; the order of the entities is kept.

    Raises:
        DataUnreadable: Its lengths fit no encoding, or it holds what this version does not know.
    """
    valid = list(field.valid_data)
    if valid and len(valid) != rows:
        raise _unreadable(field, f"it has {len(valid)} marks of validity for {rows} entities")
    values = _values(field, rows, valid)
    if not valid and len(values) == rows:
        return values
    if len(values) == rows:
        return [value if ok else NULL for value, ok in zip(values, valid, strict=True)]
    if len(values) != sum(valid):
        raise _unreadable(
            field, f"it has {len(values)} values for {rows} entities, {sum(valid)} of them valid"
        )
    present = iter(values)
    return [next(present) if ok else NULL for ok in valid]


def _values(field: Any, rows: int, valid: Sequence[bool]) -> list[bytes]:
    kind = field.WhichOneof("field")
    _check_known(field, field)
    if kind == "scalars":
        _check_known(field, field.scalars)
        return _scalars(field, field.scalars, field.type, valid if len(valid) == rows else ())
    if kind == "vectors":
        _check_known(field, field.vectors)
        return _vectors(field, rows, valid)
    if kind == "struct_arrays":
        return _structs(field.struct_arrays.fields, rows)
    return []  # an all-null column may have no data at all


def _scalars(field: Any, data: Any, type_: int, valid: Sequence[bool] = ()) -> list[bytes]:
    """The values of a ScalarField; with `valid`, placeholders of nulls are left out where parsing them would cost or fail."""
    slot = data.WhichOneof("data")
    if slot is None:
        return []
    items = getattr(data, slot)
    _check_known(field, items)
    if slot in _NUMBERS:
        tag, dtype = _NUMBERS[slot]
        return _tagged(tag, _numbers(items.data, dtype), np.dtype(dtype).itemsize)
    if slot == "array_data":
        return _arrays(field, items)
    present = list(items.data)
    if len(present) == len(valid):
        present = list(compress(present, valid))
    return _parsed(field, slot, type_, present)


def _parsed(field: Any, slot: str, type_: int, items: list[Any]) -> list[bytes]:
    """Values of the slots that hold text or bytes; some servers send JSON, timestamps and geometries as plain text."""
    if slot == "string_data" and type_ in _AS_TEXT:
        return _AS_TEXT[type_](items)
    if slot in _PARSED:
        return _PARSED[slot](items)
    if slot in _TEXTS:
        tag = _TEXTS[slot]
        return [tag + item.encode() for item in items]
    if slot in _BLOBS:
        tag = _BLOBS[slot]
        return [tag + item for item in items]
    raise _unreadable(field, f"this version of Ferry does not know {slot}")


def _wkts(texts: list[str]) -> list[bytes]:
    return [canonical_wkt(text) for text in texts]


def _wkbs(blobs: list[bytes]) -> list[bytes]:
    return [canonical_wkb(blob) for blob in blobs]


def _json_texts(texts: list[str]) -> list[bytes]:
    return canonical_documents([text.encode() for text in texts])


def _timestamps(texts: list[str]) -> list[bytes]:
    return [_timestamp(text) for text in texts]


_PARSED: dict[str, _Parser] = {
    "json_data": canonical_documents,
    "geometry_data": _wkbs,
    "geometry_wkt_data": _wkts,
}
_AS_TEXT: dict[int, _Parser] = {
    schema_pb2.DataType.Geometry: _wkts,
    schema_pb2.DataType.JSON: _json_texts,
    schema_pb2.DataType.Timestamptz: _timestamps,
}


def _timestamp(text: str) -> bytes:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return b"x" + text.encode()
    if moment.tzinfo is None:
        return b"x" + text.encode()
    micros = (moment - _EPOCH) // timedelta(microseconds=1)
    return b"T" + micros.to_bytes(8, "little", signed=True)


def _arrays(field: Any, arrays: Any) -> list[bytes]:
    """Arrays, each the tag A and its elements; an empty array is the tag alone, whatever slot the server chose for it."""
    slots = {row.WhichOneof("data") for row in arrays.data} - {None}
    if len(slots) > 1:  # int_data here and long_data there
        each = (_elements(field, row, arrays.element_type) for row in arrays.data)
        return [b"A" + b"".join(elements) for elements in each]
    merged = schema_pb2.ScalarField()
    for row in arrays.data:
        merged.MergeFrom(row)
    elements = _elements(field, merged, arrays.element_type)
    slot = next(iter(slots), "bool_data")
    values, start = [], 0
    for row in arrays.data:
        end = start + len(getattr(row, slot).data)
        values.append(b"A" + b"".join(elements[start:end]))
        start = end
    return values


def _elements(field: Any, row: Any, type_: int) -> list[bytes]:
    """Elements so that no two arrays join to the same bytes: numbers have the width of their tag, all else its length before it."""
    _check_known(field, row)
    elements = _scalars(field, row, type_)
    if row.WhichOneof("data") in _NUMBERS:
        return elements
    return [_framed(element) for element in elements]


def _vectors(field: Any, rows: int, valid: Sequence[bool]) -> list[bytes]:
    slot = field.vectors.WhichOneof("data")
    if slot is None:
        return []
    payload = getattr(field.vectors, slot)
    if not isinstance(payload, bytes):
        _check_known(field, payload)
    if slot == "sparse_float_vector":
        return _sparse(field, list(payload.contents))
    if slot == "vector_array":
        return [_vector_array(row) for row in payload.data]
    if slot not in _VECTORS:
        raise _unreadable(field, f"this version of Ferry does not know {slot}")
    tag, bits = _VECTORS[slot]
    raw = _dense(slot, payload)
    width = (field.vectors.dim * bits + 7) // 8
    if width == 0 and rows and not (valid and raw.nbytes):
        width = raw.nbytes // rows  # the dimension is not said and there are no nulls
    if raw.nbytes and (width == 0 or raw.nbytes % width):
        raise _unreadable(
            field, f"{raw.nbytes} bytes are no vectors of dimension {field.vectors.dim}"
        )
    return _tagged(tag, raw, width) if raw.nbytes else []


def _vector_array(row: Any) -> bytes:
    slot = row.WhichOneof("data")
    if slot not in _VECTORS:
        return b"V"  # no vectors, so that a server need not say of which type
    raw = _dense(slot, getattr(row, slot)).tobytes()
    return b"V" + _VECTORS[slot][0] + raw if raw else b"V"


def _dense(slot: str, payload: Any) -> _Numbers:
    if slot == "float_vector":
        return _numbers(payload.data, "<f4")
    if slot not in _HALF_NANS:
        return np.frombuffer(payload, "u1")
    infinity, nan = _HALF_NANS[slot]
    halves = np.frombuffer(payload, "<u2")
    nans = (halves & 0x7FFF) > infinity
    return np.where(nans, np.uint16(nan), halves) if nans.any() else halves


def _numbers(repeated: Any, dtype: str) -> _Numbers:
    numbers: _Numbers = np.array(repeated, dtype=dtype)  # one memcpy where the runtime is upb
    if numbers.dtype.kind == "f" and numbers.size and np.isnan(numbers.max()):
        numbers[np.isnan(numbers)] = np.nan
    return numbers


def _tagged(tag: bytes, numbers: _Numbers, width: int) -> list[bytes]:
    """Cuts an array into values of `width` bytes with the tag before each, without a Python step per value."""
    if not numbers.size:
        return []
    raw = numbers.view("u1").reshape(-1, width)
    rows = max(1, _BLOCK_BYTES // (1 + width))
    block = np.empty((rows, 1 + width), "u1")
    block[:, 0] = tag[0]
    values: list[bytes] = []
    for start in range(0, len(raw), rows):
        part = block[: len(raw) - start]
        part[:, 1:] = raw[start : start + rows]
        values += part.view(f"V{1 + width}").ravel().tolist()
    return values


def _sparse(field: Any, contents: list[bytes]) -> list[bytes]:
    """Rows of (u32 index, f32 value) pairs, little-endian, sorted by index (Milvus `SparseFloatArray`)."""
    lengths = np.array([len(content) for content in contents], "<i8")
    if (lengths % 8).any():
        raise _unreadable(field, "a sparse vector is cut off")
    everything = b"".join(contents)
    indices = np.frombuffer(everything, "<u4")[::2]
    values = np.frombuffer(everything, "<f4")[1::2]
    ascending = indices[1:] > indices[:-1]
    ends = (lengths.cumsum() // 8)[:-1]
    ascending[ends[(ends > 0) & (ends < len(indices))] - 1] = True  # from one row to the next
    if ascending.all() and not np.isnan(values).any():
        return [b"P" + content for content in contents]
    return [b"P" + _sorted_pairs(content) for content in contents]


def _sorted_pairs(content: bytes) -> bytes:
    pairs = np.frombuffer(content, "<u4").reshape(-1, 2)
    pairs = pairs[pairs[:, 0].argsort(kind="stable")]
    values = pairs.view("<f4")[:, 1]
    values[np.isnan(values)] = np.nan
    return pairs.tobytes()


def _structs(parts: Iterable[Any], rows: int) -> list[bytes]:
    """Struct arrays: the parts in the order of their names, each framed; null when every part is null."""
    columns = {_part_name(part.field_name): canonical_column(part, rows) for part in parts}
    names = sorted(columns)
    head = b"R" + b"".join(_framed(name.encode()) for name in names)
    nothing = (NULL,) * len(names)
    entities = zip(*(columns[name] for name in names), strict=True)
    return [
        NULL if values == nothing else head + b"".join(map(_framed, values)) for values in entities
    ]


def _part_name(name: str) -> str:
    # Milvus calls the part `b` of the struct `a` either "b" or "a[b]".
    return name[name.index("[") + 1 : -1] if name.endswith("]") and "[" in name else name


def _framed(value: bytes) -> bytes:
    return len(value).to_bytes(4, "little") + value


def _check_known(field: Any, message: Any) -> None:
    if len(UnknownFieldSet(message)):
        raise _unreadable(
            field, "the server sent parts of it that this version of Ferry does not know"
        )


def _unreadable(field: Any, reason: str) -> DataUnreadable:
    return DataUnreadable(
        f"The column {field.field_name!r} cannot be compared: {reason}.",
        state="What was copied so far stands on the target, unproved.",
        next_step="Tell us the server's version and the field's type.",
    )
