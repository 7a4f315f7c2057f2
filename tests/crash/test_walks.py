"""Whatever comes together in the life of a migration, it loses and doubles nothing, says nothing that is not so, and ends well."""

import os
import random
import threading
from collections.abc import Callable, Iterable, Mapping
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
KNOWN: Mapping[int, type[Walk]] = {14: Walk, 11: PairWalk}
"""Walks that are always the same, of each policy of keys one; seeds of odd numbers are walked where the target makes new keys."""
SHORT = range(3, 6)
SOAKED = 50
LANES = 2
"""Walks at a time for each policy of keys, one with its ledger on PostgreSQL: a walk mostly waits for servers and leases."""
SOAK_SECONDS = 3600

Lanes = Callable[[int], list[Lane]]
Say = Callable[[str], None]


@pytest.mark.timeout(600)
def test_walks(walk_lanes: Lanes, new_keys_walk_lanes: Lanes, say: Say) -> None:
    """Two short walks, which are always the same, one of them of two migrations at once, keep every promise."""
    seed, given = _seed()
    kinds = {seed: Walk} if given else KNOWN
    tally = _walked(kinds, (walk_lanes, new_keys_walk_lanes), 1, SHORT, kinds.__getitem__)
    say(f"walks of the seeds {[*kinds]}: {tally}")
    assert tally.counts["walks"] == len(kinds)
    assert tally.wrong == []


@pytest.mark.soak
@pytest.mark.timeout(SOAK_SECONDS)
@pytest.mark.parametrize("kind", [Walk, PairWalk], ids=["one migration", "two at once"])
def test_many_walks(
    walk_lanes: Lanes, new_keys_walk_lanes: Lanes, say: Say, kind: type[Walk]
) -> None:
    """Fifty walks, each of another seed, keep every promise."""
    seed, given = _seed()
    seeds = range(seed, seed + (1 if given else SOAKED))
    say(f"{kind.__name__}s of the seeds {seeds[0]} … {seeds[-1]}")
    lanes = walk_lanes, new_keys_walk_lanes
    tally = _walked(seeds, lanes, LANES, STEPS, lambda _: kind)
    say(f"{kind.__name__}s: {tally}")
    assert tally.counts["walks"] == len(seeds)
    assert tally.wrong == []


def _seed() -> tuple[int, bool]:
    """The seed that is asked for, or any; and whether one was asked for."""
    given = os.environ.get(SEED)
    return (int(given), True) if given else (random.SystemRandom().randrange(1_000_000), False)


def _walked(
    seeds: Iterable[int],
    lanes: tuple[Lanes, Lanes],
    at_once: int,
    steps: range,
    kind_of: Callable[[int], type[Walk]],
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
            walked(lane, seed, tally, steps, kind_of(seed))

    work = [
        (lane, of_lane)
        for give, of_lane in zip(lanes, waiting, strict=True)
        for lane in (give(at_once) if of_lane else ())
    ]
    with ThreadPoolExecutor(len(work)) as pool:
        for ended in [pool.submit(walk, lane, of_lane) for lane, of_lane in work]:
            ended.result()
    return tally
