"""A gRPC server that passes every call on as bytes, counts the calls, and fails or holds the n-th of a kind when a test asks.

It speaks no protobuf and knows nothing of Milvus but the names of its calls.
"""

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
    """A call that is held: `reached` is set when it arrives, and it goes on when `open` is set."""

    reached: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Returns when the call has arrived."""
        assert self.reached.wait(WAIT_SECONDS), "the call that should be held never came"


class Proxy:
    """A server in front of another one; `uri` is where clients connect.

    Args:
        behind: `http://host:port` of the real server.

    Attributes:
        calls: How often each call arrived, by name ("Insert").
    """

    def __init__(self, behind: str) -> None:
        self.calls: Counter[str] = Counter()
        self._faults: dict[tuple[str, int], Callable[[], None]] = {}
        self._lost: set[tuple[str, int]] = set()
        self._gates: list[Gate] = []
        self._lock = threading.Lock()
        self._channel = grpc.insecure_channel(behind.removeprefix("http://"), _OPTIONS)
        self._server = grpc.server(ThreadPoolExecutor(16, "proxy"), options=_OPTIONS)
        self._server.add_generic_rpc_handlers((_Anything(self._pass),))
        port = self._server.add_insecure_port("127.0.0.1:0")
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

    def fail_before(self, rpc: str, *numbers: int) -> None:
        """The n-th calls (from 1) fail as unavailable and never reach the server."""
        for number in numbers:
            self._faults[rpc, number] = _unavailable

    def lose_answer(self, rpc: str, *numbers: int) -> None:
        """The n-th calls are carried out by the server, and then fail as unavailable."""
        self._lost |= {(rpc, number) for number in numbers}

    def hold(self, rpc: str, number: int) -> Gate:
        """The n-th call waits before it is passed on, and the ones after it do not."""
        gate = Gate()
        self._gates.append(gate)

        def wait() -> None:
            gate.reached.set()
            gate.open.wait(WAIT_SECONDS)

        self._faults[rpc, number] = wait
        return gate

    def _pass(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        rpc = method.rpartition("/")[2]
        with self._lock:
            self.calls[rpc] += 1
            number = rpc, self.calls[rpc]
        metadata = [
            (key, value)
            for key, value in context.invocation_metadata()
            if not key.startswith(("grpc-", "user-agent"))
        ]
        try:
            self._faults.get(number, _nothing)()
            call = self._channel.unary_unary(method)
            answer: bytes = call(request, metadata=metadata, timeout=WAIT_SECONDS)
            if number in self._lost:
                _unavailable()
        except _Unavailable:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the proxy cut the connection")
        except grpc.RpcError as error:
            context.abort(error.code(), error.details() or "")
        return answer


class _Unavailable(Exception):
    """The call is to fail."""


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


def _nothing() -> None:
    """No fault."""


def _unavailable() -> None:
    raise _Unavailable
