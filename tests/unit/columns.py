"""Columns as a server answers them, made of decoded messages."""

from typing import Any

from engine.milvus.wire import Column


def column_of(message: Any) -> Column:
    """The column whose `FieldData` is this message."""
    return Column(memoryview(message.SerializeToString()))
