"""Undo drops exactly what a migration made, and nothing that someone else wrote to since."""

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import engine
from engine.errors import FerryError, ServiceUnavailable, ShutdownRequested, TargetChanged
from engine.ledger import TransitionRefused, utc_now
from engine.lifecycle import EventName, Status
from engine.milvus import retry
from engine.milvus.client import preparing_client
from engine.model import OnConflict, Outcome, Secrets, Undone
from tests.engine.bed import (
    PARTITION_ENTITIES,
    PARTITIONS,
    Bed,
    Side,
    rows,
    running,
    stalls,
    until,
)
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

KEYS = range(PARTITIONS * PARTITION_ENTITIES)
SHUTDOWN_SECONDS = 5.0
"""As for a cancel, from the request to the end."""
LEASE_SECONDS = 9.0
"""A drop that hangs would end with its lease, later than that."""

Proxied = Callable[[Side], Proxy]


def undo(bed: Bed, migration: str, *, force: bool = False) -> Undone:
    """Undoes it in this process."""
    return engine.undo(bed.ledger, migration, Secrets(), force=force)


@contextmanager
def running_undo(bed: Bed, migration: str) -> Iterator[list[Exception]]:
    """Undoes it in a thread that has ended when the block ends; how it failed is in the list."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            undo(bed, migration)
        except FerryError as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    yield failures
    thread.join(60)
    assert not thread.is_alive()


def stands(bed: Bed, migration: str) -> Status:
    """The migration's state."""
    return bed.ledger.migration(migration).status


def test_undo_drops_what_was_made_and_nothing_else(crossing: Bed) -> None:
    """The collection goes with its alias; another collection stays; what is undone is neither undone nor resumed again."""
    crossing.target.create("others", load=False)
    crossing.target.client.create_alias("others", "theirs")
    migration = crossing.queued("parts")
    with pytest.raises(TransitionRefused, match="cannot be undone: it already waits"):
        undo(crossing, migration)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    undone = undo(crossing, migration)
    assert (undone.dropped, undone.gone, undone.left) == (("parts",), (), ())
    assert not undone.database_dropped
    assert crossing.target.client.list_collections() == ["others"]
    assert crossing.target.client.describe_collection("others")["aliases"] == ["theirs"]
    report = engine.report(crossing.ledger, migration)
    assert (report.status, report.state) == (Outcome.CANCELED, "undone")
    for event in (EventName.RESUME, EventName.REPAIR):
        with pytest.raises(TransitionRefused, match="was undone"):
            crossing.act(migration, event)
    with pytest.raises(TransitionRefused, match="was undone"):
        undo(crossing, migration)
    assert (
        crossing.migrate("parts").status is Outcome.SUCCESSFUL
    )  # nothing is in the way of a new one


def test_undo_refuses_what_someone_else_wrote_to(crossing: Bed) -> None:
    """An insert, a delete, a changed entity, an added alias or partition: each is told, and everything stands as it was."""
    migration = crossing.queued("parts")
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    client, (first, second) = crossing.target.client, rows(KEYS[:2])

    def refuses(reason: str) -> None:
        with pytest.raises(TargetChanged, match=reason) as told:
            undo(crossing, migration)
        assert told.value.state == "Nothing was dropped."
        assert stands(crossing, migration) is Status.SUCCESSFUL

    client.create_alias("parts", "shop")
    refuses("the alias “shop” was added")
    client.drop_alias("shop")
    client.insert("parts", [first | {"id": 9_999}])
    refuses(f"it holds {len(KEYS) + 1} entities, and the migration left {len(KEYS)}")
    client.delete("parts", filter="id in [9999, 1]")
    refuses(f"it holds {len(KEYS) - 1} entities, and the migration left {len(KEYS)}")
    partition = client.list_partitions("parts")[0]
    client.insert("parts", [second | {"text": "new"}], partition_name=partition)
    refuses("entities among .*keys.* were changed")
    client.create_partition("parts", "extra")
    refuses("the partition “extra” was added")
    assert crossing.target.count("parts") == len(KEYS)
    assert undo(crossing, migration, force=True).dropped == ("parts",)
    assert client.list_collections() == []


def test_an_outage_is_nobodys_change(
    crossing: Bed, proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the target does not answer when it is asked what it holds, the undo says that, and drops nothing."""
    target = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=target.uri)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    first = target.calls["Query"] + 1
    target.fail_before("Query", *range(first, first + 1_000))
    monkeypatch.setattr(retry, "TOTAL_SECONDS_MAX", 0.1)
    with pytest.raises(ServiceUnavailable):
        undo(crossing, migration)
    assert stands(crossing, migration) is Status.SUCCESSFUL
    assert crossing.target.client.list_collections() == ["parts"]


@pytest.mark.parametrize("fate", ["stands", "gone", "another", "written to"])
def test_undo_of_a_canceled_migration(crossing: Bed, proxied: Proxied, fate: str) -> None:
    """What a cancel left half-copied is dropped; one that someone dropped is gone; another of its name is left alone."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("Insert", 5)
    with running(crossing, migration) as (reports, _):
        gate.wait()
        crossing.act(migration, EventName.CANCEL)
        gate.open.set()
    assert reports[0].status is Outcome.CANCELED
    if fate in {"gone", "another"}:
        crossing.target.drop("parts")
    if fate == "another":
        crossing.target.create("parts")
        crossing.target.insert("parts", rows(range(3)))
    if fate == "written to":
        chunks = crossing.ledger.chunks(migration, "parts")
        copied = next(chunk.range.partition for chunk in chunks if chunk.receipt)
        crossing.target.insert("parts", rows([10_000]), copied)
        with pytest.raises(TargetChanged):
            undo(crossing, migration)
        assert not crossing.target.loaded("parts")
        assert stands(crossing, migration) is Status.CANCELED
        return
    undone = undo(crossing, migration)
    found = {"stands": undone.dropped, "gone": undone.gone, "another": undone.left}
    assert found[fate] == ("parts",)
    assert stands(crossing, migration) is Status.UNDONE
    assert crossing.target.client.list_collections() == (["parts"] if fate == "another" else [])


def test_a_database_that_is_left_is_told(bed: Bed) -> None:
    """The migration made the database, and somebody made a collection in it: the undo says that both stand still."""
    bed.source.create("parts")
    bed.source.insert("parts", rows(range(5)))
    request, made = bed.request("parts"), f"made_{uuid.uuid4().hex[:6]}"
    there = request.target.model_copy(update={"database": made})
    migration = bed.enqueue(request.model_copy(update={"target": there}))
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    with closing(preparing_client(there.uri, db_name=made)) as client:
        client.create_collection("others", dimension=2)
        undone = bed.ferry("undo", migration)
        assert undone.returncode == 0, undone.stderr
        said = f"The database “{made}” is left: what stands in it was not made by this migration."
        assert said in undone.stdout
        assert client.list_collections() == ["others"]
        client.drop_collection("others")


@pytest.mark.usefixtures("short_leases")
def test_an_interrupted_undo_is_undone_again(bed: Bed, proxied: Proxied) -> None:
    """Killed between two drops, with a lost answer before: the second undo drops the rest and the database that was made."""
    for name in ("one", "two"):
        bed.source.create(name)
        bed.source.insert(name, rows(range(5)))
    proxy, made = proxied(bed.target), f"made_{uuid.uuid4().hex[:6]}"
    request = bed.request("one", "two", target_uri=proxy.uri)
    there = request.target.model_copy(update={"database": made})
    migration = bed.enqueue(request.model_copy(update={"target": there}))
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    proxy.lose_answer("DropCollection", 1)
    gate = proxy.hold("DropCollection", 2)
    program = str(Path(sys.executable).with_name("ferry"))
    folder = Path(bed.url.removeprefix("sqlite:///")).parent
    process = subprocess.Popen([program, "undo", migration], cwd=folder)
    try:
        gate.wait()
        assert stands(bed, migration) is Status.UNDOING
        with pytest.raises(TransitionRefused, match="another process is at it"):
            undo(bed, migration)
    finally:
        process.kill()
        process.wait()
    gate.open.set()
    proxy.drained()
    until(lambda: bed.ledger.refusal(migration, EventName.UNDO) is None)
    again = bed.ferry("undo", migration, "--json")
    assert again.returncode == 0, again.stderr
    assert '"database_dropped": true' in again.stdout
    assert stands(bed, migration) is Status.UNDONE
    assert made not in bed.target.client.list_databases()


def test_an_undo_that_stops_half_way_can_be_resumed(bed: Bed, proxied: Proxied) -> None:
    """It has failed and says what is gone: that counts as not verified, a stranger's in its place stays, a resume copies it."""
    for name in ("one", "two"):
        bed.source.create(name)
        bed.source.insert(name, rows(range(5)))
    proxy = proxied(bed.target)
    migration = bed.queued("one", "two", target_uri=proxy.uri, on_conflict=OnConflict.REPLACE)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    gate = proxy.hold("DropCollection", 1)
    with running_undo(bed, migration) as failures:
        gate.wait()
        bed.target.insert("two", rows([77]))
        gate.open.set()
    assert isinstance(failures[0], TargetChanged)
    standing = bed.ledger.migration(migration)
    assert standing.status is Status.FAILED
    assert standing.error is not None
    assert "Dropped so far: one." in standing.error.state
    assert bed.target.client.list_collections() == ["two"]
    assert [each.verified for each in bed.report(migration).collections] == [False, True]
    again = engine.remigration(bed.ledger, migration)
    assert (again.collections, dict(again.replaces or {})) == (("one",), {})
    bed.target.client.delete("two", filter="id == 77")
    bed.target.create("one")
    bed.target.insert("one", rows(range(3)))
    bed.act(migration, EventName.RESUME)
    report = bed.run(migration)
    assert report.error is not None
    assert report.error.code == "E-TARGET-NOT-EMPTY"
    assert bed.target.count("one") == 3
    bed.target.drop("one")
    bed.act(migration, EventName.RESUME)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    for name in ("one", "two"):
        bed.assert_same(name, range(5))


def test_an_undo_that_stops_after_an_alias_can_be_resumed(
    crossing: Bed, proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dropped the alias, and the collection stayed: whoever resumes the migration has both again."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    proxy.fail_before("DropCollection", *range(1, 1_000))
    monkeypatch.setattr(retry, "TOTAL_SECONDS_MAX", 0.1)
    with pytest.raises(ServiceUnavailable):
        engine.undo(crossing.ledger, migration, Secrets(), lease_seconds=2)
    assert stands(crossing, migration) is Status.FAILED
    client = crossing.target.client
    assert client.describe_collection("parts")["aliases"] == []
    crossing.act(migration, EventName.RESUME)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    assert client.describe_collection("parts")["aliases"] == ["pieces"]
    crossing.assert_same("parts", KEYS)


def test_a_worker_undoes_what_was_asked_for(crossing: Bed, proxied: Proxied) -> None:
    """Refused, it leaves the migration as it stood, with the reason in the event; shut down, the wish waits; then it drops."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    ended = crossing.ledger.migration(migration)

    def worked(stop: threading.Event | None = None) -> Status:
        engine.work(crossing.ledger, migration, Secrets(), stop=stop or threading.Event())
        return stands(crossing, migration)

    crossing.target.client.create_alias("parts", "shop")
    crossing.act(migration, EventName.ASK_UNDO)
    assert crossing.ledger.due(utc_now()) == (migration,)
    assert worked() is Status.SUCCESSFUL
    last = crossing.ledger.events(migration_id=migration)[-1]
    assert last.name == EventName.UNDO_LEFT
    assert "the alias “shop” was added" in last.details["error"]["message"]
    left = crossing.ledger.migration(migration)
    assert (left.ended_at, left.error, left.stood) == (ended.ended_at, None, None)
    crossing.target.client.drop_alias("shop")
    crossing.act(migration, EventName.ASK_UNDO)
    gate, stop = proxy.hold("Query", 2), threading.Event()
    thread = threading.Thread(target=_handed_back, args=(worked, stop))
    thread.start()
    gate.wait()
    stop.set()
    gate.open.set()
    thread.join(60)
    assert stands(crossing, migration) is Status.UNDO_ASKED
    assert crossing.target.client.list_collections() == ["parts"]
    assert worked() is Status.UNDONE
    assert crossing.target.client.list_collections() == []
    names = [event.name for event in crossing.ledger.events(migration_id=migration)]
    assert names[-4:] == ["release", "undo", "drop", "undone"]


def _handed_back(work: Callable[[threading.Event], object], stop: threading.Event) -> None:
    with pytest.raises(ShutdownRequested):
        work(stop)


def test_an_undo_that_is_handed_back_does_not_forget_a_lost_drop(
    crossing: Bed, proxied: Proxied
) -> None:
    """Its drop is lost, and the bot stops: the undo waits for a worker again, and whichever that is outlasts the lost drop."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL

    def work(stop: threading.Event) -> None:
        engine.work(crossing.ledger, migration, Secrets(), stop=stop, lease_seconds=4)

    proxy.fail_before("DropCollection", 1)
    gate, stop = proxy.hold("DropCollection", 1, only=True), threading.Event()
    crossing.act(migration, EventName.ASK_UNDO)
    thread = threading.Thread(target=_handed_back, args=(work, stop))
    thread.start()
    gate.wait()
    stop.set()
    gate.open.set()
    thread.join(60)
    waiting = crossing.ledger.migration(migration)
    assert waiting.status is Status.UNDO_ASKED
    assert waiting.lease_expires_at is not None
    _handed_back(work, stop)
    kept = crossing.ledger.migration(migration)
    assert (kept.status, kept.lease_expires_at) == (waiting.status, waiting.lease_expires_at)
    assert proxy.calls["DropCollection"] == 1
    work(threading.Event())
    assert utc_now() >= waiting.lease_expires_at
    assert stands(crossing, migration) is Status.UNDONE
    assert crossing.target.client.list_collections() == []


@pytest.mark.parametrize(
    "rpc", ["Query", "DropCollection", pytest.param("GetVersion", marks=pytest.mark.soak)]
)
def test_a_server_that_hangs_does_not_hold_an_undo_that_is_handed_back(
    crossing: Bed, proxied: Proxied, rpc: str
) -> None:
    """The bot stops: an undo ends within 5 s whatever its target answers, releases what it loaded, and the next worker does it."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    crossing.target.client.release_collection("parts")

    def work(stop: threading.Event) -> None:
        engine.work(crossing.ledger, migration, Secrets(), stop=stop, lease_seconds=LEASE_SECONDS)

    gate, stop = proxy.hold(rpc, proxy.calls[rpc] + 1), threading.Event()
    crossing.act(migration, EventName.ASK_UNDO)
    thread = threading.Thread(target=_handed_back, args=(work, stop))
    with stalls() as late:
        thread.start()
        gate.wait()
        asked = time.monotonic() - late()
        stop.set()
        until(lambda: stands(crossing, migration) is Status.UNDO_ASKED)
        seconds = time.monotonic() - late() - asked
        assert not crossing.target.loaded("parts")
        gate.open.set()
        thread.join(60)
    assert seconds < SHUTDOWN_SECONDS
    work(threading.Event())
    assert stands(crossing, migration) is Status.UNDONE
    assert crossing.target.client.list_collections() == []
