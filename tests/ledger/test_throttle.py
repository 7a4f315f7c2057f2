"""What the ledger keeps of the pace of a copy: the throttle, why it is slow, the rate of the last minute, and what was refused."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import LeaseLost
from engine.flow import SLICE_SECONDS
from engine.heartbeat import BEAT_SECONDS, Heartbeat
from engine.ledger import CALLS_CUT, Ledger, TransitionRefused
from engine.lifecycle import EventName, Status
from engine.model import Lease, Migration, Orders, Progress, Receipt, SetAside, Throttle

At = Callable[[Status], Migration]
Chunked = Callable[..., list[int]]
RECEIPT = Receipt(entities=10, bytes=640, digest="0123456789abcdef" * 2)
REFUSED = tuple(SetAside(partition="_default", pk=key, reason="no") for key in (3, "o'\0\n"))

HEARD_SECONDS = 5.0
"""After which a throttle holds, as guarantees.md says."""
WAIT_SECONDS = 30


def test_a_worker_hears_of_a_throttle(ledger: Ledger, lease: Lease) -> None:
    """What the operator allows is among a worker's orders until it is lifted; each change is an event; what has ended has none."""
    allowed = Throttle(entities_per_second=500, megabytes_per_second=2.5)
    for throttle in (allowed, None):
        with ledger.transaction() as transaction:
            assert transaction.throttle(lease.migration_id, throttle, "U1").throttle == throttle
        assert ledger.orders(lease) == Orders(throttle=throttle)
    said = [e.details for e in ledger.events() if e.name == "throttled"]
    assert said == [allowed.model_dump(), Throttle().model_dump()]
    ledger.finish(lease, EventName.SUCCEED)
    with (
        pytest.raises(TransitionRefused, match="nothing to throttle"),
        ledger.transaction() as transaction,
    ):
        transaction.throttle(lease.migration_id, allowed, "U1")


def test_each_beat_takes_the_throttle_to_the_copy(ledger: Ledger, lease: Lease) -> None:
    """Nobody but the heart asks: at its next beat who writes is held as the operator says, and goes on once that is lifted.

    A beat that has just listened, the next one and what a waiting writer sleeps take less than what is promised.
    """
    assert 2 * BEAT_SECONDS + SLICE_SECONDS < HEARD_SECONDS
    beats, said = threading.Semaphore(0), threading.Event()

    def beaten(progress: Progress) -> None:
        if progress.slowed == "Throttled by the operator to 1 entities/s.":
            said.set()
        beats.release()

    def write() -> None:
        with heart.flow.turn(10_000, 1):
            pass

    def allowed(throttle: Throttle | None) -> None:
        with ledger.transaction() as transaction:
            transaction.throttle(lease.migration_id, throttle, "U1")

    writing = threading.Thread(target=write)
    with Heartbeat(ledger, lease, threading.Event(), on_progress=beaten) as heart:
        allowed(Throttle(entities_per_second=1))
        assert all(beats.acquire(timeout=WAIT_SECONDS) for _ in range(2))
        write()
        writing.start()
        try:
            assert said.wait(WAIT_SECONDS)
            allowed(None)
            writing.join(WAIT_SECONDS)
            assert not writing.is_alive()
        finally:
            heart.halt.set()
            writing.join()


def test_why_it_is_slow_is_forgotten_when_it_stops(ledger: Ledger, lease: Lease) -> None:
    """The reason shows in the progress while a worker holds the migration; a fenced worker cannot say any."""
    ledger.set_slowed(lease, "Waiting: b did not answer.")
    assert ledger.totals(lease.migration_id).slowed == "Waiting: b did not answer."
    ledger.finish(lease, EventName.RELEASE)
    assert ledger.totals(lease.migration_id).slowed == ""
    with pytest.raises(LeaseLost):
        ledger.set_slowed(lease, "late")


def test_the_rate_is_of_the_last_minute(
    ledger: Ledger, lease: Lease, chunked: Chunked, clock: Any
) -> None:
    """Receipts older than a minute do not count, and the first that does is where the time begins."""
    for chunk in chunked(5):
        ledger.record_receipt(lease, chunk, RECEIPT)
        clock.pass_seconds(20)
    found = ledger.totals(lease.migration_id)
    assert (found.copied, found.recent_entities, found.recent_seconds) == (50, 10, 40.0)
    clock.pass_seconds(60)
    found = ledger.totals(lease.migration_id)
    assert (found.copied, found.recent_entities, found.recent_seconds) == (50, 0, 0.0)


def test_what_was_refused_stands_until_the_next_receipt(
    ledger: Ledger, lease: Lease, chunked: Chunked
) -> None:
    """Refused entities are kept by chunk with their reasons; a new receipt says anew which there are; so does starting over."""
    first, second = chunked(2)
    ledger.record_receipt(lease, first, RECEIPT, REFUSED)
    ledger.record_receipt(lease, second, RECEIPT, REFUSED[:1])
    assert ledger.set_aside(lease.migration_id, "films") == {first: REFUSED, second: REFUSED[:1]}
    assert ledger.set_aside(lease.migration_id, "people") == {}
    ledger.record_receipt(lease, second, RECEIPT)
    ledger.record_receipt(lease, first, RECEIPT, ())
    assert ledger.set_aside(lease.migration_id, "films") == {second: REFUSED[:1]}
    ledger.forget_chunks(lease, "films")
    assert ledger.set_aside(lease.migration_id, "films") == {}


@pytest.mark.parametrize("cut", [False, True])
def test_calls_that_were_cut_are_waited_for_by_the_next_worker(
    ledger: Ledger, lease: Lease, *, cut: bool
) -> None:
    """Who claims after an attempt that cut its calls learns until when they may arrive; after one that waited there is nothing."""
    ends = ledger.migration(lease.migration_id).lease_expires_at
    ledger.finish(lease, EventName.RELEASE, {CALLS_CUT: True} if cut else None)
    assert ledger.claim(lease.migration_id, "other").others_until == (ends if cut else None)
