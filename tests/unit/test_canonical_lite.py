"""A page that went through a Milvus Lite server has the digest of what was sent."""

from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import numpy as np
import pytest
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

from bot.demo.clusters import Server
from engine.milvus.canonical import canonical_columns
from engine.milvus.client import preparing_client
from engine.proof.comparison import explain, keyed_rows
from engine.proof.digest import ContentDigest
from tests.beds.forks import Forks

SCALARS: dict[str, tuple[DataType, str, list[Any]]] = {
    "flag": (DataType.BOOL, "bool_data", [True, False, None]),
    "tiny": (DataType.INT8, "int_data", [-128, None, 0]),
    "small": (DataType.INT16, "int_data", [None, 300, 0]),
    "int": (DataType.INT32, "int_data", [-(2**31), 0, None]),
    "long": (DataType.INT64, "long_data", [2**63 - 1, None, -(2**63)]),
    "single": (DataType.FLOAT, "float_data", [float("nan"), -0.0, None]),
    "double": (DataType.DOUBLE, "double_data", [float("-inf"), 5e-324, None]),
    "text": (DataType.VARCHAR, "string_data", ['"\\\n', "", None]),
    "document": (
        DataType.JSON,
        "json_data",
        [b'{"b":[1,1.0,null],"a":{"z":"\xc3\xa9","big":12345678901234567890}}', b"[]", None],
    ),
    "when": (
        DataType.TIMESTAMPTZ,
        "string_data",
        ["2025-05-01T23:59:59.000001+08:00", "1969-12-31T23:59:59Z", None],
    ),
    "where": (
        DataType.GEOMETRY,
        "geometry_wkt_data",
        ["POINT (1 2)", "point(-0.5 1e3)", None],
    ),
}
ARRAYS: dict[str, tuple[DataType, str, list[Any]]] = {
    "tinies": (DataType.INT8, "int_data", [[1, -1], [], None]),
    "longs": (DataType.INT64, "long_data", [[2**62], None, []]),
    "singles": (DataType.FLOAT, "float_data", [[-0.0, 1.5], [], None]),
    "texts": (DataType.VARCHAR, "string_data", [["a", ""], ["ab"], None]),
}
KEYS = [1, 2, 3]


def new_column(name: str, type_: int, values: Sequence[Any]) -> tuple[Any, list[Any]]:
    """A column with its marks, and the values that are not null (Milvus wants inserts to hold only those)."""
    field = schema_pb2.FieldData(field_name=name, type=type_)
    field.valid_data.extend(value is not None for value in values)
    return field, [value for value in values if value is not None]


def sent_columns() -> list[Any]:
    """The columns of the insert: every type that Milvus Lite has, with nulls."""
    key = schema_pb2.FieldData(field_name="id", type=DataType.INT64)
    key.scalars.long_data.data.extend(KEYS)
    vector = schema_pb2.FieldData(field_name="vector", type=DataType.FLOAT_VECTOR)
    vector.vectors.dim = 2
    vector.vectors.float_vector.data.extend([-0.0, 1.5, 3e38, 1e-45, 0.1, 0.0])
    sparse = schema_pb2.FieldData(field_name="sparse", type=DataType.SPARSE_FLOAT_VECTOR)
    for pairs in ([[1, 0x3F800000]], [[0, 0x3F000000], [70000, 0x40000000]], [[7, 0x3DCCCCCD]]):
        sparse.vectors.sparse_float_vector.contents.append(np.array(pairs, "<u4").tobytes())
    meta = schema_pb2.FieldData(field_name="$meta", type=DataType.JSON, is_dynamic=True)
    meta.scalars.json_data.data.extend([b'{"b":1,"a":1.0}', b"{}", b'{"none":null,"list":[1,"2"]}'])
    columns = [key, vector, sparse, meta]
    for name, (type_, slot, values) in SCALARS.items():
        column, present = new_column(name, type_, values)
        getattr(column.scalars, slot).data.extend(present)
        columns.append(column)
    for name, (element, slot, values) in ARRAYS.items():
        column, present = new_column(name, DataType.ARRAY, values)
        column.scalars.array_data.element_type = element
        for value in present:
            getattr(column.scalars.array_data.data.add(), slot).data.extend(value)
        columns.append(column)
    return columns


def create(client: MilvusClient) -> None:
    """The collection `all` with every type."""
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    for name, (type_, _, _) in SCALARS.items():
        schema.add_field(name, type_, nullable=True, max_length=100)
    for name, (element, _, _) in ARRAYS.items():
        schema.add_field(
            name,
            DataType.ARRAY,
            nullable=True,
            element_type=element,
            max_capacity=9,
            max_length=100,
        )
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="FLAT", metric_type="L2")
    indexes.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection("all", schema=schema, index_params=indexes)


def query(stub: Any, names: Sequence[str]) -> list[Any]:
    """The columns of the answer to a raw query for all entities."""
    request = milvus_pb2.QueryRequest(collection_name="all", expr="id >= 0", output_fields=names)
    for key, value in (("limit", "100"), ("iterator", "True"), ("reduce_stop_for_best", "True")):
        request.query_params.append(common_pb2.KeyValuePair(key=key, value=value))
    answer = stub.Query(request)
    assert answer.status.code == 0, answer.status
    return list(answer.fields_data)


@pytest.fixture(scope="module")
def server(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One Milvus Lite server for this file: starting it is what costs time."""
    directory = tmp_path_factory.mktemp("lite")
    with forks.lite(directory / "data", log=directory / "lite.log") as started:
        yield started.wait()


@pytest.fixture
def stub(server: Server) -> Iterator[Any]:
    """Raw calls to the server, which holds the collection, empty."""
    client = preparing_client(server.uri)
    client.drop_collection("all")
    create(client)
    with grpc.insecure_channel(server.uri.removeprefix("http://")) as channel:
        yield milvus_pb2_grpc.MilvusServiceStub(channel)
    client.close()


def test_what_a_server_answers_has_the_digest_of_what_was_sent(stub: Any) -> None:
    """Every type with nulls, NaN, -0.0, big numbers and quotes, however the server encodes them; then passed through."""
    sent = sent_columns()
    names = [column.field_name for column in sent]
    expected = canonical_columns(sent, len(KEYS))
    for columns in (sent, None):
        insert = milvus_pb2.InsertRequest(
            collection_name="all", fields_data=columns or query(stub, names), num_rows=len(KEYS)
        )
        answer = stub.Insert(insert)
        assert answer.status.code == 0, answer.status
        received = canonical_columns(query(stub, names), len(KEYS))
        assert list(explain(keyed_rows(KEYS, expected), keyed_rows(KEYS, received))) == []
        digests = [ContentDigest(), ContentDigest()]
        digests[0].add(expected)
        digests[1].add(received)
        assert digests[0] == digests[1]


def test_one_changed_value_on_the_server_is_named(stub: Any) -> None:
    """A list inside the dynamic field changes its order; nothing else does."""
    sent = sent_columns()
    names = [column.field_name for column in sent]
    expected = canonical_columns(sent, len(KEYS))
    sent[3].scalars.json_data.data[2] = b'{"none":null,"list":["2",1]}'
    stub.Insert(
        milvus_pb2.InsertRequest(collection_name="all", fields_data=sent, num_rows=len(KEYS))
    )
    received = canonical_columns(query(stub, names), len(KEYS))
    (finding,) = explain(keyed_rows(KEYS, expected), keyed_rows(KEYS, received))
    assert (finding.pk, str(finding.kind), finding.fields) == (3, "different", ("$meta",))
