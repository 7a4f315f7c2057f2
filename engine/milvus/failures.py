"""From what a Milvus server or gRPC answers to Ferry's failure tree; the one place that knows the servers' error codes.

It never retries and never logs.

Codes: Milvus `pkg/util/merr` (1 service not ready, 3 too many requests, 8 rate limit, 9 force deny, 100 collection not found, 700
index not found, 1100 invalid parameter); gRPC statuses as in grpc's documentation.
"""

from typing import Any

import grpc

from engine.errors import FerryError, InputRejected, NotPermitted, ServiceUnavailable, Throttled

COLLECTION_NOT_FOUND = 100
PARTITION_NOT_FOUND = 200
DATABASE_NOT_FOUND = 800

_NOT_READY_CODES = frozenset({1, 2})
_THROTTLED_CODES = frozenset({3, 8})
_TRANSIENT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
)
_DENIED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_TOO_LARGE = ("larger than max", "message too large", "exceeds the maximum")
_LEGACY_RATE_LIMIT = 49  # common_pb2.ErrorCode.RateLimit, before 2.3's numeric codes
_LEGACY_NOT_READY = 59  # common_pb2.ErrorCode.NotReadyServe


class MessageTooLarge(InputRejected):
    """A request or an answer is larger than the server or the channel allows; smaller pages help."""

    code = "E-TOO-LARGE"


class MilvusRefused(InputRejected):
    """The server understood and refused; `server_code` is Milvus's own number."""

    code = "E-REFUSED"

    def __init__(self, message: str, server_code: int) -> None:
        super().__init__(message)
        self.server_code = server_code


def from_grpc(error: grpc.RpcError, rpc: str, where: str) -> FerryError:
    """Translates a failed gRPC call.

    Args:
        error: What grpc raised.
        rpc: The call's name, e.g. "Query".
        where: The cluster as people call it.
    """
    status, details = error.code(), error.details() or ""
    if any(words in details for words in _TOO_LARGE):
        return MessageTooLarge(f"{where} cannot pass a message of this size ({rpc}): {details}")
    if status in _DENIED:
        return NotPermitted(
            f"{where} does not accept the credentials ({rpc}: {details}).",
            next_step="Check the token that is configured for this cluster.",
        )
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Throttled(f"{where} asked for fewer requests ({rpc}: {details}).")
    if status in _TRANSIENT:
        return ServiceUnavailable(
            f"{where} did not answer {rpc}: {status.name} {details}.",
            next_step="Check that the cluster runs and can be reached from here, then try again.",
        )
    return MilvusRefused(f"{where} refused {rpc}: {status.name} {details}.", -1)


def from_status(status: Any, rpc: str, where: str) -> FerryError | None:
    """Translates the `common.Status` of an answer; None when it is a success."""
    if status.code == 0 and status.error_code == 0:
        return None
    reason = status.reason or status.detail or "no reason given"
    if status.code in _THROTTLED_CODES or status.error_code == _LEGACY_RATE_LIMIT:
        return Throttled(f"{where} asked for fewer requests ({rpc}: {reason}).")
    if status.code in _NOT_READY_CODES or status.error_code == _LEGACY_NOT_READY:
        return ServiceUnavailable(f"{where} is not ready ({rpc}: {reason}).")
    if any(words in reason for words in _TOO_LARGE):
        return MessageTooLarge(f"{where} cannot pass a message of this size ({rpc}): {reason}")
    if "permission" in reason.lower() and "denied" in reason.lower():
        return NotPermitted(
            f"{where} does not allow {rpc}: {reason}.",
            next_step="Give the token's user the missing privilege, then try again.",
        )
    return MilvusRefused(f"{where} refused {rpc}: {reason}.", status.code or -1)
