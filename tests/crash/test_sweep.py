"""A worker that dies by SIGKILL at any crash point is resumed, and its target holds every entity of the source exactly once."""

import random
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.model import OnConflict
from tests.crash import sweep
from tests.crash.lane import Lane
from tests.crash.sweep import Tally

pytestmark = pytest.mark.real_milvus

LANES = 4
"""Migrations at a time: most of the time of a small one is waiting for a server to load."""
SEEDS = 50
SWEEP_SECONDS = 3600

Lanes = Callable[[int], list[Lane]]
Say = Callable[[str], None]


@pytest.mark.timeout(600)
def test_a_kill_at_each_named_point(
    lanes: Lanes, new_keys_lanes: Lanes, kept_keys_lane: Lane, crash_log: Path, say: Say
) -> None:
    """Killed at every named point, one after the other, migrations lose and double nothing, whoever makes the keys."""
    tally = Tally()
    first, second, third, fourth = lanes(LANES)
    (fifth,) = new_keys_lanes(1)
    names = dict.fromkeys(sweep.clean_points(first, crash_log, tally))
    points = [f"{name}:1" for name in names]
    in_doubt = ["written:1", "settled:1"]  # settled: what another worker left in doubt
    replacing = ["replacing:1", "dropped:1", "collection_made:1", "receipt:2"]
    repairing = ["repairing:1", "repair_deleted:1", "repair_written:1", "repaired:1"]
    dropping = ["undo_checked:1", "undo_begun:1", "dropping_created:1", "created_dropped:1"]
    undoing = [*dropping, "dropping_database:1", "undone:1"]
    anew = ["written:1", "dropping_created:1", "created_dropped:1", "created:1", "receipt:2"]

    def others() -> None:
        sweep.chain(third, in_doubt, tally)
        sweep.chain(third, replacing, tally, on_conflict=OnConflict.REPLACE)
        sweep.repairs(third, repairing, tally)
        sweep.plans(third, ["surveying:1", "surveying:3"], tally)

    _at_once(
        (
            (sweep.chain, first, points[::2], tally),
            (sweep.chain, second, points[1::2], tally),
            (others,),
            (sweep.undoes, fourth, undoing, tally),
            (sweep.chain, kept_keys_lane, ["written:1", "keys_deleted:1"], tally),
            (sweep.chain, fifth, [*anew, "compared:1", "comparison_recorded:2"], tally),
        )
    )
    say(f"crash sweep (each named point: {' '.join(sorted(tally.points))}): {tally}")
    assert tally.points == _named()
    assert tally.wrong == []


def test_a_cancel_releases_what_a_killed_worker_left_loaded(lanes: Lanes) -> None:
    """Canceled after its worker was killed, and killed again as it releases the source, a migration leaves it as it was found."""
    tally = Tally()
    (lane,) = lanes(1)
    for points in (["loading_source:1"], ["source_loaded:1", "releasing:1", "released:1"]):
        sweep.cancels(lane, points, tally)
    assert tally.wrong == []
    assert tally.kills == len(tally.points) == 4


@pytest.mark.soak
@pytest.mark.timeout(SWEEP_SECONDS)
@pytest.mark.parametrize("keys", ["", "new_keys_"])
def test_a_kill_at_every_point(
    request: pytest.FixtureRequest, tmp_path: Path, say: Say, keys: str
) -> None:
    """Killed at its k-th point, k = 1, 2, 3 … until a run survives, a migration loses and doubles nothing.

    That is every point that a migration passes of which nobody is killed, under each of their names.
    """
    lanes: Lanes = request.getfixturevalue(f"{keys}lanes")
    tally = Tally()
    passed = sweep.clean_points(lanes(1)[0], tmp_path / "clean", tally)
    numbers = iter(range(1, 10_000))
    survived = threading.Event()
    lock = threading.Lock()

    def work(lane: Lane, log: Path) -> None:
        while not survived.is_set():
            with lock:
                number = next(numbers)
            if not sweep.single(lane, number, log, tally):
                survived.set()

    try:
        _at_once((work, lane, tmp_path / f"{n}") for n, lane in enumerate(lanes(LANES)))
        in_order = tally.kills
        # Several threads pass points in another order each time: chance may leave out one of theirs.
        left_out = sorted(set(passed) - tally.points)
        sweep.chain(lanes(1)[0], [f"{name}:1" for name in left_out], tally)
    finally:
        say(f"crash sweep (every point, {keys}lanes): {tally}")
    assert in_order == len(passed)
    assert tally.points == set(passed)
    assert tally.wrong == []


@pytest.mark.soak
@pytest.mark.timeout(SWEEP_SECONDS)
@pytest.mark.parametrize("keys", ["", "new_keys_"])
def test_several_kills_of_one_migration(
    request: pytest.FixtureRequest, tmp_path: Path, say: Say, keys: str
) -> None:
    """Killed up to four times at random points, mostly twice and more, also while it resumes, it loses and doubles nothing."""
    lanes: Lanes = request.getfixturevalue(f"{keys}lanes")
    tally = Tally()
    first = random.SystemRandom().randrange(1_000_000)
    say(f"seeds {first} … {first + SEEDS - 1}")
    passed = len(sweep.clean_points(lanes(1)[0], tmp_path / "clean", tally))
    seeds = iter(range(first, first + SEEDS))
    lock = threading.Lock()

    def work(lane: Lane, log: Path) -> None:
        while True:
            with lock:
                seed = next(seeds, None)
            if seed is None:
                return
            sweep.several(lane, seed, passed, log, tally)

    try:
        _at_once((work, lane, tmp_path / f"{n}") for n, lane in enumerate(lanes(LANES)))
    finally:
        say(f"crash sweep (several kills, {keys}lanes): {tally}")
    assert tally.migrations == SEEDS + 1
    assert tally.kills >= 2 * SEEDS
    assert tally.killed_again > SEEDS / 2
    assert tally.wrong == []


def _named() -> set[str]:
    """All points that the engine's code names."""
    sources = (path.read_text() for path in Path(engine.__file__).parent.rglob("*.py"))
    return {name for text in sources for name in re.findall(r'reached\("(\w+)"\)', text)}


def _at_once(calls: Iterable[tuple[Any, ...]]) -> None:
    """Runs all calls in threads of their own; raises the first failure once all have ended."""
    failures: list[BaseException] = []

    def kept(work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except BaseException as error:  # noqa: BLE001  # raised below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=kept, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
