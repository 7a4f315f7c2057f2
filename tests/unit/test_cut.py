"""A connection that is cut: calls under way end, later ones fail at once, until it is mended; on a gRPC server of the test."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from pymilvus.grpc_gen import milvus_pb2

from engine.errors import ServiceUnavailable
from engine.milvus.connection import Cluster, connect
from engine.model import Endpoint

HANGS = "HasCollection"


class _Server(grpc.GenericRpcHandler):
    """Answers every call with an empty message, but never the one that hangs."""

    def __init__(self) -> None:
        self.taken = threading.Event()
        self.over = threading.Event()

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler:
        """Called by grpc for each call."""
        hangs = handler_call_details.method.endswith(HANGS)

        def answer(_request: bytes, _context: grpc.ServicerContext) -> bytes:
            if hangs:
                self.taken.set()
                self.over.wait(30)
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def hanging() -> Iterator[tuple[Cluster, _Server]]:
    """An open cluster whose server takes one kind of call and never answers it."""
    handler = _Server()
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with connect(Endpoint(name="hanging", uri=f"http://127.0.0.1:{port}"), "") as cluster:
        yield cluster, handler
    handler.over.set()
    server.stop(grace=None).wait()


def test_a_cut_ends_what_hangs(hanging: tuple[Cluster, _Server]) -> None:
    """The call under way fails as unavailable, so does each later one, at once; after the mending calls are answered again."""
    cluster, server = hanging
    failures: list[ServiceUnavailable] = []

    def call() -> None:
        try:
            cluster.once(HANGS, milvus_pb2.HasCollectionRequest())
        except ServiceUnavailable as failure:
            failures.append(failure)

    thread = threading.Thread(target=call)
    thread.start()
    assert server.taken.wait(30)
    cluster.cut()
    thread.join(10)
    assert len(failures) == 1
    started = time.monotonic()
    with pytest.raises(ServiceUnavailable, match="when the migration was stopped"):
        cluster.once("GetVersion", milvus_pb2.GetVersionRequest())
    assert time.monotonic() - started < 10  # of the 60 that a call may take
    cluster.cut()
    cluster.mend()
    assert cluster.once("GetVersion", milvus_pb2.GetVersionRequest()).version == ""
    cluster.mend()
    assert cluster.once("GetVersion", milvus_pb2.GetVersionRequest()).version == ""
