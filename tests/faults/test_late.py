"""A write that a network or a server holds back cannot be applied any more once another worker may hold the migration."""

import signal
from datetime import UTC, datetime

import pytest

import engine
from engine.heartbeat import WAITING
from engine.lifecycle import Status
from engine.model import OnConflict
from tests.crash.lane import NUMBERS, WHO
from tests.crash.workers import KILLED, pause
from tests.engine.bed import Side
from tests.faults.late import (
    LEASE_SECONDS,
    REPAIR_LEASE_SECONDS,
    UNDO_LEASE_SECONDS,
    Lanes,
    Until,
    kill_at,
)
from tests.faults.network import Fault, Network

pytestmark = pytest.mark.real_milvus


def test_an_insert_on_its_way_is_void_when_the_lease_is_over(lanes: Lanes, until: Until) -> None:
    """A paused worker's insert is held on its way until another worker has finished: its deadline is over, it doubles nothing."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        gate = target.hold("Insert", 2, only=True)
        sleeper = lane.workers.start(run.id, lane.url, FERRY_LEASE_SECONDS=str(LEASE_SECONDS))
        gate.wait()
        pause(sleeper.pid, lane.url)
        until(lambda: run.id in lane.ledger.expired_leases(datetime.now(UTC)))
        assert run.work() == 0
        assert lane.ledger.migration(run.id).status is Status.SUCCESSFUL
        assert target.overdue == 0
        gate.open.set()
        target.drained()
        assert target.overdue == 1
        sleeper.send_signal(signal.SIGCONT)
        assert sleeper.wait() == 0
        assert "lease_lost" in sleeper.log.read_text()
        assert run.wrong().nothing


def test_an_insert_of_a_killed_worker_is_void_before_its_chunk_is_settled(lanes: Lanes) -> None:
    """Another worker takes over at once, but writes what is in doubt only when the dead one's inserts are void."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        gate = target.hold("Insert", 2, only=True)
        kill_at(gate, run, LEASE_SECONDS)
        assert run.work() == 0
        assert lane.ledger.migration(run.id).status is Status.SUCCESSFUL
        gate.open.set()
        target.drained()
        assert target.overdue == 1
        assert run.wrong().nothing


def test_an_insert_of_a_killed_worker_is_void_before_its_collection_is_made_anew(
    lanes: Lanes,
) -> None:
    """Somebody drops what a killed worker had begun: it is copied again from its start, and a late insert doubles nothing there."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        late = target.hold("Insert", 2, only=True)
        kill_at(late, run, UNDO_LEASE_SECONDS)
        there = Side(lane.target_uri, run.database)
        there.drop(NUMBERS)
        there.client.close()
        making = target.hold("CreateIndex", target.calls["CreateIndex"] + 1)
        heir = lane.workers.start(run.id, lane.url)
        making.wait()
        late.open.set()
        making.open.set()
        assert heir.wait() == 0
        target.drained()
        assert run.wrong().nothing
        assert target.overdue == 1


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
        kill_at(late, run, LEASE_SECONDS)
        writing = target.hold("Insert", 1, only=True)
        heir = lane.workers.start(run.id, lane.url)
        writing.wait()
        late.open.set()
        until(lambda: target.overdue == 1)
        writing.open.set()
        assert heir.wait() == 0
        assert lane.ledger.migration(run.id).status is Status.SUCCESSFUL
        assert run.wrong().nothing


def test_a_drop_of_a_killed_worker_may_arrive_while_it_is_waited_for(
    lanes: Lanes, until: Until
) -> None:
    """What was to be replaced is gone when the dead worker's drop is void: that is what was wanted, and no failure."""
    (lane,) = lanes(1)
    with (
        Network(lane.target_uri) as target,
        lane.migration(target_uri=target.uri, on_conflict=OnConflict.REPLACE) as run,
    ):
        late = target.hold("DropCollection", 1, only=True)
        kill_at(late, run, LEASE_SECONDS)
        heir = lane.workers.start(run.id, lane.url)
        until(
            lambda: any(event.name == WAITING for event in lane.ledger.events(migration_id=run.id))
        )
        late.open.set()
        assert heir.wait() == 0
        assert (target.overdue, target.calls["DropCollection"]) == (0, 1)
        assert run.wrong().nothing


def test_a_killed_workers_inserts_are_outlasted_though_its_successor_was_handed_back(
    lanes: Lanes, until: Until
) -> None:
    """The worker after the next one still waits with what is in doubt until the dead one's inserts are void."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        insert = target.hold("Insert", 2, only=True)
        kill_at(insert, run, LEASE_SECONDS)
        void = lane.ledger.migration(run.id).lease_expires_at
        assert void is not None
        upsert = target.hold("Upsert", 1, only=True)
        second = lane.workers.start(run.id, lane.url)
        until(lambda: lane.ledger.migration(run.id).attempts == 2)
        second.terminate()
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


def test_a_delete_of_a_killed_worker_is_void_before_anything_is_mended(lanes: Lanes) -> None:
    """Another worker takes a repair over at once, but writes nothing that the dead one's delete could take away again."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        assert run.work("loading:1") == KILLED
        run.damage()
        assert run.work() == 0
        assert lane.ledger.migration(run.id).status is Status.MISMATCHED
        engine.repair(lane.ledger, run.id, WHO)
        gate = target.hold("Delete", 1, only=True)
        kill_at(gate, run, REPAIR_LEASE_SECONDS)
        assert run.work() == 0
        gate.open.set()
        target.drained()
        assert target.overdue == 1
        assert run.wrong().nothing


@pytest.mark.parametrize("rpc", ["Insert", "Upsert"])
def test_a_write_that_is_applied_after_it_failed_does_no_harm(lanes: Lanes, rpc: str) -> None:
    """A connection breaks, and what was sent over it arrives later: it is not settled before that, and doubles nothing."""
    (lane,) = lanes(1)

    def fault_of(name: str, number: int) -> Fault | None:
        if rpc == "Upsert" and (name, number) == ("Insert", 1):
            return Fault.LOST
        return Fault.AFTER if (name, number) == (rpc, 1) else None

    with (
        Network(lane.target_uri, fault_of) as target,
        lane.migration(target_uri=target.uri) as run,
    ):
        assert run.work() == 0
        target.arrived()
        assert (Fault.AFTER, rpc, 1) in target.done
        assert run.wrong().nothing


def test_a_delete_that_is_applied_after_it_failed_takes_nothing_away(lanes: Lanes) -> None:
    """A repair's delete fails and arrives later: what the repair writes under the same keys comes after it."""
    (lane,) = lanes(1)
    with (
        Network(
            lane.target_uri, lambda rpc, n: Fault.AFTER if (rpc, n) == ("Delete", 1) else None
        ) as target,
        lane.migration(target_uri=target.uri) as run,
    ):
        assert run.work("loading:1") == KILLED
        run.damage()
        assert run.work() == 0
        engine.repair(lane.ledger, run.id, WHO)
        assert run.work() == 0
        target.arrived()
        assert target.done == [(Fault.AFTER, "Delete", 1)]
        assert run.wrong().nothing


def test_a_drop_that_is_applied_after_it_failed_takes_nothing_away(lanes: Lanes) -> None:
    """A Replace's drop fails and arrives later: the new collection, which has the same name, is made after that."""
    (lane,) = lanes(1)
    with (
        Network(
            lane.target_uri,
            lambda rpc, n: Fault.AFTER if (rpc, n) == ("DropCollection", 1) else None,
        ) as target,
        lane.migration(target_uri=target.uri, on_conflict=OnConflict.REPLACE) as run,
    ):
        assert run.work() == 0
        target.arrived()
        assert target.done == [(Fault.AFTER, "DropCollection", 1)]
        assert run.wrong().nothing
