"""A gRPC server that passes every call on as bytes, counts the calls, and fails or holds the n-th of a kind when a test asks.

It speaks no protobuf and knows nothing of Milvus but the names of its calls.
"""

import math
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc

_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.so_reuseport", 0),
)
WAIT_SECONDS = 60
"""Longest that a held call waits for its release."""


@dataclass
class Gate:
    """Calls that are held: `reached` is set when the first arrives, and they go on when `open` is set.

    Args:
        rpc: Their name.
        first: The number of the first one.
        last: The number of the last one.
    """

    rpc: str
    first: int
    last: float
    reached: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Returns when the first call has arrived."""
        assert self.reached.wait(WAIT_SECONDS), f"{self.rpc} {self.first} never came"

    def pass_through(self, rpc: str, number: int) -> None:
        """Returns at once, or for a call that is held when the gate is open."""
        if rpc == self.rpc and self.first <= number <= self.last:
            self.reached.set()
            self.open.wait(WAIT_SECONDS)


@dataclass
class _Answer:
    """What requests of a name with these bytes in them are answered, so many times."""

    rpc: str
    containing: bytes
    answer: bytes
    times: float
    applied: bool


class Proxy:
    """A server in front of another one; `uri` is where clients connect.

    Args:
        behind: `http://host:port` of the real server.
        port: Where it listens; 0 takes a free one.

    Attributes:
        calls: How often each call arrived, by name ("Insert").
    """

    def __init__(self, behind: str, port: int = 0) -> None:
        self.calls: Counter[str] = Counter()
        self._refused: dict[tuple[str, int], grpc.StatusCode] = {}
        self._lost: set[tuple[str, int]] = set()
        self._gates: list[Gate] = []
        self._longest: dict[str, int] = {}
        self._answers: list[_Answer] = []
        self._kept: dict[str, list[bytes]] = {}
        self._under_way = 0
        self._changed = threading.Condition()
        self._channel = grpc.insecure_channel(behind.removeprefix("http://"), _OPTIONS)
        self._server = grpc.server(ThreadPoolExecutor(16, "proxy"), options=_OPTIONS)
        self._server.add_generic_rpc_handlers((_Anything(self._pass),))
        port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.uri = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for gate in self._gates:
            gate.open.set()
        self._server.stop(grace=None).wait()
        self._channel.close()

    def fail_before(
        self, rpc: str, *numbers: int, status: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    ) -> None:
        """The n-th calls (from 1) fail, as unavailable or with another status, and never reach the server."""
        self._refused |= {(rpc, number): status for number in numbers}

    def lose_answer(self, rpc: str, *numbers: int) -> None:
        """The n-th calls are carried out by the server, and then fail as unavailable."""
        self._lost |= {(rpc, number) for number in numbers}

    def hold(self, rpc: str, number: int, *, only: bool = False) -> Gate:
        """The n-th call and all after it (or it `only`) wait before they are passed on."""
        gate = Gate(rpc, number, number if only else math.inf)
        self._gates.append(gate)
        return gate

    def limit(self, rpc: str, longest: int) -> None:
        """Requests and answers of that name may have so many bytes at most; a longer one fails as gRPC says it."""
        self._longest[rpc] = longest

    def answer(
        self,
        rpc: str,
        containing: bytes,
        answer: bytes,
        *,
        times: float = math.inf,
        applied: bool = False,
    ) -> None:
        """The first requests of that name with these bytes in them get this answer; `applied` ones reach the server before."""
        self._answers.append(_Answer(rpc, containing, answer, times, applied))

    def answer_no_more(self) -> None:
        """Every request reaches the server again."""
        self._answers.clear()

    def keep(self, rpc: str) -> list[bytes]:
        """The requests of that name, as they arrive from now on."""
        return self._kept.setdefault(rpc, [])

    def drained(self) -> None:
        """Returns when no call is under way, whether its sender still lives or not."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._under_way == 0, WAIT_SECONDS)

    def _pass(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        rpc = method.rpartition("/")[2]
        with self._changed:
            self.calls[rpc] += 1
            number = self.calls[rpc]
            if rpc in self._kept:
                self._kept[rpc].append(request)
            self._under_way += 1
        try:
            for gate in self._gates:
                gate.pass_through(rpc, number)
            said = self._said(rpc, request)
            if said is not None:
                if said.applied:
                    self._forward(method, request, context)
                return said.answer
            if (rpc, number) not in self._refused:
                self._measure(rpc, request, context)
                answer = self._forward(method, request, context)
                self._measure(rpc, answer, context)
            if (rpc, number) in self._refused.keys() | self._lost:
                status = self._refused.get((rpc, number), grpc.StatusCode.UNAVAILABLE)
                context.abort(status, "the proxy cut the connection")
        except grpc.RpcError as error:
            context.abort(error.code(), error.details() or "")
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()
        return answer

    def _said(self, rpc: str, request: bytes) -> "_Answer | None":
        with self._changed:
            for each in self._answers:
                if each.rpc == rpc and each.times > 0 and each.containing in request:
                    each.times -= 1
                    return each
        return None

    def _measure(self, rpc: str, message: bytes, context: grpc.ServicerContext) -> None:
        longest = self._longest.get(rpc, len(message))
        if len(message) > longest:
            said = f"grpc: received message larger than max ({len(message)} vs. {longest})"
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, said)

    def _forward(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        metadata = [
            (key, value)
            for key, value in context.invocation_metadata()
            if not key.startswith(("grpc-", "user-agent"))
        ]
        call = self._channel.unary_unary(method)
        answer: bytes = call(request, metadata=metadata, timeout=WAIT_SECONDS)
        return answer


class _Anything(grpc.GenericRpcHandler):
    """Handles every method, bytes in and bytes out."""

    def __init__(self, act: Callable[[str, bytes, grpc.ServicerContext], bytes]) -> None:
        self._act = act

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler:
        """Called by grpc for each call."""
        method = handler_call_details.method
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._act(method, request, context)
        )
