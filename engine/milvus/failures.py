"""From what a Milvus server or gRPC answers to Ferry's failure tree; the one place that knows the servers' error codes.

It never retries and never logs.

Codes: Milvus `pkg/util/merr/errors.go`, 2.3.0 to 2.6; gRPC statuses as in grpc's documentation. A server marks a status as
retriable, or as the request's own fault (`is_input_error`, from 2.4 on), but loses either mark where it wrapped the error once
(`IsRetryableErr` and `GetErrorType` look at the outermost one), so that the codes count as well.
"""

import math
from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

import grpc

from engine.errors import FerryError, InputRejected, NotPermitted, ServiceUnavailable, Throttled

_NOT_LOADED_CODES = frozenset({101, 201})
"""Of a collection and of a partition (Milvus, `merr/errors.go`)."""
COLLECTION_NOT_FOUND = 100

_NOT_READY_CODES = frozenset({1, 2})
_THROTTLED_CODES = frozenset({4, 8, 11, 1807})
"""Too many requests, rate limit, time ticks too late, the gateway's rate limit: refused at the door, nothing is applied."""
_FULL_CODES = frozenset({3, 7, 9, 12})
"""Limit of memory, limit of disk, quota, resources: likewise."""
_PASSING: Final[Mapping[str, tuple[int, ...]]] = {
    "what is loaded or recovers just now": (103, 106, 110, 202, 305),
    "a replica or a channel moves to another node": (401, 500, 501, 503, 504, 505, 507),
    "a segment or a node goes or comes": (600, 601, 602, 901, 902, 903, 904, 905, 906),
    "the storage or the message queue behind it": (1002, 1003, 1302),
    "2.3.0's shard delegators": (1501, 1502, 1503, 1504),
    "canceled, timed out: it waits no longer for what it may do nevertheless": (10000, 10001),
}
_PASSING_CODES = frozenset(chain.from_iterable(_PASSING.values()))
"""What passes without anybody's doing, for example while a node starts again."""
_INPUT: Final[Mapping[str, tuple[int, ...]]] = {
    "collections and partitions": (100, 102, 104, 105, 107, 108, 109, 200),
    "resource groups, indexes, databases": (300, 301, 302, 303, 700, 702, 800, 801, 802),
    "parameters and values": (1100, 1101, 1102, 1804),
    "privileges, aliases, fields, the gateway": (1400, 1401, 1402, 1600, 1700, 1800, 1801, 1802),
}
_INPUT_CODES = frozenset(chain.from_iterable(_INPUT.values()))
"""What a server finds before it does anything: merr's input errors, and what is not there."""
_VALUE_CODES = frozenset({5, 1001, 1100, 1804, 65535})
"""What servers say of a value that they do not take. 2.3.5: 1100 for what is too long, 1001 for broken JSON, 65535 for a NaN or a
dynamic field that is no object; but 5, 1001 and 65535 are also what they say when they themselves are at fault."""
_UNEXPECTED = 65535
_WRAPPED: Final[Mapping[str, int]] = {
    "collection not loaded[": 101,
    "partition not loaded[": 201,
    "channel not found[": 500,
    "channel not available[": 503,
    "segment not loaded[": 601,
    "node not found[": 901,
    "node offline[": 902,
}
"""How merr names what a code says, and in brackets of what: all that is left of an error that was wrapped on its way. 2.3.5 says so
to queries that are under way when their collection is released (seen)."""
_CODE_BITS = 0xFFFF
_RETRIABLE_BIT = 1 << 16
"""Milvus 2.3.0 to 2.3.2 set it in the code of what may be tried again (merr, `retryableFlag`)."""
_INPUT_FLAG = "is_input_error"

_NEVER_SENT = "failed to connect to all addresses"
"""gRPC's word for a call that found no connection: it never left, and cannot arrive late."""

_TRANSIENT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
)
_DENIED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_TOO_LARGE = (
    "larger than max",
    "message too large",
    "exceeds the maximum",
    "exceed the limit size",  # Milvus 2.3: a query's answer over `maxOutputSize`
    "exceed the maxOutputSize",
    "exceeds maxInsertSize",
)
_LEGACY_RATE_LIMIT = 49  # common_pb2.ErrorCode.RateLimit, before 2.3's numeric codes
_LEGACY_NOT_READY = 59  # common_pb2.ErrorCode.NotReadyServe

_UNCHANGED = "This call changed nothing; what was done before it stands."
_CHECK_CONFIGURED = "Check the token that is configured for this cluster."
_CHECK_GIVEN = (
    "Check the token of this address: FERRY_SOURCE_TOKEN or FERRY_TARGET_TOKEN, by its side."
)
_REACH = "Check that the cluster runs and can be reached from here, then try again."
_SPEAK_TLS = (
    "Check whether the cluster speaks TLS there and its certificate is trusted here: "
    "https:// is for one that does, http:// is for one without TLS."
)
_NO_TLS = "handshake failed"
"""gRPC's words for a server that answered, but not with TLS that holds."""
_KEPT = "What was done before this call stands; nothing is lost."


class CallLost(ServiceUnavailable):
    """A call that was sent and got no answer: it may still reach the server and be carried out.

    Args:
        void_at: When it cannot change anything any more, because its deadline is over, by `time.monotonic`.
    """

    code = "E-NO-ANSWER"

    def __init__(self, message: str, *, state: str, next_step: str, void_at: float) -> None:
        super().__init__(message, state=state, next_step=next_step)
        self.void_at = void_at


class MessageTooLarge(InputRejected):
    """A request or an answer is larger than the server or the channel allows; smaller pages help.

    Args:
        certain: As in `MilvusRefused`.
    """

    code = "E-TOO-LARGE"

    def __init__(self, message: str, *, state: str, next_step: str, certain: bool = True) -> None:
        super().__init__(message, state=state, next_step=next_step)
        self.certain = certain


class MilvusRefused(InputRejected):
    """The server understood and refused.

    Args:
        message: What it said.
        server_code: Milvus's own number.
        certain: Whether it refused before it did anything. Otherwise some of a write may be applied: a request goes to several
            shards, and each of them may fail alone.
    """

    code = "E-MILVUS"

    def __init__(self, message: str, server_code: int, *, certain: bool = False) -> None:
        super().__init__(
            message,
            state=_UNCHANGED if certain else _KEPT,
            next_step="Read what the server says above, change that, then try again.",
        )
        self.server_code = server_code
        self.certain = certain


def not_loaded(failure: FerryError) -> bool:
    """Whether a read was refused because the collection, or a partition of it, is not loaded."""
    return isinstance(failure, MilvusRefused) and failure.server_code in _NOT_LOADED_CODES


def released(where: str, collection: str) -> ServiceUnavailable:
    """A read of a collection that was not loaded any more, and is again: somebody released it, or its server was started again."""
    return ServiceUnavailable(
        f"“{collection}” was not loaded any more on {where} while it was read: it was released, or its server started again.",
        state=_KEPT,
        next_step="Leave it loaded there until the migration has ended, then resume.",
    )


def may_be_an_entitys(refused: MilvusRefused) -> bool:
    """Whether a refusal of a write may be for the value of one of its entities; all others are for the request as a whole."""
    return refused.server_code in _VALUE_CODES


def from_grpc(error: grpc.RpcError, rpc: str, where: str, void_at: float) -> FerryError:
    """Translates a failed gRPC call.

    Args:
        error: What grpc raised.
        rpc: The call's name, e.g. "Query".
        where: The cluster as people call it.
        void_at: As in `CallLost`.
    """
    status, details = error.code(), error.details() or ""
    if any(words in details for words in _TOO_LARGE):
        return _too_large(where, rpc, details)
    if status in _DENIED:
        return NotPermitted(
            f"{where} does not accept the credentials ({rpc}: {details}).",
            state=_UNCHANGED,
            next_step=_CHECK_GIVEN if "://" in where else _CHECK_CONFIGURED,
        )
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return _throttled(where, rpc, details)
    if status in _TRANSIENT:
        void_at = -math.inf if _NEVER_SENT in details else void_at
        return CallLost(
            f"{where} did not answer {rpc}: {status.name} {details}.",
            state=_KEPT,
            next_step=_SPEAK_TLS if _NO_TLS in details else _REACH,
            void_at=void_at,
        )
    return MilvusRefused(f"{where} refused {rpc}: {status.name} {details}.", -1)


def cut(rpc: str, where: str) -> ServiceUnavailable:
    """A call whose channel Ferry itself closed under it."""
    return ServiceUnavailable(
        f"{where} had not answered {rpc} when the migration was stopped.",
        state=_KEPT,
        next_step=_REACH,
    )


def from_status(status: Any, rpc: str, where: str) -> FerryError | None:
    """Translates the `common.Status` of an answer; None when it is a success."""
    if status.code == 0 and status.error_code == 0:
        return None
    reason = status.reason or status.detail or "no reason given"
    code = _own_code(status.code & _CODE_BITS, reason)
    if code in _THROTTLED_CODES or status.error_code == _LEGACY_RATE_LIMIT:
        return _throttled(where, rpc, reason)
    if code in _FULL_CODES:
        return Throttled(
            f"{where} takes no more: it has no room left, or writing is denied there ({rpc}: {reason}).",
            state=_UNCHANGED,
            next_step="Give it more memory or disk, raise its quota, or allow writing again; then try again.",
        )
    if code in _NOT_READY_CODES or status.error_code == _LEGACY_NOT_READY:
        return ServiceUnavailable(
            f"{where} is not ready ({rpc}: {reason}).",
            state=_KEPT,
            next_step="Wait until it has started, then try again.",
        )
    certain = code in _INPUT_CODES or status.extra_info.get(_INPUT_FLAG) == "true"
    passes = bool(code in _PASSING_CODES or status.retriable or status.code & _RETRIABLE_BIT)
    return _refusal(where, rpc, reason, code, certain=certain, passes=passes and not certain)


def _own_code(code: int, reason: str) -> int:
    if code != _UNEXPECTED:
        return code
    return next((own for words, own in _WRAPPED.items() if words in reason), code)


def _refusal(
    where: str, rpc: str, reason: str, code: int, *, certain: bool, passes: bool
) -> FerryError:
    if any(words in reason for words in _TOO_LARGE):
        return _too_large(where, rpc, reason, certain=certain)
    if passes:
        return ServiceUnavailable(
            f"{where} could not do {rpc} now: {reason}.",
            state=_KEPT,
            next_step="Check that all of its nodes run, then try again.",
        )
    if "permission" in reason.lower() and "denied" in reason.lower():
        return NotPermitted(
            f"{where} does not allow {rpc}: {reason}.",
            state=_UNCHANGED,
            next_step="Give the token's user the missing privilege, then try again.",
        )
    return MilvusRefused(f"{where} refused {rpc}: {reason}.", code or -1, certain=certain)


def _throttled(where: str, rpc: str, reason: str) -> Throttled:
    return Throttled(
        f"{where} asked for fewer requests ({rpc}: {reason}).",
        state=_UNCHANGED,
        next_step="Wait until it has less to do, or raise its limits, then try again.",
    )


def _too_large(where: str, rpc: str, reason: str, *, certain: bool = True) -> MessageTooLarge:
    return MessageTooLarge(
        f"{where} cannot pass a message of this size ({rpc}: {reason}).",
        state=_UNCHANGED if certain else _KEPT,
        next_step="Raise its limit for the size of messages, then try again.",
        certain=certain,
    )
