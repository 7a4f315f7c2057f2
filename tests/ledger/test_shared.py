"""What migrations of one ledger share: a collection on the target belongs to the one that recorded it first."""

from collections.abc import Callable

import pytest

import engine
from engine.errors import LeaseLost
from engine.ledger import Ledger, new_owner
from engine.ledger.records import plan_of
from engine.lifecycle import EventName, Status
from engine.model import Lease, Migration, Plan, Request
from tests.beds.counting import calls
from tests.ledger.test_chunks import collection_plan

CREATED = "created"


@pytest.fixture
def other(ledger: Ledger, at: Callable[[Status], Migration]) -> Lease:
    """The lease of another running migration."""
    return ledger.claim(at(Status.QUEUED).id, new_owner(), 30)


def begin(ledger: Ledger, lease: Lease, *names: str) -> None:
    """As a worker does before it makes collections."""
    for name in names:
        ledger.set_collection(lease, name, phase="creating", target_id=None)


def target_ids(ledger: Ledger, lease: Lease) -> dict[str, int | None]:
    """What the ledger knows of the target's collections."""
    states = ledger.collection_states(lease.migration_id)
    return {state.name: state.target_id for state in states}


def test_who_records_it_first_made_it(ledger: Ledger, lease: Lease, other: Lease) -> None:
    """The second one learns that it is not its own, and nothing is recorded for it; to record one's own again is no harm."""
    for each in (lease, other):
        begin(ledger, each, "films")
    assert ledger.record_created(lease, "films", CREATED, 77)
    assert not ledger.record_created(other, "films", CREATED, 77)
    assert ledger.record_created(lease, "films", CREATED, 77)
    assert target_ids(ledger, lease) == {"films": 77}
    assert target_ids(ledger, other) == {"films": None}


def test_other_collections_are_other_collections(
    ledger: Ledger, lease: Lease, other: Lease
) -> None:
    """Another id or another name is another collection, and the id 0, which Milvus Lite gives to all, says nothing."""
    for each in (lease, other):
        begin(ledger, each, "films", "people")
    assert ledger.record_created(lease, "films", CREATED, 77)
    assert ledger.record_created(other, "films", CREATED, 78)
    assert ledger.record_created(other, "people", CREATED, 77)
    for each in (lease, other):
        assert ledger.record_created(each, "films", CREATED, 0)


def test_a_lost_lease_records_nothing(ledger: Ledger, lease: Lease) -> None:
    """A worker that was replaced does not say whose a collection is."""
    begin(ledger, lease, "films")
    stale = lease.model_copy(update={"token": lease.token - 1})
    with pytest.raises(LeaseLost):
        ledger.record_created(stale, "films", CREATED, 77)
    assert target_ids(ledger, lease) == {"films": None}


def test_who_made_what_stands_there_is_named(
    ledger: Ledger, lease: Lease, other: Lease, wish: Request
) -> None:
    """The newest, and no plan is read for it; what was made at another place, or is only begun, names nobody."""
    for each, number in ((lease, 77), (other, 78)):
        begin(ledger, each, "films", "people")
        assert ledger.record_created(each, "films", CREATED, number)
    assert ledger.record_created(lease, "people", CREATED, 79)
    names = ("films", "people")
    with calls(plan_of) as read:
        newest, of_people = (ledger.maker(wish.target, each) for each in (names, ("people",)))
    assert newest is not None
    assert of_people is not None
    assert (newest.id, of_people.id) == (other.migration_id, lease.migration_id)
    assert read == []
    assert ledger.maker(wish.source, names) is None


def test_what_is_said_can_be_done_with_what_is_in_the_way(
    ledger: Ledger, lease: Lease, plan: Plan
) -> None:
    """Who made it may be at it, or have failed, or have ended: what is offered then is what the lifecycle takes."""
    begin(ledger, lease, "films")
    assert ledger.record_created(lease, "films", CREATED, 77)
    films = collection_plan("films", 30).model_copy(update={"conflict": "It is there."})
    wanted = plan.model_copy(update={"collections": (films,)})

    def offered() -> str:
        blocked = engine.blocked(wanted, ledger)
        assert blocked is not None
        return blocked.next_step

    assert offered().startswith("Wait for its end, or choose another target")
    ledger.finish(lease, EventName.FAIL)
    assert offered().startswith("It can be resumed. Or choose another target")
    with ledger.transaction() as act:
        act.apply(lease.migration_id, EventName.RESUME, actor="me")
    ledger.finish(ledger.claim(lease.migration_id, new_owner(), 30), EventName.SUCCEED)
    assert offered().startswith("What it made can be verified again. Or choose another target")
