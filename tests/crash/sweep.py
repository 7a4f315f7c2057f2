"""Kills workers at crash points, resumes, compares, and counts what was found.

A chain is one migration that is killed again and again: each attempt goes on from what the last one left behind.
"""

import random
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import engine
from engine import crashpoints
from engine.lifecycle import EventName, Status
from tests.crash.lane import RESTING, WHO, Lane, Run
from tests.crash.workers import KILLED

UNFINISHED = {Status.QUEUED, Status.RUNNING}


@dataclass
class Tally:
    """What a sweep did and found; several threads may add to it.

    Attributes:
        killed_again: Migrations of which two workers or more died.
        points: Names of the crash points at which a worker died.
    """

    kills: int = 0
    killed_again: int = 0
    migrations: int = 0
    lost: int = 0
    doubled: int = 0
    points: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def compared(self, run: Run, crash_at: Sequence[str], names: Iterable[str] = ()) -> None:
        """Ends a migration whose workers died at these points, and adds what its target holds."""
        if run.lane.ledger.migration(run.id).status in UNFINISHED:
            assert run.work() == 0
        found = run.wrong()
        with self._lock:
            self.kills += len(crash_at)
            self.killed_again += len(crash_at) > 1
            self.migrations += 1
            self.lost += found.lost
            self.doubled += found.doubled
            self.points.update(names)
            if not found.nothing:
                self.wrong.append(f"killed at {', '.join(crash_at)}: {found}")

    def killed(self, name: str) -> None:
        """Adds a kill after which nothing is to be compared."""
        with self._lock:
            self.kills += 1
            self.points.add(name)

    def __str__(self) -> str:
        return (
            f"{len(self.points)} points, {self.kills} kills, {self.migrations} migrations "
            f"({self.killed_again} killed more than once), "
            f"{self.lost} lost, {self.doubled} doubled"
        )


def clean_points(lane: Lane, log: Path, tally: Tally) -> list[str]:
    """The points that a migration passes when nothing happens to it, in their order."""
    with lane.migration() as run:
        assert run.work(log=log) == 0
        tally.compared(run, ())
    return log.read_text().split()


def chain(lane: Lane, points: Iterable[str], tally: Tally, **changes: Any) -> None:
    """Kills one migration at all these points, one after the other; a new one begins when it ends before."""
    waiting = deque(points)
    while waiting:
        with lane.migration(**changes) as run:
            died: list[str] = []
            while waiting and run.work(waiting[0]) == KILLED:
                died.append(waiting.popleft())
                if run.lane.ledger.migration(run.id).status not in UNFINISHED:
                    break
            assert died, f"no worker ever reaches {waiting[0]}"
            tally.compared(run, died, (point.partition(":")[0] for point in died))


def repairs(lane: Lane, points: Iterable[str], tally: Tally) -> None:
    """Kills the repair of one damaged migration at all these points, one after the other."""
    with lane.migration() as run:
        assert run.work("loading:1") == KILLED
        run.damage()
        assert run.work() == 0
        assert lane.ledger.migration(run.id).status is Status.MISMATCHED
        engine.repair(lane.ledger, run.id, WHO)
        died = []
        for point in points:
            assert run.work(point) == KILLED, f"no repair ever reaches {point}"
            died.append(point)
        tally.compared(run, died, (point.partition(":")[0] for point in died))


def plans(lane: Lane, points: Iterable[str], tally: Tally) -> None:
    """Kills the planning of one migration at all these points, one after the other; nothing of it is on either side then."""
    with lane.migration() as run:
        for point in points:
            armed = {crashpoints.CRASH_AT: point}
            plan = lane.workers.start(run.id, lane.url, program="tests.crash.planning", **armed)
            assert plan.wait() == KILLED, f"{point}: {plan.log.read_text()}"
            tally.killed(point.partition(":")[0])
        tally.wrong += [f"only planned, and there: {name}" for name in run.left()]
        tally.wrong += [f"{RESTING} was loaded by a plan"] if lane.source.loaded(RESTING) else []


def undoes(lane: Lane, points: Iterable[str], tally: Tally) -> None:
    """Kills the undo of one proved migration at all these points, one after the other; afterwards nothing of it is left."""
    with lane.migration() as run:
        assert run.work() == 0
        for point in points:
            armed = {crashpoints.CRASH_AT: point}
            undo = lane.workers.start(run.id, lane.url, program="tests.crash.undoing", **armed)
            assert undo.wait() == KILLED, f"{point}: {undo.log.read_text()}"
            tally.killed(point.partition(":")[0])
        assert lane.ledger.migration(run.id).status is Status.UNDONE
        tally.wrong += [f"undone, and still there: {name}" for name in run.left()]


def cancels(lane: Lane, points: Iterable[str], tally: Tally) -> None:
    """Kills one migration at the first of these points, cancels it, and kills the workers that carry that out at the others."""
    with lane.migration() as run:
        first, *others = points
        assert run.work(first) == KILLED, f"no worker ever reaches {first}"
        with lane.ledger.transaction() as act:
            act.apply(run.id, EventName.CANCEL, actor=WHO)
        for point in others:
            assert run.work(point) == KILLED, f"no cancel ever reaches {point}"
        if lane.ledger.migration(run.id).status in UNFINISHED:
            assert run.work() == 0
        standing = lane.ledger.migration(run.id)
        for point in (first, *others):
            tally.killed(point.partition(":")[0])
        if standing.status is not Status.CANCELED or standing.error:
            tally.wrong.append(
                f"killed at {first} and canceled: {standing.status} {standing.error}"
            )
        if lane.source.loaded(RESTING):
            tally.wrong.append(f"killed at {first} and canceled: {RESTING} was left loaded")


def single(lane: Lane, number: int, log: Path, tally: Tally) -> bool:
    """Kills one migration at its n-th point and resumes it; returns False when it ended before."""
    log.unlink(missing_ok=True)
    with lane.migration() as run:
        survived = run.work(str(number), log=log) != KILLED
        last = log.read_text().split()[-1]
        tally.compared(
            run, () if survived else (f"{number} ({last})",), () if survived else (last,)
        )
    return not survived


def several(lane: Lane, seed: int, points: int, log: Path, tally: Tally) -> None:
    """Kills one migration two to four times, the later ones while it resumes, at points that the seed chooses."""
    chance = random.Random(seed)
    log.unlink(missing_ok=True)
    with lane.migration() as run:
        died: list[str] = []
        names: list[str] = []
        for _ in range(chance.randint(2, 4)):
            at = str(chance.randint(1, max(2, points // (len(died) + 1))))
            if run.work(at, log=log) != KILLED:
                break
            died.append(at)
            names.append(log.read_text().split()[-1])
            if run.lane.ledger.migration(run.id).status not in UNFINISHED:
                break
        tally.compared(run, [f"{at} of seed {seed}" for at in died], names)
