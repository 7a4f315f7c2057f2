"""The engine's verbs as the bot calls them: one small interface, so that a listener's time limit and a test stand in one place.

It catches nothing.
"""

import subprocess
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

    def keys_in_question(self, request: Request, secrets: Secrets) -> tuple[str, ...]:
        """The collections for which the request's `auto_id` makes a difference."""
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
    """The engine itself."""

    def check(self, endpoint: Endpoint, token: str) -> str:
        """See `engine.check`."""
        return engine.check(endpoint, token)

    def list_databases(self, endpoint: Endpoint, token: str) -> tuple[str, ...]:
        """See `engine.list_databases`."""
        return engine.list_databases(endpoint, token)

    def list_collections(self, endpoint: Endpoint, token: str) -> tuple[str, ...]:
        """See `engine.list_collections`."""
        return engine.list_collections(endpoint, token)

    def keys_in_question(self, request: Request, secrets: Secrets) -> tuple[str, ...]:
        """See `engine.keys_in_question`."""
        return engine.keys_in_question(request, secrets)

    def plan(self, request: Request, secrets: Secrets) -> Plan:
        """See `engine.plan`."""
        return engine.plan(request, secrets)

    def report(self, ledger: Ledger, migration_id: str) -> Report:
        """See `engine.report`."""
        return engine.report(ledger, migration_id)

    def spawn(
        self, migration_id: str, database_url: str, secrets: Secrets
    ) -> "subprocess.Popen[bytes]":
        """See `engine.worker.spawn`."""
        return worker.spawn(migration_id, database_url, secrets)
