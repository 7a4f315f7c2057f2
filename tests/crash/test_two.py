"""Two migrations of one ledger that go to one place: neither takes, drops or fills what the other one made."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime

import psutil
import pytest

import engine
from engine.lifecycle import EventName, Status
from engine.model import OnConflict, Secrets, Throttle
from tests.beds.forks import Fork
from tests.crash.lane import NUMBERS, RESTING, WHO, Lane, Run, Wrong
from tests.crash.workers import KILLED, LEASE_SECONDS, pause
from tests.engine.bed import until

pytestmark = pytest.mark.real_milvus

Lanes = Callable[[int], list[Lane]]
NOTHING = Wrong(0, 0, ())
SMALL_CHUNKS = {"FERRY_CHUNK_BYTES": "2000"}


def _second(first: Run) -> Run:
    """Another migration that was planned as the first one was, when nothing stood there."""
    plan = first.lane.ledger.migration(first.id).plan
    assert plan is not None
    return first.lane.queued(plan)


def _act(run: Run, event: EventName) -> None:
    with run.lane.ledger.transaction() as act:
        act.apply(run.id, event, actor=WHO)


def test_an_undo_leaves_what_another_migration_has_just_made(small_lanes: Lanes) -> None:
    """A worker died before it made its collection, and another migration made that one: an undo of the first leaves it alone."""
    (lane,) = small_lanes(1)
    with lane.migration() as first:
        second = _second(first)
        assert first.work("creating:1") == KILLED
        assert second.work("creation_recorded:1") == KILLED
        _act(first, EventName.CANCEL)
        engine.undo(lane.ledger, first.id, Secrets(), lease_seconds=LEASE_SECONDS)
        assert lane.ledger.migration(first.id).status is Status.UNDONE
        assert second.left() == [second.database, NUMBERS]
        assert second.work() == 0
        assert second.wrong().nothing


def test_what_a_live_worker_is_at_is_not_replaced(small_lanes: Lanes) -> None:
    """A migration that is to replace what another one's worker is copying into waits for that one's end, and says so."""
    (lane,) = small_lanes(1)
    with lane.migration() as first:
        _throttle(first, Throttle(entities_per_second=20))
        copying = lane.workers.start(first.id, lane.url, **SMALL_CHUNKS)
        until(lambda: any(chunk.receipt for chunk in lane.ledger.chunks(first.id, NUMBERS)))
        request = lane.request(first.database, on_conflict=OnConflict.REPLACE)
        second = lane.queued(lane.planned(request))
        replacing = lane.workers.start(second.id, lane.url)
        until(lambda: _waits_for(second, first) or replacing.poll() is not None)
        _throttle(first, None)
        assert (copying.wait(), replacing.wait()) == (0, 0)
        assert lane.ledger.migration(first.id).status is Status.SUCCESSFUL
        assert second.wrong().nothing


def test_a_worker_that_slept_writes_nothing_into_what_replaced_its_own(small_lanes: Lanes) -> None:
    """A worker sleeps for longer than its lease, and what it made is replaced: when it wakes up it does not go on."""
    (lane,) = small_lanes(1)
    with lane.migration() as first:
        asleep = {"FERRY_CRASH_AT": "writing:2", "FERRY_CRASH_SIGNAL": "SIGSTOP"}
        sleeper = lane.workers.start(first.id, lane.url, **asleep, **SMALL_CHUNKS)
        until(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED)
        pause(sleeper.pid, lane.url)  # another of its threads may hold the ledger's lock
        until(lambda: first.id in lane.ledger.expired_leases(datetime.now(UTC)))
        request = lane.request(first.database, on_conflict=OnConflict.REPLACE)
        second = lane.queued(lane.planned(request))
        assert second.work() == 0
        sleeper.send_signal(signal.SIGCONT)
        sleeper.wait()
        assert second.wrong().nothing


def _throttle(run: Run, throttle: Throttle | None) -> None:
    with run.lane.ledger.transaction() as act:
        act.throttle(run.id, throttle, WHO)


def _waits_for(run: Run, other: Run) -> bool:
    return f"{other.id} is at work there" in run.lane.ledger.totals(run.id).slowed


def test_a_release_that_is_under_way_is_waited_for(small_lanes: Lanes) -> None:
    """One migration has decided to release what it loaded on the source when another one comes to read it: it reads on."""
    (lane,) = small_lanes(1)
    with lane.migration() as first, lane.migration() as second:
        releasing = _stopped_at(first, "releasing:1")
        copying = _stopped_at(second, "planning_chunks:2")
        releasing.send_signal(signal.SIGCONT)
        assert releasing.wait() == 0
        copying.send_signal(signal.SIGCONT)
        assert copying.wait() == 0
        assert (first.wrong(), second.wrong()) == (NOTHING, NOTHING)


def _stopped_at(run: Run, point: str) -> Fork:
    """A worker that has paused itself at a crash point, with a lease that outlasts it."""
    lane = run.lane
    armed = {"FERRY_CRASH_AT": point, "FERRY_CRASH_SIGNAL": "SIGSTOP", "FERRY_LEASE_SECONDS": "60"}
    worker = lane.workers.start(run.id, lane.url, **armed)
    until(lambda: psutil.Process(worker.pid).status() == psutil.STATUS_STOPPED)
    pause(worker.pid, lane.url)  # another of its threads may hold the ledger's lock
    return worker


def test_an_undo_and_a_replacement_do_not_wait_for_each_other(small_lanes: Lanes) -> None:
    """A worker died right before it dropped what is being undone by now: neither the undo nor its next worker waits for ever."""
    (lane,) = small_lanes(1)
    with lane.migration() as first:
        assert first.work("writing:1") == KILLED
        request = lane.request(first.database, on_conflict=OnConflict.REPLACE)
        second = lane.queued(lane.planned(request))
        assert second.work("replacing:1") == KILLED
        replacing = _stopped_at(second, "claimed:1")
        _act(first, EventName.CANCEL)
        _act(first, EventName.ASK_UNDO)
        undoing = lane.workers.start(first.id, lane.url)
        until(lambda: _waits_for(first, second) or undoing.poll() is not None)
        replacing.send_signal(signal.SIGCONT)
        assert (undoing.wait(), replacing.wait()) == (0, 0)
        assert lane.ledger.migration(first.id).status is Status.UNDONE


def _alone(whole: Run, name: str) -> Run:
    """A migration of one collection to the place of another one."""
    request = whole.lane.request(whole.database).model_copy(update={"collections": (name,)})
    return whole.lane.queued(whole.lane.planned(request))


def test_an_undo_leaves_the_database_to_who_is_about_to_fill_it(small_lanes: Lanes) -> None:
    """Another migration has found the database there when all that stands in it is undone: it goes on, and drops it when undone."""
    (lane,) = small_lanes(1)
    with lane.migration() as whole:
        first, second = _alone(whole, NUMBERS), _alone(whole, RESTING)
        assert first.work() == 0
        creating = _stopped_at(second, "creating:1")
        undone = engine.undo(lane.ledger, first.id, Secrets())
        creating.send_signal(signal.SIGCONT)
        assert creating.wait() == 0
        assert (undone.dropped, undone.database_dropped) == ((NUMBERS,), False)
        assert undone.database_left == f"{second.id} uses it; an undo of that one drops it."
        assert lane.ledger.migration(second.id).status is Status.SUCCESSFUL
        assert engine.undo(lane.ledger, second.id, Secrets()).database_dropped
        assert second.left() == []


def test_who_begins_while_the_database_is_dropped_makes_it_anew(small_lanes: Lanes) -> None:
    """An undo is about to drop the database when another migration begins to fill it: that one waits for the undo's end."""
    (lane,) = small_lanes(1)
    with lane.migration() as whole:
        first, second = _alone(whole, NUMBERS), _alone(whole, RESTING)
        assert first.work() == 0
        _act(first, EventName.ASK_UNDO)
        dropping = _stopped_at(first, "dropping_database:1")
        beginning = lane.workers.start(second.id, lane.url)
        told = f"{first.id} is being undone"
        until(lambda: told in lane.ledger.totals(second.id).slowed or beginning.poll() is not None)
        dropping.send_signal(signal.SIGCONT)
        assert (dropping.wait(), beginning.wait()) == (0, 0)
        assert lane.ledger.migration(first.id).status is Status.UNDONE
        assert lane.ledger.migration(second.id).status is Status.SUCCESSFUL
