"""The engine's verbs with workers that are forks of one process (`tests/beds/forkserver.py`): the same worker, two seconds sooner.

Everything but the way in which a worker is started is the engine's own.
"""

import subprocess
from pathlib import Path

from bot.verbs import EngineVerbs
from engine.crashpoints import CRASH_AT, CRASH_SIGNAL
from engine.model import Secrets
from engine.ranges import CHUNK_BYTES
from engine.worker import LEASE_SECONDS as LEASE
from engine.worker import SOURCE_TOKEN, TARGET_TOKEN
from tests.crash.workers import Workers

LEASE_SECONDS = 10
"""A killed worker is replaced at once; what it left in doubt waits for the end of its lease."""


class ForkedVerbs(EngineVerbs):
    """The engine, whose workers are forks.

    Args:
        workers: The process that forks.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._pause: dict[str, str] = {}

    @property
    def folder(self) -> Path:
        """Where the workers' logs are."""
        return self._workers.folder

    def pause_next(self, point: str, lease_seconds: int) -> None:
        """The next worker pauses itself at this crash point ("writing:1"), an empty one none; its lease does not end meanwhile."""
        armed = {CRASH_AT: point, CRASH_SIGNAL: "SIGSTOP", LEASE: str(lease_seconds)}
        self._pause = armed if point else {}

    def spawn(
        self, migration_id: str, database_url: str, secrets: Secrets
    ) -> "subprocess.Popen[bytes]":
        """As `engine.worker.spawn`."""
        environment = {
            SOURCE_TOKEN: secrets.source,
            TARGET_TOKEN: secrets.target,
            "FERRY_CHUNK_BYTES": str(CHUNK_BYTES),
            LEASE: str(LEASE_SECONDS),
        }
        pause, self._pause = self._pause, {}
        settings = environment | pause
        return self._workers.start(migration_id, database_url, **settings)  # type: ignore[return-value]  # what the bot uses of a process
