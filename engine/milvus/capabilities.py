"""What each version of Milvus can hold, so that a loss is found in the plan and not in the middle.

A target that lacks a feature often does not refuse it: Milvus 2.3.5 accepts nullable fields and clustering keys and drops them
silently. One table for fields, one for functions, one for indexes; nothing here talks to a server.

Sources: Milvus's release notes and guides (“compatible with …”), PR 49848 (nullable vectors in 2.6), and experiments with Milvus
2.3.5 and milvus-lite 3.2. An index type that no table knows is taken for newer than Ferry and left to the target to judge.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from engine.milvus.grpc_gen import schema_pb2
from engine.milvus.indexing import INDEX_TYPE, JSON_PATH
from engine.milvus.schemas import DYNAMIC_FIELD, fields_of, null_or_default, params_of
from engine.model import CollectionPlan, IndexDefinition

DataType = schema_pb2.DataType
FunctionType = schema_pb2.FunctionType
Version = tuple[int, int, int]

_NEWEST: Version = (99, 0, 0)
_ARRAYS_SINCE: Version = (2, 3, 2)
_STRUCTS_SINCE: Version = (2, 6, 4)
_VECTORS_SINCE: Version = (2, 4, 0)
_JSON_PATHS_SINCE: Version = (2, 5, 11)
EXPLICIT_KEYS_SINCE: Version = (2, 6, 3)
DEFAULT_FOR_NULL_SINCE: Version = (2, 5, 0)
LITE_UNREPORTED = (
    "Milvus Lite does not keep descriptions, shards, the consistency level, index names, the number of "
    "partitions of a partition key, or settings of single fields (mmap)."
)


class Feature(NamedTuple):
    """Something a field can be, and the first server that has it."""

    name: str
    since: Version
    used_by: Callable[[Any], bool]


def _of_type(*types: int) -> Callable[[Any], bool]:
    return lambda field: field.data_type in types or field.element_type in types


def _is_vector(field: Any) -> bool:
    return str(DataType.Name(field.data_type)).endswith("Vector")


def _has_param(*names: str) -> Callable[[Any], bool]:
    return lambda field: any(params_of(field).get(name, "false") != "false" for name in names)


_FEATURES = (
    Feature("JSON", (2, 2, 9), _of_type(DataType.JSON)),
    Feature("arrays", _ARRAYS_SINCE, _of_type(DataType.Array)),
    Feature("BINARY_VECTOR", (2, 0, 0), _of_type(DataType.BinaryVector)),
    Feature("FLOAT16_VECTOR", (2, 3, 3), _of_type(DataType.Float16Vector)),
    # A second insert ends a server of 2.3 when it is loaded (milvus #31534; seen on 2.3.5), and again each time it starts.
    Feature("FLOAT16_VECTOR for several inserts", (2, 4, 0), _of_type(DataType.Float16Vector)),
    Feature("BFLOAT16_VECTOR", (2, 4, 0), _of_type(DataType.BFloat16Vector)),
    Feature("SPARSE_FLOAT_VECTOR", (2, 4, 0), _of_type(DataType.SparseFloatVector)),
    Feature("INT8_VECTOR", (2, 6, 0), _of_type(DataType.Int8Vector)),
    Feature("GEOMETRY", (2, 6, 4), _of_type(DataType.Geometry)),
    Feature("TIMESTAMPTZ", (2, 6, 6), _of_type(DataType.Timestamptz)),
    Feature("TEXT", (3, 0, 0), _of_type(DataType.Text)),
    Feature(
        "other new types",
        (3, 0, 0),
        _of_type(DataType.Mol, DataType.Date, DataType.Time, DataType.Decimal),
    ),
    Feature("nullable fields", (2, 5, 0), lambda field: field.nullable and not _is_vector(field)),
    Feature("nullable vectors", (2, 6, 17), lambda field: field.nullable and _is_vector(field)),
    Feature("default values", (2, 5, 0), lambda field: field.HasField("default_value")),
    Feature("clustering keys", (2, 4, 7), lambda field: field.is_clustering_key),
    Feature("text analysis", (2, 5, 0), _has_param("enable_analyzer", "enable_match")),
    Feature("several analyzers", (2, 5, 11), _has_param("multi_analyzer_params")),
)
_NOT_IN_LITE = frozenset(
    {
        "BINARY_VECTOR",
        "FLOAT16_VECTOR",
        "BFLOAT16_VECTOR",
        "INT8_VECTOR",
        "TEXT",
        "other new types",
        "clustering keys",
        "several analyzers",
    }
)
_LITE_DEFAULTS = frozenset(
    {
        *(DataType.Bool, DataType.Int8, DataType.Int16, DataType.Int32, DataType.Int64),
        *(DataType.Float, DataType.Double, DataType.VarChar, DataType.Geometry),
        DataType.Timestamptz,
    }
)

_WORDS_SINCE: Version = (2, 5, 0)
_CALLS = (
    *("json_contains", "json_contains_all", "json_contains_any", "array_length"),
    *("array_contains", "array_contains_all", "array_contains_any"),
    *("text_match", "phrase_match", "random_sample", "exists", "true", "false"),
)
_WORDS = frozenset(
    {"and", "or", "not", "in", "like", "True", "False", *_CALLS, *map(str.upper, _CALLS)}
)
"""What no field may be called in servers (Milvus `FieldNameKeywords`, PR 36101): words of the language of their filters."""
_COLUMNS = frozenset({"RowID", "Timestamp"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,254}")
_NAME_NOW = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,254}")
"""What servers take for a name (`validateName` in Milvus's proxy), since 2.5.0 as far as their configuration allows at most."""
_LITE_COLUMNS = frozenset({"_seq", "_partition"})
_LITE_WORDS = frozenset({"iso", "interval"})
_LITE_KEY_WORDS = frozenset(
    {"and", "or", "not", "in", "like", "is", "null", "exists", "true", "false"}
)
"""Milvus Lite takes fields of these names and cannot read them as words of a filter; only a key has to be one."""

_FUNCTIONS: dict[int, Version] = {
    FunctionType.BM25: (2, 5, 0),
    FunctionType.TextEmbedding: (2, 6, 0),
    FunctionType.MinHash: (3, 0, 0),
    FunctionType.MolFingerprint: (3, 0, 0),
}
_LITE_FUNCTIONS = frozenset({FunctionType.BM25, FunctionType.TextEmbedding})

_INDEXES: dict[str, Version] = {
    "GPU_CAGRA": (2, 4, 0),
    "GPU_BRUTE_FORCE": (2, 4, 0),
    "SPARSE_INVERTED_INDEX": (2, 4, 0),
    "SPARSE_WAND": (2, 4, 0),
    "INVERTED": (2, 4, 0),
    "BITMAP": (2, 5, 0),
    "HYBRID": (2, 5, 0),
    "HNSW_SQ": (2, 5, 0),
    "HNSW_PQ": (2, 5, 0),
    "HNSW_PRQ": (2, 5, 0),
    "IVF_RABITQ": (2, 6, 0),
    "MINHASH_LSH": (2, 6, 0),
    "NGRAM": (2, 6, 2),
    "AISAQ": (2, 6, 4),
    "RTREE": (2, 6, 4),
}
_LITE_VECTOR_INDEXES = frozenset({"AUTOINDEX", "FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8"})
_LITE_SPARSE_INDEX = "SPARSE_INVERTED_INDEX"
_LITE_SCALAR_INDEX = "INVERTED"
_LITE_UNINDEXED = (DataType.JSON, DataType.Array, DataType.Geometry)


class Target(NamedTuple):
    """A version as a target tells it, and whether it is Milvus Lite, whose versions count otherwise."""

    version: str
    lite: bool

    def since(self, version: Version) -> bool:
        """Whether a server is this version or newer; Milvus Lite is judged by its own tables and counts as newer."""
        return self.lite or parse_version(self.version) >= version


def parse_version(text: str) -> Version:
    """The first three numbers of a version as a server tells it, e.g. "v2.3.5-lite"."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else _NEWEST


def unsupported(target: Target, schema: Any, indexes: Iterable[IndexDefinition]) -> Iterator[str]:
    """Says what of a collection a target of this version cannot hold, one sentence each.

    Args:
        target: What it is.
        schema: The source's `CollectionSchema`.
        indexes: The source's indexes.
    """
    yield from _unsupported_fields(target, schema)
    for name in _names(f for f in schema.functions if not _has_function(target, f)):
        yield f"{target.version} has no functions ({name})"
    if schema.struct_array_fields and (target.lite or not target.since(_STRUCTS_SINCE)):
        yield f"{target.version} has no struct arrays ({next(_names(schema.struct_array_fields))})"
    yield from _unsupported_indexes(target, schema, tuple(indexes))


def misnamed(target: Target, plan: CollectionPlan, schema: Any) -> Iterator[str]:
    """Says which names of a collection a target of this version does not take, in one sentence; Milvus Lite takes almost any."""
    if target.lite:
        return
    taken = _NAME_NOW if target.since(_WORDS_SINCE) else _NAME
    fields = [f.name for f in fields_of(schema) if f.name != DYNAMIC_FIELD]
    partitions = [each.name for each in plan.partitions if each.name]
    names = dict.fromkeys((plan.name, *plan.aliases, *partitions, *fields))
    if odd := [f"“{name}”" for name in names if not taken.fullmatch(name)]:
        yield (
            f"{target.version} takes names of up to 255 letters, digits and underscores, which do not begin with a digit, and not "
            f"{', '.join(odd)}"
        )


def not_portable(schema: Any) -> Iterator[str]:
    """Says what of a collection means something on its own cluster only and keeps it from being copied, one sentence each."""
    if schema.enable_namespace:
        yield "its entities are kept in namespaces, which Ferry does not read"
    if schema.external_source:
        yield f"its entities are not in Milvus but in {schema.external_source}"
    if schema.file_resource_ids:
        yield "its analyzers use files that were uploaded to its own cluster"


def provider_functions(schema: Any) -> Iterator[tuple[Any, str]]:
    """The functions that call a model outside Milvus, each with the provider's name."""
    for function in schema.functions:
        if function.type == FunctionType.TextEmbedding:
            params = {pair.key: pair.value for pair in function.params}
            yield function, params.get("provider", "")


def takes_explicit_keys(target: Target, schema: Any) -> bool:
    """Whether a target's collection can make keys of its own and still take the source's."""
    key = next(field for field in schema.fields if field.is_primary_key)
    if target.lite:
        return bool(key.data_type == DataType.Int64)  # it makes no VARCHAR keys at all
    return target.since(EXPLICIT_KEYS_SINCE)


def default_for_null(target: Target, schema: Any) -> list[str]:
    """The fields whose nulls a target writes as their default value (`fillWithDefaultValue` in Milvus's proxy)."""
    if target.lite or not target.since(DEFAULT_FOR_NULL_SINCE):
        return []
    return null_or_default(schema)


def _unsupported_fields(target: Target, schema: Any) -> Iterator[str]:
    fields = fields_of(schema)
    for feature in _FEATURES:
        users = [field.name for field in fields if feature.used_by(field)]
        missing = feature.name in _NOT_IN_LITE if target.lite else not target.since(feature.since)
        if users and missing:
            yield f"{target.version} has no {feature.name} (used by {', '.join(users)})"
    if words := [field.name for field in fields if _is_reserved(target, field)]:
        yield f"{target.version} takes no fields that are called like words of its own ({', '.join(words)})"
    vectors = [field.name for field in schema.fields if _is_vector(field)]
    if len(vectors) > 1 and not target.since(_VECTORS_SINCE):
        yield f"{target.version} has no several vectors in one collection (used by {', '.join(vectors)})"
    odd = [
        f.name for f in fields if f.HasField("default_value") and f.data_type not in _LITE_DEFAULTS
    ]
    if odd and target.lite:
        yield f"{target.version} has no default values of this type (used by {', '.join(odd)})"


def _is_reserved(target: Target, field: Any) -> bool:
    name = field.name.lower()
    if not target.lite:
        words = target.since(_WORDS_SINCE) and (field.name in _WORDS or name == "null")
        return words or field.name in _COLUMNS
    in_filters = field.is_primary_key and name in _LITE_KEY_WORDS
    return in_filters or name in _LITE_WORDS or field.name in _LITE_COLUMNS


def _has_function(target: Target, function: Any) -> bool:
    if target.lite:
        return function.type in _LITE_FUNCTIONS
    return target.since(_FUNCTIONS.get(function.type, _NEWEST))


def _unsupported_indexes(
    target: Target, schema: Any, indexes: tuple[IndexDefinition, ...]
) -> Iterator[str]:
    types = {field.name: field.data_type for field in fields_of(schema)}
    for index in indexes:
        kind = index.params.get(INDEX_TYPE, "").upper()
        known = (
            _lite_has_index(kind, types.get(index.field), index)
            if target.lite
            else target.since(_INDEXES.get(kind, (0, 0, 0)))
        )
        if not known:
            yield f"{target.version} has no index {kind} on {index.field} (“{index.name}”)"
        elif index.params.get(JSON_PATH) and not target.since(_JSON_PATHS_SINCE):
            yield f"{target.version} has no indexes on JSON paths (“{index.name}” on {index.field})"
    fields = [index.field for index in indexes]
    several = sorted({field for field in fields if fields.count(field) > 1})
    if several and target.lite:
        yield f"{target.version} keeps one index per field ({', '.join(several)} has several)"


def _lite_has_index(kind: str, data_type: int | None, index: IndexDefinition) -> bool:
    if data_type == DataType.SparseFloatVector:
        return kind == _LITE_SPARSE_INDEX and index.params.get("metric_type") in {"IP", "BM25"}
    if data_type == DataType.FloatVector:
        return kind in _LITE_VECTOR_INDEXES
    return kind == _LITE_SCALAR_INDEX and data_type not in _LITE_UNINDEXED


def _names(parts: Iterable[Any]) -> Iterator[str]:
    """The names of all parts in one text, if there are any."""
    names = ", ".join(part.name for part in parts)
    if names:
        yield names
