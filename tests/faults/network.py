"""A bad network before a server: calls that fail, lose their answer, come twice, late or after they failed, lose their connection.

It also answers for a server that limits rates, has no room left or takes no message of that size. Built on the engine tests' proxy.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

import grpc
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from bot.demo.clusters import free_ports
from tests.engine.proxy import _OPTIONS, Proxy, _Anything

LATE_SECONDS = 0.4
AFTER_SECONDS = 1.0
"""How long after it failed a call is applied; always before its deadline, at which a server gives a call up."""
RATE_LIMIT, QUOTA = 8, 9
WRITES = ("Insert", "Upsert")
CHANGING = (*WRITES, "Delete", "Create", "Drop", "Alter", "Load", "Release")
"""How the calls begin that change something: a read that is carried out late is no fault."""
RATED = ("Insert", "Upsert", "Query", "Create", "Load", "Release")
"""How the calls begin that Milvus limits (`rate_limit_interceptor.go`); all but the first three answer a plain status."""


class Fault(StrEnum):
    """What happens to a call."""

    BEFORE = "fails before it reaches the server"
    LOST = "is applied, and its answer is lost"
    TWICE = "is applied twice"
    LATE = "arrives late"
    AFTER = "fails, and is applied after that"
    CUT = "loses its connection, with all others under way"
    LIMITED = "is refused for its rate"


FaultOf = Callable[[str, int], Fault | None]
"""Says by a call's name and its number (from 1) what happens to it."""


class Network(Proxy):
    """A proxy that does faults at chosen calls.

    Args:
        behind: `http://host:port` of the real server.
        fault_of: Says what happens to a call.

    Attributes:
        done: What it did: the fault, the call's name and number.
        denied: How many writes it refused.
        overdue: How many calls were not passed on, because their deadline was over when they got here.
        after_seconds: How long after it failed a call is applied.
    """

    def __init__(self, behind: str, fault_of: FaultOf | None = None) -> None:
        # It listens there again after a cut; a port that connections are given could be another's by then.
        super().__init__(behind, free_ports(1)[0])
        self.done: list[tuple[Fault, str, int]] = []
        self.denied = 0
        self.overdue = 0
        self.size_max = 0
        self.after_seconds = AFTER_SECONDS
        self._denied_code = 0
        self._fault_of = fault_of or (lambda _rpc, _number: None)
        self._restarting = threading.Lock()
        self._threads: list[threading.Thread] = []

    def __exit__(self, *failure: object) -> None:
        self.arrived()
        super().__exit__(*failure)  # type: ignore[arg-type]

    def deny(self, code: int) -> None:
        """From now on every write is refused with this code of Milvus; 0 lets them pass again."""
        self._denied_code = code

    def refuse_larger(self, size: int) -> None:
        """Writes of more bytes are refused as too large."""
        self.size_max = size

    def _forward(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        rpc = method.rpartition("/")[2]
        number = self.calls[rpc]
        if context.time_remaining() <= 0:
            self.overdue += 1
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "too late")
        if rpc in WRITES and self._denied_code:
            self.denied += 1
            return _refusal(rpc, self._denied_code)
        if rpc in WRITES and self.size_max and len(request) > self.size_max:
            self.denied += 1
            details = f"grpc: received message larger than max ({len(request)} vs. {self.size_max})"
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, details)
        fault = self._fault_of(rpc, number)
        if (
            fault is None
            or (fault is Fault.LIMITED and not rpc.startswith(RATED))
            or (fault is Fault.AFTER and not rpc.startswith(CHANGING))
        ):
            return super()._forward(method, request, context)
        self.done.append((fault, rpc, number))
        return self._faulty(fault, method, request, context)

    def _faulty(
        self, fault: Fault, method: str, request: bytes, context: grpc.ServicerContext
    ) -> bytes:
        rpc = method.rpartition("/")[2]
        if fault is Fault.LIMITED:
            return _refusal(rpc, RATE_LIMIT)
        if fault is Fault.BEFORE:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the network is down")
        if fault is Fault.AFTER:
            self._apply_after(method, request, context)
            context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        if fault is Fault.LATE:
            threading.Event().wait(LATE_SECONDS)
        answer = super()._forward(method, request, context)
        if fault is Fault.TWICE:
            super()._forward(method, request, context)
        if fault is Fault.LOST:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")
        if fault is Fault.CUT:
            self._cut()
        return answer

    def _apply_after(self, method: str, request: bytes, context: grpc.ServicerContext) -> None:
        seconds = min(self.after_seconds, context.time_remaining() * 0.8)

        def apply() -> None:
            threading.Event().wait(seconds)
            Proxy._forward(self, method, request, context)

        thread = threading.Thread(target=apply)
        self._threads.append(thread)
        thread.start()

    def arrived(self) -> None:
        """Returns when everything that failed, and was to be applied after that, is."""
        for thread in self._threads:
            thread.join()

    def _cut(self) -> None:
        """Closes every connection, with whatever is under way, and listens again at the same port."""
        restart = threading.Thread(target=self._restart)
        self._threads.append(restart)
        restart.start()

    def _restart(self) -> None:
        with self._restarting:
            self._server.stop(grace=None).wait()
            server = grpc.server(ThreadPoolExecutor(16, "proxy"), options=_OPTIONS)
            server.add_generic_rpc_handlers((_Anything(self._pass),))
            server.add_insecure_port(self.uri.removeprefix("http://"))
            server.start()
            self._server = server


def _refusal(rpc: str, code: int) -> bytes:
    """What Milvus answers when it refuses a call with one of its codes."""
    reasons = {
        RATE_LIMIT: "request is rejected by grpc RateLimiter middleware",
        QUOTA: "deny writing: disk quota exceeded",
    }
    status = common_pb2.Status(code=code, reason=reasons[code])
    if code == RATE_LIMIT:
        status.error_code = common_pb2.ErrorCode.RateLimit
    else:
        status.error_code = common_pb2.ErrorCode.ForceDeny
    answers = {"Insert": milvus_pb2.MutationResult, "Upsert": milvus_pb2.MutationResult}
    kinds = answers | {"Query": milvus_pb2.QueryResults}
    if rpc in kinds:
        return bytes(kinds[rpc](status=status).SerializeToString())
    return bytes(status.SerializeToString())
