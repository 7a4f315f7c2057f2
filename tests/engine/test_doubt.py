"""A write whose outcome is unknown is settled by an upsert, whatever the target says meanwhile; a bad hour sets no entity aside."""

from collections.abc import Callable

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from engine.ledger import CALLS_CUT
from engine.lifecycle import EventName
from engine.model import Outcome
from engine.worker import LEASE_SECONDS
from tests.engine.bed import (
    PARTITION_ENTITIES,
    PARTITIONS,
    Bed,
    Side,
    ledger_failing_once,
    rows,
    running,
    until,
)
from tests.engine.proxy import Proxy

pytestmark = [pytest.mark.real_milvus, pytest.mark.usefixtures("short_leases")]

KEYS = range(60)
LIMIT = 1_200
"""Bytes of a request: more than half of the entities have, and less than all of them."""
WRITES = ("Insert", "Upsert")
Proxied = Callable[[Side], Proxy]


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


@pytest.mark.parametrize(
    ("code", "reason"),
    [(10001, "context deadline exceeded"), (65535, "produce failed"), (503, "channel gone")],
)
def test_an_insert_that_was_applied_and_refused_is_not_doubled(
    bed: Bed, target: Proxy, code: int, reason: str
) -> None:
    """What the server says that it did not do may have been done, or a part of it: it is settled by an upsert."""
    target.answer("Insert", b"", refusal(code, reason), times=1, applied=True)
    report = bed.migrate("plain", target_uri=target.uri)
    assert report.status is Outcome.SUCCESSFUL, report
    assert (target.calls["Insert"], target.calls["Upsert"]) == (1, 1)
    bed.assert_same("plain", KEYS)


def test_what_was_inserted_is_not_inserted_again_when_the_ledger_fails(
    bed: Bed, target: Proxy
) -> None:
    """A chunk goes in smaller requests, and the ledger fails between two: the attempt says so, the next one upserts all of it."""
    target.limit("Insert", LIMIT)
    gate = target.hold("Insert", 3, only=True)
    migration = bed.queued("plain", target_uri=target.uri)
    with running(bed, migration) as (reports, _):
        gate.wait()
        with ledger_failing_once(bed) as failed:
            gate.open.set()
            assert failed.wait(60)
    assert target.calls["Insert"] == 3  # all, all once more, a half
    (report,) = reports
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert "The ledger did not take it" in report.error.message
    bed.act(migration, EventName.RESUME)
    again = bed.run(migration)
    assert again.status is Outcome.SUCCESSFUL, again
    assert target.calls["Insert"] == 3
    bed.assert_same("plain", KEYS)


def test_a_bad_hour_of_the_target_sets_no_entity_aside(crossing: Bed, proxied: Proxied) -> None:
    """While the target refuses whatever it gets, with a code that it also has for values, the copy waits; then all is taken."""
    target = proxied(crossing.target)
    for rpc in WRITES:
        target.answer(rpc, b"", refusal(65535, "channel is recovering"), times=60)
    migration = crossing.queued("parts", target_uri=target.uri)
    report = crossing.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert crossing.ledger.set_aside(migration, "parts") == {}
    crossing.assert_same("parts", range(PARTITIONS * PARTITION_ENTITIES))


@pytest.mark.parametrize("code", [103, 503, 901, 10001])
def test_a_node_that_restarts_is_waited_for(bed: Bed, proxied: Proxied, code: int) -> None:
    """What passes by itself while entities are read, on either side, is waited for, and fails no migration."""
    bed.source.create("plain")
    bed.source.insert("plain", rows(KEYS))
    source, target = proxied(bed.source), proxied(bed.target)
    migration = bed.queued("plain", source_uri=source.uri, target_uri=target.uri)
    said = milvus_pb2.QueryResults(status=status(code, "a node restarts")).SerializeToString()
    for side in (source, target):
        side.answer("Query", b"", said, times=3)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    bed.assert_same("plain", KEYS)


def test_a_cancel_does_not_forget_a_lost_write(
    bed: Bed, target: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancel ends the wait for a lost write, and the ledger keeps that it may still arrive: the next worker waits for that."""
    monkeypatch.setenv(LEASE_SECONDS, "60")
    target.fail_before("Insert", 1)
    migration = bed.queued("plain", target_uri=target.uri)
    with running(bed, migration) as (reports, _):
        until(lambda: bed.ledger.totals(migration).slowed.startswith("Waiting: "))
        bed.act(migration, EventName.CANCEL)
    assert reports[0].status is Outcome.CANCELED
    (ended,) = (
        each for each in bed.ledger.events(migration_id=migration) if each.name == "canceled"
    )
    assert ended.details[CALLS_CUT] is True
    assert target.calls["Upsert"] == 0
