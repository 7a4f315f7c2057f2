"""Searches one vector field as exactly as its index allows, by vectors that entities of the collection have, or by their texts.

Nothing is written, and nothing is said about what the answers mean.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final, TypeAlias

import numpy as np

from engine.milvus import schemas
from engine.milvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2
from engine.milvus.pages import CollectionReader
from engine.model import CollectionPlan, PrimaryKey

Hits: TypeAlias = list[tuple[PrimaryKey, float]]
"""The nearest entities of one query with their scores, the best first."""

EF: Final = 2_048
"""How far a graph is searched; HNSW's own limit is 32,768."""

_STRONG = 0
_CUSTOMIZED = 4
_Placeholder = common_pb2.PlaceholderType
_PLACEHOLDERS: Final[Mapping[int, int]] = {
    schema_pb2.DataType.FloatVector: _Placeholder.FloatVector,
    schema_pb2.DataType.BinaryVector: _Placeholder.BinaryVector,
    schema_pb2.DataType.Float16Vector: _Placeholder.Float16Vector,
    schema_pb2.DataType.BFloat16Vector: _Placeholder.BFloat16Vector,
    schema_pb2.DataType.Int8Vector: _Placeholder.Int8Vector,
    schema_pb2.DataType.SparseFloatVector: _Placeholder.SparseFloatVector,
}
_EXACT: Final = frozenset({"FLAT", "BIN_FLAT", "IVF_FLAT", "BIN_IVF_FLAT", "SPARSE_INVERTED_INDEX"})
"""Index types that leave nothing out when they are asked as `_params` does."""


@dataclass(frozen=True)
class VectorField:
    """A vector field that can be searched by what entities have.

    Attributes:
        asked_by: The field whose values are searched for: itself, or the text field that a BM25 function makes it of.
        placeholder: How those values are sent.
        index_type: As its index says.
        metric: As its index says.
        params: What makes its index as exact as it gets.
        exact: Whether that is exact: every entity is looked at, with its whole vector.
    """

    name: str
    asked_by: str
    placeholder: int
    index_type: str
    metric: str
    params: dict[str, Any]
    exact: bool

    @property
    def by_text(self) -> bool:
        """Whether it is searched by texts."""
        return bool(self.placeholder == _Placeholder.VarChar)


def vector_fields(plan: CollectionPlan) -> Iterator[VectorField]:
    """The indexed vector fields of a collection; those that a model outside Milvus makes are left out."""
    params = {index.field: index.params for index in plan.indexes}
    schema = schemas.schema_of(plan)
    texts = _text_fields(schema)
    for field in schema.fields:
        made = field.is_function_output
        if (
            field.data_type not in _PLACEHOLDERS
            or field.name not in params
            or (made and field.name not in texts)
        ):
            continue
        index = params[field.name]
        kind = index.get("index_type", "")
        yield VectorField(
            name=field.name,
            asked_by=texts.get(field.name, field.name),
            placeholder=_Placeholder.VarChar if made else _PLACEHOLDERS[field.data_type],
            index_type=kind,
            metric=index.get("metric_type", ""),
            params=_params(kind, index),
            exact=kind in _EXACT and float(_setting(index, "drop_ratio_build", 0)) == 0,
        )


def _text_fields(schema: Any) -> dict[str, str]:
    """The text field that each output of a BM25 function is made of."""
    return {
        function.output_field_names[0]: function.input_field_names[0]
        for function in schema.functions
        if function.type == schema_pb2.FunctionType.BM25
    }


def values_of(column: Any, rows: int) -> list[bytes]:
    """The vectors or texts of a `FieldData` as a query's placeholder holds them; entities without one are left out."""
    count = sum(column.valid_data) if column.valid_data else rows
    if column.WhichOneof("field") == "scalars":
        texts = list(column.scalars.string_data.data)
        if len(texts) == len(column.valid_data):  # with placeholders for nulls
            texts = list(compress(texts, column.valid_data))
        return [text.encode() for text in texts if text]
    kind = column.vectors.WhichOneof("data")
    if kind is None or not count:
        return []
    if kind == "sparse_float_vector":
        return list(column.vectors.sparse_float_vector.contents)[:count]
    payload = getattr(column.vectors, kind)
    raw = np.array(payload.data, "<f4").tobytes() if kind == "float_vector" else bytes(payload)
    width = len(raw) // count
    return [raw[start : start + width] for start in range(0, width * count, width)]


def search(
    reader: CollectionReader, field: VectorField, queries: Iterable[bytes], top_k: int
) -> list[Hits]:
    """The `top_k` nearest entities of each query.

    Args:
        reader: Where to search, and at which read point.
        field: Which field.
        queries: From `values_of` its field `asked_by`.
        top_k: At most 16,384.

    Raises:
        MilvusRefused: The server does not take these parameters.
    """
    values, kind = list(queries), field.placeholder
    group = common_pb2.PlaceholderGroup(
        placeholders=[common_pb2.PlaceholderValue(tag="$0", type=kind, values=values)]
    )
    settings = {
        "anns_field": field.name,
        "topk": str(top_k),
        "params": json.dumps(field.params),
        "metric_type": field.metric,
        "round_decimal": "-1",
    }
    request = milvus_pb2.SearchRequest(
        db_name=reader.cluster.database,
        collection_name=reader.collection,
        dsl_type=common_pb2.DslType.BoolExprV1,
        placeholder_group=group.SerializeToString(),
        nq=len(values),
        search_params=[
            common_pb2.KeyValuePair(key=key, value=value)
            for key, value in settings.items()
            if value
        ],
        consistency_level=_CUSTOMIZED if reader.timestamp else _STRONG,
        guarantee_timestamp=reader.timestamp,
    )
    return list(_hits(reader.cluster.call("Search", request).results))


def _hits(results: Any) -> Iterator[Hits]:
    slot = results.ids.WhichOneof("id_field")
    keys = list(getattr(results.ids, slot).data) if slot else []
    found = list(zip(keys, results.scores, strict=True))
    start = 0
    for number in results.topks:
        yield found[start : start + number]
        start += number


def _params(kind: str, index: Mapping[str, str]) -> dict[str, Any]:
    """What makes a search over an index of that kind look at as much as it can."""
    if kind.startswith("HNSW"):
        return {"ef": EF}
    if "IVF" in kind or kind == "SCANN":
        return {"nprobe": int(_setting(index, "nlist", 128))}
    if kind == "DISKANN":
        return {"search_list": EF}
    if kind.startswith("SPARSE"):
        return {"drop_ratio_search": 0.0}
    return {}


def _setting(index: Mapping[str, str], name: str, default: float) -> Any:
    """A build parameter of an index: on its own, or in the JSON text of its `params`, as versions differ."""
    return index.get(name) or json.loads(index.get("params") or "{}").get(name, default)
