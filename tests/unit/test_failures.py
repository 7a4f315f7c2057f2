"""From a server's words to Ferry's failure tree: one row for each thing that servers say."""

import math
from dataclasses import dataclass

import grpc
import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from bot.demo.clusters import free_ports
from engine.errors import FerryError, NotPermitted, ServiceUnavailable, Throttled
from engine.milvus.connection import Cluster
from engine.milvus.failures import (
    CallLost,
    MessageTooLarge,
    MilvusRefused,
    from_grpc,
    from_status,
    may_be_an_entitys,
    not_loaded,
)
from engine.model import Endpoint

Code = grpc.StatusCode
RETRIABLE = 1 << 16
"""Milvus 2.3.0 to 2.3.2 set this bit in the codes of failures that may be tried again (merr, `retryableFlag`)."""
DELEGATOR = (
    "failed to search/query delegator 1 for channel c: fail to Query, QueryNode ID = 1, reason="
)
WAITED = "failed to search/query delegator 1 for channel c: fail to Query: delegator closed during wait tsafe: "
"""How 2.3.5 begins what it says of a query that was under way when its collection was released; the code is 65535."""
INPUT = {"is_input_error": "true"}
"""How Milvus marks a status from 2.4 on, where the request itself is at fault."""


@dataclass
class Failed(grpc.RpcError):
    """A failed call as grpc raises it: an exception that is also a call."""

    status: grpc.StatusCode
    said: str | None = ""

    def code(self) -> grpc.StatusCode:
        """As `grpc.Call.code`."""
        return self.status

    def details(self) -> str | None:
        """As `grpc.Call.details`."""
        return self.said


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (Failed(Code.UNAVAILABLE, "connection refused"), CallLost),
        (Failed(Code.DEADLINE_EXCEEDED), CallLost),
        (Failed(Code.ABORTED), CallLost),
        (Failed(Code.CANCELLED), CallLost),
        (Failed(Code.UNKNOWN, None), CallLost),
        (Failed(Code.INTERNAL, "stream reset"), CallLost),
        (Failed(Code.RESOURCE_EXHAUSTED, "too many"), Throttled),
        (
            Failed(Code.RESOURCE_EXHAUSTED, "received message larger than max (9 vs 4)"),
            MessageTooLarge,
        ),
        (Failed(Code.UNAUTHENTICATED, "auth check failure"), NotPermitted),
        (Failed(Code.PERMISSION_DENIED), NotPermitted),
        (Failed(Code.UNIMPLEMENTED), MilvusRefused),
        (Failed(Code.INVALID_ARGUMENT), MilvusRefused),
    ],
)
def test_a_failed_call(failed: Failed, expected: type[FerryError]) -> None:
    """Each gRPC status has its place in the tree, and the text names the cluster and the call."""
    told = from_grpc(failed, "Query", "prod-eu", 7.0)
    assert type(told) is expected
    assert "prod-eu" in told.message
    assert "Query" in told.message


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"code": 1, "reason": "service not ready"}, ServiceUnavailable),
        ({"code": 1 | RETRIABLE, "reason": "service not ready"}, ServiceUnavailable),
        ({"code": 2, "reason": "service unavailable"}, ServiceUnavailable),
        ({"error_code": 59, "reason": "not ready"}, ServiceUnavailable),
        ({"code": 3, "reason": "memory limit exceeded"}, Throttled),
        ({"code": 4, "reason": "too many concurrent requests"}, Throttled),
        ({"code": 7, "reason": "disk limit exceeded"}, Throttled),
        ({"code": 8, "reason": "rate limit exceeded"}, Throttled),
        ({"code": 8 | RETRIABLE, "reason": "rate limit exceeded"}, Throttled),
        ({"code": 9, "reason": "quota exceeded"}, Throttled),
        ({"code": 12, "reason": "resource insufficient"}, Throttled),
        ({"error_code": 49, "reason": "rate limit"}, Throttled),
        ({"code": 11, "reason": "time tick long delay"}, Throttled),
        ({"code": 103, "reason": "collection not fully loaded"}, ServiceUnavailable),
        ({"code": 106, "reason": "collection on recovering"}, ServiceUnavailable),
        ({"code": 503, "reason": "channel not available"}, ServiceUnavailable),
        ({"code": 901, "reason": "node not found"}, ServiceUnavailable),
        ({"code": 2200, "reason": "inconsistent", "retriable": True}, ServiceUnavailable),
        ({"code": 2200 | RETRIABLE, "reason": "inconsistent"}, ServiceUnavailable),
        ({"code": 10000, "reason": "context canceled"}, ServiceUnavailable),
        ({"code": 10001, "reason": "context deadline exceeded"}, ServiceUnavailable),
        ({"code": 65535, "reason": f"{DELEGATOR}channel not found[channel=c]"}, ServiceUnavailable),
        (
            {"code": 65535, "reason": f"{WAITED}channel not available[channel=c]"},
            ServiceUnavailable,
        ),
        ({"code": 65535, "retriable": True, "extra_info": INPUT}, MilvusRefused),
        ({"code": 1102, "reason": "insert request size exceeds maxInsertSize"}, MessageTooLarge),
        ({"code": 100, "reason": "collection not found"}, MilvusRefused),
        ({"code": 1100, "reason": "invalid parameter"}, MilvusRefused),
        ({"code": 65535, "reason": "message larger than max"}, MessageTooLarge),
        ({"code": 65535, "reason": "query results exceed the limit size"}, MessageTooLarge),
        ({"code": 2200, "reason": "query results exceed the maxOutputSize Limit"}, MessageTooLarge),
        ({"code": 65535, "reason": "permission: denied to u"}, NotPermitted),
        ({"error_code": 1, "reason": "unexpected"}, MilvusRefused),
        ({"code": 65535}, MilvusRefused),
    ],
)
def test_a_refused_call(status: dict[str, object], expected: type[FerryError]) -> None:
    """Each code of an answer has its place in the tree; the older and the newer way to say it count alike."""
    told = from_status(common_pb2.Status(**status), "Insert", "prod-eu")
    assert type(told) is expected
    assert "prod-eu" in str(told)
    assert "Insert" in str(told)


def test_a_success_is_no_failure() -> None:
    """An empty status is a success."""
    assert from_status(common_pb2.Status(), "Insert", "prod-eu") is None


def test_the_server_code_is_kept() -> None:
    """A refusal carries Milvus's own number, without the flag that some versions add."""
    for code in (100, 100 | RETRIABLE):
        told = from_status(
            common_pb2.Status(code=code, reason="collection not found"), "Query", "c"
        )
        assert isinstance(told, MilvusRefused)
        assert told.server_code == 100


@pytest.mark.parametrize(
    ("reason", "released"),
    [
        ("partition not loaded[partition=[4707]]", True),
        ("collection not loaded[collection=4707]", True),
        ("there is no text “collection not loaded” in it", False),
    ],
)
def test_a_wrapped_refusal_has_its_own_code(reason: str, *, released: bool) -> None:
    """What a query under way is told when its collection is released is known for that, though it has the code of anything."""
    status = common_pb2.Status(code=65535, reason=f"{DELEGATOR}{reason}")
    told = from_status(status, "Query", "c")
    assert told is not None
    assert not_loaded(told) is released


@pytest.mark.parametrize(
    ("status", "certain"),
    [
        ({"code": 1100, "reason": "invalid parameter"}, True),
        ({"code": 100, "reason": "collection not found"}, True),
        ({"code": 65535, "reason": "not a number", "extra_info": INPUT}, True),
        ({"code": 65535, "reason": "unexpected"}, False),
        ({"code": 5, "reason": "internal"}, False),
        ({"code": 65535, "reason": "message larger than max"}, False),
    ],
)
def test_only_what_was_refused_at_the_door_changed_nothing(
    status: dict[str, object], *, certain: bool
) -> None:
    """A refusal says that the call changed nothing where the server found the fault before it did anything, and else does not."""
    told = from_status(common_pb2.Status(**status), "Insert", "prod-eu")
    assert isinstance(told, MilvusRefused | MessageTooLarge)
    assert told.certain is certain
    assert ("changed nothing" in told.state) is certain


@pytest.mark.parametrize("status", [0, 1, 3, 8, 100, 65535])
def test_every_failure_says_what_to_do(status: int) -> None:
    """Whatever a server says, the reader learns in what state the data is and what to do now."""
    told = (
        from_status(common_pb2.Status(code=status, reason="because"), "Insert", "c")
        if status
        else from_grpc(Failed(Code.UNAVAILABLE), "Insert", "c", 7.0)
    )
    assert told is not None
    assert told.next_step


def test_a_call_that_found_no_connection_cannot_arrive_late() -> None:
    """Where nobody listens a call never left, and is not waited for; a connection that broke may have carried it."""
    port = free_ports(1)[0]
    endpoint = Endpoint(name="nobody", uri=f"http://127.0.0.1:{port}")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        cluster = Cluster(endpoint, channel, ())
        with pytest.raises(CallLost) as lost:
            cluster.once_and_for_all("DropCollection", milvus_pb2.DropCollectionRequest())
    assert lost.value.void_at == -math.inf
    broken = from_grpc(Failed(Code.UNAVAILABLE, "Socket closed"), "Insert", "there", 7.0)
    assert isinstance(broken, CallLost)
    assert broken.void_at == 7.0


@pytest.mark.parametrize(
    ("said", "kind", "released"),
    [
        ("collection not loaded[collection=4707]", MilvusRefused, True),
        ("partition not loaded[partition=[4707]]", MilvusRefused, True),
        ("channel not found[channel=dml_0_4707v0]", ServiceUnavailable, False),
        ("expression is wrong", MilvusRefused, False),
    ],
)
def test_a_code_that_a_server_lost_is_told_by_its_words(
    said: str, kind: type[FerryError], *, released: bool
) -> None:
    """Milvus 2.3.5 answers a query with the code of any failure where one of its nodes says that something is not loaded."""
    reason = f"failed to search/query delegator 1: fail to Query, QueryNode ID = 1, reason={said}"
    status = common_pb2.Status(code=65535, error_code=1, reason=reason)
    failure = from_status(status, "Query", "old-cluster")
    assert failure is not None
    assert type(failure) is kind
    assert not_loaded(failure) is released


@pytest.mark.parametrize(
    ("code", "entitys"),
    [
        *((5, True), (1001, True), (1100, True), (1804, True), (65535, True)),  # values
        *((100, False), (700, False), (1400, False), (1802, False), (2000, False), (-1, False)),
    ],
)
def test_a_refusal_may_be_for_one_entity_or_is_for_the_whole_request(
    code: int, *, entitys: bool
) -> None:
    """Only codes that servers give for a value set an entity aside; a collection, a privilege, an index concern all of them."""
    assert may_be_an_entitys(MilvusRefused("no", code)) is entitys
