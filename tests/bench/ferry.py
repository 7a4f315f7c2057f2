"""One migration by Ferry's engine in a process of its own, with the clocks read at each of its phases.

`python -m tests.bench.ferry SOURCE TARGET COLLECTION SOURCE_PID TARGET_PID DIRECTORY` prints how it ended, its entities and the
clocks of each phase; the ledger is a SQLite file in the directory.
"""

import json
import sys
from itertools import pairwise
from typing import Any

import engine
from engine.ledger import Ledger
from engine.lifecycle import EventName
from engine.model import Endpoint, Lease, Request, Secrets
from tests.bench.meter import Reading, peak_megabytes, read


class MeteredLedger(Ledger):
    """A ledger that reads the clocks whenever the runner enters a phase."""

    pids: tuple[int, int]
    entered: list[tuple[str, Reading]]

    def set_phase(self, lease: Lease, phase: str) -> None:
        """As the ledger does, and note the moment."""
        self.entered.append((phase, read(*self.pids)))
        super().set_phase(lease, phase)


def migrate(ledger: MeteredLedger, request: Request) -> dict[str, Any]:
    """Plans and runs the request; the clocks of "plan" and of each phase, by name."""
    ledger.entered = [("plan", read(*ledger.pids))]
    plan = engine.plan(request, Secrets())
    with ledger.transaction() as tx:
        migration_id = tx.add_migration(request, requester="bench").id
        tx.record_plan(migration_id, plan, "bench")
        tx.apply(migration_id, EventName.ENQUEUE, actor="bench")
    report = engine.run(ledger, migration_id, Secrets())
    marks = [*ledger.entered, ("end", read(*ledger.pids))]
    phases = {name: later.since(moment) for (name, moment), (_, later) in pairwise(marks)}
    return {
        "status": report.status,
        "entities": report.entities,
        "bytes": report.bytes,
        "peak_megabytes": peak_megabytes(),
        "phases": phases,
    }


def main() -> None:
    """Migrates and prints the figures as JSON."""
    source, target, collection, source_pid, target_pid, directory = sys.argv[1:]
    ends = (Endpoint(name=uri, uri=uri) for uri in (source, target))
    request = Request(source=next(ends), target=next(ends), collections=(collection,))
    with MeteredLedger.open(f"sqlite:///{directory}/ledger.db") as ledger:
        ledger.pids = int(source_pid), int(target_pid)
        sys.stdout.write(json.dumps(migrate(ledger, request)) + "\n")


if __name__ == "__main__":
    main()
