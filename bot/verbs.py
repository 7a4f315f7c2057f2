"""The engine's verbs as the bot calls them: one small interface, so that a listener's time limit and a test stand in one place.

It catches nothing.
"""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Protocol

import engine
from engine import worker
from engine.ledger import Ledger
from engine.model import Endpoint, Plan, Report, Request, Secrets


class Verbs(Protocol):
    """What the bot asks of the engine; contracts are in `engine/__init__.py` and `engine/worker.py`."""

    def check(self, endpoint: Endpoint, token: str) -> str:
        """The server's version."""
        ...

    def list_databases(self, endpoint: Endpoint, token: str) -> tuple[str, ...]:
        """The databases of the endpoint's cluster."""
        ...

    def list_collections(self, endpoint: Endpoint, token: str) -> tuple[str, ...]:
        """The collections of the endpoint's database."""
        ...

    def plan(self, request: Request, secrets: Secrets) -> Plan:
        """Surveys both sides; writes nothing."""
        ...

    def report(self, ledger: Ledger, migration_id: str) -> Report:
        """What became of a migration, from the ledger."""
        ...

    def spawn(
        self, migration_id: str, database_url: str, secrets: Secrets
    ) -> "subprocess.Popen[bytes]":
        """Starts a worker process for a queued migration."""
        ...


class EngineVerbs:
    """The engine itself.

    A Milvus Lite `.db` is opened inside the process that uses it and belongs to that process from then on. The bot lets go of it
    after each verb, because the worker that copies is another process; and a `.db` that a survey made is taken away again, because
    planning leaves no trace.
    """

    def __init__(self) -> None:
        self._lite = threading.RLock()

    def check(self, endpoint: Endpoint, token: str) -> str:
        """See `engine.check`."""
        with self._letting_go(endpoint):
            return engine.check(endpoint, token)

    def list_databases(self, endpoint: Endpoint, token: str) -> tuple[str, ...]:
        """See `engine.list_databases`."""
        with self._letting_go(endpoint):
            return engine.list_databases(endpoint, token)

    def list_collections(self, endpoint: Endpoint, token: str) -> tuple[str, ...]:
        """See `engine.list_collections`."""
        with self._letting_go(endpoint):
            return engine.list_collections(endpoint, token)

    def plan(self, request: Request, secrets: Secrets) -> Plan:
        """See `engine.plan`."""
        with self._letting_go(request.source, request.target):
            return engine.plan(request, secrets)

    def report(self, ledger: Ledger, migration_id: str) -> Report:
        """See `engine.report`."""
        return engine.report(ledger, migration_id)

    def spawn(
        self, migration_id: str, database_url: str, secrets: Secrets
    ) -> "subprocess.Popen[bytes]":
        """See `engine.worker.spawn`."""
        return worker.spawn(migration_id, database_url, secrets)

    @contextmanager
    def _letting_go(self, *endpoints: Endpoint) -> Iterator[None]:
        paths = sorted({Path(each.uri) for each in endpoints if each.uri.endswith(".db")})
        if not paths:
            yield
            return
        with self._lite:
            made = [path for path in paths if not path.exists()]
            try:
                yield
            finally:
                manager = import_module("milvus_lite.server_manager").server_manager_instance
                for path in paths:
                    manager.release_server(str(path))
                for path in made:
                    shutil.rmtree(path, ignore_errors=True)
