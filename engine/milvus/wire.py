"""Takes a query's answer apart and puts a write's request together without decoding the columns between them.

A protobuf message is a run of fields, each behind its number: a column cut out of one message is the same bytes in another.
Decoding and encoding it again in Python costs four more copies of each vector (`upb` copies a message by encoding and decoding it).
Source: protobuf.dev/programming-guides/encoding. Nothing is sent here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

from engine.milvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


def _number(message: Any, field: str) -> int:
    return int(message.DESCRIPTOR.fields_by_name[field].number)


_STATUS = _number(milvus_pb2.QueryResults, "status")
_COLUMNS = _number(milvus_pb2.QueryResults, "fields_data")
_TYPE = _number(schema_pb2.FieldData, "type")
_NAME = _number(schema_pb2.FieldData, "field_name")
_VALID = _number(schema_pb2.FieldData, "valid_data")
_FIELD_ID = _number(schema_pb2.FieldData, "field_id")
_VECTORS = _number(schema_pb2.FieldData, "vectors")
_DIMENSION = _number(schema_pb2.VectorField, "dim")
_FLOATS = _number(schema_pb2.VectorField, "float_vector")
_PACKED = _number(schema_pb2.FloatArray, "data")


@dataclass(frozen=True)
class Column:
    """One `FieldData` as it stands in an answer: some `memoryview` of it.

    Attributes:
        wire: The encoded message, without its number and length.
    """

    wire: memoryview

    @cached_property
    def _fields(self) -> dict[int, "_Field"]:
        return {field.number: field for field in _fields(self.wire)}

    @property
    def name(self) -> str:
        """The field's name."""
        return str(self._fields.get(_NAME, _ABSENT).data, "utf-8")

    @property
    def type(self) -> int:
        """The `DataType`."""
        return self._fields.get(_TYPE, _ABSENT).varint

    @property
    def may_hold_nulls(self) -> bool:
        """Whether it says which entities are null."""
        return _VALID in self._fields

    def float_vectors(self) -> tuple[int, memoryview] | None:
        """Dimension and numbers (32 bit, little-endian) of a column that is float vectors and nothing else; None for all others."""
        if self.type != schema_pb2.DataType.FloatVector:
            return None
        outer = _only(self.wire, {_TYPE, _NAME, _FIELD_ID, _VECTORS})
        vectors = _only(outer[_VECTORS].data, {_DIMENSION, _FLOATS}) if _VECTORS in outer else {}
        floats = _only(vectors[_FLOATS].data, {_PACKED}) if _FLOATS in vectors else {}
        if _DIMENSION not in vectors or _PACKED not in floats:
            return None
        return vectors[_DIMENSION].varint, floats[_PACKED].data

    def message(self) -> Any:
        """The decoded `FieldData`; decoded anew each time, since a page would else be in memory twice."""
        return schema_pb2.FieldData.FromString(self.wire)


@dataclass(frozen=True)
class QueryAnswer:
    """A `QueryResults` whose columns were left as they are."""

    status: Any
    columns: tuple[Column, ...]

    @classmethod
    def of(cls, answer: bytes) -> Self:
        """Takes an encoded `QueryResults` apart; the columns are views of it."""
        fields = list(_fields(memoryview(answer)))
        status = b"".join(field.data for field in fields if field.number == _STATUS)
        columns = tuple(Column(field.data) for field in fields if field.number == _COLUMNS)
        return cls(common_pb2.Status.FromString(status), columns)


def write_request(request: Any, columns: Sequence[Sequence[bytes | memoryview]]) -> bytes:
    """An `InsertRequest` or `UpsertRequest`, encoded.

    Args:
        request: The message without its columns.
        columns: Each one's `FieldData`, encoded, in pieces that belong one after the other.
    """
    key = _varint(_number(request, "fields_data") << 3 | _LENGTH)
    pieces: list[bytes | memoryview] = [request.SerializeToString()]
    for column in columns:
        pieces += (key, _varint(sum(map(len, column))), *column)
    return b"".join(pieces)


class _Field(NamedTuple):
    """A field of a message: a number of its own, and either a varint or bytes."""

    number: int
    varint: int
    data: memoryview


_ABSENT = _Field(0, 0, memoryview(b""))


def _only(data: memoryview, known: set[int]) -> dict[int, _Field]:
    """The fields by number; none at all if there is another one, or one twice (it would have to be merged)."""
    found: dict[int, _Field] = {}
    for field in _fields(data):
        if field.number not in known or field.number in found:
            return {}
        found[field.number] = field
    return found


def _fields(data: memoryview) -> Iterator[_Field]:
    """The fields of a message in their order.

    Raises:
        ValueError: The message is cut off, or has a wire type that protobuf 3 does not.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield _Field(number, value, _ABSENT.data)
            continue
        if kind == _LENGTH:
            length, at = _read_varint(data, at)
        elif kind in _FIXED_BYTES:
            length = _FIXED_BYTES[kind]
        else:
            raise ValueError(f"wire type {kind} is not one of protobuf 3")
        end = at + length
        if end > len(data):
            raise ValueError("a message is cut off")
        yield _Field(number, 0, data[at:end])
        at = end


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise ValueError("a message is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  # the bit that says that more follow
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004  # as above
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
