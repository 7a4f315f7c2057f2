"""A migration over a bad network ends with every entity on the target exactly once, or says that it did not."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from engine.heartbeat import WAITING
from engine.lifecycle import EventName, Status
from tests.crash.lane import WHO, Lane, Run
from tests.crash.workers import CHUNK_BYTES
from tests.faults.network import QUOTA, RATE_LIMIT, Fault, FaultOf, Network

pytestmark = pytest.mark.real_milvus

STRIDE = 5
"""A fault at every fifth call of a kind in one migration, so that five migrations have it at every call."""

SHARE = 1 / 3
LANES = 4
RESUMES_MAX = 20
SWEEP_SECONDS = 3600
PATIENCE_SECONDS = 200
"""Longer than `retry.TOTAL_SECONDS_MAX`."""

Lanes = Callable[[int], list[Lane]]
Say = Callable[[str], None]
Until = Callable[[Callable[[], bool]], None]


@dataclass
class Tally:
    """What a sweep did and found; several threads may add to it."""

    migrations: int = 0
    resumes: int = 0
    lost: int = 0
    doubled: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.faults.items()))
        return (
            f"fault sweep: {self.faults.total()} faults ({kinds}), {self.migrations} migrations, "
            f"{self.resumes} resumes, {self.lost} lost, {self.doubled} doubled"
        )


def _ended(run: Run) -> int:
    """Runs and resumes a migration until it ends otherwise than as a temporary failure; returns how often it was resumed."""
    for resumes in range(RESUMES_MAX):
        assert run.work() == 0
        standing = run.lane.ledger.migration(run.id)
        if standing.status is not Status.FAILED:
            return resumes
        assert standing.error is not None
        temporary = {"E-UNAVAILABLE", "E-NO-ANSWER", "E-THROTTLED"}
        assert standing.error.code in temporary, standing.error
        assert standing.error.state
        assert standing.error.next_step
        with run.lane.ledger.transaction() as act:
            act.apply(run.id, EventName.RESUME, actor=WHO)
    raise AssertionError(f"{run.id} was resumed {RESUMES_MAX} times")


def _with_faults(lane: Lane, fault_of: FaultOf, what: str, tally: Tally) -> None:
    """One migration with these faults on both sides."""
    with (
        Network(lane.source.uri, fault_of) as source,
        Network(lane.target_uri, fault_of) as target,
        lane.migration(source_uri=source.uri, target_uri=target.uri) as run,
    ):
        resumes = _ended(run)
        found = run.wrong()
        with tally.lock:
            tally.migrations += 1
            tally.resumes += resumes
            tally.lost += found.lost
            tally.doubled += found.doubled
            tally.faults.update(fault.name.lower() for fault, _, _ in source.done + target.done)
            if not found.nothing:
                tally.wrong.append(f"{what}: {found}; target {target.done}")


def _harmless(fault: Fault, rpc: str) -> Fault | None:
    """An insert that the network itself applies twice is beyond any client: another test shows that it is found."""
    return None if fault is Fault.TWICE and rpc == "Insert" else fault


def test_faults_of_all_kinds(lanes: Lanes, say: Say) -> None:
    """A network with a fault of some kind at every third call, on both sides, costs no entity and doubles none."""
    tally = Tally()
    seed = random.SystemRandom().randrange(1_000_000)

    def fault_of(rpc: str, number: int) -> Fault | None:
        if (rpc, number) == ("Insert", 1):
            return (
                Fault.AFTER
            )  # of the few writes that it may happen to, chance alone might leave out all
        chance = random.Random(f"{seed} {rpc} {number}")
        return _harmless(chance.choice(list(Fault)), rpc) if chance.random() < SHARE else None

    _with_faults(lanes(1)[0], fault_of, f"seed {seed}", tally)
    say(f"{tally} (seed {seed})")
    assert len(tally.faults) == len(Fault)
    assert tally.wrong == []


@pytest.mark.soak
@pytest.mark.timeout(SWEEP_SECONDS)
def test_every_fault_at_every_call(lanes: Lanes, say: Say) -> None:
    """Every kind of fault at the n-th call of every kind, n = 1 … N, on both sides, costs no entity and doubles none."""
    tally = Tally()
    waiting = [(fault, offset) for fault in Fault for offset in range(STRIDE)]

    def work(lane: Lane) -> None:
        while waiting:
            fault, offset = waiting.pop()

            def fault_of(
                rpc: str, number: int, fault: Fault = fault, at: int = offset
            ) -> Fault | None:
                return _harmless(fault, rpc) if number % STRIDE == at else None

            _with_faults(lane, fault_of, f"{fault.name} at {STRIDE} n + {offset}", tally)

    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(work, lanes(LANES)))
    say(str(tally))
    assert tally.migrations == len(Fault) * STRIDE
    assert tally.wrong == []


def test_an_insert_that_the_network_doubles_is_found(lanes: Lanes) -> None:
    """When a write arrives twice by no fault of Ferry's, the migration is not called successful, and says how many are extra."""
    (lane,) = lanes(1)
    with (
        Network(
            lane.target_uri, lambda rpc, n: Fault.TWICE if (rpc, n) == ("Insert", 2) else None
        ) as target,
        lane.migration(target_uri=target.uri) as run,
    ):
        assert run.work() == 0
        assert target.done == [(Fault.TWICE, "Insert", 2)]
        assert lane.ledger.migration(run.id).status is Status.MISMATCHED
        reports = [state.report for state in lane.ledger.collection_states(run.id)]
        extra = sum(report.extra for report in reports if report is not None)
        counts = [(r.source_entities, r.target_entities) for r in reports if r is not None]
        assert extra > 0
        assert extra == sum(theirs - ours for ours, theirs in counts)


def test_a_target_that_limits_rates_or_has_no_room_is_waited_for(
    lanes: Lanes, until: Until
) -> None:
    """While the target refuses writes for rate or quota, the copy waits and the ledger says why; then it inserts once."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        target.deny(RATE_LIMIT)
        worker = lane.workers.start(run.id, lane.url)
        until(lambda: target.denied > 2)
        target.deny(QUOTA)
        until(lambda: target.denied > 4)
        until(
            lambda: any(event.name == WAITING for event in lane.ledger.events(migration_id=run.id))
        )
        assert lane.ledger.migration(run.id).status is Status.RUNNING
        until(lambda: lane.ledger.totals(run.id).slowed.startswith("Waiting: "))
        target.deny(0)
        assert worker.wait() == 0
        assert target.calls["Upsert"] == 0
        assert run.wrong().nothing


def test_writes_that_are_too_large_are_made_smaller(lanes: Lanes, say: Say) -> None:
    """A target that takes no message of a chunk's size gets smaller ones, and every entity once."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        target.refuse_larger(CHUNK_BYTES // 3)
        assert run.work() == 0
        say(f"{target.denied} of {target.calls['Insert']} inserts refused")
        assert target.calls["Upsert"] == 0
        assert target.denied > 0
        assert run.wrong().nothing


@pytest.mark.soak
@pytest.mark.timeout(SWEEP_SECONDS)
def test_a_target_without_room_ends_as_a_temporary_failure(lanes: Lanes) -> None:
    """A target that has no room for longer than Ferry waits: the migration fails, says why and what to do, and resumes."""
    (lane,) = lanes(1)
    with Network(lane.target_uri) as target, lane.migration(target_uri=target.uri) as run:
        target.deny(QUOTA)
        assert lane.workers.start(run.id, lane.url).wait(PATIENCE_SECONDS) == 0
        standing = lane.ledger.migration(run.id)
        assert standing.status is Status.FAILED
        assert standing.error is not None
        assert standing.error.code == "E-THROTTLED"
        assert "no room" in standing.error.message
        assert "quota" in standing.error.next_step
        target.deny(0)
        with lane.ledger.transaction() as act:
            act.apply(run.id, EventName.RESUME, actor=WHO)
        assert run.work() == 0
        assert run.wrong().nothing
