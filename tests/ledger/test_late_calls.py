"""What a migration is told of calls that another one lost: until when they may still change collections of its names."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import LeaseLost
from engine.ledger import CALLS_CUT, Ledger, new_owner
from engine.lifecycle import EventName, Status
from engine.model import CollectionPlan, Details, LateCalls, Lease, Plan, Request
from engine.model.state import CREATING, CREATING_DATABASE, DATABASE_TAKEN, REPLACING, WAITING
from tests.ledger.test_chunks import collection_plan

LEASE_SECONDS = 30
CUT: Details = {CALLS_CUT: True}

Making = Callable[..., Lease]


def dead_owner() -> str:
    """The name of a process of this machine that certainly runs no more."""
    host, _, boot, random = new_owner().split(":")
    return f"{host}:{2**31 - 1}:{boot}:{random}"


@pytest.fixture
def making(ledger: Ledger, wish: Request, plan: Plan) -> Making:
    """`making(*names)` is the lease of a migration whose plan has these collections; `uri` and `database` are its target's."""

    def make(
        *names: str, uri: str = "http://new:19530", database: str = "default", owner: str = ""
    ) -> Lease:
        target = wish.target.model_copy(update={"uri": uri, "database": database})
        asked = wish.model_copy(update={"target": target})
        planned: tuple[CollectionPlan, ...] = tuple(collection_plan(name, 30) for name in names)
        with ledger.transaction() as act:
            made = act.add_migration(asked, requester="me")
            act.record_plan(made.id, plan.model_copy(update={"collections": planned}), "me")
            act.apply(made.id, EventName.ENQUEUE, actor="me")
        return ledger.claim(made.id, owner or new_owner(), LEASE_SECONDS)

    return make


def act_on(ledger: Ledger, lease: Lease, event: EventName) -> None:
    """Someone acts on the migration."""
    with ledger.transaction() as act:
        act.apply(lease.migration_id, event, actor="U1")


@pytest.mark.parametrize("event", [EventName.RELEASE, EventName.FAIL, EventName.CANCELED])
def test_calls_that_were_cut_are_told_to_other_migrations(
    ledger: Ledger, making: Making, clock: Any, event: EventName
) -> None:
    """However an attempt ended that did not wait for its calls, others hear of them until its lease would have ended."""
    own, other = making("films", "people"), making("films")
    if event is EventName.CANCELED:
        act_on(ledger, other, EventName.CANCEL)
    ledger.finish(other, event, CUT)
    until = clock.now + timedelta(seconds=LEASE_SECONDS)
    told = LateCalls(migration=other.migration_id, until=until)
    assert ledger.late_calls(own, ["people", "films"]) == told
    clock.pass_seconds(LEASE_SECONDS)
    assert ledger.late_calls(own, ["people", "films"]) is None


def test_where_nothing_is_in_doubt_nothing_is_told(ledger: Ledger, making: Making) -> None:
    """Neither a live worker's migration nor one that ended with all its calls answered is waited for, nor is one's own."""
    own, other = making("films"), making("films")
    assert ledger.late_calls(own, ["films"]) is None
    ledger.finish(other, EventName.SUCCEED)
    assert ledger.late_calls(own, ["films"]) is None
    ledger.finish(own, EventName.RELEASE, CUT)
    again = ledger.claim(own.migration_id, new_owner(), LEASE_SECONDS)
    assert again.others_until is not None
    assert ledger.late_calls(again, ["films"]) is None


def test_an_undo_is_waited_for_while_it_goes_on(ledger: Ledger, making: Making, clock: Any) -> None:
    """A live undo drops by the name: others hear of it until its lease ends, and no more once it is done."""
    own, other = making("films"), making("films")
    ledger.finish(other, EventName.SUCCEED)
    undo = ledger.claim(other.migration_id, new_owner(), LEASE_SECONDS, EventName.UNDO_NOW)
    until = clock.now + timedelta(seconds=LEASE_SECONDS)
    told = LateCalls(migration=other.migration_id, until=until, undoing=True)
    assert ledger.late_calls(own, ["films"]) == told
    ledger.finish(undo, EventName.UNDONE)
    assert ledger.late_calls(own, ["films"]) is None


def test_calls_of_other_names_and_targets_are_of_no_concern(ledger: Ledger, making: Making) -> None:
    """What was lost on the way to another collection, database or cluster changes nothing here; a slash at a URI's end does not."""
    own = making("films")
    for names, place in (
        (("people",), {}),
        (("films",), {"database": "other"}),
        (("films",), {"uri": "http://third:19530"}),
    ):
        ledger.finish(making(*names, **place), EventName.FAIL, CUT)
        assert ledger.late_calls(own, ["films"]) is None
    ledger.finish(making("films", uri="http://new:19530/"), EventName.FAIL, CUT)
    assert ledger.late_calls(own, ["films"]) is not None


def test_a_dead_workers_calls_are_told_before_and_after_someone_notices(
    ledger: Ledger, making: Making, clock: Any
) -> None:
    """A worker that is certainly dead may have lost calls: while it still has its lease, and when it was rescued."""
    own, dead = making("films"), making("films", owner=dead_owner())
    until = clock.now + timedelta(seconds=LEASE_SECONDS)
    told = LateCalls(migration=dead.migration_id, until=until)
    assert ledger.late_calls(own, ["films"]) == told
    act_on(ledger, dead, EventName.RESCUE)
    assert ledger.migration(dead.migration_id).status is Status.QUEUED
    assert ledger.late_calls(own, ["films"]) == told


def test_a_lost_call_is_told_also_while_its_migration_is_worked_on_again(
    ledger: Ledger, making: Making, clock: Any
) -> None:
    """No later worker's lease hides what one before it lost, however long it is and however it ends, until that is void."""
    own, lost = making("films"), making("films")
    until = clock.now + timedelta(seconds=LEASE_SECONDS)
    told = LateCalls(migration=lost.migration_id, until=until)
    ledger.finish(lost, EventName.RELEASE, CUT)
    clock.pass_seconds(10)
    live = ledger.claim(lost.migration_id, new_owner(), LEASE_SECONDS)
    assert ledger.late_calls(own, ["films"]) == told
    ledger.renew(live, LEASE_SECONDS)
    assert ledger.late_calls(own, ["films"]) == told
    ledger.finish(live, EventName.RELEASE)
    assert ledger.late_calls(own, ["films"]) == told
    brief = ledger.claim(lost.migration_id, dead_owner(), 1)
    assert brief.others_until == until
    clock.pass_seconds(2)
    assert ledger.late_calls(own, ["films"]) == told
    assert ledger.claim(lost.migration_id, dead_owner(), 1).others_until == until
    act_on(ledger, lost, EventName.RESCUE)
    assert ledger.late_calls(own, ["films"]) == told
    assert ledger.claim(lost.migration_id, new_owner(), LEASE_SECONDS).others_until == until
    clock.pass_seconds(18)
    assert ledger.late_calls(own, ["films"]) is None


def test_of_several_the_longest_is_told(ledger: Ledger, making: Making, clock: Any) -> None:
    """Whoever waits hears of the calls that may arrive longest."""
    own, first = making("films"), making("films")
    clock.pass_seconds(5)
    second, third = making("films"), making("films")
    for lease in (second, first):
        ledger.finish(lease, EventName.FAIL, CUT)
    ledger.finish(third, EventName.FAIL)
    late = ledger.late_calls(own, ["films"])
    assert late is not None
    assert late.migration == second.migration_id


def test_what_a_live_worker_is_at_is_taken_over_after_its_end(
    ledger: Ledger, making: Making, clock: Any
) -> None:
    """Who would replace what another migration made hears of its live worker; a lost one is fenced, its next one hears of it."""
    own, other = making("films"), making("films")
    for each in (own, other):
        ledger.set_collection(each, "films", phase=WAITING)
    ledger.record_created(other, "films", "created", 77)
    until = clock.now + timedelta(seconds=LEASE_SECONDS)
    working = LateCalls(migration=other.migration_id, until=until, working=True)
    assert ledger.take_over(own, "films", 77) == working
    assert ledger.replacing(other, ["films"]) is None
    clock.now = until
    ledger.renew(own, LEASE_SECONDS)
    assert ledger.take_over(own, "films", 77) is None
    assert ledger.migration(other.migration_id).status is Status.QUEUED
    with pytest.raises(LeaseLost):
        ledger.renew(other, LEASE_SECONDS)
    again = ledger.claim(other.migration_id, new_owner(), LEASE_SECONDS)
    until = clock.now + timedelta(seconds=LEASE_SECONDS)
    told = LateCalls(migration=own.migration_id, until=until, working=True)
    assert ledger.replacing(again, ["films", "people"]) == told
    assert ledger.replacing(again, ["people"]) is None
    ledger.finish(own, EventName.FAIL)
    assert ledger.replacing(again, ["films"]) is None


def test_two_do_not_wait_for_each_other(ledger: Ledger, making: Making) -> None:
    """Who was replacing when its worker was lost, and finds the other one at it again, replaces no more until that one's end."""
    own, other = making("films"), making("films")
    ledger.set_collection(own, "films", phase=REPLACING)
    ledger.set_collection(other, "films", phase="created", target_id=77)
    assert ledger.replacing(other, ["films"]) is not None
    assert ledger.take_over(own, "films", 77) is not None
    assert ledger.replacing(other, ["films"]) is None


def test_what_another_one_is_about_to_record_may_be_its_own(ledger: Ledger, making: Making) -> None:
    """Of what was begun and not recorded only a record says whose it is, or that no other one can have made it."""
    own, other, elsewhere = making("films"), making("films"), making("films", database="else")
    for each in (own, other, elsewhere):
        ledger.set_collection(each, "films", phase=CREATING)
    assert ledger.may_be_anothers(own.migration_id, "films", 77)
    ledger.finish(other, EventName.FAIL)
    assert not ledger.may_be_anothers(own.migration_id, "films", 77)
    ledger.record_created(elsewhere, "films", "created", 78)
    assert ledger.may_be_anothers(own.migration_id, "films", 78)


def test_an_undo_that_may_drop_the_database_is_waited_for_by_all_who_go_there(
    ledger: Ledger, making: Making, clock: Any
) -> None:
    """Who made the database may take it away: others who look for it hear of that, whatever their collections are called."""
    own, other, elsewhere = making("films"), making("people"), making("plays", database="else")
    ledger.finish(other, EventName.FAIL, CUT)
    assert ledger.late_calls(own, ["films"], database=True) is None
    clock.pass_seconds(LEASE_SECONDS)
    act_on(ledger, other, EventName.RESUME)
    again = ledger.claim(other.migration_id, new_owner(), LEASE_SECONDS)
    ledger.note(again, CREATING_DATABASE)
    ledger.finish(again, EventName.FAIL)
    assert ledger.late_calls(own, ["films"], database=True) is None
    ledger.claim(other.migration_id, new_owner(), LEASE_SECONDS, EventName.UNDO_NOW)
    until = clock.now + timedelta(seconds=LEASE_SECONDS)
    told = LateCalls(migration=other.migration_id, until=until, undoing=True)
    ledger.renew(own, LEASE_SECONDS)
    assert ledger.late_calls(own, ["films"], database=True) == told
    assert ledger.late_calls(own, ["films"]) is None
    assert ledger.late_calls(elsewhere, ["plays"], database=True) is None


def test_a_database_is_left_to_who_runs_there(ledger: Ledger, making: Making) -> None:
    """An undo leaves the database to another migration that runs into it, which counts as its maker then; to no other one."""
    own, other = making("films"), making("people")
    making("plays", database="else")
    ledger.finish(own, EventName.SUCCEED)
    undo = ledger.claim(own.migration_id, new_owner(), LEASE_SECONDS, EventName.UNDO_NOW)
    assert ledger.leave_database(undo)
    assert ledger.noted(other.migration_id, DATABASE_TAKEN)
    ledger.finish(other, EventName.RELEASE)
    assert not ledger.leave_database(undo)
    ledger.finish(undo, EventName.UNDONE)
    with pytest.raises(LeaseLost):
        ledger.leave_database(undo)
