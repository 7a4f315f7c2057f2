"""A process that surveys both sides for a migration, as the bot and the command line do before any worker is there."""

import os
import sys

import engine
from engine import crashpoints
from engine.ledger import Ledger
from engine.model import Secrets
from engine.worker import DATABASE_URL


def main() -> int:
    """Plans the migration named on the command line anew and drops the plan, unless the process dies before."""
    crashpoints.arm(os.environ)
    with Ledger.open(os.environ[DATABASE_URL]) as ledger:
        engine.plan(ledger.migration(sys.argv[1]).request, Secrets())
    return 0
