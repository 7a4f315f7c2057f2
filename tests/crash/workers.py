"""The test's side of `forkserver.py`: starts workers, and tells how each of them ended."""

import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

END_SECONDS = 100
"""A worker that takes longer hangs."""

CHUNK_BYTES = 12 << 10
"""Several chunks even of small collections."""

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
    path = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
    return True


@dataclass
class Worker:
    """One worker process; `log` has what it wrote to its standard error."""

    log: Path
    _pid: "Future[int]" = field(default_factory=Future)
    _status: "Future[int]" = field(default_factory=Future)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid.result(END_SECONDS)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._status.done()

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        os.kill(self.pid, number)

    def pause(self, url: str) -> None:
        """Stops it where it holds no lock of its ledger."""
        pause(self.pid, url)

    def wait(self, seconds: float = END_SECONDS) -> int:
        """Returns its exit status once it has ended: negative for a signal."""
        return self._status.result(seconds)

    def told(self, key: str, value: int) -> None:
        """Takes what the server says of it: its `pid`, its `status`."""
        (self._pid if key == "pid" else self._status).set_result(value)


class Workers:
    """Starts workers for migrations of any ledger; several threads may use it.

    Args:
        folder: Gets the workers' logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()
        self._started: dict[int, Worker] = {}
        self._lock = threading.Lock()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.forkserver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, name="forkserver")

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.communicate()
        self._listener.join()

    def start(
        self, migration_id: str, url: str, *, program: str = "worker", **environment: str
    ) -> Worker:
        """Starts a worker, or another program of the server's, for a migration of the ledger at `url`; returns at once."""
        number = next(self._numbers)
        worker = Worker(self.folder / f"worker-{number}.log")
        settings = {
            "FERRY_DATABASE_URL": url,
            "FERRY_CHUNK_BYTES": str(CHUNK_BYTES),
            "FERRY_LEASE_SECONDS": str(LEASE_SECONDS),
        }
        order = {
            "id": number,
            "program": program,
            "migration": migration_id,
            "environment": settings | environment,
            "log": str(worker.log),
        }
        assert self._server.stdin is not None
        with self._lock:
            self._started[number] = worker
            self._server.stdin.write(json.dumps(order) + "\n")
            self._server.stdin.flush()
        return worker

    def run(self, migration_id: str, url: str, crash_at: str = "", log: Path | None = None) -> int:
        """Runs a worker to its end, or to its death at a crash point; returns its exit status."""
        environment = {"FERRY_CRASH_AT": crash_at, "FERRY_CRASH_LOG": str(log or "")}
        worker = self.start(migration_id, url, **environment)
        status = worker.wait()
        assert status in {0, KILLED}, worker.log.read_text()
        return status

    def _listen(self) -> None:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            answer = json.loads(line)
            worker = self._started[answer.pop("id")]
            for key, value in answer.items():
                worker.told(key, value)
