"""A small server that answers queries as Milvus does, or as a test says, for tests of what reads pages from it."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from engine.milvus.connection import Cluster, connect
from engine.milvus.pages import CollectionReader
from engine.model import Endpoint

KEYS = range(200)


class Small(grpc.GenericRpcHandler):
    """Answers queries for the entities of `KEYS` in the order of their keys, as a Milvus server does.

    Attributes:
        asked: The limit of each query.
        params: The names of all parameters that were sent.
        points: The consistency level and the timestamp of each query.
        counts: What `count(*)` answers, one after the other.
        entities_max: An answer of more is too large for one message.
        page_max: No answer has more, whatever was asked for: a short page is not the end.
        answers: Says by the number of the query (from 1) what is answered in the place of its page.
        refused: What is answered to calls other than queries.
        calls: These, with their requests.
    """

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.params: set[str] = set()
        self.points: set[tuple[int, int]] = set()
        self.entities_max = self.page_max = len(KEYS)
        self.counts: deque[int] = deque()
        self.answers: Callable[[int], milvus_pb2.QueryResults | None] = lambda _number: None
        self.refused = common_pb2.Status()
        self.calls: list[tuple[str, bytes]] = []

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler:
        """Called by grpc for each call."""
        rpc = handler_call_details.method.rpartition("/")[2]
        answered = self._page if rpc == "Query" else partial(self._other, rpc)
        return grpc.unary_unary_rpc_method_handler(answered)

    def _other(self, rpc: str, request: bytes, _context: grpc.ServicerContext) -> bytes:
        self.calls.append((rpc, request))
        # The status is the first field of all of these answers.
        return bytes(milvus_pb2.MutationResult(status=self.refused).SerializeToString())

    def _page(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = milvus_pb2.QueryRequest.FromString(request)
        self.points.add((asked.consistency_level, asked.guarantee_timestamp))
        if list(asked.output_fields) == ["count(*)"]:
            return bytes(page_of([self.counts.popleft()]).SerializeToString())
        params = {pair.key: pair.value for pair in asked.query_params}
        self.params |= params.keys()
        self.asked.append(int(params["limit"]))
        instead = self.answers(len(self.asked))
        if instead is not None:
            return bytes(instead.SerializeToString())
        lower, upper = (re.search(rf"id {sign} (\d+)", asked.expr) for sign in (">", "<="))
        first, last = int(lower[1]) + 1 if lower else 0, int(upper[1]) if upper else KEYS[-1]
        limit = min(self.asked[-1], self.page_max)
        keys = [key for key in KEYS if first <= key <= last][:limit]
        if len(keys) > self.entities_max and "text" in asked.output_fields:
            context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "grpc: trying to send message larger than max"
            )
        return bytes(page_of(keys).SerializeToString())


def page_of(keys: list[int]) -> milvus_pb2.QueryResults:
    """A page of entities that are a key each."""
    answer = milvus_pb2.QueryResults()
    column = answer.fields_data.add(field_name="id", type=schema_pb2.DataType.Int64)
    column.scalars.long_data.data.extend(keys)
    return answer


def refusal(code: int) -> milvus_pb2.QueryResults:
    """What a server answers that does not want to."""
    return milvus_pb2.QueryResults(status=common_pb2.Status(code=code, reason="no"))


@contextmanager
def small_server() -> Iterator[tuple[Small, Cluster]]:
    """The server, and an open cluster of it that reads at the pace of a `Flow`."""
    handler = Small()
    listening = grpc.server(ThreadPoolExecutor(4))
    listening.add_generic_rpc_handlers((handler,))
    port = listening.add_insecure_port("127.0.0.1:0")
    listening.start()
    with connect(Endpoint(name="small", uri=f"http://127.0.0.1:{port}"), "") as cluster:
        yield handler, cluster
    listening.stop(grace=None).wait()


def reader_of(cluster: Cluster) -> CollectionReader:
    """Reads whole entities."""
    return CollectionReader(cluster, "c", "id", ("id", "text"), timestamp=1)
