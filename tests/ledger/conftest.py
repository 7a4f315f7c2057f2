"""Ledgers to test with: each test runs on SQLite (a new file) and on PostgreSQL (a new schema of one server)."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.ledger import Ledger, new_owner
from engine.lifecycle import EventName, Status
from engine.model import ChunkRange, Endpoint, Lease, Migration, Plan, Request
from tests.beds.forks import Forks
from tests.beds.ledgers import put

RUN = "tests.ledger.code"
"""Its `main()` runs the Python code that it is given."""


class SetClock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time that was set."""
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def url(on_each_database: str) -> str:
    """The address of a ledger that does not exist yet."""
    return on_each_database


@pytest.fixture
def clock() -> SetClock:
    """The ledger's clock."""
    return SetClock()


@pytest.fixture
def ledger(url: str, clock: SetClock) -> Iterator[Ledger]:
    """An open ledger with the test's clock."""
    with Ledger.open(put(url), clock=clock) as opened:
        yield opened


@pytest.fixture
def wish() -> Request:
    """A request."""
    return Request(
        source=Endpoint(name="old", uri="http://old:19530"),
        target=Endpoint(name="new", uri="http://new:19530"),
        collections=("films", "people"),
    )


@pytest.fixture
def plan(wish: Request) -> Plan:
    """A plan without collections."""
    return Plan(request=wish, source_version="2.3.5", target_version="2.6.0", collections=())


@pytest.fixture
def at(ledger: Ledger, wish: Request, plan: Plan) -> Callable[[Status], Migration]:
    """`at(status)` makes a migration that waits: planning, awaiting_approval or queued."""

    def make(status: Status) -> Migration:
        with ledger.transaction() as transaction:
            migration = transaction.add_migration(wish, requester="U-ASKS", reason="moving house")
            if status is Status.AWAITING_APPROVAL:
                transaction.record_plan(migration.id, plan, "planner")
                return transaction.apply(migration.id, EventName.PLANNED, actor="planner")
            if status is Status.QUEUED:
                return transaction.apply(migration.id, EventName.ENQUEUE, actor="operator")
            return migration

    return make


@pytest.fixture
def act(ledger: Ledger) -> Callable[[str, EventName], Migration]:
    """`act(id, event)` is an act of U1 in a transaction of its own."""

    def apply(migration_id: str, event: EventName) -> Migration:
        with ledger.transaction() as transaction:
            return transaction.apply(migration_id, event, actor="U1")

    return apply


@pytest.fixture
def lease(ledger: Ledger, at: Callable[[Status], Migration]) -> Lease:
    """The lease of a running migration."""
    return ledger.claim(at(Status.QUEUED).id, new_owner(), 30)


@pytest.fixture
def chunked(ledger: Ledger, lease: Lease) -> Callable[..., list[int]]:
    """`chunked(number, collection="films")` stores that many chunks of ten entities each and returns their ids."""

    def store(number: int, collection: str = "films") -> list[int]:
        ranges = (
            ChunkRange(
                collection=collection,
                partition="_default",
                ordinal=ordinal,
                lower=ordinal * 10 or None,
                upper=ordinal * 10 + 10,
                entities=10,
            )
            for ordinal in range(number)
        )
        assert ledger.store_chunks(lease, collection, "_default", ranges)
        return [chunk.id for chunk in ledger.chunks(lease.migration_id, collection)]

    return store


@pytest.fixture
def child(forks: Forks, tmp_path: Path) -> Iterator[Callable[..., SimpleNamespace]]:
    """`child(code, *arguments)` runs Python code in a process of its own: `.process`, `.line()` reads what it prints next.

    It is told to go on by `.go()`, which sends it a line. All are killed and waited for at the end.
    """
    numbers = itertools.count()
    with ExitStack() as stack:

        def start(code: str, *arguments: str) -> SimpleNamespace:
            stdin, stdout, log = (
                tmp_path / f"{next(numbers)}.{name}" for name in ("stdin", "stdout", "log")
            )
            os.mkfifo(stdin)
            os.mkfifo(stdout)
            run = [code, *arguments]
            process = forks.start(RUN, *run, log=log, stdin=stdin, stdout=stdout)
            stack.callback(process.wait)
            stack.callback(process.kill)
            told = stack.enter_context(stdin.open("w", buffering=1))
            said = stack.enter_context(stdout.open())
            return SimpleNamespace(
                process=process,
                line=lambda: said.readline().strip(),
                go=lambda: told.write("go\n"),
            )

        yield start
