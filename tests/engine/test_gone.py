"""What is dropped on either side under a migration is told in plain words, with how the data stands and what to do now."""

import uuid
from collections.abc import Callable
from contextlib import closing

import pytest

import engine
from engine.errors import SourceChanged
from engine.lifecycle import EventName, Status
from engine.milvus.client import preparing_client
from engine.model import Outcome, Secrets
from tests.engine.bed import Bed, Side, rows, running
from tests.engine.proxy import Proxy

Proxied = Callable[[Side], Proxy]
real = pytest.mark.real_milvus
SECOND = list(rows(range(20, 40)))


@pytest.fixture(params=["lite_bed", pytest.param("bed", marks=real)])
def either(request: pytest.FixtureRequest) -> Bed:
    """A bed on Milvus Lite, or on the real servers."""
    made: Bed = request.getfixturevalue(request.param)
    return made


def fill(bed: Bed) -> None:
    """`parts` of twenty entities in each of two partitions."""
    bed.source.create("parts", partitions=["first", "second"])
    bed.source.insert("parts", rows(range(20)), "first")
    bed.source.insert("parts", SECOND, "second")


def drop_second(side: Side) -> None:
    """As an operator has to: a server drops no partition that is loaded, and Milvus Lite cannot release one."""
    if side.database != "default":
        side.client.release_partitions("parts", ["second"])
    side.client.drop_partition("parts", "second")


@real
def test_a_partition_that_is_dropped_during_the_copy_is_told(bed: Bed, proxied: Proxied) -> None:
    """The copy comes to a partition that is gone: which one is said, and put back as it was it goes on to the end."""
    fill(bed)
    target = proxied(bed.target)
    gate = target.hold("CreateCollection", 1)
    migration = bed.queued("parts", target_uri=target.uri)
    with running(bed, migration) as (reports, _):
        gate.wait()
        drop_second(bed.source)
        gate.open.set()
    error = reports[0].error
    assert reports[0].status is Outcome.FAILED
    assert error is not None
    assert error.code == SourceChanged.code, error
    assert "no partition “second” any more" in error.message
    assert "Every chunk with a receipt is on the target" in error.state
    assert "Put it back there" in error.next_step
    bed.source.client.create_partition("parts", "second")
    bed.source.client.load_partitions("parts", ["second"])
    bed.source.insert("parts", SECOND, "second")
    bed.act(migration, EventName.RESUME)
    report = bed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    bed.assert_same("parts", range(40))


def test_a_partition_that_is_dropped_after_the_copy_is_a_difference(
    either: Bed, proxied: Proxied
) -> None:
    """The proof reads on without it: the definition is told as changed, and what the target holds of it is named as extra."""
    fill(either)
    target = proxied(either.target)
    gate = target.hold("LoadCollection", 1)
    migration = either.queued("parts", target_uri=target.uri)
    with running(either, migration) as (reports, _):
        gate.wait()
        drop_second(either.source)
        gate.open.set()
    assert reports[0].status is Outcome.MISMATCHED, reports[0].error
    (found,) = reports[0].collections
    assert (found.missing, found.extra, found.different) == (0, 20, 0)
    assert {each.partition for each in found.examples} == {"second"}
    assert any("partitions: second is gone" in note for note in found.notes)
    assert any("written to meanwhile" in note for note in found.notes)


@real
@pytest.mark.parametrize("again", [False, True])
def test_a_source_that_is_dropped_during_the_proof_is_told(
    bed: Bed, proxied: Proxied, *, again: bool
) -> None:
    """The proof, or a new one, comes to a collection that is gone from the source: it says so, not what the server answered."""
    fill(bed)
    target = proxied(bed.target)
    migration = bed.queued("parts", target_uri=target.uri)
    if again:
        assert bed.run(migration).status is Outcome.SUCCESSFUL
        bed.act(migration, EventName.VERIFY)
    gate = target.hold("Query", target.calls["Query"] + 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        bed.source.drop("parts")
        gate.open.set()
    last = bed.ledger.last_named(migration, EventName.FAIL)
    assert last is not None, reports[0]
    told = last.details["error"]
    assert isinstance(told, dict)
    assert (told["code"], "There is no collection “parts”" in told["message"]) == (
        SourceChanged.code,
        True,
    ), told
    assert reports[0].status is (Outcome.SUCCESSFUL if again else Outcome.FAILED)


@real
@pytest.mark.parametrize("released", [False, True])
def test_a_target_that_is_dropped_during_a_new_proof_is_absent(
    bed: Bed, proxied: Proxied, *, released: bool
) -> None:
    """What is dropped while it is compared again is told as not on the target, also where it was loaded only for that."""
    fill(bed)
    source = proxied(bed.source)
    migration = bed.queued("parts", source_uri=source.uri)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    if released:
        bed.target.client.release_collection("parts")
    bed.act(migration, EventName.VERIFY)
    gate = source.hold("Query", source.calls["Query"] + 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        bed.target.drop("parts")
        gate.open.set()
    assert reports[0].status is Outcome.MISMATCHED, bed.ledger.last_named(migration, EventName.FAIL)
    (found,) = reports[0].collections
    assert (found.absent, found.missing) == (True, 40)
    assert "not on the target" in found.notes[0]


@real
def test_an_undo_forgets_what_went_with_its_database(bed: Bed) -> None:
    """Somebody dropped the target's database: all that stood in it is told to be gone, and is the migration's no more."""
    bed.source.create("crew")
    bed.source.insert("crew", rows(range(5)))
    request, made = bed.request("crew"), f"made_{uuid.uuid4().hex[:6]}"
    there = request.target.model_copy(update={"database": made})
    migration = bed.enqueue(request.model_copy(update={"target": there}))
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    with closing(preparing_client(there.uri, db_name=made)) as client:
        client.drop_collection("crew")
        client.drop_database(made)
    undone = engine.undo(bed.ledger, migration, Secrets())
    assert (undone.gone, undone.dropped, undone.state) == (("crew",), (), Status.UNDONE)
    assert [each.target_id for each in bed.ledger.collection_states(migration)] == [None]
