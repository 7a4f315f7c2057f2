"""What stands on the target: this migration's own is gone on with, everyone else's is never touched."""

from collections.abc import Callable
from pathlib import Path

import pytest

import engine
from engine.errors import InputRejected, SourceUnusable
from engine.ledger import Ledger
from engine.lifecycle import EventName, Status
from engine.milvus import definitions
from engine.milvus.connection import connect
from engine.model import OnConflict, Outcome, Replaced, Secrets
from engine.worker import spawn
from tests.beds.ledgers import put
from tests.engine.bed import PARTITION_ENTITIES, PARTITIONS, Bed, Side, rows, running
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

KEYS = range(PARTITIONS * PARTITION_ENTITIES)
Proxied = Callable[[Side], Proxy]


@pytest.fixture
def halfway(crossing: Bed, proxied: Proxied) -> tuple[Bed, str]:
    """A migration that was canceled in the middle of its copy, and its id."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("Insert", 5)
    with running(crossing, migration) as (reports, _):
        gate.wait()
        crossing.act(migration, EventName.CANCEL)
        gate.open.set()
    assert reports[0].status is Outcome.CANCELED
    crossing.act(migration, EventName.RESUME)
    return crossing, migration


def test_a_collection_that_was_dropped_meanwhile_is_started_over(halfway: tuple[Bed, str]) -> None:
    """Receipts of a collection that someone dropped count no more: everything is copied anew."""
    bed, migration = halfway
    bed.target.drop("parts")
    report = bed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert report.entities == len(KEYS)
    bed.assert_same("parts", KEYS)


def test_a_collection_that_someone_else_made_is_refused(halfway: tuple[Bed, str]) -> None:
    """When ours was dropped and another of the same name stands there, the migration stops and leaves it alone."""
    bed, migration = halfway
    bed.target.drop("parts")
    bed.target.create("parts")
    bed.target.insert("parts", rows(range(3)))
    report = bed.run(migration)
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert report.error.code == "E-TARGET-NOT-EMPTY"
    assert bed.target.count("parts") == 3
    assert bed.target.client.list_partitions("parts") == ["_default"]


@pytest.mark.parametrize("alike", [True, False])
def test_a_collection_that_appears_after_the_plan_is_refused(crossing: Bed, *, alike: bool) -> None:
    """A collection of the name that was made between plan and start is refused, of whatever definition."""
    migration = crossing.queued("parts")
    crossing.target.create("parts", key="INT64" if alike else "VARCHAR")
    report = crossing.run(migration)
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert report.error.code == "E-TARGET-NOT-EMPTY"
    assert crossing.target.count("parts") == 0


@pytest.mark.parametrize("alike", [True, False])
def test_a_crash_before_the_creation_adopts_no_stranger(
    crossing: Bed, proxied: Proxied, *, alike: bool
) -> None:
    """A worker died before its collection was made, and someone made one of that name: it is neither adopted nor dropped."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    proxy.fail_before("CreateCollection", 1)
    gate = proxy.hold("CreateCollection", 1)
    worker = spawn(migration, crossing.url, Secrets())
    try:
        gate.wait()
    finally:
        worker.kill()
        worker.communicate()
    gate.open.set()
    proxy.drained()
    crossing.target.create("parts", key="INT64" if alike else "VARCHAR")
    crossing.target.insert("parts", rows(range(3) if alike else "abc"))
    crossing.target.ready()
    report = crossing.run(migration)
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert report.error.code == "E-TARGET-NOT-EMPTY"
    assert crossing.target.count("parts") == 3
    assert crossing.target.client.list_partitions("parts") == ["_default"]


def test_a_crash_after_the_creation_goes_on(crossing: Bed, proxied: Proxied) -> None:
    """A worker died when its collection was made and not yet recorded: the next one goes on with that collection."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("CreatePartition", 4)
    worker = spawn(migration, crossing.url, Secrets())
    try:
        gate.wait()
    finally:
        worker.kill()
        worker.communicate()
    gate.open.set()
    proxy.drained()
    made = crossing.target.client.describe_collection("parts")["collection_id"]
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    assert crossing.target.client.describe_collection("parts")["collection_id"] == made
    crossing.assert_same("parts", KEYS)


def test_replacing_drops_what_was_planned_to_be_dropped(crossing: Bed) -> None:
    """With `replace` the collection that stands there is dropped, with its alias, and the plan says so."""
    crossing.target.create("parts")
    crossing.target.insert("parts", rows(range(3)))
    crossing.target.client.create_alias("parts", "theirs")
    crossing.target.ready()
    request = crossing.request("parts", on_conflict=OnConflict.REPLACE)
    plan = engine.plan(request, Secrets())
    (planned,) = plan.replaced
    standing = crossing.target.client.describe_collection("parts")["collection_id"]
    assert planned.replaces == Replaced(id=standing, entities=3)
    assert plan.deletions == ("parts, 3 entities",)
    assert crossing.run(crossing.enqueue(request)).status is Outcome.SUCCESSFUL
    crossing.assert_same("parts", KEYS)
    assert list(crossing.target.client.describe_collection("parts")["aliases"]) == ["pieces"]


def test_what_is_not_loaded_is_not_counted(crossing: Bed) -> None:
    """Nothing is loaded on the target to plan a replacement: the plan says what the server's statistics say, and that it does."""
    crossing.target.create("parts", load=False)
    crossing.target.insert("parts", rows(range(3)))
    crossing.target.client.flush("parts")
    plan = engine.plan(crossing.request("parts", on_conflict=OnConflict.REPLACE), Secrets())
    assert plan.deletions == ("parts, not counted (not loaded; its statistics say 3 entities)",)
    assert not crossing.target.loaded("parts")


def test_nothing_is_dropped_that_no_plan_showed(bed: Bed) -> None:
    """With `replace` only what stood there when it was planned is dropped, by its id; what appears later stops it, also resumed."""
    for name in ("alpha", "beta"):
        bed.source.create(name)
        bed.source.insert(name, rows(range(5)))
    bed.target.create("alpha")
    migration = bed.queued("alpha", "beta", on_conflict=OnConflict.REPLACE)
    bed.target.drop("alpha")
    a_stranger_makes(bed, "alpha")
    assert_left_alone(bed, migration, "alpha")
    bed.target.drop("alpha")
    a_stranger_makes(bed, "beta")
    bed.act(migration, EventName.RESUME)
    assert_left_alone(bed, migration, "beta")
    bed.target.drop("beta")
    bed.act(migration, EventName.RESUME)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    for name in ("alpha", "beta"):
        bed.assert_same(name, range(5))


def test_no_more_is_dropped_than_the_plan_counts(bed: Bed) -> None:
    """What was written to a collection since it was planned to be replaced keeps it from being dropped, also resumed."""
    bed.source.create("alpha")
    bed.source.insert("alpha", rows(range(5)))
    a_stranger_makes(bed, "alpha")
    bed.target.ready()
    migration = bed.queued("alpha", on_conflict=OnConflict.REPLACE)
    bed.target.insert("alpha", rows(range(3, 5)))
    for resumed in (False, True):
        if resumed:
            bed.act(migration, EventName.RESUME)
        error = bed.run(migration).error
        assert error is not None
        assert error.code == "E-TARGET-NOT-EMPTY"
        assert "holds 5 entities now; the plan says that 3 are deleted" in error.message
        assert bed.target.count("alpha") == 5


@pytest.mark.parametrize("partitions", [(), ("more",)], ids=["told both", "refused"])
@pytest.mark.parametrize("apart", [False, True], ids=["one ledger", "two ledgers"])
def test_of_two_that_make_it_at_once_one_has_it(
    bed: Bed, proxied: Proxied, tmp_path: Path, apart: bool, partitions: tuple[str, ...]
) -> None:
    """A server tells both that they made the collection, unless it has partitions by then; the second one leaves it alone."""
    bed.source.create("alpha", partitions=partitions)
    bed.source.insert("alpha", rows(range(5)))
    proxy = proxied(bed.target)
    late = bed.queued("alpha", target_uri=proxy.uri)
    gate = proxy.hold("CreateCollection", 1)
    url = put(f"sqlite:///{tmp_path}/other.db")
    with Ledger.open(url) as other, running(bed, late) as (reports, _):
        quick = Bed(bed.source, bed.target, other, url) if apart else bed
        gate.wait()
        assert quick.migrate("alpha").status is Outcome.SUCCESSFUL
        gate.open.set()
    assert reports[0].error is not None
    assert reports[0].error.code == "E-TARGET-NOT-EMPTY", reports[0].error
    bed.assert_same("alpha", range(5))


def a_stranger_makes(bed: Bed, name: str) -> None:
    """Somebody else makes a collection on the target and fills it."""
    bed.target.create(name)
    bed.target.insert(name, rows(range(3)))


def assert_left_alone(bed: Bed, migration: str, name: str) -> None:
    """The run is refused and says which collection it did not drop; advising Replace once more would lead nowhere."""
    error = bed.run(migration).error
    assert error is not None
    assert error.code == "E-TARGET-NOT-EMPTY"
    assert (
        f"“{name}”, which is not what stood there when this migration was planned" in error.message
    )
    assert "a new request with Replace" in error.next_step
    assert bed.target.count(name) == 3


def test_a_re_migration_drops_only_what_the_first_one_made(halfway: tuple[Bed, str]) -> None:
    """What the first migration made may be replaced; a stranger's collection of that name stops plan and run and stays as it is."""
    bed, migration = halfway
    bed.act(migration, EventName.CANCEL)
    request = engine.remigration(bed.ledger, migration)
    assert request.collections == ("parts",)
    again = bed.enqueue(request)
    bed.target.drop("parts")
    bed.target.create("parts")
    bed.target.insert("parts", rows(range(3)))
    (conflict,) = engine.plan(request, Secrets()).conflicts
    assert "already holds a collection “parts”" in conflict
    report = bed.run(again)
    assert report.error is not None
    assert report.error.code == "E-TARGET-NOT-EMPTY"
    assert bed.target.count("parts") == 3
    bed.target.drop("parts")
    bed.act(again, EventName.RESUME)
    assert bed.run(again).status is Outcome.SUCCESSFUL
    bed.assert_same("parts", KEYS)


def test_an_alias_is_never_stolen(crossing: Bed) -> None:
    """An alias that points to another collection on the target is a conflict in the plan."""
    crossing.target.create("other")
    crossing.target.client.create_alias("other", "pieces")
    (conflict,) = engine.plan(crossing.request("parts"), Secrets()).conflicts
    assert "the alias “pieces” already points to “other”" in conflict


def test_a_source_whose_definition_changed_is_not_copied(bed: Bed) -> None:
    """When the source is another collection than the planned one, nothing is made and a person must look."""
    bed.source.create("shifting")
    migration = bed.queued("shifting")
    bed.source.drop("shifting")
    bed.source.create("shifting", key="VARCHAR", load=False)
    report = bed.run(migration)
    assert report.error is not None
    assert report.error.code == "E-SOURCE-CHANGED"
    assert bed.target.client.list_collections() == []


def test_a_second_ledger_has_no_right(halfway: tuple[Bed, str]) -> None:
    """Another ledger's migration of the same collections stops before what the first one made, and leaves it alone."""
    bed, _ = halfway
    before = bed.target.client.describe_collection("parts")["collection_id"]
    with Ledger.open(bed.url.replace("ferry.db", "other.db")) as other:
        plan = engine.plan(bed.request("parts"), Secrets())
        assert other.migrations() == ()
    (conflict,) = plan.conflicts
    assert "already holds a collection “parts”" in conflict
    assert bed.target.client.describe_collection("parts")["collection_id"] == before
    assert Status.QUEUED in {each.status for each in bed.ledger.migrations()}


@pytest.mark.parametrize("on_conflict", list(OnConflict))
def test_a_database_is_never_migrated_onto_itself(
    crossing: Bed, proxied: Proxied, on_conflict: OnConflict
) -> None:
    """However the source is called a second time, it is recognised: nothing would be left of it after a replacement."""
    source = crossing.source.endpoint
    others = (
        source.uri + "/",
        source.uri.replace("127.0.0.1", "localhost"),
        proxied(crossing.source).uri,
    )
    for uri in others:
        itself = source.model_copy(update={"uri": uri})
        request = crossing.request("parts", on_conflict=on_conflict)
        with pytest.raises(InputRejected, match="Source and target are the same database"):
            engine.plan(request.model_copy(update={"target": itself}), Secrets())


def test_an_alias_is_no_collection(crossing: Bed) -> None:
    """An alias that is asked for by name is refused, with the name of its collection."""
    with pytest.raises(SourceUnusable, match="“pieces” is an alias of “parts”"):
        engine.plan(crossing.request("pieces"), Secrets())


def test_a_drop_that_was_lost_takes_nothing_that_was_made_since(bed: Bed, proxied: Proxied) -> None:
    """Between a drop that was carried out, and lost, and the next one somebody makes a collection of that name: it stands."""
    bed.target.create("ours", load=False)
    proxy = proxied(bed.target)
    proxy.lose_answer("DropCollection", 1)
    place = bed.target.endpoint.model_copy(update={"uri": proxy.uri})
    told: list[BaseException] = []

    def made(failure: BaseException) -> None:
        if not told:
            bed.target.create("ours", load=False)
        told.append(failure)

    with connect(place, "", permit=lambda: 0.5, told=made) as target:
        definitions.drop(target, "ours")
    assert told
    assert bed.target.client.list_collections() == ["ours"]


def test_what_took_the_place_of_a_copy_is_not_handed_over(bed: Bed, proxied: Proxied) -> None:
    """Someone drops the copy before it is proved and makes the very same one: that gets neither an alias of ours nor a lifetime."""
    lifetime = {"collection.ttl.seconds": "86400"}
    bed.source.create("swapped", properties=lifetime)
    bed.source.insert("swapped", rows(range(20)))
    bed.source.client.create_alias("swapped", "front")
    target = proxied(bed.target)
    migration = bed.queued("swapped", target_uri=target.uri)
    gate = target.hold("LoadCollection", 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        bed.target.drop("swapped")
        bed.target.create("swapped", load=False)
        bed.target.insert("swapped", rows(range(20)))
        gate.open.set()
    (found,) = reports[0].collections
    assert reports[0].status is Outcome.MISMATCHED, found
    assert "another collection of that name stands on the target" in found.notes[0]
    described = bed.target.client.describe_collection("swapped")
    assert (described["aliases"], described["properties"]) == ([], {})
