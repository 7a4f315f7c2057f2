"""Reads a collection's definition, makes the same collection on the target, compares the two.

What is carried and how it compares is decided in `schemas.py`, `indexing.py` and `properties.py`; here are the calls. Entities are
not touched here.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from engine import crashpoints
from engine.milvus import indexing, properties, schemas
from engine.milvus.connection import Cluster
from engine.milvus.failures import COLLECTION_NOT_FOUND, MilvusRefused
from engine.milvus.grpc_gen import common_pb2, milvus_pb2
from engine.model import CollectionPlan, IndexDefinition

ConsistencyLevel = common_pb2.ConsistencyLevel

_NO_INDEX = 700


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


def database_properties(cluster: Cluster) -> dict[str, str]:
    """The properties of the database; none where a server does not tell them (before Milvus 2.4.4)."""
    request = milvus_pb2.DescribeDatabaseRequest(db_name=cluster.database)
    try:
        return _pairs(cluster.call("DescribeDatabase", request).properties)
    except MilvusRefused:
        return {}


def create_database(
    cluster: Cluster, name: str, database_properties: Mapping[str, str] | None = None
) -> None:
    """Makes a database."""
    request = milvus_pb2.CreateDatabaseRequest(
        db_name=name, properties=_key_values(database_properties or {})
    )
    _made(cluster, "CreateDatabase", request, lambda: name in database_names(cluster))


def drop_database(cluster: Cluster, name: str) -> None:
    """Drops a database; the server refuses one that holds a collection."""
    request = milvus_pb2.DropDatabaseRequest(db_name=name)
    _made(cluster, "DropDatabase", request, lambda: name not in database_names(cluster))


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
        indexing.definition(index.index_name, index.field_name, _pairs(index.params))
        for index in answer.index_descriptions
    )
    return tuple(sorted(found, key=lambda index: index.name))


def create(cluster: Cluster, plan: CollectionPlan) -> None:
    """Makes an empty collection as planned, without what `complete` adds.

    A server that has the very same collection says that it made it, whatever it holds.
    """
    request = milvus_pb2.CreateCollectionRequest(
        db_name=cluster.database,
        collection_name=plan.name,
        schema=schemas.creation_schema(plan).SerializeToString(),
        shards_num=plan.shards,
        consistency_level=ConsistencyLevel.Value(plan.consistency_level),
        properties=_key_values(properties.at_creation(plan)),
        num_partitions=plan.num_partitions if plan.partition_key else 0,
    )
    cluster.call("CreateCollection", request)
    crashpoints.reached("collection_made")


def complete(cluster: Cluster, plan: CollectionPlan) -> None:
    """Adds what is missing of a collection's partitions, indexes and what the copy needs; harmless to repeat.

    The indexes come before the data: one that the target cannot build fails here, not after hours of copying.
    """
    if not plan.partition_key:
        present = set(partition_names(cluster, plan.name))
        for partition in plan.partitions:
            if partition.name not in present:
                _create_partition(cluster, plan.name, partition.name)
                crashpoints.reached("partition_made")
    indexed = indexing.by_name(indexes(cluster, plan.name), lite=cluster.is_lite)
    for name, index in indexing.by_name(plan.indexes, lite=cluster.is_lite).items():
        if name not in indexed:
            _create_index(cluster, plan.name, index)
            crashpoints.reached("index_made")
    described = describe(cluster, plan.name)
    if described is None:
        return
    found = collection_properties(described)
    needed = {k: v for k, v in properties.for_the_copy(plan).items() if found.get(k) != v}
    if needed:
        alter(cluster, plan.name, needed)


def collection_id(cluster: Cluster, name: str) -> int:
    """The server's own id of a collection; 0 where it has none of that name, or gives no ids."""
    described = describe(cluster, name)
    return int(described.collectionID) if described else 0


def drop(cluster: Cluster, name: str) -> None:
    """Drops the collection that stands there now with everything in it, and its aliases, which Milvus 2.3.5 would leave dangling.

    What somebody makes in its place, after a drop whose answer was lost, is not touched; Milvus Lite gives no ids to tell by.
    """
    dropped = collection_id(cluster, name)
    for alias in aliases(cluster, name):
        unalias = milvus_pb2.DropAliasRequest(db_name=cluster.database, alias=alias)
        _made(cluster, "DropAlias", unalias, partial(_is_no_alias, cluster, name, alias))
    request = milvus_pb2.DropCollectionRequest(db_name=cluster.database, collection_name=name)
    _made(
        cluster,
        "DropCollection",
        request,
        lambda: name not in collection_names(cluster),
        again=lambda: collection_id(cluster, name) == dropped,
    )


def _is_no_alias(cluster: Cluster, collection: str, alias: str) -> bool:
    return alias not in aliases(cluster, collection)


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


def differences(
    cluster: Cluster, plan: CollectionPlan, *, settled: bool = False
) -> tuple[str, ...]:
    """What the target's description of a collection says otherwise than the plan.

    What a server is known not to report (`capabilities.LITE_UNREPORTED`) is listed in the plan as a loss and not repeated here.

    Args:
        cluster: The target.
        plan: The planned collection.
        settled: Whether the properties that come last must be there too.

    Returns:
        One sentence for each difference; empty when the target has everything.
    """
    described = describe(cluster, plan.name)
    if described is None:
        return ("the collection is not on the target",)
    lite = cluster.is_lite
    found = collection_properties(described)
    return (
        *schemas.differences(plan, described.schema, lite=lite),
        *(() if lite else _placement_differences(described, plan)),
        *properties.differences(plan.properties, found, settled=settled),
        *indexing.differences(plan.indexes, indexes(cluster, plan.name), lite=lite),
    )


def collection_properties(described: Any) -> dict[str, str]:
    """A collection's properties; some servers tell them of the collection, some of its schema, some of both."""
    return _pairs([*described.schema.properties, *described.properties])


def properties_of(cluster: Cluster, name: str) -> dict[str, str]:
    """The properties of a collection; none where there is no such collection."""
    described = describe(cluster, name)
    return collection_properties(described) if described else {}


def settle(cluster: Cluster, plan: CollectionPlan, *, handed_over: bool = False) -> tuple[str, ...]:
    """Sets the properties that come last and removes what only the copy needed; harmless to repeat.

    Args:
        cluster: The target.
        plan: The planned collection.
        handed_over: Whether it was settled before: what comes last is the operator's then, but for what this copy needed.

    Returns:
        What the target's description says otherwise after that, one sentence each.
    """
    found = properties_of(cluster, plan.name)
    last = properties.at_the_end(plan)
    if handed_over:
        last = {key: last[key] for key in properties.for_the_copy(plan) if key in last}
    if missing := {key: value for key, value in last.items() if found.get(key) != value}:
        alter(cluster, plan.name, {**missing})
        crashpoints.reached("properties_altered")
    if surplus := properties.to_remove(plan, found):
        alter(cluster, plan.name, remove=surplus)
        crashpoints.reached("properties_altered")
    return differences(cluster, plan, settled=not handed_over)


def unsettled(cluster: Cluster, plan: CollectionPlan) -> tuple[str, ...]:
    """What of that which comes last is not as on the source, one sentence each; nothing is changed."""
    found = properties_of(cluster, plan.name)
    present = aliases(cluster, plan.name)
    return (
        *properties.late_differences(plan, found),
        *(f"alias “{alias}” is missing" for alias in plan.aliases if alias not in present),
    )


def alter(
    cluster: Cluster,
    collection: str,
    changes: Mapping[str, str] | None = None,
    *,
    remove: Iterable[str] = (),
) -> None:
    """Sets properties of a collection, or removes them; a server takes one of the two in a call."""
    request = milvus_pb2.AlterCollectionRequest(
        db_name=cluster.database,
        collection_name=collection,
        properties=_key_values(changes or {}),
        delete_keys=remove,
    )
    cluster.call("AlterCollection", request)


def _placement_differences(described: Any, plan: CollectionPlan) -> Iterable[str]:
    level = ConsistencyLevel.Name(described.consistency_level)
    if level != plan.consistency_level:
        yield f"consistency level is {level}, not {plan.consistency_level}"
    if described.shards_num != plan.shards:
        yield f"shards are {described.shards_num}, not {plan.shards}"
    if plan.partition_key and described.num_partitions != plan.num_partitions:
        yield f"partitions are {described.num_partitions}, not {plan.num_partitions}"


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
        extra_params=_key_values(indexing.creation_params(index, lite=cluster.is_lite)),
    )
    cluster.call("CreateIndex", request)


def _made(
    cluster: Cluster,
    rpc: str,
    request: Any,
    stands: Callable[[], bool],
    again: Callable[[], bool] = lambda: True,
) -> None:
    """Makes or drops something.

    Args:
        cluster: Where.
        rpc: By which call.
        request: Its request.
        stands: Whether that is done: a server refuses it then, after a call whose answer was lost.
        again: Whether a call that was lost may be made once more.
    """
    calls = 0

    def make() -> None:
        nonlocal calls
        calls += 1
        if calls == 1 or again():
            cluster.once_and_for_all(rpc, request)

    try:
        cluster.repeat(make)
    except MilvusRefused:
        if not stands():
            raise


def _pairs(items: Iterable[Any]) -> dict[str, str]:
    return {item.key: item.value for item in sorted(items, key=lambda item: str(item.key))}


def _key_values(pairs: Mapping[str, str]) -> list[Any]:
    return [common_pb2.KeyValuePair(key=key, value=value) for key, value in pairs.items()]
