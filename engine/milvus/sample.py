"""Generated collections for the demo, the tests and the benchmark: deterministic by seed, streamed in bounded memory.

It only ever writes to the server that it is given, and is no part of a migration.
"""

import time
from collections.abc import Callable

import grpc
from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

_RECONNECT = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]


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
