"""From what a Milvus server or gRPC answers to Ferry's failure tree; the one place that knows the servers' error codes.

It never retries and never logs.

Codes: Milvus `pkg/util/merr/errors.go` (1 not ready, 2 unavailable, 3 memory limit, 4 too many requests, 7 disk limit, 8 rate
limit, 9 quota exceeded, 12 resource insufficient, 100 collection not found, 700 index not found, 1100 invalid parameter); gRPC
statuses as in grpc's documentation.
"""

from typing import Any

import grpc

from engine.errors import FerryError, InputRejected, NotPermitted, ServiceUnavailable, Throttled

COLLECTION_NOT_FOUND = 100
PARTITION_NOT_FOUND = 200
DATABASE_NOT_FOUND = 800

_NOT_READY_CODES = frozenset({1, 2})
_THROTTLED_CODES = frozenset({4, 8})
_FULL_CODES = frozenset({3, 7, 9, 12})
_VALUE_CODES = frozenset({5, 1100, 1804, 65535})
"""Service internal, invalid parameter, invalid value, unclassified: what servers say of a value that they do not take."""
_CODE_BITS = 0xFFFF
"""Some versions set a higher bit besides in the code of what may be tried again (merr, `retryableFlag`)."""

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
)
_LEGACY_RATE_LIMIT = 49  # common_pb2.ErrorCode.RateLimit, before 2.3's numeric codes
_LEGACY_NOT_READY = 59  # common_pb2.ErrorCode.NotReadyServe

_UNCHANGED = "This call changed nothing; what was done before it stands."
_KEPT = "What was done before this call stands; nothing is lost."


class MessageTooLarge(InputRejected):
    """A request or an answer is larger than the server or the channel allows; smaller pages help."""

    code = "E-TOO-LARGE"


class MilvusRefused(InputRejected):
    """The server understood and refused; `server_code` is Milvus's own number."""

    code = "E-MILVUS"

    def __init__(self, message: str, server_code: int) -> None:
        super().__init__(
            message,
            state=_UNCHANGED,
            next_step="Read what the server says above, change that, then try again.",
        )
        self.server_code = server_code


def may_be_an_entitys(refused: MilvusRefused) -> bool:
    """Whether a refusal of a write may be for the value of one of its entities; all others are for the request as a whole."""
    return refused.server_code in _VALUE_CODES


def from_grpc(error: grpc.RpcError, rpc: str, where: str) -> FerryError:
    """Translates a failed gRPC call.

    Args:
        error: What grpc raised.
        rpc: The call's name, e.g. "Query".
        where: The cluster as people call it.
    """
    status, details = error.code(), error.details() or ""
    if any(words in details for words in _TOO_LARGE):
        return _too_large(where, rpc, details)
    if status in _DENIED:
        return NotPermitted(
            f"{where} does not accept the credentials ({rpc}: {details}).",
            state=_UNCHANGED,
            next_step="Check the token that is configured for this cluster.",
        )
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return _throttled(where, rpc, details)
    if status in _TRANSIENT:
        return ServiceUnavailable(
            f"{where} did not answer {rpc}: {status.name} {details}.",
            state=_KEPT,
            next_step="Check that the cluster runs and can be reached from here, then try again.",
        )
    return MilvusRefused(f"{where} refused {rpc}: {status.name} {details}.", -1)


def cut(rpc: str, where: str) -> ServiceUnavailable:
    """A call whose channel Ferry itself closed under it."""
    return ServiceUnavailable(
        f"{where} had not answered {rpc} when the migration was stopped.",
        state=_KEPT,
        next_step="Check that the cluster runs and can be reached from here, then try again.",
    )


def from_status(status: Any, rpc: str, where: str) -> FerryError | None:
    """Translates the `common.Status` of an answer; None when it is a success."""
    if status.code == 0 and status.error_code == 0:
        return None
    code = status.code & _CODE_BITS
    reason = status.reason or status.detail or "no reason given"
    if code in _THROTTLED_CODES or status.error_code == _LEGACY_RATE_LIMIT:
        return _throttled(where, rpc, reason)
    if code in _FULL_CODES:
        return Throttled(
            f"{where} has no room left ({rpc}: {reason}).",
            state=_UNCHANGED,
            next_step="Give it more memory or disk, or raise its quota, then try again.",
        )
    if code in _NOT_READY_CODES or status.error_code == _LEGACY_NOT_READY:
        return ServiceUnavailable(
            f"{where} is not ready ({rpc}: {reason}).",
            state=_KEPT,
            next_step="Wait until it has started, then try again.",
        )
    return _refusal(where, rpc, reason, code)


def _refusal(where: str, rpc: str, reason: str, code: int) -> FerryError:
    if any(words in reason for words in _TOO_LARGE):
        return _too_large(where, rpc, reason)
    if "permission" in reason.lower() and "denied" in reason.lower():
        return NotPermitted(
            f"{where} does not allow {rpc}: {reason}.",
            state=_UNCHANGED,
            next_step="Give the token's user the missing privilege, then try again.",
        )
    return MilvusRefused(f"{where} refused {rpc}: {reason}.", code or -1)


def _throttled(where: str, rpc: str, reason: str) -> Throttled:
    return Throttled(
        f"{where} asked for fewer requests ({rpc}: {reason}).",
        state=_UNCHANGED,
        next_step="Wait until it has less to do, or raise its limits, then try again.",
    )


def _too_large(where: str, rpc: str, reason: str) -> MessageTooLarge:
    return MessageTooLarge(
        f"{where} cannot pass a message of this size ({rpc}: {reason}).",
        state=_UNCHANGED,
        next_step="Raise its limit for the size of messages, then try again.",
    )
