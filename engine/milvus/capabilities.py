"""What each version of Milvus can hold, so that a loss is found in the plan and not in the middle.

A target that lacks a feature often does not refuse it: Milvus 2.3.5 accepts nullable fields and
clustering keys and drops them silently. One table; nothing here talks to a server.

Sources: Milvus release notes (2.4: sparse, float16, bfloat16, groups; 2.5: nullable, default value,
functions; 2.6: int8 vector, struct arrays, geometry, timestamptz) and experiments with milvus-lite 3.2.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pymilvus.grpc_gen import schema_pb2

DataType = schema_pb2.DataType
Version = tuple[int, int, int]

_NEWEST: Version = (99, 0, 0)
_ARRAYS_SINCE: Version = (2, 3, 2)
LITE_UNREPORTED = (
    "Milvus Lite does not keep descriptions, shards, the consistency level, index names or index "
    "build parameters."
)


class Feature(NamedTuple):
    """Something a field can be, and the first server that has it."""

    name: str
    since: Version
    used_by: Callable[[Any], bool]


def _of_type(*types: int) -> Callable[[Any], bool]:
    return lambda field: field.data_type in types


_FEATURES = (
    Feature("JSON", (2, 2, 9), _of_type(DataType.JSON)),
    Feature("arrays", _ARRAYS_SINCE, _of_type(DataType.Array)),
    Feature("BINARY_VECTOR", (2, 0, 0), _of_type(DataType.BinaryVector)),
    Feature("FLOAT16_VECTOR", (2, 3, 3), _of_type(DataType.Float16Vector)),
    Feature("BFLOAT16_VECTOR", (2, 4, 0), _of_type(DataType.BFloat16Vector)),
    Feature("SPARSE_FLOAT_VECTOR", (2, 4, 0), _of_type(DataType.SparseFloatVector)),
    Feature("INT8_VECTOR", (2, 6, 0), _of_type(DataType.Int8Vector)),
    Feature("GEOMETRY", (2, 6, 4), _of_type(DataType.Geometry)),
    Feature("TIMESTAMPTZ", (2, 6, 6), _of_type(DataType.Timestamptz)),
    Feature("nullable fields", (2, 5, 0), lambda field: field.nullable),
    Feature("default values", (2, 5, 0), lambda field: field.HasField("default_value")),
    Feature("clustering keys", (2, 4, 7), lambda field: field.is_clustering_key),
)
_NOT_IN_LITE = frozenset(
    {"BINARY_VECTOR", "FLOAT16_VECTOR", "BFLOAT16_VECTOR", "INT8_VECTOR", "clustering keys"}
)


def parse_version(text: str) -> Version:
    """The first three numbers of a version as a server tells it, e.g. "v2.3.5-lite"."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else _NEWEST


def unsupported(version: str, schema: Any, *, lite: bool) -> Iterator[str]:
    """Says what of a schema a target of this version cannot hold, one sentence each.

    Args:
        version: The target's version as it tells it.
        schema: The source's `CollectionSchema`.
        lite: Whether the target is Milvus Lite, whose versions count otherwise.
    """
    number = parse_version(version)
    for feature in _FEATURES:
        fields = [field.name for field in schema.fields if feature.used_by(field)]
        if fields and not _has(feature, number, lite=lite):
            yield f"{version} has no {feature.name} (used by {', '.join(fields)})"
    if schema.functions and not lite and number < (2, 5, 0):
        names = ", ".join(function.name for function in schema.functions)
        yield f"{version} has no functions ({names})"
    if schema.struct_array_fields and (lite or number < (2, 6, 4)):
        names = ", ".join(field.name for field in schema.struct_array_fields)
        yield f"{version} has no struct arrays ({names})"


def _has(feature: Feature, number: Version, *, lite: bool) -> bool:
    return feature.name not in _NOT_IN_LITE if lite else number >= feature.since
