"""Sample collections for the demo and the tests, and the wait for a server that has just been started.

It only ever writes to the server that it is given, and is no part of a migration. Values come from `sample_values.py`, bulk data
for measuring from `sample_bulk.py`.
"""

import itertools
import time
from collections.abc import Callable, Iterable

import grpc
from pymilvus import CollectionSchema, DataType, Function, FunctionType, MilvusClient

from engine.milvus.client import preparing_client
from engine.milvus.grpc_gen import milvus_pb2, milvus_pb2_grpc
from engine.milvus.sample_values import Row, articles, documents, events, products

PARTITIONS = ("archive", "year_2025", "year_2026")
ALIAS = "documents_current"
INSERT_ROWS = 2_000

_RECONNECT = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]


def fill(
    uri: str,
    *,
    seed: int = 7,
    scale: float = 1.0,
    modern: bool = True,
    flushed: bool = False,
    database: str = "default",
) -> dict[str, int]:
    """Makes the sample collections, fills and loads them.

    `products` (10,000 × 128-d, HNSW, INT64 keys), `documents` (awkward VARCHAR keys, partitions, an alias), `events` (JSON, arrays,
    dynamic field), and `articles` (BM25 over a text) where the server has it, else `ports` (a partition key and a binary vector).

    Args:
        uri: Of the server.
        seed: Equal seeds make equal collections.
        scale: Multiplies the entities; 1.0 makes 16,500.
        modern: False for a server older than 2.5: no functions, nulls or default values. Milvus 2.3.5 drops nullable silently and
            leaves half a collection behind where it does not know a field type.
        flushed: Whether they are flushed: Milvus Lite reads them three times as fast then, and searches them by their index.
        database: Where to make them; it must exist.

    Returns:
        Entities by collection.
    """
    client = preparing_client(uri, db_name=database)
    try:
        made = {
            "products": _products(client, int(10_000 * scale), seed),
            "documents": _documents(client, int(3_000 * scale), seed + 1),
            "events": _events(client, int(2_000 * scale), seed + 2, nulls=modern),
        }
        if modern:
            made["articles"] = _articles(client, int(1_500 * scale), seed + 3)
        else:
            made["ports"] = _ports(client, int(1_500 * scale), seed + 3)
        for name in made if flushed else ():
            client.flush(name)
        return made
    finally:
        client.close()


def _products(client: MilvusClient, count: int, seed: int) -> int:
    schema = _schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=128)
    schema.add_field("name", DataType.VARCHAR, max_length=200)
    schema.add_field("price", DataType.DOUBLE)
    schema.add_field("in_stock", DataType.BOOL)
    hnsw = {
        "index_type": "HNSW",
        "metric_type": "COSINE",
        "params": {"M": 16, "efConstruction": 100},
    }
    _create(client, "products", schema, embedding=hnsw)
    return _insert(client, "products", products(count, seed=seed))


def _documents(client: MilvusClient, count: int, seed: int) -> int:
    schema = _schema()
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=200)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=64)
    schema.add_field("title", DataType.VARCHAR, max_length=200)
    flat = {"index_type": "FLAT", "metric_type": "IP", "params": {}}
    _create(client, "documents", schema, embedding=flat)
    rows = documents(count, seed=seed)
    share = count // (len(PARTITIONS) + 1)  # the rest goes to the default partition
    made = 0
    for partition in PARTITIONS:
        client.create_partition("documents", partition)
        made += _insert(client, "documents", itertools.islice(rows, share), partition)
    made += _insert(client, "documents", rows)
    client.create_alias("documents", ALIAS)
    return made


def _events(client: MilvusClient, count: int, seed: int, *, nulls: bool) -> int:
    optional = {"nullable": True} if nulls else {}
    default = {"default_value": 5} if nulls else {}
    text = {"element_type": DataType.VARCHAR, "max_capacity": 8, "max_length": 40}
    schema = _schema(dynamic=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=32)
    schema.add_field("payload", DataType.JSON, **optional)
    schema.add_field("tags", DataType.ARRAY, **text, **optional)
    schema.add_field("readings", DataType.ARRAY, element_type=DataType.FLOAT, max_capacity=8)
    schema.add_field("priority", DataType.INT32, **default)
    schema.add_field("region", DataType.VARCHAR, max_length=40, **optional)
    ivf = {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 32}}
    _create(client, "events", schema, embedding=ivf)
    return _insert(client, "events", events(count, seed=seed, nulls=nulls))


def _articles(client: MilvusClient, count: int, seed: int) -> int:
    schema = _schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("title", DataType.VARCHAR, max_length=100)
    schema.add_field(
        "text", DataType.VARCHAR, max_length=2_000, enable_analyzer=True, enable_match=True
    )
    schema.add_field("keywords", DataType.SPARSE_FLOAT_VECTOR)
    bm25 = Function(
        name="text_bm25",
        function_type=FunctionType.BM25,
        input_field_names=["text"],
        output_field_names=["keywords"],
    )
    schema.add_function(bm25)
    params = {"bm25_k1": 1.2, "bm25_b": 0.75}
    inverted = {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "BM25", "params": params}
    _create(client, "articles", schema, keywords=inverted)
    return _insert(client, "articles", articles(count, seed=seed))


def _ports(client: MilvusClient, count: int, seed: int) -> int:
    schema = _schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("country", DataType.VARCHAR, max_length=40, is_partition_key=True)
    schema.add_field("fingerprint", DataType.BINARY_VECTOR, dim=128)
    flat = {"index_type": "BIN_FLAT", "metric_type": "HAMMING", "params": {}}
    _create(client, "ports", schema, partitions=7, fingerprint=flat)
    rows: Iterable[Row] = (
        {
            "id": row["id"],
            "country": f"country {row['id'] % 12}",
            "fingerprint": row["embedding"].tobytes(),
        }
        for row in products(count, seed=seed, dim=4)
    )
    return _insert(client, "ports", rows)


def _schema(*, dynamic: bool = False) -> CollectionSchema:
    return MilvusClient.create_schema(auto_id=False, enable_dynamic_field=dynamic)


def _create(
    client: MilvusClient,
    name: str,
    schema: CollectionSchema,
    *,
    partitions: int | None = None,
    **indexes: Row,
) -> None:
    """Creates a collection with an index for each named field and loads it."""
    params = client.prepare_index_params()
    for field, index in indexes.items():
        params.add_index(field, index_name=f"{field}_index", **index)
    extra = {"num_partitions": partitions} if partitions else {}
    client.create_collection(name, schema=schema, index_params=params, **extra)


def _insert(client: MilvusClient, name: str, rows: Iterable[Row], partition: str = "") -> int:
    """Inserts the rows in batches and returns how many there were."""
    remaining, total = iter(rows), 0
    while batch := list(itertools.islice(remaining, INSERT_ROWS)):
        client.insert(name, batch, partition_name=partition)
        total += len(batch)
    return total


def answers(uri: str, timeout_seconds: float, *, alive: Callable[[], bool]) -> bool:
    """Whether the server answers a real call within the time.

    A listening port is not enough: Milvus opens it seconds before it accepts calls.

    Args:
        uri: `http://host:port`.
        timeout_seconds: How long to try.
        alive: Asked between two tries; False ends the wait.
    """
    deadline = time.monotonic() + timeout_seconds
    with grpc.insecure_channel(uri.removeprefix("http://"), options=_RECONNECT) as channel:
        stub = milvus_pb2_grpc.MilvusServiceStub(channel)
        while alive() and time.monotonic() < deadline:
            if _lists_collections(stub):
                return True
    return False


def _lists_collections(stub: milvus_pb2_grpc.MilvusServiceStub) -> bool:
    """One try, of at most a second."""
    try:
        request = milvus_pb2.ShowCollectionsRequest()
        status = stub.ShowCollections(request, timeout=1, wait_for_ready=True).status
    except grpc.RpcError:
        return False
    return bool(status.code == 0 and status.error_code == 0)
