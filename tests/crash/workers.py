"""Workers of the crash tests: forks with small chunks and short leases, which end well or by SIGKILL."""

import itertools
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import psutil

from tests.beds.forks import Fork, Forks

CHUNK_BYTES = 12 << 10
"""Several chunks even of small collections."""

SQLITE = "sqlite:///"
KILLED = -signal.SIGKILL
LEASE_SECONDS = 3
"""What a killed worker left in doubt waits for the end of its lease."""


def pause(pid: int, url: str) -> None:
    """Stops a process where it does not hold the lock of its ledger on SQLite: nobody else could write until it goes on."""
    process = psutil.Process(pid)
    while True:
        process.suspend()
        while process.status() != psutil.STATUS_STOPPED:
            pass
        if _is_free(url):
            return
        process.resume()


def _is_free(url: str) -> bool:
    if not url.startswith(SQLITE):
        return True
    path = url.removeprefix(SQLITE)
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
    return True


class Workers:
    """Starts workers for migrations of any ledger; several threads may use it.

    Args:
        forks: Where they run.
        folder: Gets their logs.
    """

    def __init__(self, forks: Forks, folder: Path) -> None:
        self.folder = folder
        self._forks = forks
        self._numbers = itertools.count()

    def start(
        self, migration_id: str, url: str, *, program: str = "engine.worker", **environment: str
    ) -> Fork:
        """Starts a worker, or another program, for a migration of the ledger at `url`; returns at once."""
        settings = {
            "FERRY_DATABASE_URL": url,
            "FERRY_CHUNK_BYTES": str(CHUNK_BYTES),
            "FERRY_LEASE_SECONDS": str(LEASE_SECONDS),
        }
        log = self.folder / f"worker-{next(self._numbers)}.log"
        return self._forks.start(program, migration_id, log=log, **(settings | environment))

    def run(self, migration_id: str, url: str, crash_at: str = "", log: Path | None = None) -> int:
        """Runs a worker to its end, or to its death at a crash point; returns its exit status."""
        environment = {"FERRY_CRASH_AT": crash_at, "FERRY_CRASH_LOG": str(log or "")}
        worker = self.start(migration_id, url, **environment)
        status = worker.wait()
        assert status in {0, KILLED}, worker.log.read_text()
        return status
