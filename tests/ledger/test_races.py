"""Two at once: threads and processes that want the same thing, readers beside writers, and who does not answer any more."""

import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from sqlalchemy import text

from engine.errors import CancelRequested, LeaseLost, MigrationBusy, ServiceUnavailable
from engine.ledger import Ledger, TransitionRefused, new_owner
from engine.ledger.database import FROZEN_SECONDS
from engine.lifecycle import EventName, Status
from engine.model import Lease, Migration, Receipt, Request
from tests.beds.ledgers import put

At = Callable[[Status], Migration]
RECEIPT = Receipt(entities=10, bytes=640, digest="0123456789abcdef" * 2)
TOGETHER = 6


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """Run the work in several threads that start at the same time; what it raises is its result."""
    start = threading.Barrier(TOGETHER)

    def run(number: int) -> Any:
        start.wait()
        try:
            return work(number)
        except (TransitionRefused, MigrationBusy, LeaseLost) as error:
            return error

    with ThreadPoolExecutor(TOGETHER) as pool:
        return list(pool.map(run, range(TOGETHER)))


def test_of_many_approvals_one_wins_and_the_others_learn_who(ledger: Ledger, at: At) -> None:
    """Of six people who decide at the same moment one does; each other one is told the winner."""
    for _ in range(5):
        migration = at(Status.AWAITING_APPROVAL)

        def decide(number: int, migration: Migration = migration) -> str:
            event = EventName.APPROVE if number % 2 else EventName.REJECT
            with ledger.transaction() as transaction:
                transaction.apply(migration.id, event, actor=f"U{number}")
            return f"U{number}"

        results = at_once(decide)
        (winner,) = (each for each in results if isinstance(each, str))
        losers = [each for each in results if isinstance(each, TransitionRefused)]
        assert len(losers) == TOGETHER - 1
        assert {loser.last_event.actor for loser in losers if loser.last_event} == {winner}
        decided = ledger.events(migration_id=migration.id)
        assert [e.actor for e in decided if e.name in {"approve", "reject"}] == [winner]


def test_of_many_claims_one_gets_the_lease(ledger: Ledger, at: At) -> None:
    """Of six workers that claim at the same moment one gets the migration, with the first token."""
    migration = at(Status.QUEUED)
    results = at_once(lambda _: ledger.claim(migration.id, new_owner()))
    (lease,) = (each for each in results if isinstance(each, Lease))
    assert [type(each) for each in results].count(MigrationBusy) == TOGETHER - 1
    assert ledger.migration(migration.id).lease_owner == lease.owner
    assert ledger.migration(migration.id).attempts == 1


def test_a_cancel_and_a_result_at_the_same_moment_agree(ledger: Ledger, at: At) -> None:
    """Whoever is first: either the cancel is refused and the result stands, or the cancel is accepted and no result is taken."""
    for _ in range(5):
        lease = ledger.claim(at(Status.QUEUED).id, new_owner())

        def clash(number: int, lease: Lease = lease) -> str:
            if number == 0:
                try:
                    ledger.finish(lease, EventName.SUCCEED)
                except CancelRequested:
                    return "stopped"
                return "succeeded"
            with ledger.transaction() as transaction:
                transaction.apply(lease.migration_id, EventName.CANCEL, actor="U1")
            return "canceled"

        results = at_once(clash)
        ended = ledger.migration(lease.migration_id).status is Status.SUCCESSFUL
        assert (results[0] == "succeeded") is ended
        assert ("canceled" in results) is not ended
        assert results[0] in {"succeeded", "stopped"}


APPROVE = """
import sys
from engine.ledger import Ledger, TransitionRefused
from engine.lifecycle import EventName
with Ledger.open(sys.argv[1]) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        with ledger.transaction() as transaction:
            transaction.apply(sys.argv[2], EventName.APPROVE, actor=sys.argv[3])
        print("won", flush=True)
    except TransitionRefused as refused:
        print(refused.last_event.actor, flush=True)
"""


def test_of_two_processes_one_approves(
    url: str, wish: Request, plan: Any, child: Callable[..., SimpleNamespace]
) -> None:
    """Two replicas of the bot that approve at the same moment: one does, the other names the first."""
    with Ledger.open(put(url)) as ledger, ledger.transaction() as transaction:
        migration = transaction.add_migration(wish, requester="me")
        transaction.record_plan(migration.id, plan, "me")
        transaction.apply(migration.id, EventName.PLANNED, actor="me")
    racers = [child(APPROVE, url, migration.id, name) for name in ("UA", "UB")]
    assert [racer.line() for racer in racers] == ["ready", "ready"]
    for racer in racers:
        racer.go()
    said = [racer.line() for racer in racers]
    assert sorted(said) in (["UA", "won"], ["UB", "won"])
    assert said[0 if said[1] == "won" else 1] == ("UB" if said[1] == "won" else "UA")


def test_a_takeover_that_is_not_yet_committed_already_fences(
    ledger: Ledger, lease: Lease, chunked: Callable[..., list[int]], clock: Any, url: str
) -> None:
    """A receipt that arrives while a takeover is being committed waits for it, and is refused."""
    (chunk,) = chunked(1)
    clock.pass_seconds(31)
    late: list[BaseException | None] = []

    def receipt() -> None:
        # A ledger of its own, as the sleeping worker is a process of its own.
        with Ledger.open(url, clock=clock) as worker:
            try:
                worker.record_receipt(lease, chunk, RECEIPT)
                late.append(None)
            except LeaseLost as error:
                late.append(error)

    thread = threading.Thread(target=receipt)
    with ledger.transaction() as transaction:
        transaction.apply(lease.migration_id, EventName.RESCUE, actor="scheduler")
        thread.start()
        # Enough for an unfenced write to slip through; a fenced one waits for this transaction, however long it takes.
        thread.join(0.5)
        assert late == []
    thread.join(30)
    assert [type(each) for each in late] == [LeaseLost]
    (read,) = ledger.chunks(lease.migration_id, "films")
    assert read.receipt is None


def test_a_reader_of_events_misses_none(ledger: Ledger, at: At) -> None:
    """Whoever reads on from the last id while others write gets every event once and in order, though commits overlap."""
    migration = at(Status.PLANNING)
    each = 20
    done = threading.Event()
    seen: list[int] = []

    def follow() -> None:
        last = 0
        while True:
            finished = done.is_set()
            page = ledger.events(after_id=last, limit=7)
            seen.extend(event.id for event in page)
            last = page[-1].id if page else last
            if finished and not page:
                return

    def write(number: int) -> None:
        for turn in range(each):
            with ledger.transaction() as transaction:
                transaction.note(migration.id, f"note {number}.{turn}", "U1")

    reader = threading.Thread(target=follow)
    reader.start()
    assert at_once(write) == [None] * TOGETHER
    done.set()
    reader.join(60)
    every = [event.id for event in ledger.events(limit=10_000)]
    assert seen == every
    assert len(every) == 1 + TOGETHER * each


HALF_AN_ACT = """
import sys
from engine.ledger import Ledger
from engine.lifecycle import EventName
with Ledger.open(sys.argv[1]) as ledger:
    with ledger.transaction() as transaction:
        transaction.apply(sys.argv[2], EventName.CANCEL, actor="U1")
        print("half", flush=True)
        sys.stdin.readline()
"""


def test_a_process_killed_in_its_transaction_leaves_nothing(
    url: str, wish: Request, child: Callable[..., SimpleNamespace]
) -> None:
    """SIGKILL between an act and its commit undoes the act, and the next writer is not held up."""
    with Ledger.open(put(url)) as ledger:
        with ledger.transaction() as transaction:
            migration = transaction.add_migration(wish, requester="me")
        killed = child(HALF_AN_ACT, url, migration.id)
        assert killed.line() == "half"
        killed.process.kill()
        killed.process.wait()
        with ledger.transaction() as transaction:
            transaction.note(migration.id, "after", "U2")
        assert ledger.migration(migration.id) == migration
        assert [event.name for event in ledger.events()] == ["requested", "after"]


def test_readers_do_not_wait_for_a_writer(ledger: Ledger, at: At) -> None:
    """While a transaction is open, others read what was committed before it."""
    migration = at(Status.QUEUED)
    with ledger.transaction() as transaction, ThreadPoolExecutor(1) as pool:
        transaction.apply(migration.id, EventName.CANCEL, actor="U1")
        assert pool.submit(ledger.migration, migration.id).result(20) == migration


@pytest.mark.parametrize("before", [False, True], ids=["first page", "next page"])
def test_migrations_are_listed_newest_first(ledger: Ledger, at: At, before: bool) -> None:
    """Pages go from the newest to the oldest without a gap, also when many were made in the same instant."""
    made = [at(Status.QUEUED) for _ in range(5)]
    newest = made[::-1]
    if before:
        assert ledger.migrations(limit=2, before=newest[1].id) == tuple(newest[2:4])
    else:
        assert ledger.migrations(limit=2) == tuple(newest[:2])
    assert ledger.migrations(statuses=[Status.FAILED]) == ()
    assert ledger.migrations(statuses=[Status.QUEUED]) == tuple(newest)
    assert [m.id for m in made] == list(ledger.due(made[0].created_at))


def test_who_was_frozen_in_a_transaction_holds_nobody_up(
    postgres: Callable[[], str], wish: Request
) -> None:
    """PostgreSQL takes its locks away after a while, so that others can cancel; it hears of that when it goes on."""
    with Ledger.open(put(postgres())) as ledger:
        with ledger.transaction() as act:
            migration = act.add_migration(wish, requester="U1")

        def freeze() -> None:
            with ledger.transaction() as frozen:
                connection = frozen.session.connection()
                asked = connection.execute(text("SHOW idle_in_transaction_session_timeout"))
                assert asked.scalar() == f"{FROZEN_SECONDS:.0f}s"
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 50"))
                frozen.apply(migration.id, EventName.ENQUEUE, actor="U1")
                with ledger.transaction() as other:
                    other.apply(migration.id, EventName.CANCEL, actor="U2")
                frozen.apply(migration.id, EventName.CANCEL, actor="U1")

        with pytest.raises(ServiceUnavailable):
            freeze()
        assert ledger.migration(migration.id).status is Status.CANCELED


@pytest.mark.parametrize(("said", "milliseconds"), [("", 30_000), ("&tcp_user_timeout=500", 500)])
def test_a_network_that_went_away_is_noticed(said: str, milliseconds: int) -> None:
    """What a PostgreSQL never acknowledges fails after half a minute, or when the address of the ledger says, not far later."""
    found: list[tuple[int, int]] = []

    def look() -> None:
        with listening, listening.accept()[0] as accepted:
            peer = accepted.getpeername()
            mine = psutil.Process().net_connections("tcp")
            fd = next(each.fd for each in mine if each.laddr == peer)
            with socket.socket(fileno=os.dup(fd)) as ours:
                asked = (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE)
                timeout, idle = (ours.getsockopt(socket.IPPROTO_TCP, each) for each in asked)
                found.append((timeout, idle))

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    looking = threading.Thread(target=look)
    looking.start()
    with pytest.raises(ServiceUnavailable):
        Ledger.open(f"postgresql://ferry@127.0.0.1:{port}/ferry?sslmode=disable{said}")
    looking.join()
    assert found == [(milliseconds, 10)]
