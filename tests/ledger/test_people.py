"""People's acts: what they change, what they record, and what they are told when it does not apply."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import InputRejected, LedgerIncompatible
from engine.ledger import AuditFilter, Ledger, TransitionRefused, new_owner
from engine.lifecycle import EventName, Status
from engine.model import Endpoint, ErrorText, Lease, Migration, Plan, Request, Throttle

At = Callable[[Status], Migration]
Act = Callable[[str, EventName], Migration]


def test_a_request_is_read_back_as_it_was_made(ledger: Ledger, wish: Request) -> None:
    """A migration comes back with request, reason, requester, throttle and time, to the microsecond, in UTC; the trail has them."""
    due = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
    slow = Throttle(megabytes_per_second=2.5)
    with ledger.transaction() as transaction:
        made = transaction.add_migration(
            wish, requester="U1", reason='it\'s "old"\n✓', due_at=due, throttle=slow
        )
    read = ledger.migration(made.id)
    assert read == made
    assert (read.request, read.requester, read.reason) == (wish, "U1", 'it\'s "old"\n✓')
    assert read.created_at == datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    assert (read.due_at, read.throttle) == (due, slow)
    (row,) = ledger.audit(AuditFilter(migration_id=made.id))
    told = json.loads(row.details)
    assert told["due_at"] == "2026-03-02T01:30:00+00:00"
    assert told["throttle"] == slow.model_dump()
    assert read.created_at.utcoffset() == timedelta(0)
    assert read.status is Status.PLANNING


def test_an_id_can_be_typed_as_people_type(ledger: Ledger, at: At) -> None:
    """Small letters, a missing "M-" and an O for a zero still find the migration."""
    migration = at(Status.PLANNING)
    typed = migration.id.lower().removeprefix("m-").replace("0", "o").replace("1", "l")
    assert ledger.migration(typed) == migration


def test_an_unknown_id_says_what_to_do(ledger: Ledger) -> None:
    """Who names a migration that is not there is told so, and how to find the right one."""
    with pytest.raises(InputRejected, match="There is no migration M-XXXXXXX") as caught:
        ledger.migration("M-XXXXXXX")
    assert "ferry jobs" in caught.value.next_step


def test_a_migration_cannot_begin_anywhere_but_at_the_start(ledger: Ledger, wish: Request) -> None:
    """No caller can put a migration into the ledger as approved, running or done."""
    with ledger.transaction() as transaction, pytest.raises(ValueError, match="begins as"):
        transaction.add_migration(wish, requester="U1", status=Status.AWAITING_APPROVAL)
    assert ledger.migrations() == ()


def test_every_act_leaves_an_event(ledger: Ledger, at: At) -> None:
    """From the request to the approval each step is in the events: who, from which state, to which."""
    migration = at(Status.AWAITING_APPROVAL)
    with ledger.transaction() as transaction:
        transaction.apply(
            migration.id, EventName.APPROVE, actor="U-OK", details={"role": "Project Admin"}
        )
    events = ledger.events(migration_id=migration.id)
    assert [(e.name, e.actor, e.from_status, e.to_status) for e in events] == [
        ("requested", "U-ASKS", None, Status.PLANNING),
        ("plan_recorded", "planner", None, None),
        ("planned", "planner", Status.PLANNING, Status.AWAITING_APPROVAL),
        ("approve", "U-OK", Status.AWAITING_APPROVAL, Status.QUEUED),
    ]
    assert events[-1].details == {"role": "Project Admin"}


def test_the_plan_is_stored_and_bound_by_its_hash(ledger: Ledger, at: At, plan: Plan) -> None:
    """The recorded plan is read back equal, and its hash is in the event that recorded it."""
    migration = at(Status.AWAITING_APPROVAL)
    assert migration.plan == plan
    (recorded,) = (e for e in ledger.events() if e.name == "plan_recorded")
    assert recorded.details["hash"] == plan.hash


def test_a_plan_cannot_be_changed_after_it_was_shown(ledger: Ledger, at: At, plan: Plan) -> None:
    """Once a migration waits for approval its plan is refused, and the stored one stays."""
    migration = at(Status.AWAITING_APPROVAL)
    other = plan.model_copy(update={"source_version": "9"})
    refused = pytest.raises(TransitionRefused, match="only while a migration is planned")
    with refused, ledger.transaction() as transaction:
        transaction.record_plan(migration.id, other, "planner")
    assert ledger.migration(migration.id).plan == plan


def test_the_late_one_is_told_who_won(ledger: Ledger, at: At) -> None:
    """Who rejects after someone approved is refused, with the approver, the time and the migration as it stands."""
    migration = at(Status.AWAITING_APPROVAL)
    with ledger.transaction() as transaction:
        transaction.apply(migration.id, EventName.APPROVE, actor="U-FIRST")
        transaction.note(migration.id, "message_posted", "narrator")
    with pytest.raises(TransitionRefused) as caught, ledger.transaction() as transaction:
        transaction.apply(migration.id, EventName.REJECT, actor="U-LATE")
    refused = caught.value
    assert refused.sentence == "It cannot be rejected: it already waits to be started."
    assert refused.last_event is not None
    assert (refused.last_event.name, refused.last_event.actor) == ("approve", "U-FIRST")
    assert refused.migration.status is Status.QUEUED
    assert "U-FIRST at 2026-03-01 12:00:00 UTC" in str(refused)
    assert refused.exit_code == 2


def test_a_refused_act_records_nothing(ledger: Ledger, at: At) -> None:
    """After a refusal neither the migration nor the events have changed."""
    migration = at(Status.QUEUED)
    before = ledger.events()
    with pytest.raises(TransitionRefused), ledger.transaction() as transaction:
        transaction.apply(migration.id, EventName.APPROVE, actor="U1")
    assert ledger.events() == before
    assert ledger.migration(migration.id) == migration


def test_a_transaction_is_all_or_nothing(ledger: Ledger, wish: Request) -> None:
    """When anything in the block raises, the acts before it are undone."""
    with pytest.raises(InputRejected), ledger.transaction() as transaction:
        _ = transaction.add_migration(wish, requester="U1"), transaction.migration("M-0")
    assert ledger.migrations() == ()
    assert ledger.events() == ()


def test_a_note_changes_no_state(ledger: Ledger, at: At) -> None:
    """A note is an event without states; the migration stays as it was."""
    migration = at(Status.AWAITING_APPROVAL)
    with ledger.transaction() as transaction:
        transaction.note(migration.id, "approval_refused", "U9", {"why": "no role"})
    last = ledger.events()[-1]
    assert (last.name, last.actor, last.details) == ("approval_refused", "U9", {"why": "no role"})
    assert (last.from_status, last.to_status) == (None, None)
    assert ledger.migration(migration.id) == migration


def test_cancel_before_the_start_ends_it_at_once(ledger: Ledger, at: At) -> None:
    """A migration that waits is canceled in the act, with who asked and when it ended."""
    migration = at(Status.QUEUED)
    with ledger.transaction() as transaction:
        canceled = transaction.apply(migration.id, EventName.CANCEL, actor="U1")
    assert canceled.status is Status.CANCELED
    assert canceled.cancel_requested_by == "U1"
    assert canceled.ended_at == canceled.cancel_requested_at is not None


def test_people_cannot_end_what_a_worker_runs(ledger: Ledger, lease: Lease, act: Act) -> None:
    """Only the lease's holder can fail or finish a running migration; anybody else is refused."""
    for event in (EventName.FAIL, EventName.SUCCEED, EventName.RELEASE):
        with pytest.raises(TransitionRefused, match="only its worker"):
            act(lease.migration_id, event)
    assert ledger.migration(lease.migration_id).status is Status.RUNNING


def test_a_failure_while_planning_keeps_its_words(ledger: Ledger, at: At) -> None:
    """The error of a failed planning is stored with the migration and in its event."""
    migration = at(Status.PLANNING)
    error = ErrorText(code="E-SOURCE", message="It is gone.", state="Nothing.", next_step="Look.")
    with ledger.transaction() as transaction:
        failed = transaction.apply(migration.id, EventName.FAIL, actor="planner", error=error)
    assert (failed.status, failed.error) == (Status.FAILED, error)
    assert ledger.events()[-1].details["error"]["code"] == "E-SOURCE"


def test_resume_starts_with_a_clean_slate(ledger: Ledger, lease: Lease) -> None:
    """After a resume the migration is queued without flag, error and end, and its attempts begin anew."""
    error = ErrorText(code="E-TEMPORARY", message="The network is down.")
    ledger.finish(lease, EventName.FAIL, error=error)
    with ledger.transaction() as transaction:
        resumed = transaction.apply(lease.migration_id, EventName.RESUME, actor="U1")
    assert resumed.status is Status.QUEUED
    assert (resumed.error, resumed.ended_at, resumed.attempts) == (None, None, 0)
    assert resumed.cleared_at is not None


def test_what_was_never_approved_is_not_resumed(at: At, act: Act) -> None:
    """Cancel and resume is no way around the approval."""
    migration = at(Status.AWAITING_APPROVAL)
    act(migration.id, EventName.CANCEL)
    with pytest.raises(TransitionRefused, match="before it was approved"):
        act(migration.id, EventName.RESUME)


def test_a_plan_of_another_version_is_refused_with_the_way_out(
    ledger: Ledger, at: At, plan: Plan
) -> None:
    """A plan in an unknown format is never guessed at, and does not hide the other migrations of a list."""
    migration = at(Status.AWAITING_APPROVAL)
    text = plan.model_dump_json().replace('"version":1', '"version":2')
    with ledger.transaction() as transaction:
        transaction.session.connection().exec_driver_sql(
            "UPDATE migration SET plan = " + repr(text)
        )
    with pytest.raises(LedgerIncompatible, match="format 2") as caught:
        ledger.migration(migration.id)
    assert "version of Ferry that planned it" in caught.value.next_step
    assert [(m.id, m.plan) for m in ledger.migrations()] == [(migration.id, None)]


def test_an_approval_is_not_enough_for_another_migration(ledger: Ledger, at: At) -> None:
    """An act changes the migration it names and no other."""
    one, other = at(Status.AWAITING_APPROVAL), at(Status.AWAITING_APPROVAL)
    with ledger.transaction() as transaction:
        transaction.apply(one.id, EventName.APPROVE, actor="U1")
    assert ledger.migration(other.id) == other


def test_a_claim_is_no_act_of_people(ledger: Ledger, at: At) -> None:
    """A claim without a lease cannot be made."""
    migration = at(Status.QUEUED)
    with ledger.transaction() as transaction, pytest.raises(ValueError, match="claim"):
        transaction.apply(migration.id, EventName.CLAIM, actor="U1")


def test_unfinished_finds_what_can_go_on(ledger: Ledger, wish: Request, at: At) -> None:
    """The newest migration of the same request that can go on is found; ended, unapproved and other ones are not."""
    assert ledger.unfinished(wish.identity) is None
    older, newer = at(Status.QUEUED), at(Status.QUEUED)
    assert ledger.unfinished(wish.identity) == newer
    lease = ledger.claim(newer.id, new_owner())
    ledger.finish(lease, EventName.SUCCEED)
    assert ledger.unfinished(wish.identity) == older
    with ledger.transaction() as transaction:
        canceled = transaction.apply(older.id, EventName.CANCEL, actor="U1")
    assert ledger.unfinished(wish.identity) == canceled
    never = at(Status.AWAITING_APPROVAL)
    with ledger.transaction() as transaction:
        transaction.apply(never.id, EventName.CANCEL, actor="U1")
    assert ledger.unfinished(wish.identity) == canceled
    elsewhere = wish.model_copy(update={"target": Endpoint(name="x", uri="http://x")})
    assert ledger.unfinished(elsewhere.identity) is None
