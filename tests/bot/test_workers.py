"""That the end of a worker is seen to, whatever the ledger takes meanwhile."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from bot.notes import WORKER_LOST
from bot.verbs import EngineVerbs
from bot.workers import Workers
from engine.errors import ServiceUnavailable
from engine.ledger import Ledger, new_owner
from engine.lifecycle import EventName
from engine.model import Migration, Secrets
from tests.bot.gated import Gated


class Starting(EngineVerbs):
    """The engine, except that a worker is a process that runs this code."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.started: list[subprocess.Popen[bytes]] = []

    def spawn(
        self, migration_id: str, database_url: str, secrets: Secrets
    ) -> "subprocess.Popen[bytes]":
        """Starts it."""
        del migration_id, database_url, secrets
        process = subprocess.Popen([sys.executable, "-c", self.code], stderr=subprocess.PIPE)
        self.started.append(process)
        return process


Started = Callable[[str], tuple[Workers, "subprocess.Popen[bytes]"]]


@pytest.fixture
def started(gated: Gated, approved: Migration, ledger: Ledger) -> Started:
    """`started(code)` gives the workers, and the process of the one that was started for the approved migration."""

    def start(code: str) -> tuple[Workers, "subprocess.Popen[bytes]"]:
        gated.answers = [""]
        assert not gated.gate.passes(approved)
        verbs = Starting(code)
        workers = Workers(
            ledger=ledger,
            gate=gated.gate,
            verbs=verbs,
            secrets=lambda _: Secrets(),
            database_url="",
            limit=1,
            changed=lambda: None,
        )
        workers.round()
        (process,) = verbs.started
        return workers, process

    return start


@contextmanager
def away(ledger: Ledger, statement: str = "") -> Iterator[None]:
    """The ledger takes nothing that begins like the statement while the block runs."""

    def fail(_cursor: object, asked: str, *_: object) -> None:
        if asked.startswith(statement):
            raise sqlite3.OperationalError("disk I/O error")

    event.listen(ledger.engine, "do_execute", fail)
    try:
        yield
    finally:
        event.remove(ledger.engine, "do_execute", fail)


def test_an_end_that_the_ledger_did_not_take_is_told_later(
    started: Started, approved: Migration, ledger: Ledger
) -> None:
    """A worker ends while the ledger is away: once that answers, how it ended and what it said last are told, once."""
    workers, process = started("import sys; sys.exit('The ledger did not take it.')")
    process.wait()
    with away(ledger), pytest.raises(ServiceUnavailable):
        workers.round()
    for _ in range(2):
        workers.round()
    (told,) = ledger.events_named(approved.id, WORKER_LOST)
    assert told.details == {"exit_code": 1, "stderr": "The ledger did not take it."}


def test_a_rescue_that_the_ledger_did_not_take_is_not_told_before(
    started: Started, approved: Migration, ledger: Ledger
) -> None:
    """What a lost worker leaves is told with its rescue or not at all: a ledger that fails in between is told of it once."""
    workers, process = started("import sys; sys.exit(1)")
    ledger.claim(approved.id, new_owner(), 0)
    process.wait()
    with away(ledger, "UPDATE migration SET status"), pytest.raises(ServiceUnavailable):
        workers.round()
    workers.round()
    assert len(ledger.events_named(approved.id, WORKER_LOST)) == 1
    assert len(ledger.events_named(approved.id, EventName.RESCUE)) == 1


def test_a_bot_ends_though_the_ledger_is_away(started: Started, ledger: Ledger) -> None:
    """Whoever stops the bot is not held up by that: its workers have ended, and the next bot sees to what they left."""
    workers, process = started("import time; time.sleep(60)")
    with away(ledger):
        workers.close()
    assert process.poll() is not None
