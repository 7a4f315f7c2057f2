"""What the tests of late calls share: how long leases last there, and a worker that dies over a call that is on its way."""

from collections.abc import Callable

from tests.crash.lane import Lane, Run
from tests.engine.proxy import Gate

LEASE_SECONDS = 4.0
REPAIR_LEASE_SECONDS = 12.0
"""Longer than a repair takes."""
UNDO_LEASE_SECONDS = 12.0
"""Longer than an undo takes, and a plan after it."""

REPLACED_LEASE_SECONDS = 8.0
"""Longer than another migration takes until it makes its first collection."""

Lanes = Callable[[int], list[Lane]]
Until = Callable[[Callable[[], bool]], None]


def kill_at(held: Gate, run: Run, lease_seconds: float, program: str = "engine.worker") -> None:
    """A worker, or another program, dies while a call of its is held on its way."""
    lease = {"FERRY_LEASE_SECONDS": str(lease_seconds)}
    worker = run.lane.workers.start(run.id, run.lane.url, program=program, **lease)
    held.wait()
    worker.kill()
    worker.wait()
