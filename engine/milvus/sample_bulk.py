"""Bulk data for measuring: many entities with large vectors, sent as protobuf columns so that making them takes seconds.

Memory does not grow with the count: one request is built at a time. It only ever writes to the server that it is given.
"""

import json
from collections.abc import Iterable
from typing import Any, Literal

import grpc
import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient

from engine.milvus.client import preparing_client
from engine.milvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2
from engine.milvus.sample_values import vectors

KeyType = Literal["INT64", "VARCHAR"]
Numbers = NDArray[np.int64]

REQUEST_ROWS = 2_000
"""Entities per insert request: 6 MB at 768-d, within the 64 MB that servers take."""


def fill_vectors(
    uri: str,
    name: str,
    count: int,
    dim: int,
    key_type: KeyType = "INT64",
    *,
    segments: int = 1,
    seed: int = 7,
) -> None:
    """Makes and loads a collection of key, float vector, VARCHAR, JSON and dynamic field.

    Args:
        uri: Of the server.
        name: Of the collection; it must not be there.
        count: How many entities.
        dim: Of the vectors.
        key_type: VARCHAR keys are plain ones: `query_iterator`, which is measured beside Ferry, never ends on awkward keys.
        segments: How many sealed segments at least: the data is flushed this often. Keys are spread over all of them, so that no
            segment holds a range of its own.
        seed: Equal seeds make equal entities.

    Raises:
        ConnectionError: The server refused a request.
    """
    client = preparing_client(uri)
    try:
        _create(client, name, dim, key_type)
        with grpc.insecure_channel(uri.removeprefix("http://")) as channel:
            stub = milvus_pb2_grpc.MilvusServiceStub(channel)
            for segment in range(segments):
                numbers = np.arange(segment, count, segments)
                for start in range(0, len(numbers), REQUEST_ROWS):
                    batch = numbers[start : start + REQUEST_ROWS]
                    _send(stub, name, batch, _columns(batch, dim, key_type, seed))
                client.flush(name)
        client.create_index(name, _index(client))
        client.load_collection(name)
    finally:
        client.close()


def _create(client: MilvusClient, name: str, dim: int, key_type: KeyType) -> None:
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
    length = {"max_length": 100} if key_type == "VARCHAR" else {}
    schema.add_field("id", DataType[key_type], is_primary=True, **length)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=dim)
    schema.add_field("title", DataType.VARCHAR, max_length=200)
    schema.add_field("payload", DataType.JSON)
    client.create_collection(name, schema=schema)


def _index(client: MilvusClient) -> Any:
    """FLAT: the servers' CPU goes to moving data, which is what is measured, not to building a graph."""
    params = client.prepare_index_params()
    params.add_index(
        "embedding", index_type="FLAT", metric_type="L2", index_name="embedding_index", params={}
    )
    return params


def _send(
    stub: milvus_pb2_grpc.MilvusServiceStub,
    name: str,
    numbers: Numbers,
    columns: list[schema_pb2.FieldData],
) -> None:
    request = milvus_pb2.InsertRequest(
        collection_name=name,
        fields_data=columns,
        num_rows=len(numbers),
        base=common_pb2.MsgBase(msg_type=common_pb2.MsgType.Insert),
    )
    status = stub.Insert(request, timeout=120).status
    if status.code or status.error_code:
        raise ConnectionError(f"{name}: the server refused an insert: {status.reason}")


def _columns(
    numbers: Numbers, dim: int, key_type: KeyType, seed: int
) -> list[schema_pb2.FieldData]:
    """The columns of the entities with these numbers."""
    listed = [int(number) for number in numbers]
    vector = schema_pb2.VectorField(dim=dim)
    vector.float_vector.data.extend(vectors(len(listed), dim, seed + listed[0]).ravel().tolist())
    titles = (f"Entity number {number} of a benchmark" for number in listed)
    payloads = (json.dumps({"number": number, "half": number / 2}) for number in listed)
    dynamic = (json.dumps({"shelf": number % 97, "checked": number % 2 == 0}) for number in listed)
    return [
        _key_column(listed, key_type),
        schema_pb2.FieldData(field_name="embedding", type=DataType.FLOAT_VECTOR, vectors=vector),
        _scalar("title", DataType.VARCHAR, string_data=schema_pb2.StringArray(data=titles)),
        _scalar("payload", DataType.JSON, json_data=_json(payloads)),
        _scalar("$meta", DataType.JSON, json_data=_json(dynamic), is_dynamic=True),
    ]


def _key_column(numbers: list[int], key_type: KeyType) -> schema_pb2.FieldData:
    if key_type == "INT64":
        return _scalar("id", DataType.INT64, long_data=schema_pb2.LongArray(data=numbers))
    keys = schema_pb2.StringArray(data=(f"entity-{number:09}" for number in numbers))
    return _scalar("id", DataType.VARCHAR, string_data=keys)


def _json(texts: Iterable[str]) -> schema_pb2.JSONArray:
    return schema_pb2.JSONArray(data=(text.encode() for text in texts))


def _scalar(
    name: str, kind: DataType, *, is_dynamic: bool = False, **array: Any
) -> schema_pb2.FieldData:
    scalars = schema_pb2.ScalarField(**array)
    return schema_pb2.FieldData(field_name=name, type=kind, scalars=scalars, is_dynamic=is_dynamic)
