"""What a worker loads: pymilvus's generated messages without its client, which still loads for who wants it; and how gRPC reads."""

import os
import subprocess
import sys

import pytest

WORKER_FIRST = """
import sys
import engine.verbs, engine.worker
assert "pymilvus" not in sys.modules and "pandas" not in sys.modules
from pymilvus import MilvusClient
from pymilvus.grpc_gen import milvus_pb2
from engine.milvus import grpc_gen
assert grpc_gen.milvus_pb2 is milvus_pb2
"""
CLIENT_FIRST = """
from pymilvus import MilvusClient
from pymilvus.grpc_gen import milvus_pb2
import engine.verbs
from engine.milvus import grpc_gen
assert grpc_gen.milvus_pb2 is milvus_pb2
"""


@pytest.mark.parametrize(
    "order", [WORKER_FIRST, CLIENT_FIRST], ids=["the worker first", "the client first"]
)
def test_a_worker_loads_no_client_and_shares_its_messages_with_one(order: str) -> None:
    """In either order the messages are the same classes; a worker alone loads neither pymilvus's client nor pandas."""
    ended = subprocess.run(
        [sys.executable, "-c", order], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


CALL = """
import os
from engine.errors import ServiceUnavailable
from engine.milvus.connection import connect
from engine.model import Endpoint
try:
    connect(Endpoint(name="nobody", uri="http://127.0.0.1:9"), "")
except ServiceUnavailable:
    print(os.environ["GRPC_EXPERIMENTS"])
"""


@pytest.mark.parametrize(
    ("given", "used"), [({}, "-event_engine_client"), ({"GRPC_EXPERIMENTS": ""}, "")]
)
def test_grpc_knows_the_poller_that_it_is_told_to_use(given: dict[str, str], used: str) -> None:
    """The version of gRPC in use says nothing about it, and whoever set something else keeps that."""
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_EXPERIMENTS"}
    ended = subprocess.run(
        [sys.executable, "-c", CALL],
        capture_output=True,
        text=True,
        check=False,
        env=environment | given,
    )
    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, used, "")
