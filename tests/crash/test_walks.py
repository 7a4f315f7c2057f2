"""Whatever comes together in the life of a migration, it loses and doubles nothing, says nothing that is not so, and ends well."""

import os
import random
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.crash.lane import Lane
from tests.crash.pair import PairWalk
from tests.crash.tally import Tally
from tests.crash.walk import STEPS, Walk, walked
from tests.crash.walk_lane import WalkLane

pytestmark = pytest.mark.real_milvus

SEED = "FERRY_WALK_SEED"
"""The environment's way to walk again: a seed as it was printed."""
KNOWN = (14, 11)
"""Of each policy of keys a walk that is always the same; seeds of odd numbers are walked where the target makes new keys."""
SHORT = range(3, 6)
SOAKED = int(os.environ.get("HA_N", "50"))
LANES = int(os.environ.get("HA_L", "2"))
"""Walks at a time for each policy of keys: most of the time of one is waiting for servers and leases."""
SOAK_SECONDS = 3600

Lanes = Callable[[int], list[Lane]]
Say = Callable[[str], None]


@pytest.mark.timeout(600)
def test_walks(walk_lanes: Lanes, new_keys_walk_lanes: Lanes, say: Say) -> None:
    """Two short walks, which are always the same, keep every promise."""
    seed, given = _seed()
    seeds = [seed] if given else KNOWN
    tally = _walked(seeds, (walk_lanes, new_keys_walk_lanes), 1, SHORT)
    say(f"walks of the seeds {seeds}: {tally}")
    assert tally.counts["walks"] == len(seeds)
    assert tally.wrong == []


@pytest.mark.soak
@pytest.mark.timeout(SOAK_SECONDS)
def test_many_walks(walk_lanes: Lanes, new_keys_walk_lanes: Lanes, say: Say) -> None:
    """Fifty walks, each of another seed, keep every promise."""
    seed, given = _seed()
    seeds = range(seed, seed + (1 if given else SOAKED))
    say(f"seeds {seeds[0]} … {seeds[-1]}")
    tally = _walked(seeds, (walk_lanes, new_keys_walk_lanes), LANES, STEPS)
    say(f"walks: {tally}")
    assert tally.counts["walks"] == len(seeds)
    assert tally.wrong == []


@pytest.mark.soak
@pytest.mark.timeout(SOAK_SECONDS)
def test_many_pairs(walk_lanes: Lanes, new_keys_walk_lanes: Lanes, say: Say) -> None:
    """Fifty walks of two migrations that are alive at once, each of another seed, keep every promise."""
    seed, given = _seed()
    seeds = range(seed, seed + (1 if given else SOAKED))
    say(f"pairs of the seeds {seeds[0]} … {seeds[-1]}")
    tally = _walked(seeds, (walk_lanes, new_keys_walk_lanes), LANES, STEPS, PairWalk)
    say(f"pairs: {tally}")
    assert tally.counts["walks"] == len(seeds)
    assert tally.wrong == []


def _seed() -> tuple[int, bool]:
    """The seed that is asked for, or any; and whether one was asked for."""
    given = os.environ.get(SEED)
    if os.environ.get("HA_SEED"):
        return int(os.environ["HA_SEED"]), False
    return (int(given), True) if given else (random.SystemRandom().randrange(1_000_000), False)


def _walked(
    seeds: Iterable[int],
    lanes: tuple[Lanes, Lanes],
    at_once: int,
    steps: range,
    kind: type[Walk] = Walk,
) -> Tally:
    """Walks with all seeds, so many at once on the lanes of either policy of keys."""
    tally, lock = Tally(), threading.Lock()
    waiting: tuple[list[int], list[int]] = ([], [])
    for seed in seeds:
        waiting[seed % 2].append(seed)

    def walk(lane: Lane, of_lane: list[int]) -> None:
        assert isinstance(lane, WalkLane)
        while True:
            with lock:
                if not of_lane:
                    return
                seed = of_lane.pop(0)
            walked(lane, seed, tally, steps, kind)

    work = [
        (lane, of_lane)
        for give, of_lane in zip(lanes, waiting, strict=True)
        for lane in (give(at_once) if of_lane else ())
    ]
    with ThreadPoolExecutor(len(work)) as pool:
        for ended in [pool.submit(walk, lane, of_lane) for lane, of_lane in work]:
            ended.result()
    return tally
