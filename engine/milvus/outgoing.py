"""Makes columns that a server answered acceptable to a server's insert, without changing what they say.

What a query answers and what an insert takes differ in five places; each is settled here. All else
passes encoded as it came. Nothing is sent.
"""

from itertools import compress
from typing import Any

from engine.milvus.grpc_gen import schema_pb2
from engine.milvus.schemas import DYNAMIC_FIELD
from engine.milvus.wire import Column

DataType = schema_pb2.DataType
_ARRAY_DATA = {
    DataType.Bool: "bool_data",
    DataType.Int8: "int_data",
    DataType.Int16: "int_data",
    DataType.Int32: "int_data",
    DataType.Int64: "long_data",
    DataType.Float: "float_data",
    DataType.Double: "double_data",
    DataType.VarChar: "string_data",
    DataType.String: "string_data",
    DataType.Timestamptz: "timestamptz_data",
}


def writable(
    column: Column, rows: int, marked: frozenset[str] = frozenset()
) -> tuple[bytes | memoryview, ...]:
    """One column of a query answer as an insert or upsert takes it: its encoded `FieldData`, in pieces that belong together.

    Args:
        column: As it was answered.
        rows: Entities of its page.
        marked: The fields whose marks of validity have to be sent (`schemas.marked_fields`).
    """
    wire: bytes | memoryview = column.wire
    if column.may_hold_nulls or column.type == DataType.Array:
        message = column.message()
        make_writable(message, rows)
        wire = message.SerializeToString()
    # A field that is said again behind a message counts: joined messages are one.
    if column.name == DYNAMIC_FIELD:
        return wire, schema_pb2.FieldData(is_dynamic=True).SerializeToString()
    if column.name in marked and not column.may_hold_nulls:
        # An answer leaves the marks out where all are true; servers of 2.5 refuse an insert without them.
        return wire, schema_pb2.FieldData(valid_data=[True] * rows).SerializeToString()
    return (wire,)


def make_writable(column: Any, rows: int) -> None:
    """Prepares a decoded `FieldData`; changed in place, and harmless to repeat."""
    if column.WhichOneof("field") != "scalars":
        return
    if column.valid_data:
        _drop_placeholders(column, rows)
    if column.scalars.WhichOneof("data") == "array_data":
        _type_empty_arrays(column.scalars.array_data)
        # Servers know it from the schema. With it, 2.3.5 refuses an entity of more than a message of its log (5 MB) with "no hash
        # key for 0th message": it begins another message before the first entity. Without it (pymilvus sends none) it does not.
        column.scalars.array_data.ClearField("element_type")


def _drop_placeholders(column: Any, rows: int) -> None:
    """An answer may hold a placeholder for each null; an insert must hold the valid values alone.

    Source: `CheckValidData` and `fillWithNullValueImpl` in Milvus's proxy (from 2.5 on).
    """
    kind = column.scalars.WhichOneof("data")
    if kind is None:
        return
    values = getattr(column.scalars, kind).data
    valid = list(column.valid_data)
    if len(values) == rows and not all(valid):
        kept = list(compress(values, valid))
        del values[:]
        values.extend(kept)


def _type_empty_arrays(arrays: Any) -> None:
    """An answer leaves an empty array untyped; an insert of that crashes Milvus 2.3.5.

    Source: a nil dereference in `validateUtil.checkArrayElement`, seen on the real server.
    """
    kind = _ARRAY_DATA.get(arrays.element_type)
    if kind is None:
        return
    for row in arrays.data:
        if row.WhichOneof("data") is None:
            getattr(row, kind).SetInParent()
