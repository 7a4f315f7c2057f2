"""A gRPC channel to one database of one cluster, and one way to make a call over it.

It uses pymilvus's generated stubs and none of its client: the client resends writes by itself (up
to 75 times), and on a server that keeps duplicate keys a resent insert doubles entities. Nothing
here knows collections.
"""

import base64
import math
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import grpc
from google.protobuf.message_factory import GetMessageClass

from engine import addresses
from engine.errors import FerryError, NotPermitted, ServiceUnavailable
from engine.milvus import failures, lite, retry
from engine.milvus.grpc_gen import milvus_pb2
from engine.model import Endpoint
from engine.patience import Say

Answer = TypeVar("Answer")

CALL_SECONDS = 60.0
"""Deadline of one call: how a dead connection is noticed (keepalive pings make some servers hang up)."""

_WAY_SECONDS = 0.5
"""How long a call may be on its way to a server, which counts its deadline from when it comes."""

_READING = ("Alloc", "Describe", "Get", "Has", "List", "Query", "Search", "Show")
"""How the names of all calls begin that change nothing."""

_ENTITIES_READ = ("Query", "Search")
"""The calls that need a loaded collection."""

_SERVICE = milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"]

_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),  # a resent write may be applied twice
    ("grpc.use_local_subchannel_pool", 1),  # a closed cluster must not leave its socket to the next
    # A server that was gone for 40 s answered after 2 s at most; by gRPC's own rule, up to two minutes, after 7 s and more.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


class Pace(Protocol):
    """How fast entities may be read; shared by all threads that read from one cluster."""

    def turn(self) -> AbstractContextManager[None]:
        """A block in which one page may be read."""

    def spend(self, entities: int, size: int) -> None:
        """So many entities and bytes were read."""


@dataclass
class Cluster:
    """An open connection to one database of one cluster.

    Args:
        endpoint: Which database of which cluster.
        stop: When set, waits between retries end at once.
        permit: Asked right before every call that may change something: for how many seconds that is still
            allowed. It raises a `StopWork` when it is not; such a call has no deadline beyond it.
        told: Called with the failure when a call is going to be made again after a while.
        opened: Makes another channel to the same place.
        pace: Asked before each page of entities is read; None reads as fast as the server answers.
        reload: Called with the name of a collection that a read found not loaded; says whether it is loaded again.
        waits: Takes what is waited for where that lasts, a sentence for people; "" when it is over.
    """

    endpoint: Endpoint
    channel: grpc.Channel
    metadata: tuple[tuple[str, str], ...]
    stop: threading.Event = field(default_factory=threading.Event)
    permit: Callable[[], float] | None = None
    told: Callable[[BaseException], None] | None = None
    version: str = ""
    opened: Callable[[], grpc.Channel] | None = None
    pace: Pace | None = None
    reload: Callable[[str], bool] | None = None
    waits: Say | None = None

    def __post_init__(self) -> None:
        self._hopeless = threading.Event()
        self._channels = threading.Lock()
        self._is_cut = False
        self._calls: dict[tuple[str, object], Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def database(self) -> str:
        """The database that every request names."""
        return self.endpoint.database

    @property
    def is_lite(self) -> bool:
        """Whether this is milvus-lite: one process, one copy of the data, no time ticks."""
        return self.version.startswith("milvus_lite")

    def once(
        self,
        rpc: str,
        request: Any,
        *,
        seconds: float = CALL_SECONDS,
        answered: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """Makes one call, once.

        Args:
            rpc: The method of the Milvus service.
            request: Its request, or that encoded already.
            seconds: Deadline.
            answered: Decodes the answer to something with a `status`; None makes the method's own message of it.

        Raises:
            FerryError: What the server or gRPC said, translated by `failures`.
            StopWork: `permit` does not allow the call any more.
        """
        answer, refused = self._sent(rpc, request, seconds, answered)
        if refused is not None and self._is_loaded_again(rpc, request, refused):
            answer, refused = self._sent(rpc, request, seconds, answered)
            if refused is not None and failures.not_loaded(refused):
                refused = failures.released(self.endpoint.name, request.collection_name)
        if refused is not None:
            raise refused
        return answer

    def _sent(
        self, rpc: str, request: Any, seconds: float, answered: Callable[[bytes], Any] | None
    ) -> tuple[Any, FerryError | None]:
        """The answer to a call, and what it says if it is a refusal; arguments and errors as of `once`."""
        if self._is_cut:
            raise failures.cut(rpc, self.endpoint.name)
        changes = not rpc.startswith(_READING)
        if self.permit is not None and changes:
            seconds = min(seconds, self.permit())
        void_at = time.monotonic() + seconds + _WAY_SECONDS if changes else -math.inf
        try:
            answer = self._method(rpc, answered)(request, timeout=seconds, metadata=self.metadata)
        except grpc.RpcError as error:
            raise failures.from_grpc(error, rpc, self.endpoint.name, void_at) from error
        except ValueError as error:
            if not self._is_cut:
                raise
            # gRPC's word for a channel that was closed between two steps of this call.
            raise failures.cut(rpc, self.endpoint.name) from error
        status = getattr(answer, "status", answer)
        return answer, failures.from_status(status, rpc, self.endpoint.name)

    def _is_loaded_again(self, rpc: str, request: Any, refused: FerryError) -> bool:
        """Whether a read found a collection released that is loaded again now: however long that took, it is read on."""
        if self.reload is None or rpc not in _ENTITIES_READ or not failures.not_loaded(refused):
            return False
        return self.reload(request.collection_name)

    def once_and_for_all(
        self,
        rpc: str,
        request: Any,
        *,
        seconds: float = CALL_SECONDS,
        answered: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """As `once`; but a call that was lost fails only when it cannot be carried out any more; for a read that is at once.

        Milvus orders writes of entities by timestamps that it gives them as it takes them up: what comes to it later wins. A
        write that is still on its way when the next one is sent could come last, though it was sent first: a late insert
        would double what an upsert has settled, a late delete would take away what was written after it. All else goes by
        the name: a late drop or release would take what was made or loaded after it, a late creation or load, property or
        alias would stand again after it was taken away.

        Raises:
            FerryError, StopWork: As `once`. When the attempt must end it does not wait; `told` has heard of it.
        """
        try:
            return self.once(rpc, request, seconds=seconds, answered=answered)
        except failures.CallLost as lost:
            left = lost.void_at - time.monotonic()
            if left > 0:
                if self.told is not None:
                    self.told(lost)
                self.stop.wait(left)
            raise

    def call(
        self,
        rpc: str,
        request: Any,
        *,
        seconds: float = CALL_SECONDS,
        answered: Callable[[bytes], Any] | None = None,
    ) -> Any:
        """Makes a call that may be repeated without harm, until it succeeds (`retry.repeat`); arguments as for `once`.

        One that changes something is repeated when the one before it is void (`once_and_for_all`).
        """
        return self.repeat(
            lambda: self.once_and_for_all(rpc, request, seconds=seconds, answered=answered)
        )

    def repeat(
        self, call: Callable[[], Answer], *, after: retry.Failures = retry.PASSING
    ) -> Answer:
        """Makes a call to this cluster again and again as `retry.repeat` says."""
        return retry.repeat(
            call, stop=self.stop, after=after, told=self.told, hopeless=self._hopeless
        )

    def _method(self, rpc: str, answered: Callable[[bytes], Any] | None) -> Any:
        key = rpc, answered
        with self._channels:
            if key not in self._calls:
                method = _SERVICE.methods_by_name[rpc]
                decode = answered or GetMessageClass(method.output_type).FromString
                self._calls[key] = self.channel.unary_unary(
                    f"/{_SERVICE.full_name}/{rpc}",
                    request_serializer=_encoded,
                    response_deserializer=decode,
                )
            return self._calls[key]

    def cut(self) -> None:
        """Ends all calls under way, as if the connection had broken; later ones fail at once, until `mend`."""
        self._is_cut = True
        self.channel.close()

    def mend(self) -> None:
        """Goes on over another connection, if this one was cut."""
        if self._is_cut and self.opened is not None:
            with self._channels:
                self.channel = self.opened()
                self._calls.clear()
            self._is_cut = False

    def close(self) -> None:
        """Closes the channel; calls under way fail. A Milvus Lite directory is let go of."""
        self.channel.close()
        if lite.is_lite_path(self.endpoint.uri):
            lite.release(self.endpoint.uri)


def connect(
    endpoint: Endpoint,
    token: str,
    *,
    stop: threading.Event | None = None,
    permit: Callable[[], float] | None = None,
    told: Callable[[BaseException], None] | None = None,
    patient: bool = False,
    cutting: Callable[[Callable[[], None]], AbstractContextManager[object]] | None = None,
    pace: Pace | None = None,
) -> Cluster:
    """Opens a database of a cluster and asks for its version.

    Args:
        endpoint: `uri` is `http(s)://host[:port]` or the path of a Milvus Lite `.db`.
        token: `user:password` or an API key; empty where the server asks for none.
        stop: When set, waits between retries end at once.
        permit: As in `Cluster`; None allows everything.
        told: As in `Cluster`.
        patient: Whether a server that does not answer is waited for, as `retry` does; whoever sits in front of a
            terminal hears of it at once.
        cutting: Makes a block in which the connection may be cut while it is being opened (`Heartbeat.cutting`).
        pace: As in `Cluster`.

    Raises:
        ConfigurationInvalid: The URI is not one of these.
        ServiceUnavailable: Nothing answers there.
        NotPermitted: The token is refused.
    """
    address, secure = _address(endpoint)

    def opened() -> grpc.Channel:
        if secure:
            return grpc.secure_channel(address, grpc.ssl_channel_credentials(), _CHANNEL_OPTIONS)
        return grpc.insecure_channel(address, _CHANNEL_OPTIONS)

    metadata: tuple[tuple[str, str], ...] = (("dbname", endpoint.database),)
    if token:
        metadata += (("authorization", base64.b64encode(token.encode()).decode()),)
    halt = stop or threading.Event()
    cluster = Cluster(endpoint, opened(), metadata, halt, permit, told, opened=opened, pace=pace)
    try:
        ask = cluster.call if patient else cluster.once
        with cutting(cluster.cut) if cutting else nullcontext():
            answer = ask("GetVersion", milvus_pb2.GetVersionRequest(), seconds=10)
    except BaseException as error:
        cluster.close()
        if isinstance(error, ServiceUnavailable | NotPermitted):
            error.state = "Nothing was read or written."
        raise
    cluster.version = answer.version
    return cluster


def places(endpoint: Endpoint) -> frozenset[str]:
    """Where a cluster is, whatever it is called: two endpoints that share a place are one cluster.

    A cluster behind several addresses (a proxy, a tunnel) is not recognised by this.
    """
    if lite.is_lite_path(endpoint.uri):
        return frozenset({str(Path(endpoint.uri).resolve())})
    host, port = addresses.host_and_port(endpoint.uri)
    try:
        found = {str(address[0]) for *_, address in socket.getaddrinfo(host, port)}
    except OSError:
        found = {host}
    return frozenset(f"{each}:{port}" for each in found)


def _encoded(request: Any) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()


def _address(endpoint: Endpoint) -> tuple[str, bool]:
    uri = endpoint.uri
    if lite.is_lite_path(uri):
        return lite.acquire(uri), False
    host, port = addresses.host_and_port(uri)
    named = f"[{host}]" if ":" in host else host  # IPv6
    return f"{named}:{port}", urlsplit(uri).scheme == "https"
