"""Prints what was measured as tables, and compares the medians. It measures nothing."""

import os
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from engine.milvus.sample_bulk import KeyType
from tests.bench.meter import Reading

CORES = len(os.sched_getaffinity(0))

Run = dict[str, Any]


class Shape(NamedTuple):
    """What is copied."""

    entities: int
    dimension: int
    keys: KeyType

    def __str__(self) -> str:
        return f"{self.entities:,} × {self.dimension}-d, {self.keys} keys"


def median_ratio(loops: list[Run], migrations: list[Run], clock: str) -> float:
    """How many times as much of a clock the loop's copy took as Ferry's."""
    loop, copy = (
        statistics.median(getattr(reading, clock) for reading in _copies(runs))
        for runs in (loops, migrations)
    )
    return float(loop / copy)


def verification_share(migrations: list[Run]) -> float:
    """What the proof takes of the time of the copy that it proves."""
    shares = (run["phases"]["verify"][0] / run["phases"]["copy"][0] for run in migrations)
    return float(statistics.median(shares))


def entities_per_second(shape: Shape, migrations: list[Run]) -> float:
    """The rate of Ferry's copy."""
    return statistics.median(shape.entities / clock.wall for clock in _copies(migrations))


def share_of_bound(migrations: list[Run]) -> float:
    """What the servers' own work takes of the copy's time, on all cores: 1 where the client costs nothing."""
    return statistics.median(_bound(clock) / clock.wall for clock in _copies(migrations))


def share_of_what_was_given(migrations: list[Run]) -> float:
    """As `share_of_bound`, of the time for which the host let all cores run: the one that does not move with the host."""
    return statistics.median(_bound(clock) / _given(clock) for clock in _copies(migrations))


def show(shape: Shape, loops: list[Run], migrations: list[Run]) -> None:
    """Prints both sides of the copy, and where the time of Ferry's whole migration goes."""
    console = Console(width=110)
    console.print()
    console.print(_both(shape, loops, migrations))
    ratio = median_ratio(loops, migrations, "wall")
    ceiling = ratio / share_of_bound(migrations)
    console.print(
        f"A client that takes no CPU and leaves no core idle would be {ceiling:.2f} times as fast as the loop."
    )
    console.print(_whole(migrations))
    console.print(f"The proof takes {verification_share(migrations):.2f} of the copy's time.")


def _both(shape: Shape, loops: list[Run], migrations: list[Run]) -> Table:
    table = Table(title=f"{shape}, {len(loops)} runs, {CORES} cores: median (least) of the copy")
    for heading in ("", "query_iterator → insert", "Ferry", "ratio of medians"):
        table.add_column(heading, justify="left" if not heading else "right")
    megabytes = migrations[0]["bytes"] / 1e6
    for label, of, digits in _figures(shape.entities, megabytes):
        both = [[of(run, clock) for run, clock in _pairs(runs)] for runs in (loops, migrations)]
        medians = [statistics.median(values) for values in both]
        shown = (f"{statistics.median(v):,.{digits}f} ({min(v):,.{digits}f})" for v in both)
        table.add_row(label, *shown, f"{medians[1] / medians[0]:.2f}")
    return table


def _copies(runs: list[Run]) -> list[Reading]:
    """The clocks of the copy alone, of each run."""
    return [clock for _, clock in _pairs(runs)]


def _pairs(runs: list[Run]) -> list[tuple[Run, Reading]]:
    return [(run, Reading(*(run.get("copy") or run["phases"]["copy"]))) for run in runs]


def _bound(clock: Reading) -> float:
    """The time that the servers' own work takes on all cores: no client can be faster."""
    return (clock.source_cpu + clock.target_cpu) / CORES


def _given(clock: Reading) -> float:
    """The time for which the host let all cores run."""
    return clock.wall - clock.stolen / CORES


def _whole(migrations: list[Run]) -> Table:
    table = Table(title="Ferry's whole migration: median of each phase")
    for heading in (
        "phase",
        "seconds",
        "share",
        "client CPU",
        "source CPU",
        "target CPU",
        "stolen",
    ):
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


def _figures(
    entities: int, megabytes: float
) -> tuple[tuple[str, Callable[[Run, Reading], float], int], ...]:
    """What is printed: its name, its value of one run, and its digits behind the point."""
    return (
        ("entities per second", lambda _, clock: entities / clock.wall, 0),
        ("megabytes per second", lambda _, clock: megabytes / clock.wall, 1),
        ("seconds", lambda _, clock: clock.wall, 1),
        ("client CPU, seconds", lambda _, clock: clock.client_cpu, 2),
        ("client's peak memory, megabytes", lambda run, _: run["peak_megabytes"], 0),
        ("source CPU, seconds", lambda _, clock: clock.source_cpu, 1),
        ("target CPU, seconds", lambda _, clock: clock.target_cpu, 1),
        ("bound: servers' CPU over cores, seconds", lambda _, clock: _bound(clock), 1),
        ("share of the bound", lambda _, clock: _bound(clock) / clock.wall, 2),
        ("CPU that the host gave to others, seconds", lambda _, clock: clock.stolen, 1),
        ("share of the bound in what it gave", lambda _, clock: _bound(clock) / _given(clock), 2),
    )
