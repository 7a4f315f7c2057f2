"""How fast Ferry copies between two real servers, beside the loop that a user writes today, in the same run on the same data.

`FERRY_BENCH_RUNS` says how often the shape that is judged is measured, `FERRY_BENCH_LARGE` how many entities the large shapes have
(0 leaves them out).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

from bot.demo.clusters import Server
from engine.milvus.client import preparing_client
from engine.milvus.sample_bulk import KeyType, fill_vectors
from tests.bench.figures import (
    Shape,
    entities_per_second,
    median_ratio,
    share_of_bound,
    share_of_what_was_given,
    show,
    verification_share,
)
from tests.bench.meter import wait_until_at_rest

pytestmark = [pytest.mark.bench, pytest.mark.real_milvus, pytest.mark.timeout(3600)]

RUNS = int(os.environ.get("FERRY_BENCH_RUNS", "3"))
LARGE = int(os.environ.get("FERRY_BENCH_LARGE", "1000000"))
COLLECTION = "bench"
JUDGED = Shape(100_000, 768, "INT64")
SMALL = tuple(
    Shape(100_000, dimension, keys) for dimension in (768, 128) for keys in get_args(KeyType)
)

RATE_RATIO_MIN = 2.0
SHARE_MIN = 0.75
SHARE_OF_WHAT_WAS_GIVEN_MIN = 0.8
CPU_RATIO_MAX = 1 / 5
PEAK_MEGABYTES_MAX = 300
VERIFICATION_SHARE_MAX = 0.4
LARGE_RATE_MIN = 0.8


def test_copy_beats_the_row_loop(real_milvus_pair: tuple[Server, Server], tmp_path: Path) -> None:
    """Ferry outruns `query_iterator` → `insert`, near the bound, with a fifth of the CPU; proof and memory stay small."""
    with _filled(real_milvus_pair, JUDGED):
        loops, migrations = _measured(real_milvus_pair, JUDGED, RUNS, tmp_path)
    assert share_of_bound(migrations) >= SHARE_MIN
    assert share_of_what_was_given(migrations) >= SHARE_OF_WHAT_WAS_GIVEN_MIN
    assert median_ratio(loops, migrations, "wall") >= RATE_RATIO_MIN
    assert 1 / median_ratio(loops, migrations, "client_cpu") <= CPU_RATIO_MAX
    assert verification_share(migrations) <= VERIFICATION_SHARE_MAX
    assert max(run["peak_megabytes"] for run in migrations) <= PEAK_MEGABYTES_MAX


@pytest.mark.parametrize("small", SMALL, ids=str)
def test_neither_memory_nor_time_grows_with_the_data(
    real_milvus_pair: tuple[Server, Server], tmp_path: Path, small: Shape
) -> None:
    """Short and long vectors, both types of keys: with many entities the memory stays bounded and the rate is that of few."""
    shapes = [small, small._replace(entities=LARGE)] if LARGE else [small]
    rates = []
    for shape in shapes:
        folder = tmp_path / str(shape.entities)
        folder.mkdir()
        with _filled(real_milvus_pair, shape):
            _, migrations = _measured(real_milvus_pair, shape, 1, folder)
        assert migrations[0]["peak_megabytes"] <= PEAK_MEGABYTES_MAX
        rates.append(entities_per_second(shape, migrations))
    assert rates[-1] >= LARGE_RATE_MIN * rates[0]


@contextmanager
def _filled(pair: tuple[Server, Server], shape: Shape) -> Iterator[None]:
    """Data on the source for as long as it is measured."""
    uri = pair[0].uri
    fill_vectors(uri, COLLECTION, shape.entities, shape.dimension, shape.keys, segments=4)
    yield
    _drop(uri)


def _measured(
    pair: tuple[Server, Server], shape: Shape, runs: int, directory: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The figures of the loop's runs and of Ferry's, taken in turn; printed, and each complete."""
    loops, migrations = [], []
    for number in range(runs):
        loops.append(_run("tests.bench.baseline", pair))
        ledger = directory / str(number)
        ledger.mkdir()
        migrations.append(_run("tests.bench.ferry", pair, str(ledger)))
    show(shape, loops, migrations)
    assert {run["entities"] for run in (*loops, *migrations)} == {shape.entities}
    assert {run["status"] for run in migrations} == {"SUCCESSFUL"}
    return loops, migrations


def _run(module: str, pair: tuple[Server, Server], *more: str) -> dict[str, Any]:
    """Runs one measurement as a process of its own on servers at rest, and takes away what it made on the target."""
    source, target = pair
    wait_until_at_rest(source.pid, target.pid)
    pids = (str(source.pid), str(target.pid))
    command = [sys.executable, "-m", module, source.uri, target.uri, COLLECTION, *pids, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _drop(target.uri)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _drop(uri: str) -> None:
    client = preparing_client(uri)
    client.drop_collection(COLLECTION)
    client.close()
