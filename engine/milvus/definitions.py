"""Reads a collection's definition, makes the same collection on the target, compares the two.

The described schema is handed over as it is: fields are never enumerated by hand, so that a
property which this code does not know is carried all the same. Entities are not touched here.
"""

import base64
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.json_format import MessageToDict
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from engine import crashpoints
from engine.milvus.connection import Cluster
from engine.milvus.failures import COLLECTION_NOT_FOUND, MilvusRefused
from engine.model import CollectionPlan, IndexDefinition

ConsistencyLevel = common_pb2.ConsistencyLevel
DataType = schema_pb2.DataType

DYNAMIC_FIELD = "$meta"
_SCHEMA_MANAGED = ("name", "dbName", "version", "enable_namespace", "do_physical_backfill")
_FIELD_MANAGED = ("fieldID", "state")
_FUNCTION_MANAGED = ("id", "input_field_ids", "output_field_ids")
_NO_INDEX = 700


def schema_of(plan: CollectionPlan) -> Any:
    """The `CollectionSchema` message that a plan carries."""
    return schema_pb2.CollectionSchema.FromString(base64.b64decode(plan.definition))


def encode(schema: Any) -> str:
    """A `CollectionSchema` message as a plan carries it."""
    return base64.b64encode(schema.SerializeToString(deterministic=True)).decode()


def describe(cluster: Cluster, name: str) -> Any | None:
    """A collection's `DescribeCollectionResponse`, or None when there is none of that name."""
    request = milvus_pb2.DescribeCollectionRequest(db_name=cluster.database, collection_name=name)
    try:
        return cluster.call("DescribeCollection", request)
    except MilvusRefused as refused:
        if refused.server_code == COLLECTION_NOT_FOUND or name not in collection_names(cluster):
            return None
        raise


def collection_names(cluster: Cluster) -> tuple[str, ...]:
    """The names of all collections of the database, sorted."""
    request = milvus_pb2.ShowCollectionsRequest(db_name=cluster.database)
    return tuple(sorted(cluster.call("ShowCollections", request).collection_names))


def database_names(cluster: Cluster) -> tuple[str, ...]:
    """The names of all databases of the cluster, sorted."""
    return tuple(sorted(cluster.call("ListDatabases", milvus_pb2.ListDatabasesRequest()).db_names))


def create_database(cluster: Cluster, name: str) -> None:
    """Makes a database."""
    request = milvus_pb2.CreateDatabaseRequest(db_name=name)
    _made(cluster, "CreateDatabase", request, lambda: name in database_names(cluster))


def partition_names(cluster: Cluster, collection: str) -> tuple[str, ...]:
    """The names of a collection's partitions, in the server's order."""
    request = milvus_pb2.ShowPartitionsRequest(db_name=cluster.database, collection_name=collection)
    return tuple(cluster.call("ShowPartitions", request).partition_names)


def indexes(cluster: Cluster, collection: str) -> tuple[IndexDefinition, ...]:
    """All indexes of a collection, by name."""
    request = milvus_pb2.DescribeIndexRequest(db_name=cluster.database, collection_name=collection)
    try:
        answer = cluster.call("DescribeIndex", request)
    except MilvusRefused as refused:
        if refused.server_code == _NO_INDEX or "index not found" in refused.message:
            return ()
        raise
    found = (
        IndexDefinition(
            name=index.index_name,
            field=index.field_name,
            params=_pairs(index.params),
        )
        for index in answer.index_descriptions
    )
    return tuple(sorted(found, key=lambda index: index.name))


def create(cluster: Cluster, plan: CollectionPlan) -> int:
    """Makes an empty collection with its partitions and indexes as planned.

    The indexes come before the data: one that the target cannot build fails here, not after hours of copying.

    Returns:
        The target's own id of the collection; 0 where the server gives none (Milvus Lite).
    """
    request = milvus_pb2.CreateCollectionRequest(
        db_name=cluster.database,
        collection_name=plan.name,
        schema=creation_schema(plan).SerializeToString(),
        shards_num=plan.shards,
        consistency_level=ConsistencyLevel.Value(plan.consistency_level),
        properties=_key_values(plan.properties),
        num_partitions=plan.num_partitions if plan.partition_key else 0,
    )
    cluster.call("CreateCollection", request)
    crashpoints.reached("collection_made")
    return complete(cluster, plan)


def complete(cluster: Cluster, plan: CollectionPlan) -> int:
    """Adds what is missing of a collection's partitions and indexes; harmless to repeat."""
    if not plan.partition_key:
        present = set(partition_names(cluster, plan.name))
        for partition in plan.partitions:
            if partition.name not in present:
                _create_partition(cluster, plan.name, partition.name)
                crashpoints.reached("partition_made")
    indexed = _by_name(cluster, indexes(cluster, plan.name))
    for name, index in _by_name(cluster, plan.indexes).items():
        if name not in indexed:
            _create_index(cluster, plan.name, index)
            crashpoints.reached("index_made")
    return collection_id(cluster, plan.name)


def collection_id(cluster: Cluster, name: str) -> int:
    """The server's own id of a collection; 0 where it has none of that name, or gives no ids."""
    described = describe(cluster, name)
    return int(described.collectionID) if described else 0


def creation_schema(plan: CollectionPlan) -> Any:
    """The schema to create: the source's, without ids, and keeping its keys (auto-id off)."""
    schema = _plain(schema_of(plan))
    schema.name = plan.name
    schema.autoID = False
    for field in schema.fields:
        field.autoID = False
    return schema


def drop(cluster: Cluster, name: str) -> None:
    """Drops a collection with everything in it, and its aliases, which Milvus 2.3.5 would leave dangling."""
    for alias in aliases(cluster, name):
        cluster.call(
            "DropAlias", milvus_pb2.DropAliasRequest(db_name=cluster.database, alias=alias)
        )
    request = milvus_pb2.DropCollectionRequest(db_name=cluster.database, collection_name=name)
    cluster.call("DropCollection", request)


def create_alias(cluster: Cluster, collection: str, alias: str) -> None:
    """Makes an alias; fails when it exists, so that none is ever stolen."""
    request = milvus_pb2.CreateAliasRequest(
        db_name=cluster.database, collection_name=collection, alias=alias
    )
    _made(cluster, "CreateAlias", request, lambda: alias in aliases(cluster, collection))


def aliases(cluster: Cluster, collection: str) -> tuple[str, ...]:
    """The aliases of a collection, sorted."""
    request = milvus_pb2.ListAliasesRequest(db_name=cluster.database, collection_name=collection)
    return tuple(sorted(cluster.call("ListAliases", request).aliases))


def differences(cluster: Cluster, plan: CollectionPlan) -> tuple[str, ...]:
    """What the target's description of a collection says otherwise than the plan.

    What a server is known not to report (`capabilities.unreported`) is listed in the plan as a loss and not repeated here.

    Returns:
        One sentence for each difference; empty when the target has everything.
    """
    described = describe(cluster, plan.name)
    if described is None:
        return ("the collection is not on the target",)
    said = schema_differences(cluster, plan, described)
    if not cluster.is_lite:
        said += _placement_differences(described, plan)
    wanted_indexes = _by_name(cluster, plan.indexes)
    found_indexes = _by_name(cluster, indexes(cluster, plan.name))
    for name, index in wanted_indexes.items():
        if name not in found_indexes:
            said.append(f"index “{name}” on {index.field} is missing")
            continue
        said += _index_differences(index, found_indexes[name], lite=cluster.is_lite)
    said += [f"index “{name}” is extra" for name in found_indexes.keys() - wanted_indexes.keys()]
    return tuple(said)


def _by_name(cluster: Cluster, listed: Iterable[IndexDefinition]) -> dict[str, IndexDefinition]:
    """Indexes by what a target calls them: Milvus Lite calls every index by its field, whatever name it was given."""
    return {index.field if cluster.is_lite else index.name: index for index in listed}


def schema_differences(cluster: Cluster, plan: CollectionPlan, described: Any) -> list[str]:
    """What a target collection's schema says otherwise than the plan; indexes and placement are not looked at.

    Args:
        cluster: The target.
        plan: The planned collection.
        described: The target's `DescribeCollectionResponse`.
    """
    wanted, found = creation_schema(plan), _plain(described.schema)
    found.name = wanted.name
    return list(_message_differences(wanted, found, lite=cluster.is_lite))


def _placement_differences(described: Any, plan: CollectionPlan) -> Iterable[str]:
    level = ConsistencyLevel.Name(described.consistency_level)
    if level != plan.consistency_level:
        yield f"consistency level is {level}, not {plan.consistency_level}"
    if described.shards_num != plan.shards:
        yield f"shards are {described.shards_num}, not {plan.shards}"
    if plan.partition_key and described.num_partitions != plan.num_partitions:
        yield f"partitions are {described.num_partitions}, not {plan.num_partitions}"
    found = _pairs(described.properties)
    for key, value in plan.properties.items():
        if found.get(key) != value:
            yield f"property {key} is {found.get(key, 'missing')}, not {value}"


def _message_differences(wanted: Any, found: Any, *, lite: bool) -> Iterable[str]:
    ours, theirs = _as_dict(wanted, lite=lite), _as_dict(found, lite=lite)
    for key in sorted(ours.keys() | theirs.keys()):
        if key in {"fields", "functions", "structArrayFields"}:
            yield from _named_differences(key, ours.get(key, []), theirs.get(key, []))
        elif ours.get(key) != theirs.get(key):
            yield f"{key} is {theirs.get(key, 'missing')}, not {ours.get(key, 'missing')}"


def _named_differences(kind: str, wanted: list[Any], found: list[Any]) -> Iterable[str]:
    ours, theirs = ({item["name"]: item for item in items} for items in (wanted, found))
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs:
            yield f"{kind}: “{name}” is missing"
        elif name not in ours:
            yield f"{kind}: “{name}” is extra"
        else:
            for key in sorted(ours[name].keys() | theirs[name].keys()):
                if ours[name].get(key) != theirs[name].get(key):
                    is_now = theirs[name].get(key, "missing")
                    yield f"{kind}: “{name}” has {key} {is_now}, not {ours[name].get(key, 'none')}"


def _index_differences(
    wanted: IndexDefinition, found: IndexDefinition, *, lite: bool
) -> Iterable[str]:
    keys = {"index_type", "metric_type"} if lite else wanted.params.keys() | found.params.keys()
    for key in sorted(keys):
        if wanted.params.get(key) != found.params.get(key):
            is_now, was = found.params.get(key, "missing"), wanted.params.get(key, "none")
            yield f"index “{wanted.name}” has {key} {is_now}, not {was}"


def _as_dict(schema: Any, *, lite: bool) -> dict[str, Any]:
    tree: dict[str, Any] = MessageToDict(schema)
    for field in tree.get("fields", []):
        for params in ("typeParams", "indexParams"):
            pairs = {pair["key"]: pair.get("value", "") for pair in field.pop(params, [])}
            if pairs:
                field[params] = pairs
        if lite:
            field.pop("description", None)
            field.pop("typeParams", None)
    if lite:
        tree.pop("description", None)
        tree.pop("properties", None)
    return tree


def _plain(schema: Any) -> Any:
    """A copy of a schema without what only its own server knows (ids, states)."""
    plain = schema_pb2.CollectionSchema()
    plain.CopyFrom(schema)
    _clear(plain, _SCHEMA_MANAGED)
    for field in plain.fields:
        _clear(field, _FIELD_MANAGED)
    for struct in plain.struct_array_fields:
        _clear(struct, _FIELD_MANAGED)
        for field in struct.fields:
            _clear(field, _FIELD_MANAGED)
    for function in plain.functions:
        _clear(function, _FUNCTION_MANAGED)
    return plain


def _clear(message: Any, names: Iterable[str]) -> None:
    for name in names:
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)


def _create_partition(cluster: Cluster, collection: str, partition: str) -> None:
    request = milvus_pb2.CreatePartitionRequest(
        db_name=cluster.database, collection_name=collection, partition_name=partition
    )
    _made(
        cluster,
        "CreatePartition",
        request,
        lambda: partition in partition_names(cluster, collection),
    )


def _create_index(cluster: Cluster, collection: str, index: IndexDefinition) -> None:
    request = milvus_pb2.CreateIndexRequest(
        db_name=cluster.database,
        collection_name=collection,
        field_name=index.field,
        index_name=index.name,
        extra_params=_key_values(index.params),
    )
    cluster.call("CreateIndex", request)


def _made(cluster: Cluster, rpc: str, request: Any, stands: Callable[[], bool]) -> None:
    """Makes something; a server that refuses because it stands already answers a call whose first answer was lost."""
    try:
        cluster.call(rpc, request)
    except MilvusRefused:
        if not stands():
            raise


def _pairs(items: Iterable[Any]) -> dict[str, str]:
    return {item.key: item.value for item in items}


def _key_values(pairs: dict[str, str]) -> list[Any]:
    return [common_pb2.KeyValuePair(key=key, value=value) for key, value in pairs.items()]
