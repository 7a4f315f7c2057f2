"""A worker's ledger that is away for a moment is waited for; what was committed though its answer was lost is not done twice."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from engine.errors import LeaseLost, LedgerAway
from engine.ledger import Ledger, new_owner
from engine.ledger.findings import PAGE
from engine.lifecycle import EventName, Status
from engine.model import ChunkRange, CollectionReport, Lease, Mismatch, MismatchKind, Receipt
from tests.ledger.conftest import SetClock

NAME = "films"
CHUNKS = FINDINGS = 2 * PAGE + 3


def outage(ledger: Ledger) -> Exception:
    """What the ledger's driver raises where its database is away."""
    if ledger.engine.dialect.name == "sqlite":
        return sqlite3.OperationalError("disk I/O error")
    return psycopg.OperationalError("server closed the connection unexpectedly")


@contextmanager
def losing_answers(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every other commit is carried out and answered with a failure, the first one too."""
    commit, numbers = ledger.engine.dialect.do_commit, itertools.count()

    def lose(connection: Any) -> None:
        commit(connection)
        if next(numbers) % 2 == 0:
            raise outage(ledger)

    with monkeypatch.context() as patch:
        patch.setattr(ledger.engine.dialect, "do_commit", lose)
        yield


def test_what_was_committed_though_its_answer_was_lost_is_not_done_twice(
    ledger: Ledger, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks, receipts, findings and the end of an attempt, each of which is told to have failed, stand once in the ledger."""
    worker = ledger.waiting(lambda _: True)
    ranges = (
        ChunkRange(collection=NAME, partition="", ordinal=n, lower=n, upper=n + 1, entities=10)
        for n in range(CHUNKS)
    )
    missing = (Mismatch(partition="", pk=key, kind=MismatchKind.MISSING) for key in range(FINDINGS))
    with losing_answers(ledger, monkeypatch):
        assert worker.store_chunks(lease, NAME, "", ranges)
        first, second = itertools.islice(worker.chunks(lease.migration_id, NAME), 2)
        worker.mark_attempted(lease, [first.id, second.id])
        for chunk in (first, second):
            worker.record_receipt(lease, chunk.id, Receipt(entities=10, bytes=100, digest="0" * 32))
        worker.record_verified(lease, first.id)
        assert worker.record_verified(lease, second.id, missing) == FINDINGS
        assert worker.record_created(lease, NAME, "created", 7)
        report = CollectionReport(name=NAME, source_entities=10)
        ended = worker.finish(lease, EventName.MISMATCH, verdicts={NAME: report})
    assert ended.status is Status.MISMATCHED
    found = ledger.mismatches(lease.migration_id, limit=2 * FINDINGS)
    assert [each.mismatch.pk for each in found] == list(range(FINDINGS))
    sums = ledger.chunk_sums(lease.migration_id, NAME)
    assert (sums.chunks, sums.copied) == (CHUNKS, 20)
    told = ledger.totals(lease.migration_id).collections[0]
    assert (told.copied, told.verified) == (20, 10)
    assert len(ledger.events_named(lease.migration_id, EventName.MISMATCH)) == 1
    assert ledger.collection_state(lease.migration_id, NAME).report == report


def test_an_end_that_is_not_this_attempts_is_not_taken_for_it(
    ledger: Ledger, lease: Lease, clock: SetClock
) -> None:
    """A worker that was taken over is told so, also where the next one has ended as it would have."""
    clock.pass_seconds(31)
    later = ledger.claim(lease.migration_id, new_owner())
    ledger.finish(later, EventName.MISMATCH)
    with pytest.raises(LeaseLost):
        ledger.waiting(lambda _: True).finish(lease, EventName.MISMATCH)


def test_whoever_waits_for_nothing_is_told_at_once(ledger: Ledger, lease: Lease) -> None:
    """A ledger waits only for a worker, for as long as that one says; after it, and for the bot, it is told as away."""
    failures, asked = itertools.count(), list[float]()

    def fail(*_: object) -> None:
        next(failures)
        raise outage(ledger)

    def waits(since: float) -> bool:
        asked.append(since)
        return len(asked) < 3

    event.listen(ledger.engine, "do_execute", fail)
    try:
        with pytest.raises(LedgerAway):
            ledger.set_phase(lease, "copy")
        assert next(failures) == 1
        with pytest.raises(LedgerAway):
            ledger.waiting(waits).set_phase(lease, "copy")
    finally:
        event.remove(ledger.engine, "do_execute", fail)
    assert len(asked) == 3
    assert len(set(asked)) == 1
