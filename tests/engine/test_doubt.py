"""A write whose outcome is unknown is settled by an upsert, whatever the target says meanwhile; a bad hour sets no entity aside."""

from collections.abc import Callable

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from engine.model import Outcome
from engine.worker import LEASE_SECONDS
from tests.engine.bed import Bed, Side, rows
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

KEYS = range(60)
WRITES = ("Insert", "Upsert")
Proxied = Callable[[Side], Proxy]


@pytest.fixture(autouse=True)
def _short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call outlives its lease: one that was lost is waited for as long as that."""
    monkeypatch.setenv(LEASE_SECONDS, "4")


def status(code: int, reason: str, **more: bool) -> common_pb2.Status:
    """What a server says when it does not carry a call out."""
    return common_pb2.Status(code=code, error_code=1, reason=reason, **more)


def refusal(code: int, reason: str) -> bytes:
    """The same, as the answer to a write."""
    return milvus_pb2.MutationResult(status=status(code, reason)).SerializeToString()


@pytest.fixture
def target(bed: Bed, proxied: Proxied) -> Proxy:
    """The way to the target of a bed whose source has one collection of 60 entities, in one chunk."""
    bed.source.create("plain")
    bed.source.insert("plain", rows(KEYS))
    return proxied(bed.target)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (65535, "channel is recovering"),
        (5, "service internal error"),
        (1100, "no such values here"),
        (65535, "message larger than max"),
    ],
)
def test_an_insert_in_doubt_is_not_inserted_again_when_its_upsert_is_refused(
    bed: Bed, target: Proxy, code: int, reason: str
) -> None:
    """An insert is applied and its answer lost, then the upsert is refused once: all of it is upserted, in smaller requests."""
    target.lose_answer("Insert", 1)
    target.answer("Upsert", b"", refusal(code, reason), times=1)
    report = bed.migrate("plain", target_uri=target.uri)
    assert report.status is Outcome.SUCCESSFUL, report
    assert target.calls["Insert"] == 1
    bed.assert_same("plain", KEYS)
