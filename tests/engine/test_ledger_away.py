"""A ledger that does not answer for a while: what is said then is true, and what was asked for meanwhile is heard later."""

import itertools
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

import engine
from bot import console
from engine import runner
from engine.errors import ServiceUnavailable
from engine.ledger import Ledger, database, new_owner
from engine.model import Outcome, Secrets
from tests.engine.bed import Bed, Side, rows, until
from tests.engine.proxy import Proxy

Proxied = Callable[[Side], Proxy]
LEASE_SECONDS = 1.0
OUTAGE = 6
"""Statements that fail: those of a second or more."""


@pytest.fixture
def impatient(lite_bed: Bed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The bed's ledger, which waits for no other writer."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with Ledger.open(lite_bed.url) as ledger:
        yield ledger


def twenty(bed: Bed, proxied: Proxied) -> tuple[Proxy, str]:
    """A migration of twenty entities that is queued, and what stands before its target."""
    bed.source.create("one")
    bed.source.insert("one", rows(range(20)))
    target = proxied(bed.target)
    return target, bed.queued("one", target_uri=target.uri)


@pytest.mark.parametrize("undone", [False, True])
def test_a_lease_that_nobody_took_is_not_said_to_be_taken(
    lite_bed: Bed, impatient: Ledger, proxied: Proxied, *, undone: bool
) -> None:
    """The ledger takes nothing until a lease is over: its process says so, and not that another one is at it."""
    bed = lite_bed
    target, migration = twenty(bed, proxied)
    work = engine.run
    if undone:
        assert bed.run(migration).status is Outcome.SUCCESSFUL
        work = engine.undo
    gate = target.hold("DropCollection" if undone else "Insert", 1)
    with closing(sqlite3.connect(bed.url.removeprefix("sqlite:///"))) as other:
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(work, impatient, migration, Secrets(), lease_seconds=LEASE_SECONDS)
            gate.wait()
            other.execute("BEGIN IMMEDIATE")
            until(lambda: migration in bed.ledger.expired_leases(datetime.now(UTC)))
            gate.open.set()
            with pytest.raises(ServiceUnavailable) as told:
                done.result()
        assert "so long that this process may not go on" in told.value.message
        assert "or this process or its machine stood still." in told.value.message
        assert "Nobody is at it" in told.value.state
        other.rollback()
    work(bed.ledger, migration, Secrets())


@pytest.mark.parametrize("begins", range(5, 90, 20))
def test_a_short_outage_of_the_ledger_is_waited_for(
    lite_bed: Bed, proxied: Proxied, begins: int
) -> None:
    """From any step of an attempt on the ledger takes nothing for a while: it is told nowhere, and nothing is written twice."""
    bed = lite_bed
    target, migration = twenty(bed, proxied)
    numbers, failed = itertools.count(1), itertools.count()
    lease = bed.ledger.claim(migration, new_owner(), 30)

    def fail(*_: Any) -> None:
        if begins <= next(numbers) < begins + OUTAGE:
            next(failed)
            raise sqlite3.OperationalError("disk I/O error")

    event.listen(bed.ledger.engine, "do_execute", fail)
    try:
        runner.drive(bed.ledger, lease, Secrets(), threading.Event())
    finally:
        event.remove(bed.ledger.engine, "do_execute", fail)
    report = bed.report(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert (target.calls["Insert"], target.calls["Upsert"]) == (1, 0)
    assert next(failed) == OUTAGE
    bed.assert_same("one", range(20))


def test_a_cancel_that_the_ledger_did_not_take_is_asked_for_again(
    lite_bed: Bed, proxied: Proxied
) -> None:
    """Ctrl-C comes when the ledger fails: the next beat of the heart records the cancel."""
    bed = lite_bed
    target, migration = twenty(bed, proxied)
    gate = target.hold("Insert", 1)
    failed = threading.Event()

    def fail(_cursor: object, statement: str, *_: Any) -> None:
        beats = threading.current_thread().name == "heartbeat"
        if beats and statement.startswith("UPDATE migration SET status") and not failed.is_set():
            failed.set()
            raise sqlite3.OperationalError("disk I/O error")

    def interrupt() -> None:
        gate.wait()
        os.kill(os.getpid(), signal.SIGINT)
        assert failed.wait(30)
        try:
            until(lambda: bed.ledger.migration(migration).cancel_requested_at is not None, 5)
        finally:
            gate.open.set()

    event.listen(bed.ledger.engine, "do_execute", fail)
    with ThreadPoolExecutor(1) as thread:
        interrupting = thread.submit(interrupt)
        report = console.driven(bed.ledger, bed.ledger.migration(migration), Secrets())
    interrupting.result()
    assert report.status is Outcome.CANCELED
