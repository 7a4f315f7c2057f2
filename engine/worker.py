"""The process around one migration: `python -m engine.worker M-…`.

It is started by the bot (`spawn`), so that copying cannot slow down the bot's answers and a crash
here is one failed attempt. SIGTERM hands the migration back to the queue. It decides nothing.
"""

import math
import os
import signal
import subprocess
import sys
import threading
from typing import Final, TypedDict

import structlog

from engine import ranges
from engine.errors import (
    ConfigurationInvalid,
    FerryError,
    LeaseLost,
    MigrationBusy,
    ShutdownRequested,
)
from engine.ledger import Ledger, leases
from engine.model import Secrets

SOURCE_TOKEN: Final = "FERRY_SOURCE_TOKEN"  # noqa: S105  # the variable's name
TARGET_TOKEN: Final = "FERRY_TARGET_TOKEN"  # noqa: S105  # the variable's name
DATABASE_URL: Final = "FERRY_DATABASE_URL"
CHUNK_BYTES: Final = "FERRY_CHUNK_BYTES"
"""Bytes per chunk, for servers that take less at a time than others; a setting of the process, not of the migration."""
LEASE_SECONDS: Final = "FERRY_LEASE_SECONDS"
"""How long the migration is the worker's own from each sign of life; after that another one may take over."""

log = structlog.get_logger(__name__)


def spawn(migration_id: str, database_url: str, secrets: Secrets) -> subprocess.Popen[bytes]:
    """Starts a worker; its standard error is a pipe, and nothing is written to its standard output.

    Args:
        migration_id: Which migration it shall claim.
        database_url: The ledger.
        secrets: The clusters' tokens; they travel in the environment, never on the command line.
    """
    environment = os.environ | {
        DATABASE_URL: database_url,
        SOURCE_TOKEN: secrets.source,
        TARGET_TOKEN: secrets.target,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "engine.worker", migration_id],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


class Tuning(TypedDict):
    """How this process works, as `verbs.run` takes it."""

    chunk_bytes: int
    lease_seconds: float


def tuning() -> Tuning:
    """The settings of the process, from its environment; raises ConfigurationInvalid where one is no number above 0."""
    return Tuning(
        chunk_bytes=int(_number(CHUNK_BYTES, ranges.CHUNK_BYTES)),
        lease_seconds=_number(LEASE_SECONDS, leases.LEASE_SECONDS),
    )


def _number(variable: str, default: float) -> float:
    given = os.environ.get(variable, "")
    try:
        number = float(given or default)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ConfigurationInvalid(
            f"{variable} is “{given}”, which is no number above 0.",
            state="Nothing was started.",
            next_step="Correct the variable, or leave it out.",
        )
    return number


def main() -> int:
    """Claims the migration named on the command line and drives it, or the undo of it that was asked for, to its end.

    Returns:
        0 when the ledger says how it ended, whatever that is, or that another worker is at it; the error's exit code otherwise.
    """
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    from engine import crashpoints, verbs  # noqa: PLC0415  # logging is set up first

    crashpoints.arm(os.environ)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    secrets = Secrets(os.environ.get(SOURCE_TOKEN, ""), os.environ.get(TARGET_TOKEN, ""))
    migration_id = sys.argv[1]
    try:
        with Ledger.open(os.environ[DATABASE_URL]) as ledger:
            verbs.work(ledger, migration_id, secrets, stop=stop, **tuning())
    except ShutdownRequested:
        log.info("handed_back", migration=migration_id)
    except LeaseLost:
        log.warning("lease_lost", migration=migration_id)
    except MigrationBusy as busy:
        log.warning("worked_on_elsewhere", migration=migration_id, by=str(busy))
    except FerryError as failure:
        log.error("worker_failed", migration=migration_id, code=failure.code, error=str(failure))  # noqa: TRY400  # told in full
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
