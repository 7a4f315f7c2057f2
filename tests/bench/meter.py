"""Reads the clocks of a measurement: wall time, this process's CPU, the servers' CPU. It measures and decides nothing."""

import time
from typing import NamedTuple

import psutil


class Reading(NamedTuple):
    """All clocks at one moment, or between two; seconds."""

    wall: float
    client_cpu: float
    source_cpu: float
    target_cpu: float

    def since(self, earlier: "Reading") -> "Reading":
        """What passed between two moments."""
        return Reading(*(now - then for now, then in zip(self, earlier, strict=True)))


def read(source_pid: int, target_pid: int) -> Reading:
    """The clocks now; a server's CPU is that of its one process, user and system."""
    return Reading(time.perf_counter(), time.process_time(), _cpu(source_pid), _cpu(target_pid))


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
