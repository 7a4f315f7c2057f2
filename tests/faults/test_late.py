"""A write that a network or a server holds back cannot be applied any more once another worker may hold the migration."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from engine.lifecycle import Status
from engine.model import OnConflict
from tests.crash.lane import Lane
from tests.faults.network import Network

pytestmark = pytest.mark.real_milvus

LEASE_SECONDS = 4.0

Lanes = Callable[[int], list[Lane]]
Until = Callable[[Callable[[], bool]], None]


def test_an_insert_on_its_way_is_void_when_the_lease_is_over(lanes: Lanes, until: Until) -> None:
    """A paused worker's insert is held on its way until another worker has finished: its deadline is over, it doubles nothing."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        gate = target.hold("Insert", 2, only=True)
        sleeper = lane.workers.start(run.id, lane.url, FERRY_LEASE_SECONDS=str(LEASE_SECONDS))
        gate.wait()
        sleeper.pause(lane.url)
        until(lambda: run.id in lane.ledger.expired_leases(datetime.now(UTC)))
        assert run.work() == 0
        assert lane.ledger.migration(run.id).status is Status.SUCCESSFUL
        assert target.overdue == 0
        gate.open.set()
        target.drained()
        assert target.overdue == 1
        sleeper.signal(signal.SIGCONT)
        assert sleeper.wait() == 0
        assert "lease_lost" in sleeper.log.read_text()
        assert run.wrong().nothing


def test_an_insert_of_a_killed_worker_is_void_before_its_chunk_is_settled(lanes: Lanes) -> None:
    """Another worker takes over at once, but writes what is in doubt only when the dead one's inserts are void."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        gate = target.hold("Insert", 2, only=True)
        dead = lane.workers.start(run.id, lane.url, FERRY_LEASE_SECONDS=str(LEASE_SECONDS))
        gate.wait()
        dead.signal(signal.SIGKILL)
        dead.wait()
        assert run.work() == 0
        assert lane.ledger.migration(run.id).status is Status.SUCCESSFUL
        gate.open.set()
        target.drained()
        assert target.overdue == 1
        assert run.wrong().nothing


def test_a_drop_of_a_killed_worker_is_void_before_another_one_replaces(
    lanes: Lanes, until: Until
) -> None:
    """A drop goes by the name: another worker makes its collection only when the dead one's drop cannot take that away."""
    (lane,) = lanes(1)
    with (
        Network(lane.target_uri) as target,
        lane.migration(target_uri=target.uri, on_conflict=OnConflict.REPLACE) as run,
    ):
        late = target.hold("DropCollection", 1, only=True)
        dead = lane.workers.start(run.id, lane.url, FERRY_LEASE_SECONDS=str(LEASE_SECONDS))
        late.wait()
        dead.signal(signal.SIGKILL)
        dead.wait()
        writing = target.hold("Insert", 1, only=True)
        heir = lane.workers.start(run.id, lane.url)
        writing.wait()
        late.open.set()
        until(lambda: target.overdue == 1)
        writing.open.set()
        assert heir.wait() == 0
        assert lane.ledger.migration(run.id).status is Status.SUCCESSFUL
        assert run.wrong().nothing


def test_a_killed_workers_inserts_are_outlasted_though_its_successor_was_handed_back(
    lanes: Lanes, until: Until
) -> None:
    """The worker after the next one still waits with what is in doubt until the dead one's inserts are void."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        insert = target.hold("Insert", 2, only=True)
        dead = lane.workers.start(run.id, lane.url, FERRY_LEASE_SECONDS=str(LEASE_SECONDS))
        insert.wait()
        dead.signal(signal.SIGKILL)
        dead.wait()
        void = lane.ledger.migration(run.id).lease_expires_at
        assert void is not None
        upsert = target.hold("Upsert", 1, only=True)
        second = lane.workers.start(run.id, lane.url)
        until(lambda: lane.ledger.migration(run.id).attempts == 2)
        second.signal(signal.SIGTERM)
        assert second.wait() == 0
        assert lane.ledger.migration(run.id).status is Status.QUEUED
        third = lane.workers.start(run.id, lane.url)
        upsert.wait()
        assert datetime.now(UTC) >= void
        insert.open.set()
        upsert.open.set()
        assert third.wait() == 0
        target.drained()
        assert target.overdue == 1
        assert run.wrong().nothing
