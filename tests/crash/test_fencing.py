"""A worker that is paused until another one has taken over changes nothing any more when it wakes up."""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

from engine.lifecycle import Status
from engine.model import OnConflict
from tests.beds.forks import Fork
from tests.crash.lane import Lane, Run
from tests.crash.workers import pause

pytestmark = pytest.mark.real_milvus

LEASE_SECONDS = 4.0
LANES = 4
SWEEP_SECONDS = 1800
REPLACING = ("replacing", "dropped")
POINTS = (
    *REPLACING,
    *(
        "creating_database",
        "creating",
        "collection_made",
        "partition_made",
        "created",
        "planning_chunks",
    ),
    *(
        "chunks_stored",
        "attempted",
        "writing",
        "copied",
        "loading_source",
        "source_loaded",
        "loading",
    ),
    *("loaded", "verified", "aliasing", "aliased", "done", "releasing", "released", "finishing"),
)
"""Places where no other thread of the worker writes to the ledger: a process that is paused while it holds SQLite's write
lock keeps everyone from writing until it goes on."""
SETTINGS = {"FERRY_LEASE_SECONDS": str(LEASE_SECONDS)}

Lanes = Callable[[int], list[Lane]]
Say = Callable[[str], None]
Until = Callable[[Callable[[], bool]], None]


def test_a_worker_that_slept_through_its_takeover_writes_nothing(
    lanes: Lanes, until: Until
) -> None:
    """Paused between its look at the ledger and its insert, it neither inserts nor touches the ledger after its lease."""
    (lane,) = lanes(1)
    with lane.migration() as run:
        sleeper = _asleep(run, "writing:1", until)
        until(lambda: run.id in lane.ledger.expired_leases(datetime.now(UTC)))
        assert run.work() == 0
        assert lane.ledger.migration(run.id).status is Status.SUCCESSFUL
        before = _recorded(run)
        said = _woken(sleeper)
        assert "lease_lost" in said
        assert _recorded(run) == before
        assert run.wrong().nothing


def test_a_worker_that_slept_and_was_not_replaced_goes_on(lanes: Lanes, until: Until) -> None:
    """Paused for longer than its lease, it asks the ledger, finds that nobody took over, and finishes."""
    (lane,) = lanes(1)
    with lane.migration() as run:
        sleeper = _asleep(run, "writing:1", until)
        until(lambda: run.id in lane.ledger.expired_leases(datetime.now(UTC)))
        _woken(sleeper)
        assert run.wrong().nothing


@pytest.mark.soak
@pytest.mark.timeout(SWEEP_SECONDS)
def test_a_worker_that_slept_anywhere_changes_nothing(lanes: Lanes, until: Until, say: Say) -> None:
    """Paused before any step that changes a cluster or the ledger, a worker changes neither once another one has finished."""
    waiting = list(POINTS)
    found: list[str] = []

    def work(lane: Lane) -> None:
        while waiting:
            point = waiting.pop()
            replace = OnConflict.REPLACE if point in REPLACING else OnConflict.FAIL
            with lane.migration(on_conflict=replace) as run:
                sleeper = _asleep(run, f"{point}:1", until)
                until(lambda run=run: run.id in lane.ledger.expired_leases(datetime.now(UTC)))
                assert run.work() == 0
                before = _recorded(run)
                said = _woken(sleeper)
                same = _recorded(run) == before and "lease_lost" in said
                if not same or not run.wrong().nothing:
                    found.append(f"{point}: ledger the same {same}, {run.wrong()}")

    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(work, lanes(LANES)))
    say(f"fencing sweep: {len(POINTS)} points, {len(found)} with late changes")
    assert found == []


def _asleep(run: Run, point: str, until: Until) -> Fork:
    """A worker that has paused itself at a crash point."""
    armed = {"FERRY_CRASH_AT": point, "FERRY_CRASH_SIGNAL": "SIGSTOP"}
    worker = run.lane.workers.start(run.id, run.lane.url, **SETTINGS, **armed)
    process = psutil.Process(worker.pid)
    until(lambda: process.status() == psutil.STATUS_STOPPED)
    pause(worker.pid, run.lane.url)  # another of its threads may hold the ledger's lock
    return worker


def _woken(worker: Fork) -> str:
    """Continues a paused worker; returns what it said until its end."""
    worker.send_signal(signal.SIGCONT)
    assert worker.wait() == 0, worker.log.read_text()
    return worker.log.read_text()


def _recorded(run: Run) -> list[Any]:
    """All that the ledger says of a migration."""
    ledger = run.lane.ledger
    chunks = [chunk for name in run.lane.held for chunk in ledger.chunks(run.id, name)]
    return [
        ledger.migration(run.id),
        ledger.collection_states(run.id),
        ledger.events(migration_id=run.id),
        chunks,
    ]
