"""Cancel works in every phase, is never turned into a success, and what stands can be gone on with."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from engine.heartbeat import BEAT_SECONDS, GRACE_SECONDS
from engine.ledger import TransitionRefused, new_owner, utc_now
from engine.lifecycle import EventName, Status
from engine.model import OnConflict, Outcome, Report
from tests.engine.bed import (
    PARTITION_ENTITIES,
    PARTITIONS,
    Bed,
    Side,
    heard,
    rows,
    running,
    stalls,
    until,
)
from tests.engine.proxy import Gate, Proxy

pytestmark = pytest.mark.real_milvus

KEYS = range(PARTITIONS * PARTITION_ENTITIES)
CANCEL_SECONDS = 5.0
"""What the design promises, from the request to the end."""

Proxied = Callable[[Side], Proxy]


def canceled(bed: Bed, migration: str, gate: Gate, *, hangs: bool = False) -> tuple[Report, float]:
    """Runs it and cancels it at the gate, which opens once that was heard, or after its end; its report, and the seconds."""
    with stalls() as late, running(bed, migration) as (reports, beats):
        gate.wait()
        asked = time.monotonic() - late()
        bed.act(migration, EventName.CANCEL)
        if not hangs:
            heard(beats)
            gate.open.set()
        until(lambda: bed.ledger.migration(migration).status is not Status.RUNNING)
        seconds = time.monotonic() - late() - asked
        gate.open.set()
    return reports[0], seconds


def test_cancel_in_the_middle_of_the_copy(crossing: Bed, proxied: Proxied) -> None:
    """Nothing is sent after a cancel but what was under way; a resume goes on from there and ends SUCCESSFUL."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("Insert", 6)
    with running(crossing, migration) as (reports, _):
        gate.wait()
        crossing.act(migration, EventName.CANCEL)
        gate.open.set()
    assert reports[0].status is Outcome.CANCELED
    assert reports[0].error is None
    chunks, marked, receipts = crossing.chunks(migration, "parts")
    assert receipts == proxy.calls["Insert"] < chunks
    assert proxy.calls["LoadCollection"] == 0
    crossing.act(migration, EventName.RESUME)
    lease = crossing.ledger.claim(migration, new_owner())
    crossing.ledger.set_collection(lease, "parts", copy_seconds=1_000.0)
    crossing.ledger.finish(lease, EventName.RELEASE)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    assert crossing.ledger.totals(migration).seconds > 1_000
    assert proxy.calls["Upsert"] == marked - receipts
    crossing.assert_same("parts", KEYS)


def test_a_paused_migration_rests_and_goes_on(crossing: Bed, proxied: Proxied) -> None:
    """A pause stops between two chunks, holds no lease, is IN PROGRESS, and a resume repeats no chunk with a receipt.

    The time of the copy is that of all its attempts.
    """
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("Insert", 6)
    with running(crossing, migration) as (reports, beats):
        gate.wait()
        crossing.act(migration, EventName.PAUSE)
        heard(beats)
        gate.open.set()
    assert (reports[0].status, reports[0].state, reports[0].error) == (
        "IN PROGRESS",
        "paused",
        None,
    )
    standing = crossing.ledger.migration(migration)
    assert (standing.lease_owner, standing.pause_requested_at) == (None, None)
    chunks, marked, receipts = crossing.chunks(migration, "parts")
    assert receipts == proxy.calls["Insert"] < chunks
    with pytest.raises(TransitionRefused, match="it is paused"):
        crossing.run(migration)
    crossing.act(migration, EventName.RESUME)
    lease = crossing.ledger.claim(migration, new_owner())
    crossing.ledger.set_collection(lease, "parts", copy_seconds=1_000.0)
    crossing.ledger.finish(lease, EventName.RELEASE)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    assert crossing.ledger.totals(migration).seconds > 1_000
    assert proxy.calls["Upsert"] == marked - receipts
    crossing.assert_same("parts", KEYS)


def test_a_paused_migration_can_be_canceled(crossing: Bed, proxied: Proxied) -> None:
    """A cancel while it rests ends it at once; one that comes while it is being paused wins over the pause."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    crossing.act(migration, EventName.PAUSE)
    assert crossing.ledger.due(datetime.now(UTC)) == ()
    crossing.act(migration, EventName.CANCEL)
    assert crossing.ledger.migration(migration).status is Status.CANCELED
    crossing.act(migration, EventName.RESUME)
    gate = proxy.hold("Insert", 2)
    with running(crossing, migration) as (reports, _):
        gate.wait()
        crossing.act(migration, EventName.PAUSE)
        crossing.act(migration, EventName.CANCEL)
        gate.open.set()
    assert reports[0].status is Outcome.CANCELED


@pytest.mark.parametrize(
    ("side", "rpc", "number", "phase"),
    [
        ("target", "CreateCollection", 1, "create"),
        ("target", "GetLoadState", 1, "create"),
        ("target", "CreateIndex", 1, "create"),
        ("source", "Query", 1, "copy"),  # the first one plans the ranges
        ("target", "GetLoadState", 2, "load"),
        ("target", "CreateAlias", 1, "alias"),
    ],
)
def test_cancel_wins_in_every_phase(
    crossing: Bed, proxied: Proxied, side: str, rpc: str, number: int, phase: str
) -> None:
    """A cancel that comes while a call of any phase is under way ends it within 5 s as canceled, not as successful."""
    source, target = proxied(crossing.source), proxied(crossing.target)
    migration = crossing.queued("parts", source_uri=source.uri, target_uri=target.uri)
    proxy = source if side == "source" else target
    report, seconds = canceled(crossing, migration, proxy.hold(rpc, proxy.calls[rpc] + number))
    assert report.status is Outcome.CANCELED
    standing = crossing.ledger.migration(migration)
    assert (standing.phase, standing.error) == (phase, None)
    assert crossing.ledger.chunks_planned(migration, "parts") is (phase in {"load", "alias"})
    assert seconds < CANCEL_SECONDS


def test_cancel_wins_over_what_is_asked_of_an_ended_migration(
    crossing: Bed, proxied: Proxied
) -> None:
    """A verification that is canceled, and then a repair, end within 5 s and say nothing better than was known before."""
    target = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=target.uri)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    crossing.target.client.delete("parts", ids=[7], partition_name="p00")
    crossing.act(migration, EventName.VERIFY)
    assert crossing.run(migration).status is Outcome.MISMATCHED
    for asked, rpc in ((EventName.VERIFY, "Query"), (EventName.REPAIR, "Upsert")):
        crossing.act(migration, asked)
        gate = target.hold(rpc, target.calls[rpc] + 1)
        report, seconds = canceled(crossing, migration, gate)
        assert report.status in {Outcome.CANCELED, Outcome.MISMATCHED}
        assert crossing.ledger.migration(migration).phase == asked
        assert seconds < CANCEL_SECONDS


@pytest.mark.parametrize(
    ("side", "rpc", "number"),
    [
        ("target", "GetVersion", 1),
        ("target", "CreateIndex", 1),
        ("target", "Insert", 3),
        pytest.param("source", "GetVersion", 1, marks=pytest.mark.soak),
        pytest.param("source", "Query", 20, marks=pytest.mark.soak),
        pytest.param("target", "GetLoadState", 1, marks=pytest.mark.soak),
        ("target", "Query", 4),
    ],
)
def test_cancel_does_not_wait_for_a_server_that_hangs(
    crossing: Bed, proxied: Proxied, side: str, rpc: str, number: int
) -> None:
    """A server that takes a call and never answers holds a cancel for 5 s at most: connection, index, write, read, load, proof."""
    source, target = proxied(crossing.source), proxied(crossing.target)
    migration = crossing.queued("parts", source_uri=source.uri, target_uri=target.uri)
    proxy = source if side == "source" else target
    gate = proxy.hold(rpc, proxy.calls[rpc] + number)
    report, seconds = canceled(crossing, migration, gate, hangs=True)
    assert report.status is Outcome.CANCELED
    standing = crossing.ledger.migration(migration)
    assert (standing.error, standing.lease_owner) == (None, None)
    assert standing.lease_expires_at is not None  # until then what was cut may still arrive
    assert seconds < CANCEL_SECONDS


def test_a_source_that_hangs_for_good_holds_a_cancel_no_longer(bed: Bed, proxied: Proxied) -> None:
    """Where the source answers neither the read nor the release that follows, a cancel still ends within 5 s, and says so."""
    bed.source.create("idle", load=False)
    bed.source.insert("idle", rows(range(3)))
    proxy = proxied(bed.source)
    migration = bed.queued("idle", source_uri=proxy.uri)
    gate = proxy.hold("Query", proxy.calls["Query"] + 1)
    release = proxy.hold("ReleaseCollection", 1)
    with stalls() as late, running(bed, migration) as (reports, _):
        gate.wait()
        asked = time.monotonic() - late()
        bed.act(migration, EventName.CANCEL)
        until(lambda: bed.ledger.migration(migration).status is not Status.RUNNING)
        seconds = time.monotonic() - late() - asked
        gate.open.set()
        release.open.set()
    assert reports[0].status is Outcome.CANCELED
    standing = bed.ledger.migration(migration)
    assert standing.error is not None
    assert "are still loaded" in standing.error.state
    assert seconds < CANCEL_SECONDS


def test_a_cancel_goes_on_releasing_while_the_source_answers(bed: Bed, proxied: Proxied) -> None:
    """A server releases one collection after the other: none stays loaded though all take longer than one that hangs may."""
    for name in ("one", "two"):
        bed.source.create(name, load=False)
    source, target = proxied(bed.source), proxied(bed.target)
    migration = bed.queued(source_uri=source.uri, target_uri=target.uri)
    gate = target.hold("LoadCollection", 1)
    releases = [source.hold("ReleaseCollection", number, only=True) for number in (1, 2)]
    with running(bed, migration) as (reports, _):
        gate.wait()
        bed.act(migration, EventName.CANCEL)
        asked = time.monotonic()
        gate.open.set()
        for release, seconds in zip(releases, (1.5, GRACE_SECONDS + 2 * BEAT_SECONDS), strict=True):
            release.wait()
            until(lambda late=asked + seconds: time.monotonic() > late)
            release.open.set()
    assert (reports[0].status, reports[0].error) == (Outcome.CANCELED, None)
    assert not bed.source.loaded("one")
    assert not bed.source.loaded("two")


def test_cancel_while_verifying_and_verify_on(crossing: Bed, proxied: Proxied) -> None:
    """A verification that is canceled says what it has proved; a resume copies nothing again and proves all of it."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("Query", 4)
    with running(crossing, migration) as (reports, beats):
        gate.wait()
        crossing.act(migration, EventName.CANCEL)
        heard(beats)
        gate.open.set()
    assert reports[0].status is Outcome.CANCELED
    assert crossing.ledger.totals(migration).verified < len(KEYS)
    inserts, queries = proxy.calls["Insert"], proxy.calls["Query"]
    crossing.act(migration, EventName.RESUME)
    report = crossing.run(migration)
    assert report.status is Outcome.SUCCESSFUL
    assert (proxy.calls["Insert"], proxy.calls["Upsert"]) == (inserts, 0)
    assert proxy.calls["Query"] > queries
    assert report.entities == len(KEYS)


@pytest.mark.usefixtures("short_leases")
def test_cancel_ends_a_wait_for_a_server_that_is_gone(crossing: Bed, proxied: Proxied) -> None:
    """While the target answers nothing, a cancel ends the waiting at once, and is a cancel, no failure."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    proxy.fail_before("Upsert", *range(1, 1_000))
    proxy.fail_before("Insert", *range(1, 1_000))
    failed = threading.Event()
    gate = proxy.hold("Upsert", 3)
    with running(crossing, migration) as (reports, _):
        gate.wait()
        gate.open.set()
        crossing.act(migration, EventName.CANCEL)
        failed.set()
    assert reports[0].status is Outcome.CANCELED
    assert crossing.ledger.migration(migration).error is None


def test_a_failed_release_does_not_hide_a_cancel(bed: Bed, proxied: Proxied) -> None:
    """When the source cannot be put back as it was, a cancel is still a cancel, and the reason is told beside it."""
    bed.source.create("idle", load=False)
    proxy, target = proxied(bed.source), proxied(bed.target)
    migration = bed.queued("idle", source_uri=proxy.uri, target_uri=target.uri)
    proxy.fail_before("ReleaseCollection", *range(1, 1_000))
    gate = target.hold("LoadCollection", 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        bed.act(migration, EventName.CANCEL)
        gate.open.set()
    standing = bed.ledger.migration(migration)
    assert standing.status is Status.CANCELED
    assert standing.error is not None
    assert "are still loaded" in standing.error.state
    assert reports[0].status is Outcome.CANCELED


def test_a_cancel_releases_the_source_though_the_target_is_gone(bed: Bed, proxied: Proxied) -> None:
    """What a lost worker left loaded is released by whoever carries out the cancel, though the target answers nothing any more."""
    bed.source.create("idle", load=False)
    target = proxied(bed.target)
    migration = bed.queued("idle", target_uri=target.uri)
    lost = bed.ledger.claim(migration, new_owner())
    bed.ledger.set_collection(lost, "idle", source_was_loaded=False)
    bed.source.client.load_collection("idle")
    bed.ledger.renew(lost, -1)
    bed.act(migration, EventName.CANCEL)
    target.fail_before("GetVersion", *range(1, 1_000))
    assert bed.run(migration).status is Outcome.CANCELED
    assert target.calls["GetVersion"] > 0
    assert not bed.source.loaded("idle")
    assert not bed.ledger.collection_states(migration)[0].borrowed


@pytest.mark.usefixtures("short_leases")
def test_a_cancel_does_not_forget_a_lost_drop(bed: Bed, proxied: Proxied) -> None:
    """A Replace's drop is lost after a cancel was heard: the migration ends within 5 s, and the next worker outlasts the drop."""
    bed.source.create("plain")
    bed.source.insert("plain", rows(range(3)))
    bed.target.create("plain", load=False)
    target = proxied(bed.target)
    target.fail_before("DropCollection", 1)
    gate = target.hold("DropCollection", 1, only=True)
    migration = bed.queued("plain", target_uri=target.uri, on_conflict=OnConflict.REPLACE)
    report, seconds = canceled(bed, migration, gate)
    assert report.status is Outcome.CANCELED
    assert seconds < CANCEL_SECONDS
    void = bed.ledger.migration(migration).lease_expires_at
    assert void is not None
    bed.act(migration, EventName.RESUME)
    replacing = target.keep("DropCollection")
    with running(bed, migration):
        until(lambda: bool(replacing))
        assert utc_now() >= void
    bed.assert_same("plain", range(3))
