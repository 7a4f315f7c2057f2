"""Keys that the source made, moved to a server that makes its own and takes none: new keys, proved by content without them."""

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

import engine
from engine.errors import TargetChanged
from engine.lifecycle import EventName
from engine.model import AutoId, KeyPolicy, MismatchKind, Outcome, Request, Secrets
from engine.preparer import STARTED_OVER
from tests.engine.bed import Bed, Row, Side, ledger_failing, rows, running, until
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

Proxied = Callable[[Side], Proxy]
PARTS = ("_default", "old")
COUNT = 60
"""Entities of each part; two of them say the same."""
LIMIT = 1_400
"""Bytes of a request: more than half of a part has, and less than all of it."""


def fill(side: Side, parts: Sequence[str] = PARTS) -> None:
    """A collection that makes its keys, of two partitions."""
    side.create("automatic", schema={"auto_id": True}, partitions=parts[1:])
    for part in parts:
        made = [
            {"vector": row["vector"], "text": f"{part} {row['text']}"} for row in rows(range(COUNT))
        ]
        made[1] = made[0]
        side.insert("automatic", made, part)


def contents(side: Side, part: str) -> tuple[set[int], Counter[str]]:
    """The keys of a partition, and how often each content stands there."""
    side.ready()
    found: list[Row] = side.client.query(
        "automatic",
        output_fields=["*"],
        partition_names=[part],
        limit=COUNT * 2,
        consistency_level="Strong",
    )
    keys = {row["id"] for row in found}
    return keys, Counter(f"{row['vector']} {row['text']}" for row in found)


def asked(bed: Bed, **changes: str) -> Request:
    """A request for new keys."""
    return bed.request("automatic", **changes).model_copy(update={"auto_id": AutoId.NEW})


@pytest.mark.usefixtures("short_leases")
def test_new_keys_through_interruptions(bed: Bed, proxied: Proxied) -> None:
    """What was interrupted, and what lost an answer, starts over: each content stands there as often as in the source."""
    fill(bed.source)
    target = proxied(bed.target)
    request = asked(bed, target_uri=target.uri)
    (planned,) = engine.plan(request, Secrets()).collections
    assert planned.keys is KeyPolicy.NEW
    assert engine.keys_in_question(request, Secrets()) == ("automatic",)
    (lost,) = planned.losses
    assert "makes new primary keys" in lost
    assert "starts over if it is interrupted" in lost
    gate = target.hold("Insert", 4, only=True)
    target.lose_answer("Insert", 14)
    migration = bed.enqueue(request)
    with running(bed, migration, chunk_bytes=600) as (reports, _):
        gate.wait()
        bed.act(migration, EventName.CANCEL)
        gate.open.set()
    assert reports[0].status is Outcome.CANCELED
    bed.act(migration, EventName.RESUME)
    report = bed.run(migration, chunk_bytes=600)
    assert report.status is Outcome.SUCCESSFUL, report
    events = [event.name for event in bed.ledger.events(migration_id=migration)]
    assert events.count(STARTED_OVER) == 2
    assert target.calls["Upsert"] == 0
    assert bed.target.client.describe_collection("automatic")["auto_id"] is True
    for part in PARTS:
        (ours, said), (theirs, copied) = (contents(side, part) for side in (bed.source, bed.target))
        assert not ours & theirs
        assert said == copied
        assert max(copied.values()) == 2
    assert any("without the key" in note for note in report.collections[0].notes)
    assert engine.verify(asked(bed), Secrets()).status is Outcome.SUCCESSFUL
    engine.undo(bed.ledger, migration, Secrets())
    assert bed.target.client.list_collections() == []


def test_what_differs_without_a_key_is_named(bed: Bed) -> None:
    """A missing entity is named by the source's key, an extra one by the target's, one of two equal ones too; undo sees it."""
    fill(bed.source)
    migration = bed.enqueue(asked(bed))
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    client = bed.target.client
    twins = client.query("automatic", filter='text == "old text 0"', output_fields=["id"])
    client.delete("automatic", ids=[twins[0]["id"]])
    made = client.insert("automatic", [{"vector": [0.5] * 4, "text": "a stranger"}])
    report = engine.verify(asked(bed), Secrets())
    assert report.status is Outcome.MISMATCHED
    (found,) = report.collections
    assert (found.missing, found.extra, found.different) == (1, 1, 0)
    by_kind = {each.kind: each for each in found.examples}
    assert by_kind[MismatchKind.EXTRA].pk == made["ids"][0]
    missing = by_kind[MismatchKind.MISSING]
    assert missing.partition == "old"
    (row,) = bed.source.get("automatic", [missing.pk]).values()
    assert row["text"] == "old text 0"
    with pytest.raises(TargetChanged, match="partition “_default” were changed"):
        engine.undo(bed.ledger, migration, Secrets())


def test_what_was_refused_does_not_keep_it_from_being_undone(bed: Bed, proxied: Proxied) -> None:
    """Entities that the target refused are no stranger's doing: the undo looks at the numbers, and still sees a stranger's."""
    fill(bed.source)
    poison = "old text 7"
    status = common_pb2.Status(code=1100, error_code=1, reason="no such values here")
    refusal = milvus_pb2.MutationResult(status=status).SerializeToString()
    proxy = proxied(bed.target)
    proxy.answer("Insert", poison.encode(), refusal)
    migration = bed.enqueue(asked(bed, target_uri=proxy.uri))
    report = bed.run(migration)
    assert (report.status, report.error) == (Outcome.MISMATCHED, None)
    (found,) = report.collections
    assert (found.missing, found.extra, found.different) == (1, 0, 0)
    client = bed.target.client
    made = client.insert(
        "automatic", [{"vector": [0.5] * 4, "text": "a stranger"}], partition_name="old"
    )
    with pytest.raises(TargetChanged, match="holds 120 entities, and the migration left 119"):
        engine.undo(bed.ledger, migration, Secrets())
    client.delete("automatic", ids=list(made["ids"]))
    assert engine.undo(bed.ledger, migration, Secrets()).dropped == ("automatic",)


@pytest.mark.parametrize("event", [EventName.RESUME, EventName.REPAIR])
def test_what_mismatched_is_never_dropped(bed: Bed, event: EventName) -> None:
    """After the cut-over an application wrote there: whoever resumes or repairs is told to re-migrate, and its entity stays."""
    fill(bed.source)
    migration = bed.enqueue(asked(bed))
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    client = bed.target.client
    made = client.describe_collection("automatic")["collection_id"]
    client.insert("automatic", [{"vector": [0.5] * 4, "text": "an order"}])
    bed.act(migration, EventName.VERIFY)
    assert bed.run(migration).status is Outcome.MISMATCHED
    bed.act(migration, event)
    report = bed.run(migration)
    (found,) = report.collections
    assert (report.status, report.error) == (Outcome.MISMATCHED, None)
    assert (found.missing, found.extra) == (0, 1)
    assert any("Re-migrate" in note for note in found.notes)
    assert client.describe_collection("automatic")["collection_id"] == made
    assert bed.target.count("automatic") == 2 * COUNT + 1
    assert bed.target.count("automatic", condition='text == "an order"') == 1


@pytest.mark.usefixtures("short_leases")
def test_what_was_interrupted_is_not_dropped_under_a_stranger(bed: Bed, proxied: Proxied) -> None:
    """An interrupted copy starts over unless someone else wrote there: then it stops, says so, and goes on once that is gone."""
    fill(bed.source)
    target = proxied(bed.target)
    gate = target.hold("Insert", 4, only=True)
    target.fail_before("Insert", 4)
    migration = bed.enqueue(asked(bed, target_uri=target.uri))
    with running(bed, migration, chunk_bytes=600) as (reports, _):
        gate.wait()
        bed.act(migration, EventName.CANCEL)
        gate.open.set()
    assert reports[0].status is Outcome.CANCELED
    made = bed.target.client.insert(
        "automatic", [{"vector": [0.5] * 4, "text": "an order"}] * 2 * COUNT
    )
    bed.act(migration, EventName.RESUME)
    report = bed.run(migration, chunk_bytes=600)
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert report.error.code == TargetChanged.code
    assert "“automatic”" in report.error.message
    assert "was not touched" in report.error.state
    assert not bed.target.loaded("automatic")
    bed.target.client.load_collection("automatic")
    assert bed.target.count("automatic", condition='text == "an order"') == 2 * COUNT
    bed.target.client.delete("automatic", ids=list(made["ids"]))
    bed.act(migration, EventName.RESUME)
    assert bed.run(migration, chunk_bytes=600).status is Outcome.SUCCESSFUL
    for part in PARTS:
        assert contents(bed.target, part)[1] == contents(bed.source, part)[1]


@pytest.mark.usefixtures("short_leases")
def test_what_lost_an_answer_is_not_dropped_under_a_stranger(bed: Bed, proxied: Proxied) -> None:
    """Someone else writes there while the copy runs, and an insert loses its answer: it stops, says so, and drops nothing."""
    fill(bed.source)
    target = proxied(bed.target)
    gate = target.hold("Insert", 4, only=True)
    target.lose_answer("Insert", 4)
    migration = bed.enqueue(asked(bed, target_uri=target.uri))
    client = bed.target.client
    with running(bed, migration, chunk_bytes=600) as (reports, _):
        gate.wait()
        began = client.describe_collection("automatic")["collection_id"]
        order = {"vector": [0.5] * 4, "text": "an order"}
        made = client.insert("automatic", [order] * 2 * COUNT)
        gate.open.set()
    (report,) = reports
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert report.error.code == TargetChanged.code
    assert "“automatic”" in report.error.message
    assert client.describe_collection("automatic")["collection_id"] == began
    client.load_collection("automatic")
    assert bed.target.count("automatic", condition='text == "an order"') == 2 * COUNT
    client.delete("automatic", ids=list(made["ids"]))
    bed.act(migration, EventName.RESUME)
    assert bed.run(migration, chunk_bytes=600).status is Outcome.SUCCESSFUL
    for part in PARTS:
        assert contents(bed.target, part)[1] == contents(bed.source, part)[1]


@pytest.mark.usefixtures("short_leases")
def test_what_the_ledger_interrupts_in_the_middle_of_a_chunk_starts_over(
    bed: Bed, proxied: Proxied
) -> None:
    """A chunk goes in smaller requests, and the ledger fails from then on: resumed it starts over, and nothing is doubled."""
    fill(bed.source, PARTS[:1])
    target = proxied(bed.target)
    target.limit("Insert", LIMIT)
    gate = target.hold("Insert", 3, only=True)
    migration = bed.enqueue(asked(bed, target_uri=target.uri))
    with running(bed, migration) as (reports, _):
        gate.wait()
        with ledger_failing(bed) as failed:
            gate.open.set()
            assert failed.wait(60)
            until(lambda: bool(reports))  # for one lease the ledger is asked again
    assert target.calls["Insert"] == 3  # all, all once more, a half
    assert reports[0].status is Outcome.FAILED
    assert reports[0].error is not None
    assert "The ledger did not take it" in reports[0].error.message
    bed.act(migration, EventName.RESUME)
    report = bed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    events = [event.name for event in bed.ledger.events(migration_id=migration)]
    assert events.count(STARTED_OVER) == 1
    assert contents(bed.target, PARTS[0])[1] == contents(bed.source, PARTS[0])[1]


def test_a_refusal_that_is_not_certain_starts_it_over(bed: Bed, proxied: Proxied) -> None:
    """Some of a refused insert may be applied, and nobody could tell it apart: it is copied again from its start, once each.

    Whatever the refusal: this code is no known one, and none of an entity's value.
    """
    fill(bed.source)
    status = common_pb2.Status(code=2000, error_code=1, reason="produce failed")
    refusal = milvus_pb2.MutationResult(status=status).SerializeToString()
    proxy = proxied(bed.target)
    proxy.answer("Insert", b"", refusal, times=1, applied=True)
    migration = bed.enqueue(asked(bed, target_uri=proxy.uri))
    report = bed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    events = [event.name for event in bed.ledger.events(migration_id=migration)]
    assert events.count(STARTED_OVER) == 1
    assert sum(bed.target.count("automatic", part) for part in PARTS) == sum(
        bed.source.count("automatic", part) for part in PARTS
    )
