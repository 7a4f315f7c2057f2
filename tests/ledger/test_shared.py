"""What migrations of one ledger share: a collection on the target belongs to the one that recorded it first."""

from collections.abc import Callable

import pytest

import engine
from engine.errors import LeaseLost
from engine.ledger import Ledger, new_owner
from engine.ledger.records import plan_of
from engine.lifecycle import EventName, Status
from engine.model import Lease, Migration, OnConflict, Plan, Request
from tests.beds.counting import calls
from tests.engine.shapes import collection

CREATED = "created"


@pytest.fixture
def other(ledger: Ledger, at: Callable[[Status], Migration]) -> Lease:
    """The lease of another running migration."""
    return ledger.claim(at(Status.QUEUED).id, new_owner(), 30)


@pytest.fixture
def blocked(plan: Plan) -> Plan:
    """A plan in the way of which `films` stands."""
    films = collection(name="films", conflict="b/default already holds a collection “films”.")
    return plan.model_copy(update={"collections": (films,)})


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
    """Another id or another name is another collection; of the id 0, which Milvus Lite gives to all, the last one has it."""
    for each in (lease, other):
        begin(ledger, each, "films", "people")
    assert ledger.record_created(lease, "films", CREATED, 77)
    assert ledger.record_created(other, "films", CREATED, 78)
    assert ledger.record_created(other, "people", CREATED, 77)
    for each in (lease, other):
        assert ledger.record_created(each, "films", CREATED, 0)
    made = {"films": None, "people": None}, {"films": 0, "people": 77}
    assert (target_ids(ledger, lease), target_ids(ledger, other)) == made


def test_a_lost_lease_records_nothing(ledger: Ledger, lease: Lease) -> None:
    """A worker that was replaced does not say whose a collection is."""
    begin(ledger, lease, "films")
    stale = lease.model_copy(update={"token": lease.token - 1})
    with pytest.raises(LeaseLost):
        ledger.record_created(stale, "films", CREATED, 77)
    assert target_ids(ledger, lease) == {"films": None}


def test_of_two_that_end_at_once_one_releases_what_both_read(
    ledger: Ledger, lease: Lease, other: Lease
) -> None:
    """The first leaves the release to the second, which finds nobody to leave it to; one that was handed back goes on, too."""
    for each in (lease, other):
        ledger.set_collection(each, "films", source_was_loaded=False)
    assert ledger.is_loaded_for_another(other, "films")
    assert ledger.hand_load_on(lease, "films")
    assert not ledger.is_loaded_for_another(other, "films")
    assert not ledger.hand_load_on(other, "films")
    ledger.set_collection(lease, "films", source_was_loaded=True)
    assert not ledger.hand_load_on(other, "films")
    ledger.finish(other, EventName.RELEASE)
    assert ledger.hand_load_on(lease, "films")


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


@pytest.mark.parametrize(
    ("end", "advice"),
    [
        (None, "Wait until that has ended."),
        (EventName.SUCCEED, "What it made can be verified again."),
        (EventName.MISMATCH, "What it made can be verified again."),
        (EventName.FAIL, "It can be resumed."),
    ],
)
def test_what_is_in_the_way_is_advised_by_how_its_maker_stands(
    ledger: Ledger, lease: Lease, blocked: Plan, end: EventName | None, advice: str
) -> None:
    """What its maker made can be verified where that has a result; it can be resumed where it has none."""
    begin(ledger, lease, "films")
    ledger.record_created(lease, "films", CREATED, 77)
    if end is not None:
        ledger.finish(lease, end)
    said = engine.blocked(blocked, ledger)
    assert said is not None
    assert said.next_step.startswith(f"{lease.migration_id} made a collection of that name there")
    assert f". {advice} Or choose another target" in said.next_step


def test_a_replacement_is_not_advised_where_it_was_asked_for(ledger: Ledger, blocked: Plan) -> None:
    """What is in the way of a request with Replace is something else than what stands on the target."""
    asked = blocked.request.model_copy(update={"on_conflict": OnConflict.REPLACE})
    said = engine.blocked(blocked, ledger)
    again = engine.blocked(blocked.model_copy(update={"request": asked}), ledger)
    assert said is not None
    assert again is not None
    assert "--on-conflict replace" in said.next_step
    assert again.next_step == "Choose another target or leave these collections out."
