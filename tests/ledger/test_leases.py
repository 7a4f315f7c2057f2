"""The lease: who may work, and that a worker who lost it changes nothing any more."""

import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import CancelRequested, LeaseLost, MigrationBusy
from engine.ledger import CALLS_CUT, Ledger, TransitionRefused, new_owner
from engine.lifecycle import ATTEMPTS_MAX, EventName, Status
from engine.model import ChunkRange, ErrorText, Lease, Migration, Orders, Receipt
from tests.beds.ledgers import put

At = Callable[[Status], Migration]
RECEIPT = Receipt(entities=10, bytes=640, digest="0123456789abcdef" * 2)
FOREIGN_OWNER = "another-host:1:boot:cafe"


def cancel(ledger: Ledger, migration_id: str) -> Migration:
    """Someone asks to cancel."""
    with ledger.transaction() as transaction:
        return transaction.apply(migration_id, EventName.CANCEL, actor="U-STOP")


def test_a_claim_begins_without_a_phase(
    ledger: Ledger, lease: Lease, act: Callable[[str, EventName], Migration]
) -> None:
    """What the run before was at is not said of the next one, which may wait for a server first."""
    ledger.set_phase(lease, "alias")
    ledger.finish(lease, EventName.FAIL)
    act(lease.migration_id, EventName.RESUME)
    assert ledger.migration(lease.migration_id).phase == "alias"
    ledger.claim(lease.migration_id, new_owner())
    assert ledger.migration(lease.migration_id).phase == ""


def test_a_claim_makes_it_run(ledger: Ledger, at: At, clock: Any) -> None:
    """The claimed migration runs, with its owner, its first attempt and an expiry; claiming is recorded."""
    migration = at(Status.QUEUED)
    owner = new_owner()
    lease = ledger.claim(migration.id, owner, 30)
    running = ledger.migration(migration.id)
    assert running.status is Status.RUNNING
    assert (running.lease_owner, running.lease_token, running.attempts) == (owner, lease.token, 1)
    assert running.lease_expires_at is not None
    assert (running.lease_expires_at - clock.now).total_seconds() == 30
    assert running.started_at == clock.now
    assert (ledger.events()[-1].name, ledger.events()[-1].actor) == ("claim", owner)


def test_a_live_lease_is_not_taken(ledger: Ledger, lease: Lease) -> None:
    """A second worker is told that the migration is busy, where, and what it can do."""
    with pytest.raises(MigrationBusy, match="is being worked on by process") as caught:
        ledger.claim(lease.migration_id, new_owner())
    assert lease.migration_id in caught.value.next_step
    assert ledger.orders(lease) == Orders(cancel=False, pause=False)


def test_what_does_not_wait_is_not_claimed(ledger: Ledger, at: At) -> None:
    """A migration without approval cannot be claimed by any worker."""
    with pytest.raises(TransitionRefused, match="still waits for approval"):
        ledger.claim(at(Status.AWAITING_APPROVAL).id, new_owner())


def test_an_expired_lease_is_taken_with_a_higher_token(
    ledger: Ledger, lease: Lease, clock: Any
) -> None:
    """After its lease has expired another worker gets the migration, with a token that is higher."""
    clock.pass_seconds(31)
    taken = ledger.claim(lease.migration_id, FOREIGN_OWNER)
    assert taken.token > lease.token
    assert ledger.migration(lease.migration_id).attempts == 2


def test_a_renewed_lease_lives_on(ledger: Ledger, lease: Lease, clock: Any) -> None:
    """Renewing counts from now, so the lease is still live after its first term."""
    clock.pass_seconds(20)
    ledger.renew(lease, 30)
    clock.pass_seconds(20)
    with pytest.raises(MigrationBusy):
        ledger.claim(lease.migration_id, FOREIGN_OWNER)


LATE: dict[str, Callable[[Ledger, Lease, int], object]] = {
    "renew": lambda ledger, lease, _: ledger.renew(lease, 30),
    "set_phase": lambda ledger, lease, _: ledger.set_phase(lease, "late"),
    "note": lambda ledger, lease, _: ledger.note(lease, "late"),
    "orders": lambda ledger, lease, _: ledger.orders(lease),
    "store_chunks": lambda ledger, lease, _: ledger.store_chunks(lease, "people", "", []),
    "forget_chunks": lambda ledger, lease, _: ledger.forget_chunks(lease, "films"),
    "mark_attempted": lambda ledger, lease, chunk: ledger.mark_attempted(lease, [chunk]),
    "record_receipt": lambda ledger, lease, chunk: ledger.record_receipt(lease, chunk, RECEIPT),
    "record_verified": lambda ledger, lease, chunk: ledger.record_verified(lease, chunk),
    "record_uncompared": lambda ledger, lease, chunk: ledger.record_uncompared(lease, chunk),
    "doubt_receipts": lambda ledger, lease, _: ledger.doubt_receipts(lease, "films"),
    "clear_verification": lambda ledger, lease, _: ledger.clear_verification(lease, "films"),
    "set_collection": lambda ledger, lease, _: ledger.set_collection(lease, "films", phase="late"),
    "succeed": lambda ledger, lease, _: ledger.finish(lease, EventName.SUCCEED),
    "mismatch": lambda ledger, lease, _: ledger.finish(lease, EventName.MISMATCH),
    "fail": lambda ledger, lease, _: ledger.finish(lease, EventName.FAIL),
    "canceled": lambda ledger, lease, _: ledger.finish(lease, EventName.CANCELED),
    "release": lambda ledger, lease, _: ledger.finish(lease, EventName.RELEASE),
}
"""Every write of a worker."""


def taken_over(ledger: Ledger, lease: Lease, clock: Any) -> None:
    """Another worker claims it."""
    clock.pass_seconds(31)
    ledger.claim(lease.migration_id, FOREIGN_OWNER)


def taken_again(ledger: Ledger, lease: Lease, clock: Any) -> None:
    """A worker of the same name claims it, as another thread of the same process could: only the token differs."""
    clock.pass_seconds(31)
    ledger.claim(lease.migration_id, lease.owner)


def rescued(ledger: Ledger, lease: Lease, clock: Any, after: float = 31) -> None:
    """The scheduler queues it again."""
    clock.pass_seconds(after)
    with ledger.transaction() as transaction:
        transaction.apply(lease.migration_id, EventName.RESCUE, actor="scheduler")


def ended(ledger: Ledger, lease: Lease, clock: Any) -> None:
    """Its lease expires, and someone cancels it."""
    clock.pass_seconds(31)
    cancel(ledger, lease.migration_id)


@pytest.mark.parametrize("happened", [taken_over, taken_again, rescued, ended])
def test_a_fenced_worker_changes_nothing(
    ledger: Ledger,
    lease: Lease,
    chunked: Callable[..., list[int]],
    clock: Any,
    happened: Callable[..., None],
) -> None:
    """After a takeover, a rescue or a cancel none of the sleeper's seventeen writes is taken: late writes accepted, 0."""
    (chunk,) = chunked(1)
    happened(ledger, lease, clock)
    before = everything(ledger, lease.migration_id)
    assert before[0].lease_token > lease.token
    accepted = []
    for name, write in LATE.items():
        try:
            write(ledger, lease, chunk)
            accepted.append(name)
        except LeaseLost:
            assert everything(ledger, lease.migration_id) == before
    assert accepted == []


def everything(ledger: Ledger, migration_id: str) -> tuple[Any, ...]:
    """All that the ledger holds of a migration."""
    return (
        ledger.migration(migration_id),
        ledger.events(),
        list(ledger.chunks(migration_id, "films")),
        ledger.collection_states(migration_id),
    )


def test_a_guessed_token_with_the_wrong_owner_is_refused(ledger: Ledger, lease: Lease) -> None:
    """The token alone is not enough: the owner has to be the same too."""
    with pytest.raises(LeaseLost):
        ledger.renew(lease.model_copy(update={"owner": FOREIGN_OWNER}), 30)


def test_a_late_but_unchallenged_worker_goes_on(ledger: Ledger, lease: Lease, clock: Any) -> None:
    """A worker that was slow, but that nobody replaced, keeps its lease by renewing it."""
    clock.pass_seconds(300)
    ledger.renew(lease, 30)
    assert ledger.expired_leases(clock.now) == ()


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (EventName.SUCCEED, Status.SUCCESSFUL),
        (EventName.MISMATCH, Status.MISMATCHED),
        (EventName.FAIL, Status.FAILED),
        (EventName.RELEASE, Status.QUEUED),
    ],
)
def test_the_end_of_an_attempt_gives_up_the_lease(
    ledger: Ledger, lease: Lease, event: EventName, status: Status
) -> None:
    """However an attempt ends, the migration is in the state that the table says and nobody holds it."""
    ended_so = ledger.finish(lease, event, {"chunks": 3})
    assert ended_so.status is status
    assert (ended_so.lease_owner, ended_so.lease_expires_at) == (None, None)
    assert (ended_so.ended_at is None) is (status is Status.QUEUED)
    assert ledger.events()[-1].details == {"chunks": 3}
    with pytest.raises(LeaseLost):
        ledger.renew(lease, 30)


def test_the_worker_sees_the_cancel_and_ends_as_canceled(ledger: Ledger, lease: Lease) -> None:
    """Cancel of a running migration is a flag that the worker reads; it then ends as canceled."""
    assert cancel(ledger, lease.migration_id).status is Status.RUNNING
    assert ledger.orders(lease).cancel
    done = ledger.finish(lease, EventName.CANCELED, {"copied": 5})
    assert (done.status, done.cancel_requested_by) == (Status.CANCELED, "U-STOP")


@pytest.mark.parametrize("event", [EventName.SUCCEED, EventName.MISMATCH])
def test_an_acknowledged_cancel_wins_over_the_result(
    ledger: Ledger, lease: Lease, event: EventName
) -> None:
    """A worker that is done when the cancel was accepted is told to stop instead; its lease still holds for that."""
    cancel(ledger, lease.migration_id)
    with pytest.raises(CancelRequested):
        ledger.finish(lease, event)
    assert ledger.finish(lease, EventName.CANCELED).status is Status.CANCELED


def test_cancel_wins_over_the_queue(ledger: Ledger, lease: Lease) -> None:
    """A worker that hands back a migration which someone canceled ends it."""
    cancel(ledger, lease.migration_id)
    assert ledger.finish(lease, EventName.RELEASE).status is Status.CANCELED


def test_a_worker_cannot_invent_a_cancel(ledger: Ledger, lease: Lease) -> None:
    """Without anyone's wish to cancel, an attempt does not end as canceled."""
    with pytest.raises(TransitionRefused, match="nobody asked"):
        ledger.finish(lease, EventName.CANCELED)


def test_a_rescue_queues_what_a_dead_worker_left(ledger: Ledger, lease: Lease, clock: Any) -> None:
    """An expired lease is listed, rescued and queued again; a live one is neither listed nor rescued."""
    assert ledger.expired_leases(clock.now) == ()
    with pytest.raises(TransitionRefused, match="its worker is alive"):
        rescued(ledger, lease, clock, after=0)
    clock.pass_seconds(31)
    assert ledger.expired_leases(clock.now) == (lease.migration_id,)
    rescued(ledger, lease, clock)
    assert ledger.due(clock.now) == (lease.migration_id,)


def test_a_rescue_ends_what_was_canceled_meanwhile(
    ledger: Ledger, lease: Lease, clock: Any
) -> None:
    """When the worker died after the cancel, the rescue ends the migration as canceled."""
    cancel(ledger, lease.migration_id)
    rescued(ledger, lease, clock)
    assert ledger.migration(lease.migration_id).status is Status.CANCELED


def test_rescues_end_when_worker_after_worker_dies(
    ledger: Ledger, lease: Lease, clock: Any
) -> None:
    """After the last attempt the rescue fails the migration and says why; a resume gives it new attempts."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        assert ledger.migration(lease.migration_id).attempts == attempt
        rescued(ledger, lease, clock)
        if attempt < ATTEMPTS_MAX:
            ledger.claim(lease.migration_id, FOREIGN_OWNER)
    failed = ledger.migration(lease.migration_id)
    assert failed.status is Status.FAILED
    assert isinstance(failed.error, ErrorText)
    assert f"{ATTEMPTS_MAX} workers" in failed.error.message
    with ledger.transaction() as transaction:
        transaction.apply(lease.migration_id, EventName.RESUME, actor="U1")
    ledger.claim(lease.migration_id, FOREIGN_OWNER)
    assert ledger.migration(lease.migration_id).attempts == 1


def test_a_verification_that_is_not_done_is_told_by_its_event_alone(
    ledger: Ledger, lease: Lease, clock: Any
) -> None:
    """It fails, loses all its workers, is canceled: the migration stands as it had ended, without the failure, and says why."""
    succeeded = ledger.finish(lease, EventName.SUCCEED).id

    def asked() -> None:
        with ledger.transaction() as transaction:
            transaction.apply(succeeded, EventName.VERIFY, actor="U1")

    def left() -> str:
        stands, last = ledger.migration(succeeded), ledger.last_change(succeeded)
        assert (stands.status, stands.error, stands.stood) == (Status.SUCCESSFUL, None, None)
        assert (stands.cancel_requested_at, stands.cancel_requested_by) == (None, None)
        assert last is not None
        return str(last.details.get("error", {}).get("message", ""))

    asked()
    away = ErrorText(code="E-UNAVAILABLE", message="The source is away.")
    ledger.finish(ledger.claim(succeeded, new_owner()), EventName.FAIL, None, away)
    assert left() == "The source is away."
    asked()
    canceled = ledger.claim(succeeded, new_owner())
    cancel(ledger, succeeded)
    ledger.finish(canceled, EventName.CANCELED, None, away)
    assert left() == "The source is away."
    asked()
    for _ in range(ATTEMPTS_MAX):
        rescued(ledger, ledger.claim(succeeded, FOREIGN_OWNER), clock)
    assert f"{ATTEMPTS_MAX} workers" in left()
    asked()
    held = ledger.claim(succeeded, FOREIGN_OWNER)
    cancel(ledger, succeeded)
    rescued(ledger, held, clock)
    assert left() == ""


CLAIM_FOR_AN_HOUR = """
import sys
from engine.ledger import Ledger, new_owner
with Ledger.open(sys.argv[1]) as ledger:
    lease = ledger.claim(sys.argv[2], new_owner(), 3600)
    print(lease.token, flush=True)
    sys.stdin.readline()
"""


def test_a_killed_workers_lease_is_taken_at_once(url: str, wish: Any) -> None:
    """A lease of an hour is busy while its process lives, and free the moment it is killed, before anyone waited for it."""
    with Ledger.open(put(url)) as ledger:
        with ledger.transaction() as transaction:
            migration = transaction.add_migration(wish, requester="me", status=Status.QUEUED)
        command = [sys.executable, "-c", CLAIM_FOR_AN_HOUR, url, migration.id]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
            assert worker.stdout is not None
            token = int(worker.stdout.readline())
            with pytest.raises(MigrationBusy):
                ledger.claim(migration.id, new_owner())
            worker.kill()
            os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
            assert ledger.claim(migration.id, new_owner()).token > token


def lost(migration_id: str, url: str, child: Callable[..., SimpleNamespace]) -> None:
    """A worker claims it for an hour, and is killed."""
    worker = child(CLAIM_FOR_AN_HOUR, url, migration_id)
    worker.line()
    worker.process.kill()
    worker.process.wait()


@pytest.mark.parametrize(
    ("event", "details"),
    [
        (EventName.RELEASE, {}),
        (EventName.RELEASE, {CALLS_CUT: True}),
        (EventName.FAIL, {}),
        (EventName.CANCELED, {}),
    ],
)
def test_a_lost_workers_calls_are_remembered_when_its_successor_ends(
    url: str,
    wish: Any,
    child: Callable[..., SimpleNamespace],
    event: EventName,
    details: dict[str, Any],
) -> None:
    """However the attempt after a lost worker's ends, the one after that still knows until when that worker's calls may arrive."""
    with Ledger.open(put(url)) as ledger:
        with ledger.transaction() as transaction:
            migration = transaction.add_migration(wish, requester="me", status=Status.QUEUED)
        lost(migration.id, url, child)
        second = ledger.claim(migration.id, new_owner(), 30)
        assert second.others_until is not None
        if event is EventName.CANCELED:
            cancel(ledger, migration.id)
        ended_so = ledger.finish(second, event, details)
        assert ended_so.lease_expires_at == second.others_until
        if ended_so.status is not Status.QUEUED:
            with ledger.transaction() as transaction:
                transaction.apply(migration.id, EventName.RESUME, actor="U1")
        assert ledger.claim(migration.id, new_owner()).others_until == second.others_until


def test_calls_that_are_over_are_remembered_no_longer(
    ledger: Ledger, lease: Lease, clock: Any
) -> None:
    """An attempt that ends when nothing of the worker before it can arrive any more leaves nothing to wait for."""
    clock.pass_seconds(31)
    second = ledger.claim(lease.migration_id, FOREIGN_OWNER)
    assert second.others_until is not None
    assert ledger.finish(second, EventName.RELEASE).lease_expires_at is None


def test_chunks_survive_a_takeover(ledger: Ledger, lease: Lease, clock: Any) -> None:
    """What the first worker stored is there for the second, and is not planned again."""
    planned = ChunkRange(
        collection="films", partition="p", ordinal=0, lower=None, upper=None, entities=1
    )
    assert ledger.store_chunks(lease, "films", "p", [planned])
    clock.pass_seconds(31)
    second = ledger.claim(lease.migration_id, FOREIGN_OWNER)
    assert ledger.store_chunks(second, "films", "p", []) is False
    assert [chunk.range for chunk in ledger.chunks(lease.migration_id, "films")] == [planned]
