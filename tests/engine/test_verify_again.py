"""A migration that has ended is compared with all of the source once more: nothing is written; what is found can be repaired."""

from collections.abc import Callable

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from engine.ledger import new_owner
from engine.lifecycle import EventName, Status
from engine.model import CollectionReport, Outcome, Report
from tests.engine.bed import PARTITION_ENTITIES, PARTITIONS, Bed, Side, rows, running
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

ENTITIES = PARTITIONS * PARTITION_ENTITIES
READING = ("Alloc", "Connect", "Describe", "Get", "List", "Query", "Search", "Show")
"""How the calls begin that a verification may make, but for loading and releasing."""
TTL = "collection.ttl.seconds"
SOURCES_TTL = "86400"
OPERATORS_TTL = "172800"

Proxied = Callable[[Side], Proxy]


def fill(bed: Bed, name: str) -> None:
    """A small collection of the source with a lifetime and an alias, `front`."""
    bed.source.create(name, properties={TTL: SOURCES_TTL})
    bed.source.insert(name, rows(range(50)))
    bed.source.client.create_alias(name, "front")


def lifetime(side: Side, name: str) -> str | None:
    """The lifetime of a collection's entities."""
    found: dict[str, str] = side.client.describe_collection(name)["properties"]
    return found.get(TTL)


def verified_again(bed: Bed, migration: str) -> tuple[Report, CollectionReport]:
    """Asks for a new verification and runs it; the report, and that of the only collection."""
    bed.act(migration, EventName.VERIFY)
    report = bed.run(migration)
    (collection,) = report.collections
    return report, collection


def test_an_ended_migration_is_verified_again(crossing: Bed) -> None:
    """Unchanged it is proved again with all of the source read; what a stranger wrote is named, and repaired; a drop is found."""
    migration = crossing.queued("parts")
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    crossing.act(migration, EventName.VERIFY)
    proved = crossing.run(migration)
    assert (proved.status, proved.collections[0].source_checked) == (Outcome.SUCCESSFUL, ENTITIES)
    claims, phases = (crossing.ledger.events_named(migration, name) for name in ("claim", "phase"))
    assert [bool(each.details.get("verifies")) for each in claims] == [False, True]
    assert [bool(each.details.get("again")) for each in phases][-2:] == [False, True]

    partition = crossing.target.client.list_partitions("parts")[-1]
    crossing.target.insert("parts", rows([9_999]), partition)
    crossing.act(migration, EventName.VERIFY)
    found = crossing.run(migration)
    (report,) = found.collections
    assert (found.status, report.extra, report.missing) == (Outcome.MISMATCHED, 1, 0)
    assert report.examples[0].pk == 9_999
    crossing.act(migration, EventName.REPAIR)
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    assert crossing.target.count("parts") == ENTITIES

    crossing.target.drop("parts")
    crossing.act(migration, EventName.VERIFY)
    gone = crossing.run(migration)
    assert (gone.status, gone.collections[0].missing) == (Outcome.MISMATCHED, ENTITIES)
    assert "not on the target" in gone.collections[0].notes[0]
    assert crossing.target.client.list_collections() == []
    events = crossing.ledger.events(migration_id=migration)
    copied = [event for event in events if event.details.get("phase") == "copy"]
    assert len(copied) == 2  # the migration's own run and the repair's
    assert crossing.ledger.migration(migration).status is Status.MISMATCHED


def test_it_leaves_the_target_as_its_operator_set_it(bed: Bed, proxied: Proxied) -> None:
    """A longer lifetime, an alias that points to the next version, a release: told, and left so, also by a later repair."""
    fill(bed, "kept")
    target, client = proxied(bed.target), bed.target.client
    migration = bed.queued("kept", target_uri=target.uri)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    assert lifetime(bed.target, "kept") == SOURCES_TTL
    client.alter_collection_properties("kept", {TTL: OPERATORS_TTL})
    bed.target.create("next")
    client.alter_alias("next", "front")
    client.release_collection("kept")
    before = target.calls.copy()
    report, found = verified_again(bed, migration)
    assert report.status is Outcome.SUCCESSFUL, report
    changed, released = found.notes
    assert f"{TTL} is {OPERATORS_TTL}, not {SOURCES_TTL}; alias “front” is missing" in changed
    assert "released on the target" in released
    called = {rpc for rpc, _ in (target.calls - before).items() if not rpc.startswith(READING)}
    assert called == {"LoadCollection", "ReleaseCollection"}
    assert not bed.target.loaded("kept")

    client.load_collection("kept")
    client.delete("kept", ids=[7])
    report, found = verified_again(bed, migration)
    assert (report.status, found.missing) == (Outcome.MISMATCHED, 1)
    bed.act(migration, EventName.REPAIR)
    report = bed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert any("left so" in note for note in report.collections[0].notes)
    assert lifetime(bed.target, "kept") == OPERATORS_TTL
    assert client.describe_collection("next")["aliases"] == ["front"]
    assert bed.target.count("kept") == 50


def test_a_killed_verification_is_tidied_by_the_next(bed: Bed) -> None:
    """What a worker that died had loaded on the target to read it is released by the one that goes on."""
    fill(bed, "idle")
    migration = bed.queued("idle")
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    bed.act(migration, EventName.VERIFY)
    died = bed.ledger.claim(migration, new_owner(), 0)
    bed.ledger.set_collection(died, "idle", target_was_loaded=False)
    assert bed.target.loaded("idle")
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    assert not bed.target.loaded("idle")


def test_what_is_made_anew_is_not_released_for_an_earlier_verification(bed: Bed) -> None:
    """What a lost verification had loaded was dropped since: a resume makes it anew, and it ends loaded."""
    bed.source.create("idle")
    bed.source.insert("idle", rows(range(5)))
    migration = bed.queued("idle")
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    bed.act(migration, EventName.VERIFY)
    died = bed.ledger.claim(migration, new_owner())
    bed.ledger.set_collection(died, "idle", target_was_loaded=False)
    bed.target.drop("idle")
    bed.ledger.finish(died, EventName.MISMATCH)
    bed.act(migration, EventName.RESUME)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    assert bed.target.loaded("idle")


def test_a_strangers_collection_is_not_read(bed: Bed) -> None:
    """Where another collection took the place of the migration's own, that is what is told; the stranger's stays as it is."""
    fill(bed, "taken")
    migration = bed.queued("taken")
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    bed.target.drop("taken")
    bed.target.create("taken", load=False)
    bed.target.insert("taken", rows(range(3)))
    report, found = verified_again(bed, migration)
    assert (report.status, found.missing, found.extra) == (Outcome.MISMATCHED, 50, 0)
    assert "which this migration did not make" in found.notes[0]
    assert lifetime(bed.target, "taken") is None
    assert bed.target.client.describe_collection("taken")["aliases"] == []
    assert not bed.target.loaded("taken")


def test_what_was_never_handed_over_is_not_called_successful(bed: Bed, proxied: Proxied) -> None:
    """Mended by hand, a migration that mismatched lacks its lifetime and alias: that is a difference, until Resume sets them."""
    fill(bed, "mended")
    target = proxied(bed.target)
    migration = bed.queued("mended", target_uri=target.uri)
    gate = target.hold("LoadCollection", 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        bed.target.insert("mended", rows([9_999]))
        gate.open.set()
    assert reports[0].status is Outcome.MISMATCHED
    bed.target.client.delete("mended", ids=[9_999])
    report, found = verified_again(bed, migration)
    assert (report.status, found.extra, found.same) == (Outcome.MISMATCHED, 0, 50)
    said = (f"property {TTL} is missing, not {SOURCES_TTL}", "alias “front” is missing")
    assert found.notes[:2] == said
    assert "Resume" in found.notes[2]
    assert lifetime(bed.target, "mended") is None
    bed.act(migration, EventName.RESUME)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    assert lifetime(bed.target, "mended") == SOURCES_TTL
    assert bed.target.client.describe_collection("mended")["aliases"] == ["front"]


def test_what_is_proved_gets_its_alias_though_another_collection_mismatched(
    bed: Bed, proxied: Proxied
) -> None:
    """Nobody would set it later: migrated again is only what is not proved, whose alias still waits."""
    fill(bed, "spoiled")
    bed.source.create("whole")
    bed.source.insert("whole", rows(range(50)))
    bed.source.client.create_alias("whole", "back")
    target = proxied(bed.target)
    migration = bed.queued("spoiled", "whole", target_uri=target.uri)
    gate = target.hold("LoadCollection", 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        bed.target.insert("spoiled", rows([9_999]))
        gate.open.set()
    assert reports[0].status is Outcome.MISMATCHED
    assert bed.target.client.describe_collection("whole")["aliases"] == ["back"]
    assert bed.target.client.describe_collection("spoiled")["aliases"] == []


@pytest.mark.parametrize("ended", [Status.SUCCESSFUL, Status.MISMATCHED])
def test_one_that_is_not_done_changes_nothing(
    crossing: Bed, proxied: Proxied, ended: Status
) -> None:
    """Canceled in the middle, or failed, the migration stands with the report it had ended with, and says why."""
    target = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=target.uri)
    crossing.run(migration)
    if ended is Status.MISMATCHED:
        crossing.target.insert("parts", rows([9_999]), "p03")
        verified_again(crossing, migration)
    before = crossing.report(migration).collections
    crossing.target.client.delete("parts", filter="id in [1, 9999]")

    crossing.act(migration, EventName.VERIFY)
    gate = target.hold("Query", target.calls["Query"] + PARTITIONS)
    with running(crossing, migration) as (reports, _):
        gate.wait()
        crossing.act(migration, EventName.CANCEL)
        gate.open.set()
    assert (reports[0].state, reports[0].collections, reports[0].error) == (ended, before, None)

    status = common_pb2.Status(code=1100, error_code=1, reason="no such answer")
    target.answer("Query", b"", milvus_pb2.QueryResults(status=status).SerializeToString())
    report, _ = verified_again(crossing, migration)
    assert (report.state, report.collections, report.error) == (ended, before, None)
    last = crossing.ledger.last_change(migration)
    assert last is not None
    told = last.details["error"]
    assert (last.name, last.to_status) == (EventName.FAIL, ended)
    assert told["state"].startswith("Nothing was written; the migration stands as it had ended.")
    assert told["next_step"].startswith("Verify it again")
    target.answer_no_more()
    assert verified_again(crossing, migration)[1].missing == 1


def test_one_that_is_canceled_at_its_very_end_changes_nothing(bed: Bed, proxied: Proxied) -> None:
    """Canceled while the source is put back, when all is compared, the migration still stands with the report it had ended with."""
    fill(bed, "late")
    source = proxied(bed.source)
    bed.source.ready()
    bed.source.client.flush("late")
    bed.source.client.release_collection("late")
    migration = bed.queued("late", source_uri=source.uri)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    before = bed.report(migration).collections
    bed.target.client.delete("late", ids=[7])
    bed.act(migration, EventName.VERIFY)
    gate = source.hold("ReleaseCollection", source.calls["ReleaseCollection"] + 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        bed.act(migration, EventName.CANCEL)
        gate.open.set()
    assert (reports[0].state, reports[0].collections) == (Status.SUCCESSFUL, before)
    assert verified_again(bed, migration)[1].missing == 1
