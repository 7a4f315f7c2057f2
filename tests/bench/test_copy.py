"""How fast Ferry copies between two real servers, beside the loop that a user writes today, in the same run on the same data."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymilvus import MilvusClient
from rich.console import Console
from rich.table import Table

from bot.demo.clusters import Server
from engine.milvus.sample_bulk import fill_vectors
from tests.bench.meter import Reading, wait_until_at_rest

pytestmark = [pytest.mark.bench, pytest.mark.real_milvus, pytest.mark.timeout(1800)]

ENTITIES = int(os.environ.get("FERRY_BENCH_ENTITIES", "100000"))
DIMENSION = 768
RUNS = int(os.environ.get("FERRY_BENCH_RUNS", "3"))
COLLECTION = "bench"
CORES = len(os.sched_getaffinity(0))

RATE_RATIO_MIN = 2.0
CPU_RATIO_MAX = 1 / 5


def test_copy_beats_the_row_loop(real_milvus_pair: tuple[Server, Server], tmp_path: Path) -> None:
    """Ferry copies at least twice as fast as `query_iterator` → `insert`, with at most a fifth of its client CPU."""
    source, target = real_milvus_pair
    fill_vectors(source.uri, COLLECTION, ENTITIES, DIMENSION, segments=4)
    loops, migrations = [], []
    for number in range(RUNS):
        loops.append(_run("tests.bench.baseline", source, target))
        directory = tmp_path / str(number)
        directory.mkdir()
        migrations.append(_run("tests.bench.ferry", source, target, str(directory)))
    _print(loops, migrations)
    assert {run["entities"] for run in (*loops, *migrations)} == {ENTITIES}
    assert {run["status"] for run in migrations} == {"SUCCESSFUL"}
    loop, copy = (_copies(runs) for runs in (loops, migrations))
    rate_ratio = _median(loop, lambda clock: clock.wall) / _median(copy, lambda clock: clock.wall)
    cpu_ratio = _median(copy, lambda c: c.client_cpu) / _median(loop, lambda c: c.client_cpu)
    assert rate_ratio >= RATE_RATIO_MIN
    assert cpu_ratio <= CPU_RATIO_MAX


def _run(module: str, source: Server, target: Server, *more: str) -> dict[str, Any]:
    """Runs one measurement as a process of its own on servers at rest, and takes away what it made on the target."""
    wait_until_at_rest(source.pid, target.pid)
    pids = (str(source.pid), str(target.pid))
    command = [sys.executable, "-m", module, source.uri, target.uri, COLLECTION, *pids, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    client = MilvusClient(target.uri)
    client.drop_collection(COLLECTION)
    client.close()
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _copies(runs: list[dict[str, Any]]) -> list[Reading]:
    """The clocks of the copy alone, of each run."""
    return [Reading(*(run["copy"] if "copy" in run else run["phases"]["copy"])) for run in runs]


def _median(clocks: list[Reading], of: Callable[[Reading], float]) -> float:
    return statistics.median(map(of, clocks))


def _bound(clock: Reading) -> float:
    """The time that the servers' own work takes on all cores: no client can be faster."""
    return (clock.source_cpu + clock.target_cpu) / CORES


def _print(loops: list[dict[str, Any]], migrations: list[dict[str, Any]]) -> None:
    title = f"{ENTITIES:,} × {DIMENSION}-d, {RUNS} runs, {CORES} cores: median (least) of the copy"
    table = Table(title=title)
    for heading in ("", "query_iterator → insert", "Ferry", "ratio of medians"):
        table.add_column(heading, justify="left" if not heading else "right")
    both = _copies(loops), _copies(migrations)
    for label, of, digits in _FIGURES:
        medians = [_median(clocks, of) for clocks in both]
        shown = (
            f"{middle:,.{digits}f} ({min(map(of, clocks)):,.{digits}f})"
            for middle, clocks in zip(medians, both, strict=True)
        )
        table.add_row(label, *shown, f"{medians[1] / medians[0]:.2f}")
    console = Console(width=110)
    console.print()
    console.print(table)
    console.print(_whole(migrations))


def _whole(migrations: list[dict[str, Any]]) -> Table:
    """Where the time of the whole migration goes."""
    table = Table(title="Ferry's whole migration: median of each phase")
    for heading in ("phase", "seconds", "share", "client CPU", "source CPU", "target CPU"):
        table.add_column(heading, justify="left" if heading == "phase" else "right")
    names = list(migrations[0]["phases"])
    clocks = {name: [Reading(*run["phases"][name]) for run in migrations] for name in names}
    medians = {
        name: Reading(*map(statistics.median, zip(*clocks[name], strict=True))) for name in names
    }
    total = Reading(*map(sum, zip(*medians.values(), strict=True)))
    for name, clock in (*medians.items(), ("all", total)):
        cpu = (f"{value:.2f}" for value in clock[1:])
        table.add_row(name, f"{clock.wall:.2f}", f"{clock.wall / total.wall:.0%}", *cpu)
    return table


_FIGURES: list[tuple[str, Callable[[Reading], float], int]] = [
    ("entities per second", lambda clock: ENTITIES / clock.wall, 0),
    ("seconds", lambda clock: clock.wall, 1),
    ("client CPU, seconds", lambda clock: clock.client_cpu, 2),
    ("source CPU, seconds", lambda clock: clock.source_cpu, 1),
    ("target CPU, seconds", lambda clock: clock.target_cpu, 1),
    ("bound: servers' CPU over cores, seconds", _bound, 1),
    ("share of the bound", lambda clock: _bound(clock) / clock.wall, 2),
]
