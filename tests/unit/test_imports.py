"""What a worker loads: pymilvus's generated messages without its client, and the client still loads for who wants it."""

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
