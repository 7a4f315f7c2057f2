"""Undoes a migration in a process that dies at the crash point of its environment; the fork server runs it as it runs a worker."""

import os
import sys

import engine
from engine import crashpoints
from engine.ledger import Ledger
from engine.model import Secrets
from engine.worker import DATABASE_URL, tuning


def main() -> int:
    """Undoes the migration named on the command line, unless the process dies before."""
    crashpoints.arm(os.environ)
    with Ledger.open(os.environ[DATABASE_URL]) as ledger:
        engine.undo(ledger, sys.argv[1], Secrets(), lease_seconds=tuning()["lease_seconds"])
    return 0
