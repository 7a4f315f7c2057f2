"""A write whose outcome is unknown is settled by an upsert, whatever the target says meanwhile; a bad hour sets no entity aside."""

from collections.abc import Callable

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from engine.heartbeat import WAITING
from engine.ledger import CALLS_CUT
from engine.lifecycle import EventName
from engine.model import OnConflict, Outcome
from engine.worker import LEASE_SECONDS
from tests.engine.bed import (
    PARTITION_ENTITIES,
    PARTITIONS,
    Bed,
    Side,
    ledger_failing,
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


@pytest.mark.usefixtures("short_leases")
def test_what_was_inserted_is_not_inserted_again_when_the_ledger_fails(
    bed: Bed, target: Proxy
) -> None:
    """A chunk goes in smaller requests, and the ledger fails from then on: the attempt says so, the next one upserts all of it."""
    target.limit("Insert", LIMIT)
    gate = target.hold("Insert", 3, only=True)
    migration = bed.queued("plain", target_uri=target.uri)
    with running(bed, migration) as (reports, _):
        gate.wait()
        with ledger_failing(bed) as failed:
            gate.open.set()
            assert failed.wait(60)
            until(lambda: bool(reports))  # for one lease the ledger is asked again
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


@pytest.fixture
def loser(bed: Bed, target: Proxy, monkeypatch: pytest.MonkeyPatch) -> str:
    """A migration of `plain` that was canceled while it waited for a lost insert, which may still arrive for a minute."""
    monkeypatch.setenv(LEASE_SECONDS, "60")
    target.fail_before("Insert", 1)
    migration = bed.queued("plain", target_uri=target.uri)
    with running(bed, migration) as (reports, _):
        until(lambda: bed.ledger.totals(migration).slowed.startswith("Waiting: "))
        bed.act(migration, EventName.CANCEL)
    assert reports[0].status is Outcome.CANCELED
    return migration


def test_a_cancel_does_not_forget_a_lost_write(bed: Bed, target: Proxy, loser: str) -> None:
    """A cancel ends the wait for a lost write, and the ledger keeps that it may still arrive: the next worker waits for that."""
    (ended,) = (each for each in bed.ledger.events(migration_id=loser) if each.name == "canceled")
    assert ended.details[CALLS_CUT] is True
    assert target.calls["Upsert"] == 0


def test_the_wait_for_another_migrations_lost_write_is_told_and_can_be_canceled(
    bed: Bed, target: Proxy, loser: str
) -> None:
    """Who would replace the collection waits, says whose calls it waits for, touches nothing, and ends when it is canceled."""
    other = bed.queued("plain", target_uri=target.uri, on_conflict=OnConflict.REPLACE)
    made = target.calls["CreateCollection"]
    with running(bed, other) as (reports, _):
        until(lambda: bed.ledger.noted(other, WAITING))
        bed.act(other, EventName.CANCEL)
    assert reports[0].status is Outcome.CANCELED
    (waited,) = (each for each in bed.ledger.events(migration_id=other) if each.name == WAITING)
    assert f"Calls that {loser} lost may still reach the target until" in waited.details["reason"]
    assert (target.calls["DropCollection"], target.calls["CreateCollection"]) == (0, made)


def test_a_lost_write_does_not_hold_up_migrations_of_other_collections(
    bed: Bed, target: Proxy, loser: str
) -> None:
    """Beside a collection that late calls may still change another one is made and copied at once."""
    bed.source.create("beside")
    bed.source.insert("beside", rows(KEYS))
    other = bed.queued("beside", target_uri=target.uri)
    assert bed.run(other).status is Outcome.SUCCESSFUL
    assert not bed.ledger.noted(other, WAITING)
    lost = bed.ledger.migration(loser).lease_expires_at
    assert lost is not None
    assert bed.ledger.now() < lost
    bed.assert_same("beside", KEYS)


@pytest.mark.usefixtures("short_leases")
def test_what_another_migration_loses_while_this_one_makes_others_is_outlasted(
    bed: Bed, target: Proxy
) -> None:
    """A call is lost and its migration canceled after this one has begun: it comes to that collection when the call is void."""
    bed.source.create("first")
    bed.source.insert("first", rows(KEYS))
    target.fail_before("Insert", 1)
    losing = bed.queued("plain", target_uri=target.uri)
    both = bed.queued("first", "plain", target_uri=target.uri)
    gate = target.hold("CreateCollection", 1, only=True)
    with running(bed, both) as (reports, _):
        gate.wait()
        with running(bed, losing):
            until(lambda: bed.ledger.totals(losing).slowed.startswith("Waiting: "))
            bed.act(losing, EventName.CANCEL)
        void = bed.ledger.migration(losing).lease_expires_at
        assert void is not None
        asked = target.keep("DescribeCollection")
        gate.open.set()
        until(lambda: any(b"plain" in request for request in asked))
        assert bed.ledger.now() >= void
    assert reports[0].error is not None
    assert reports[0].error.code == "E-TARGET-NOT-EMPTY"
