"""Surveys one collection of a source: its definition, exact counts, load state and estimated size.

It only reads; what the survey means for a target is the planner's to say.
"""

import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

from engine import crashpoints
from engine.errors import InputRejected, SourceUnusable, TemporaryFailure
from engine.milvus import definitions, loading, pages, schemas
from engine.milvus.capabilities import parse_version
from engine.milvus.connection import Cluster
from engine.milvus.definitions import ConsistencyLevel
from engine.milvus.failures import MilvusRefused, not_loaded
from engine.milvus.grpc_gen import milvus_pb2
from engine.milvus.schemas import DataType
from engine.model import CollectionPlan, IndexDefinition, KeyPolicy, PartitionPlan, PrimaryKey

_SAMPLE_ENTITIES = 100
_LITE_PAGES_SINCE = (3, 2, 1)
_TEXT_BYTES_GUESS = 64
_NEVER_LOADED = "field.skipLoad"
_UNREADABLE = re.compile(r"field (\S+) is not loaded|raw data of field (\S+)")
"""How a server names a field that it cannot answer (Milvus `internal/proxy/task_query.go`)."""
_UNPARSED = "cannot parse expression"
"""How a server begins what it says of a filter that it does not understand (Milvus `planparserv2`)."""
_ABOVE_ALL: Mapping[int, PrimaryKey] = {DataType.Int64: 2**63 - 1, DataType.VarChar: "\U0010ffff"}
"""Keys above which there is hardly one, so that asking costs a server little."""

_VECTOR_BYTES_PER_DIMENSION = {
    DataType.FloatVector: 4.0,
    DataType.Float16Vector: 2.0,
    DataType.BFloat16Vector: 2.0,
    DataType.Int8Vector: 1.0,
    DataType.BinaryVector: 0.125,
}


def survey(cluster: Cluster, name: str, read_point: int | None = None) -> CollectionPlan:
    """Looks at one collection of the source.

    Args:
        cluster: The source.
        name: The collection.
        read_point: One that was taken before; None takes one of now, which its server has to reach first.

    Raises:
        SourceUnusable: There is no such collection.
    """
    _require_ordered_pages(cluster)
    described = require_collection(cluster, name)
    schema = described.schema
    key = next(field for field in schema.fields if field.is_primary_key)
    partition_key = any(field.is_partition_key for field in schema.fields)
    idle = _idle_partitions(cluster, name, by_key=partition_key)
    loaded = loading.is_loaded(cluster, name) and not idle
    indexes = definitions.indexes(cluster, name)
    # One read point for all counts: it sees what Strong reads see, and only the first one waits.
    timestamp = pages.read_point(cluster) if read_point is None else read_point
    reader = pages.CollectionReader(cluster, name, key.name, readable_fields(schema), timestamp)
    unbounded = _why_not_bounded(reader, key)
    partitions = _partitions(reader, by_key=partition_key, loaded=loaded and not unbounded)
    entities = sum(partition.entities for partition in partitions)
    countable = loaded and not unbounded and key.data_type == DataType.Int64
    last_key = countable and bool(reader.count_keys("", [pages.LAST_KEY]))
    hidden = last_key and bool(reader.hidden())
    crashpoints.reached("surveying")
    per_entity, unreadable = _sampled(reader) if loaded and entities else (None, "")
    auto_id = schemas.makes_keys(schema)
    return CollectionPlan(
        name=name,
        **_definition(cluster, described, indexes),
        primary_field=key.name,
        primary_type="INT64" if key.data_type == DataType.Int64 else "VARCHAR",
        auto_id=auto_id,
        keys=KeyPolicy.PLAIN if auto_id else KeyPolicy.OWN,
        entities=entities,
        bytes=round(entities * (per_entity or _guessed_bytes(schema))),
        partitions=partitions,
        partition_key=partition_key,
        loaded=loaded,
        replicas=loading.replicas(cluster, name) if loaded else 1,
        nulls=_nulls(reader, schema) if loaded else {},
        last_key=last_key and not hidden,
        conflict=unbounded
        or (last_key_hidden(name, "its server") if hidden else None)
        or never_loaded(name, schema)
        or _without_fields(name, unreadable)
        or (None if loaded else _why_not_loadable(name, schema, indexes) or _in_part(name, idle)),
        notes=() if loaded or idle else (_RELEASED,),
    )


def defined_now(cluster: Cluster, plan: CollectionPlan) -> CollectionPlan:
    """A surveyed collection as it is defined by now; what was counted is as it was.

    Raises:
        SourceUnusable: There is no such collection any more.
    """
    described = require_collection(cluster, plan.name)
    names = ("",) if plan.partition_key else definitions.partition_names(cluster, plan.name)
    counted = {each.name: each for each in plan.partitions}
    partitions = (counted.get(name, PartitionPlan(name=name, entities=0)) for name in names)
    indexes = definitions.indexes(cluster, plan.name)
    changes = {**_definition(cluster, described, indexes), "partitions": tuple(partitions)}
    return plan.model_copy(update=changes)


def _definition(
    cluster: Cluster, described: Any, indexes: tuple[IndexDefinition, ...]
) -> dict[str, Any]:
    """What is carried of a collection's definition, but for its partitions."""
    schema = described.schema
    return {
        "id": int(described.collectionID),
        "definition": schemas.encode(schema),
        "fields": tuple(_field_text(field) for field in schema.fields),
        "num_partitions": described.num_partitions,
        "shards": described.shards_num or 1,
        "consistency_level": ConsistencyLevel.Name(described.consistency_level),
        "properties": definitions.collection_properties(described),
        "indexes": indexes,
        "aliases": definitions.aliases(cluster, schema.name),
    }


def _require_ordered_pages(cluster: Cluster) -> None:
    if cluster.is_lite and parse_version(cluster.version) < _LITE_PAGES_SINCE:
        raise SourceUnusable(
            f"{cluster.endpoint.name} is {cluster.version}, which leaves entities out when it is read page by page "
            "(milvus-lite #366).",
            state="Nothing was changed.",
            next_step="Install milvus-lite 3.2.1 or newer there; its data stays as it is.",
        )


class Held(NamedTuple):
    """How many entities a collection holds, and whether they were counted or are what its server's statistics say."""

    entities: int
    exact: bool = True


def held(cluster: Cluster, name: str) -> Held:
    """Counts a collection's entities (`count(*)`, Strong) where it is loaded whole; nothing is loaded for it."""
    described = require_collection(cluster, name)
    by_key = any(field.is_partition_key for field in described.schema.fields)
    whole = loading.is_loaded(cluster, name) and not _idle_partitions(cluster, name, by_key=by_key)
    if not whole:
        return Held(statistics(cluster, name), exact=False)
    return Held(pages.CollectionReader(cluster, name, "", ()).count(""))


def require_database(cluster: Cluster) -> None:
    """Raises InputRejected when the cluster has no database of that name."""
    names = definitions.database_names(cluster)
    if cluster.database not in names:
        raise InputRejected(
            f"There is no database “{cluster.database}” on {cluster.endpoint.name}.",
            state="Nothing was changed.",
            next_step=f"Choose one of those that are there: {', '.join(names)}.",
        )


def require_some(cluster: Cluster, names: Collection[str]) -> None:
    """Raises SourceUnusable when there is nothing to read: a wrong database name that exists looks like that."""
    if not names:
        raise SourceUnusable(
            f"{cluster.endpoint} holds no collection.",
            state="Nothing was changed.",
            next_step="Check the database's name.",
        )


def require_collection(cluster: Cluster, name: str) -> Any:
    """A collection's description; raises SourceUnusable when there is none of that name."""
    described = definitions.describe(cluster, name)
    if described is None:
        raise SourceUnusable(
            f"There is no collection “{name}” in {cluster.endpoint}.",
            state="Nothing was changed.",
            next_step="Check the name; names are case sensitive.",
        )
    real = described.schema.name
    if real != name:
        raise SourceUnusable(
            f"“{name}” is an alias of “{real}” in {cluster.endpoint}.",
            state="Nothing was changed.",
            next_step=f"Choose “{real}”; its aliases come with it.",
        )
    return described


_RELEASED = (
    "It is released on the source: it is loaded for the copy and released again; until then its "
    "count is the server's statistics and its size a guess."
)


def reader_of(
    cluster: Cluster, plan: CollectionPlan, read_point: int | None = None
) -> pages.CollectionReader:
    """Reads a planned collection on one side, at a read point that was taken before, or at one of now."""
    fields = readable_fields(schemas.schema_of(plan))
    timestamp = pages.read_point(cluster) if read_point is None else read_point
    return pages.CollectionReader(cluster, plan.name, plan.primary_field, fields, timestamp)


def readable_fields(schema: Any) -> tuple[str, ...]:
    """The fields to read and to write: outputs of functions are made by the target itself."""
    names = [field.name for field in schema.fields if not field.is_function_output]
    names += [field.name for field in schema.struct_array_fields]
    if schema.enable_dynamic_field and schemas.DYNAMIC_FIELD not in names:
        names.append(schemas.DYNAMIC_FIELD)
    return tuple(names)


def _partitions(
    reader: pages.CollectionReader, *, by_key: bool, loaded: bool
) -> tuple[PartitionPlan, ...]:
    cluster, name = reader.cluster, reader.collection
    names = ("",) if by_key else definitions.partition_names(cluster, name)
    counted = reader.count if loaded else partial(statistics, cluster, name)
    return tuple(PartitionPlan(name=each, entities=counted(each)) for each in names)


def statistics(cluster: Cluster, collection: str, partition: str = "") -> int:
    """The entities that a server's statistics count: deleted ones too, and none that is not flushed yet."""
    if partition:
        request = milvus_pb2.GetPartitionStatisticsRequest(
            db_name=cluster.database, collection_name=collection, partition_name=partition
        )
        answer = cluster.call("GetPartitionStatistics", request)
    else:
        request = milvus_pb2.GetCollectionStatisticsRequest(
            db_name=cluster.database, collection_name=collection
        )
        answer = cluster.call("GetCollectionStatistics", request)
    return next((int(pair.value) for pair in answer.stats if pair.key == "row_count"), 0)


def _sampled(reader: pages.CollectionReader) -> tuple[float | None, str]:
    """Bytes per entity, or the field that the server does not answer."""
    try:
        page = next(reader.pages("", limit=_SAMPLE_ENTITIES), None)
    except MilvusRefused as refused:
        if field := unreadable_field(refused.message):
            return None, field
        raise
    return (page.bytes / len(page.keys) if page else None), ""


def _nulls(reader: pages.CollectionReader, schema: Any) -> dict[str, int]:
    """How many entities are null in each field that has a default value: some targets write that in the place of a null."""
    try:
        return {name: reader.count_nulls(name) for name in schemas.null_or_default(schema)}
    except MilvusRefused:
        return {}


def unreadable_field(message: str) -> str:
    """The field that a server refuses to answer, by what it says; "" when it says something else."""
    found = _UNREADABLE.search(message)
    return (found[1] or found[2]).rstrip(":.,") if found else ""


def _guessed_bytes(schema: Any) -> float:
    size = 0.0
    for field in schema.fields:
        dimensions = int(schemas.params_of(field).get("dim", 0))
        if dimensions:
            size += dimensions * _VECTOR_BYTES_PER_DIMENSION.get(field.data_type, 4.0)
        elif field.data_type in (DataType.VarChar, DataType.JSON, DataType.Array):
            size += _TEXT_BYTES_GUESS
        else:
            size += 8
    return size


def never_loaded(name: str, schema: Any) -> str | None:
    """Says that a server leaves fields out of every load, if it does."""
    left_out = [
        field.name
        for field in schema.fields
        if schemas.params_of(field).get(_NEVER_LOADED, "").lower() == "true"
    ]
    if not left_out:
        return None
    return (
        f"“{name}” never loads {', '.join(left_out)} ({_NEVER_LOADED}), so its server cannot answer them. "
        "Switch that off on the source, or leave the collection out."
    )


def _why_not_bounded(reader: pages.CollectionReader, key: Any) -> str | None:
    """Says that a server takes the key field's name for a word of its filters, if it does (milvus #35873).

    It is asked, since these words differ by version. A server reads a filter before it looks whether the collection is loaded,
    Milvus Lite after: of a released one there nothing is known.
    """
    try:
        reader.try_bound(_ABOVE_ALL[key.data_type])
    except MilvusRefused as refused:
        if not_loaded(refused):
            return None
        if reader.cluster.is_lite or _UNPARSED in refused.message:
            return (
                f"“{reader.collection}” cannot be read by ranges of its keys, because its server takes the name of their field "
                f"“{key.name}” for a word of its filters. Copy it on the source into a collection whose key has another name, "
                "or leave the collection out."
            )
    except TemporaryFailure:
        return None  # it parsed the filter, and is not ready to answer
    return None


def last_key_hidden(name: str, where: str) -> str:
    """What is said of an entity whose key a server does not answer."""
    return (
        f"“{name}” holds an entity whose key is {pages.LAST_KEY}, the largest INT64: {where} counts it and answers it to no "
        "query (milvus #46075), so it can be neither copied nor proved. Give it another key on the source, or leave the "
        "collection out."
    )


def _without_fields(name: str, field: str) -> str | None:
    if not field:
        return None
    return (
        f"“{name}” is loaded without its field {field}, so its server cannot answer it. Load all fields on "
        "the source, or release the collection: then it is loaded whole for the copy."
    )


def _why_not_loadable(name: str, schema: Any, indexes: tuple[IndexDefinition, ...]) -> str | None:
    indexed = {index.field for index in indexes}
    bare = [
        field.name
        for field in schema.fields
        if _is_vector(field.data_type) and field.name not in indexed
    ]
    if not bare:
        return None
    return (
        f"“{name}” has no index on {', '.join(bare)}, so its server cannot load it to be read. "
        "Create an index on the source, or leave the collection out."
    )


def _idle_partitions(cluster: Cluster, name: str, *, by_key: bool) -> list[str]:
    """The partitions that are not loaded of a collection that is."""
    if by_key or not loading.is_loaded(cluster, name):
        return []
    names = definitions.partition_names(cluster, name)
    return [each for each in names if not loading.is_loaded(cluster, name, each)]


def _in_part(name: str, idle: list[str]) -> str | None:
    if not idle:
        return None
    return (
        f"“{name}” is loaded only in part: {', '.join(idle)} cannot be read. Load these partitions on "
        "the source too, or release the whole collection."
    )


def _is_vector(data_type: int) -> bool:
    return str(DataType.Name(data_type)).endswith("Vector")


def _field_text(field: Any) -> str:
    kind = DataType.Name(field.data_type)
    params = schemas.params_of(field)
    if "dim" in params:
        kind += f"({params['dim']})"
    elif "max_length" in params:
        kind += f"({params['max_length']})"
    if field.data_type == DataType.Array:
        kind += f" of {DataType.Name(field.element_type)}"
    marks = [
        word
        for word, present in (
            ("primary key", field.is_primary_key),
            ("partition key", field.is_partition_key),
            ("nullable", field.nullable),
            ("made by a function", field.is_function_output),
        )
        if present
    ]
    return f"{field.name}: {kind}" + (f" ({', '.join(marks)})" if marks else "")
