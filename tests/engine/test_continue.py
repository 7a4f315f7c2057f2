"""A migration that was interrupted goes on where it stopped: nothing lost, nothing doubled, repeated only what was in doubt."""

import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from engine.copier import ATTEMPT_WINDOW
from engine.errors import MigrationBusy
from engine.executors import READERS, WAITING_MAX, WRITERS
from engine.ledger import Ledger
from engine.lifecycle import EventName, Status
from engine.model import Outcome, Secrets
from engine.worker import spawn
from tests.crash.workers import pause
from tests.engine.bed import (
    PARTITION_ENTITIES,
    PARTITIONS,
    Bed,
    Side,
    heard,
    rows,
    running,
    until,
)
from tests.engine.proxy import Proxy

pytestmark = [pytest.mark.real_milvus, pytest.mark.usefixtures("short_leases")]

KEYS = range(PARTITIONS * PARTITION_ENTITIES)
IN_DOUBT_MAX = READERS + WAITING_MAX + WRITERS + ATTEMPT_WINDOW

Proxied = Callable[[Side], Proxy]


def test_a_clean_run_inserts_and_never_upserts(crossing: Bed, proxied: Proxied) -> None:
    """Each chunk is inserted once where nothing is in doubt."""
    proxy = proxied(crossing.target)
    report = crossing.migrate("parts", target_uri=proxy.uri)
    assert report.status is Outcome.SUCCESSFUL, report
    assert proxy.calls["Insert"] == PARTITIONS
    assert proxy.calls["Upsert"] == 0
    crossing.assert_same("parts", KEYS)


def test_a_stopped_run_goes_on_from_its_receipts(crossing: Bed, proxied: Proxied) -> None:
    """Stopped in the middle, it goes back to the queue; the next run writes what has no receipt, and nothing else."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate, stop = proxy.hold("Insert", 8), threading.Event()
    with running(crossing, migration, stop) as (reports, beats):
        gate.wait()
        stop.set()
        heard(beats)
        gate.open.set()
    assert (reports[0].status, reports[0].state) == ("PENDING", Status.QUEUED)
    chunks, marked, receipts = crossing.chunks(migration, "parts")
    assert chunks == PARTITIONS
    assert 0 < receipts < chunks
    assert proxy.calls["Insert"] == receipts
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    assert proxy.calls["Upsert"] == marked - receipts <= IN_DOUBT_MAX
    assert proxy.calls["Insert"] + proxy.calls["Upsert"] == chunks
    crossing.assert_same("parts", KEYS)


def test_a_killed_worker_loses_and_doubles_nothing(crossing: Bed, proxied: Proxied) -> None:
    """A worker process that dies by SIGKILL while it inserts is taken over at once; only what was in flight is repeated."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("Insert", 10)
    worker = spawn(migration, crossing.url, Secrets())
    try:
        gate.wait()
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
    gate.open.set()
    proxy.drained()  # the inserts that were on their way are applied after their sender's death
    chunks, marked, receipts = crossing.chunks(migration, "parts")
    assert receipts < chunks
    assert crossing.ledger.migration(migration).status is Status.RUNNING
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    assert proxy.calls["Upsert"] == marked - receipts <= IN_DOUBT_MAX
    crossing.assert_same("parts", KEYS)


def test_a_worker_process_ends_on_sigterm_and_hands_back(crossing: Bed, proxied: Proxied) -> None:
    """SIGTERM puts the migration back into the queue, not as a failed attempt; the worker exits 0."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("Insert", 3)
    worker = spawn(migration, crossing.url, Secrets())
    try:
        gate.wait()
        worker.terminate()
        gate.open.set()
        _, said = worker.communicate(timeout=60)
    finally:
        worker.kill()
        worker.communicate()
    assert worker.returncode == 0, said
    standing = crossing.ledger.migration(migration)
    assert (standing.status, standing.attempts) == (Status.QUEUED, 0)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    crossing.assert_same("parts", KEYS)


@pytest.mark.parametrize("fault", ["lose_answer", "fail_before"])
def test_an_insert_in_doubt_is_settled_by_an_upsert(
    crossing: Bed, proxied: Proxied, fault: str
) -> None:
    """An insert whose answer is lost, applied or not, is never sent again: an upsert makes it right, once each."""
    proxy = proxied(crossing.target)
    getattr(proxy, fault)("Insert", 1, 5, PARTITIONS)
    getattr(proxy, fault)("Upsert", 2)
    report = crossing.migrate("parts", target_uri=proxy.uri)
    assert report.status is Outcome.SUCCESSFUL, report
    assert proxy.calls["Insert"] == PARTITIONS
    assert proxy.calls["Upsert"] == 4
    crossing.assert_same("parts", KEYS)


def test_one_key_in_several_partitions_is_several_entities(bed: Bed, proxied: Proxied) -> None:
    """Each partition keeps its own entity of a key, also where a lost answer has one of them upserted, and where one is mended."""
    bed.source.create("shared", partitions=["a", "b"])
    for part in ("a", "b"):
        bed.source.insert("shared", rows(range(10), text=part), part)
    proxy = proxied(bed.target)
    proxy.lose_answer("Insert", 1, 2)
    report = bed.migrate("shared", target_uri=proxy.uri)
    assert report.status is Outcome.SUCCESSFUL, report
    assert proxy.calls["Upsert"] == 2
    assert bed.target.count("shared") == 20
    for part in ("a", "b"):
        found = bed.target.client.query("shared", partition_names=[part], limit=100)
        assert {row["text"][0] for row in found} == {part}
        assert sorted(row["id"] for row in found) == list(range(10))


@pytest.mark.usefixtures("short_leases")
def test_lost_answers_to_reads_and_definitions_do_no_harm(crossing: Bed, proxied: Proxied) -> None:
    """A query, a partition, an index, an alias, a load, a collection whose answer is lost: each is settled by asking again."""
    source, target = proxied(crossing.source), proxied(crossing.target)
    migration = crossing.queued("parts", source_uri=source.uri, target_uri=target.uri)
    source.lose_answer("Query", source.calls["Query"] + 3, source.calls["Query"] + 20)
    for rpc in ("CreateCollection", "CreateIndex", "LoadCollection", "CreateAlias"):
        target.lose_answer(rpc, 1)
    target.lose_answer("CreatePartition", 2)
    report = crossing.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert target.calls["Upsert"] == 0
    crossing.assert_same("parts", KEYS)


def test_only_one_worker_holds_a_migration(crossing: Bed, proxied: Proxied) -> None:
    """A second start of a migration that is being worked on is told who holds it, and to try later."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("Insert", 2)
    with running(crossing, migration) as (reports, _):
        gate.wait()
        with pytest.raises(MigrationBusy, match=f"is being worked on by process {os.getpid()} on"):
            crossing.run(migration)
        gate.open.set()
    assert reports[0].status is Outcome.SUCCESSFUL
    assert proxy.calls["Upsert"] == 0


def test_a_worker_that_lost_its_lease_writes_no_more(crossing: Bed, proxied: Proxied) -> None:
    """A worker that slept through its takeover inserts nothing when it wakes, though it had read chunks to write."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("Insert", 4)
    sleeper = spawn(migration, crossing.url, Secrets())
    try:
        gate.wait()
        # Every writer is held and every slot is taken.
        until(lambda: crossing.chunks(migration, "parts") == (PARTITIONS, 2 * ATTEMPT_WINDOW, 3))
        pause(sleeper.pid, crossing.url)
        with Ledger.open(crossing.url, clock=_later) as ledger, ledger.transaction() as act:
            act.apply(migration, EventName.RESCUE, actor="scheduler")
        gate.open.set()
        proxy.drained()
        assert crossing.run(migration).status is Outcome.SUCCESSFUL
        inserts = proxy.calls["Insert"]
        psutil.Process(sleeper.pid).resume()
        _, said = sleeper.communicate(timeout=60)
    finally:
        sleeper.kill()
        sleeper.communicate()
    assert b"lease_lost" in said
    assert proxy.calls["Insert"] == inserts
    assert crossing.ledger.migration(migration).status is Status.SUCCESSFUL
    crossing.assert_same("parts", KEYS)


def _later() -> datetime:
    """A clock on which every lease of now has expired."""
    return datetime.now(UTC) + timedelta(minutes=1)
