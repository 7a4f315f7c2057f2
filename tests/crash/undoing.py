"""Undoes a migration in a process that dies at the crash point of its environment: `python -m tests.crash.undoing URL ID`."""

import os
import sys

import engine
from engine import crashpoints
from engine.ledger import Ledger
from engine.model import Secrets


def main() -> None:
    """Undoes it, unless the process dies before."""
    crashpoints.arm(os.environ)
    url, migration_id = sys.argv[1:]
    with Ledger.open(url) as ledger:
        engine.undo(ledger, migration_id, Secrets())


if __name__ == "__main__":
    main()
