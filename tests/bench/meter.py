"""Reads the clocks of a measurement: wall time, CPU of this process and of the servers, what the host took. It decides nothing."""

import resource
import time
from typing import NamedTuple

import psutil

REST_SECONDS = 300
QUIET_SECONDS = 3
IDLE_CPU = 0.15
"""CPU seconds that an idle Milvus 2.3.5 uses in one second at most; 0.03 to 0.1 were seen."""


class Reading(NamedTuple):
    """All clocks at one moment, or between two; seconds."""

    wall: float
    client_cpu: float
    source_cpu: float
    target_cpu: float
    stolen: float
    """What the host of a virtual machine gave to others while its cores had work to do."""

    def since(self, earlier: "Reading") -> "Reading":
        """What passed between two moments."""
        return Reading(*(now - then for now, then in zip(self, earlier, strict=True)))


def read(source_pid: int, target_pid: int) -> Reading:
    """The clocks now; a server's CPU is that of its one process, user and system."""
    return Reading(
        time.perf_counter(),
        time.process_time(),
        _cpu(source_pid),
        _cpu(target_pid),
        float(psutil.cpu_times().steal),
    )


def wait_until_at_rest(*pids: int) -> None:
    """Returns once servers do no more work of their own than when idle: what one run left behind is not the next one's.

    After data was written or dropped, a server compacts, builds indexes and collects garbage for a while.

    Raises:
        TimeoutError: They are still busy after `REST_SECONDS`.
    """
    deadline = time.monotonic() + REST_SECONDS
    quiet = 0
    while quiet < QUIET_SECONDS:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the servers {pids} are still busy after {REST_SECONDS} s")
        before = sum(map(_cpu, pids))
        time.sleep(1)
        idle = sum(map(_cpu, pids)) - before <= IDLE_CPU * len(pids)
        quiet = quiet + 1 if idle else 0


def peak_megabytes() -> float:
    """The most memory that this process had resident so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
