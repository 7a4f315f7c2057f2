"""Makes columns that a server answered acceptable to a server's insert, without changing what they say.

What a query answers and what an insert takes differ in three places; each is settled here, in
place and harmless to repeat. Nothing is sent.
"""

from itertools import compress
from typing import Any

from pymilvus.grpc_gen import schema_pb2

DYNAMIC_FIELD = "$meta"

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


def make_writable(column: Any, rows: int) -> None:
    """Prepares one `FieldData` of a query answer for an insert or upsert.

    Args:
        column: Changed in place.
        rows: Entities of its page.
    """
    if column.field_name == DYNAMIC_FIELD:
        column.is_dynamic = True
    if column.WhichOneof("field") != "scalars":
        return
    if column.valid_data:
        _drop_placeholders(column, rows)
    if column.scalars.WhichOneof("data") == "array_data":
        _type_empty_arrays(column.scalars.array_data)


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
