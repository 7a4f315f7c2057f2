"""What an undo, or another migration, lost on its way harms nothing that is made or proved under the same names afterwards."""

import pytest

import engine
from engine.heartbeat import WAITING
from engine.lifecycle import EventName
from engine.model import OnConflict, Secrets
from tests.crash.lane import WHO, Lane, Run
from tests.engine.proxy import Gate
from tests.faults.late import (
    LEASE_SECONDS,
    REPLACED_LEASE_SECONDS,
    UNDO_LEASE_SECONDS,
    Lanes,
    Until,
    kill_at,
)
from tests.faults.network import Network

pytestmark = pytest.mark.real_milvus


def test_a_drop_of_a_killed_undo_is_void_before_it_is_undone_again(lanes: Lanes) -> None:
    """Once a migration is undone, a fresh one of the same collections loses none to the drop of an undo that died."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        assert run.work() == 0
        late = target.hold("DropCollection", 1, only=True)
        kill_at(late, run, UNDO_LEASE_SECONDS, program="tests.crash.undoing")
        engine.undo(lane.ledger, run.id, Secrets())
        assert run.left() == []
        request = lane.request(run.database, target_uri=target.uri)
        fresh = lane.queued(lane.planned(request))
        making = target.hold("CreateIndex", target.calls["CreateIndex"] + 1)
        worker = lane.workers.start(fresh.id, lane.url)
        making.wait()
        late.open.set()
        making.open.set()
        assert worker.wait() == 0
        target.drained()
        assert fresh.wrong().nothing
        assert target.overdue == 1


def test_a_drop_of_a_killed_undo_is_void_before_it_is_resumed(lanes: Lanes) -> None:
    """Who keeps what an undo that died had begun to drop, and resumes it, loses nothing to that drop after it was proved."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        assert run.work() == 0
        late = target.hold("DropCollection", 1, only=True)
        kill_at(late, run, UNDO_LEASE_SECONDS, program="tests.crash.undoing")
        with lane.ledger.transaction() as act:
            for event in (EventName.RESCUE, EventName.KEEP, EventName.RESUME):
                act.apply(run.id, event, actor=WHO)
        assert run.work() == 0
        late.open.set()
        target.drained()
        assert run.wrong().nothing
        assert target.overdue == 1


def test_a_creation_of_a_killed_worker_is_void_before_it_is_undone(lanes: Lanes) -> None:
    """A worker died while it made a collection, and its migration was canceled: once that is undone none appears any more."""
    (lane,) = lanes(1)
    with (
        Network(lane.target_uri) as target,
        lane.migration(target_uri=target.uri, on_conflict=OnConflict.REPLACE) as run,
    ):
        late = target.hold("CreateCollection", 1, only=True)
        kill_at(late, run, LEASE_SECONDS)
        with lane.ledger.transaction() as act:
            act.apply(run.id, EventName.CANCEL, actor=WHO)
        engine.undo(lane.ledger, run.id, Secrets())
        late.open.set()
        target.drained()
        assert run.left() == [run.database]
        assert target.overdue == 1


def test_a_canceled_migrations_insert_is_void_before_another_migration_makes_its_collections(
    lanes: Lanes,
) -> None:
    """A worker died over an insert and its migration was canceled: another one that replaces what it made gets none of it."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        late = target.hold("Insert", 2, only=True)
        lease = {"FERRY_LEASE_SECONDS": str(REPLACED_LEASE_SECONDS)}
        dead = lane.workers.start(run.id, lane.url, **lease)
        late.wait()
        other = replacing(lane, run, target)
        dead.kill()
        dead.wait()
        with lane.ledger.transaction() as act:
            act.apply(run.id, EventName.CANCEL, actor=WHO)
        writes_before(late, other, target)


def test_a_drop_of_a_killed_undo_is_void_before_another_migration_makes_its_collections(
    lanes: Lanes,
) -> None:
    """An undo died over a drop, and nobody has taken it over yet: another migration of that name loses nothing to it."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        assert run.work() == 0
        other = replacing(lane, run, target)
        late = target.hold("DropCollection", 1, only=True)
        kill_at(late, run, REPLACED_LEASE_SECONDS, program="tests.crash.undoing")
        writes_before(late, other, target)


def test_a_drop_of_a_database_of_a_killed_undo_takes_no_other_migrations_database(
    lanes: Lanes, until: Until
) -> None:
    """An undo died over the drop of its database: another migration looks whether that is there when the drop is void."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        assert run.work() == 0
        other = replacing(lane, run, target)
        late = target.hold("DropDatabase", 1, only=True)
        kill_at(late, run, REPLACED_LEASE_SECONDS, program="tests.crash.undoing")
        worker = lane.workers.start(other.id, lane.url)
        until(lambda: lane.ledger.noted(other.id, WAITING))
        late.open.set()
        assert worker.wait() == 0
        target.drained()
        assert target.overdue == 0  # it came in its time
        assert other.wrong().nothing


def replacing(lane: Lane, run: Run, target: Network) -> Run:
    """Another migration onto the same database, which replaces what stands there now."""
    request = lane.request(run.database, target_uri=target.uri, on_conflict=OnConflict.REPLACE)
    return lane.queued(lane.planned(request))


def writes_before(late: Gate, other: Run, target: Network) -> None:
    """The other migration works; the late call goes on only when it has begun to write, and is void by then."""
    writing = target.hold("Insert", target.calls["Insert"] + 1, only=True)
    worker = other.lane.workers.start(other.id, other.lane.url)
    writing.wait()
    late.open.set()
    writing.open.set()
    assert worker.wait() == 0
    target.drained()
    assert other.wrong().nothing
    assert target.overdue == 1
