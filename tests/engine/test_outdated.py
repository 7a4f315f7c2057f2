"""A receipt that is out of date settles nothing: what the source got since the copy is found, also behind a shared key."""

import threading
from collections.abc import Callable
from itertools import count

import pytest

import engine
from engine.executors import READERS, WAITING_MAX, WRITERS
from engine.ledger import new_owner
from engine.lifecycle import EventName
from engine.milvus.connection import connect
from engine.model import AutoId, CollectionReport, Outcome, Secrets
from engine.proof.drift import SAMPLE_CHUNKS, sample, seed_of
from engine.proof.keyless import proof_of
from tests.engine.bed import Bed, Row, Side, heard, rows, running
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

Proxied = Callable[[Side], Proxy]

KEYS = range(200)
IN_FLIGHT = READERS + WAITING_MAX + WRITERS
CHUNK_BYTES = 500
"""So that there are many chunks, and a verification reads a few of them again on the source."""
RUNS = 3
"""So many of them; later ones read others, and may come to it."""
TTL = {"collection.ttl.seconds": "86400"}


def run(bed: Bed, migration: str, *events: EventName) -> CollectionReport:
    """Runs a migration of one collection after these acts, in small chunks; its report."""
    for event in events:
        bed.act(migration, event)
    (report,) = bed.run(migration, chunk_bytes=CHUNK_BYTES).collections
    return report


def unseen(bed: Bed, migration: str, name: str) -> int:
    """A key of a range that none of the first verifications reads again on the source unless it is asked to read them all."""
    chunks = list(bed.ledger.chunks(migration, name))
    again = [
        chunk.id
        for asked in range(RUNS)
        for chunk in sample(chunks, SAMPLE_CHUNKS, seed_of(migration, asked, name))
    ]
    return max(int(chunk.range.upper or 0) for chunk in chunks if chunk.id not in again)


def changed(key: int) -> Row:
    """Another entity under a key."""
    return next(rows([key])) | {"text": "new"}


def test_what_was_found_different_is_not_settled_by_its_receipt(bed: Bed, proxied: Proxied) -> None:
    """A change of the source that was found stays found after a repair that never began, and after a target that did not answer."""
    target = proxied(bed.target)
    bed.source.create("drifted")
    bed.source.insert("drifted", rows(KEYS))
    migration = bed.queued("drifted", target_uri=target.uri)
    assert run(bed, migration).verified
    key = unseen(bed, migration, "drifted")
    bed.source.client.upsert("drifted", [changed(key)])
    assert run(bed, migration, EventName.VERIFY).different == 1
    found = run(bed, migration, EventName.REPAIR, EventName.CANCEL, EventName.RESUME)
    assert (found.verified, [each.pk for each in found.examples]) == (False, [key])
    target.limit("Query", 100)
    assert run(bed, migration, EventName.RESUME).errors > 0
    target.limit("Query", 1 << 30)
    found = run(bed, migration, EventName.RESUME)
    assert (found.verified, [each.pk for each in found.examples]) == (False, [key])
    assert run(bed, migration, EventName.REPAIR).verified
    assert bed.target.get("drifted", [key])[key]["text"] == "new"


def test_a_later_proof_reads_other_ranges_again(lite_bed: Bed) -> None:
    """The ranges of the source that are read again differ from proof to proof; the report says which they were."""
    lite_bed.source.create("quiet")
    lite_bed.source.insert("quiet", rows(KEYS))
    migration = lite_bed.queued("quiet")
    first, again = run(lite_bed, migration), run(lite_bed, migration, EventName.VERIFY)
    lite_bed.target.client.delete("quiet", ids=[7])
    assert not run(lite_bed, migration, EventName.VERIFY).verified
    mended = run(lite_bed, migration, EventName.REPAIR)
    assert (first.verified, mended.verified) == (True, True)
    for report, asked in ((first, 0), (mended, 3)):
        chunks = range(lite_bed.chunks(migration, "quiet")[0])
        seed = seed_of(migration, asked, "quiet")
        assert report.source_ranges == tuple(sorted(sample(chunks, SAMPLE_CHUNKS, seed)))
    assert (again.source_ranges, again.source_checked) == ((), len(KEYS))  # all of it


def test_what_differs_by_content_is_not_settled_by_its_receipts(bed: Bed) -> None:
    """Where the target made the keys, a partition that was found different is compared with the source by every later run."""
    bed.source.create("made", schema={"auto_id": True})
    contents = [{"vector": row["vector"], "text": row["text"]} for row in rows(KEYS)]
    bed.source.insert("made", contents)
    request = bed.request("made").model_copy(update={"auto_id": AutoId.NEW})
    migration = bed.enqueue(request)
    assert run(bed, migration).verified
    bed.source.client.delete("made", ids=[unseen(bed, migration, "made")])
    bed.source.insert("made", [contents[0] | {"text": "new"}])
    found = run(bed, migration, EventName.VERIFY)
    assert (found.missing, found.extra) == (1, 1)
    found = run(bed, migration, EventName.RESUME)
    assert (found.verified, found.missing, found.extra) == (False, 1, 1)


@pytest.mark.parametrize("whole", [False, True])
def test_an_insert_of_an_existing_key_is_no_shared_key_of_before(
    bed: Bed, proxied: Proxied, *, whole: bool
) -> None:
    """What an application updates by an insert while it is copied ends SUCCESSFUL only once the target holds the new value."""
    bed.source.create("updated")
    bed.source.insert("updated", rows(KEYS))
    target = proxied(bed.target)
    request = bed.request("updated", target_uri=target.uri)
    migration = bed.enqueue(request.model_copy(update={"check_source": whole}))
    gate = target.hold("LoadCollection", 1)
    with running(bed, migration, chunk_bytes=CHUNK_BYTES) as (reports, _):
        gate.wait()
        bed.source.insert("updated", [changed(57)])
        gate.open.set()
    (found,) = reports[0].collections
    assert reports[0].status is Outcome.MISMATCHED, found
    assert "of “updated” 1 entities share another’s key now, 0 at the copy" in found.notes[0]
    assert "Upsert" in found.notes[0]
    assert not run(bed, migration, EventName.REPAIR).verified
    bed.source.client.upsert("updated", [changed(57)])
    found = run(bed, migration, EventName.REPAIR)
    if not found.verified:  # the server had answered the older one: only now the difference is seen
        assert [each.pk for each in found.examples] == [57]
        assert run(bed, migration, EventName.REPAIR).verified
    assert bed.target.get("updated", [57])[57]["text"] == "new"
    assert bed.target.count("updated") == len(KEYS)


def test_an_update_by_insert_is_found_though_the_counts_agree(bed: Bed) -> None:
    """Where all of the source is read again, a key that came to be shared is found, whichever of its entities is answered."""
    bed.source.create("masked", properties=TTL)
    bed.source.insert("masked", rows(KEYS))
    migration = bed.queued("masked")
    assert run(bed, migration).verified
    bed.source.insert("masked", [changed(57)])
    bed.source.client.delete("masked", ids=[150])  # as if it had expired
    found = run(bed, migration, EventName.VERIFY)
    assert not found.verified
    assert "of “masked” 1 entities share another’s key now, 0 at the copy" in found.notes[0]


def test_fewer_shared_keys_than_at_the_copy_are_a_write_too(bed: Bed) -> None:
    """An upsert takes a key's other entity away; the change is named though the keys that are still shared explain the counts."""
    bed.source.create("settled")
    bed.source.insert("settled", rows(KEYS))
    migration = shared_at_the_copy(bed, "settled")
    bed.source.client.upsert("settled", [changed(57)])
    found = proved_again(bed, migration)
    assert "1 entities share another’s key now, 2 at the copy" in found.notes[0]
    assert [(each.pk, each.kind) for each in found.examples] == [(57, "different")]
    assert run(bed, migration, EventName.VERIFY).different == 1
    found = run(bed, migration, EventName.REPAIR)
    assert found.verified
    assert "Both sides were read whole after that, and are the same" in found.notes[0]


def test_shared_keys_of_which_some_expired_are_a_note(bed: Bed) -> None:
    """Where entities expire, fewer of them that share a key are no write."""
    bed.source.create("fading", properties=TTL)
    bed.source.insert("fading", rows(KEYS))
    migration = shared_at_the_copy(bed, "fading")
    answered = bed.source.get("fading", [57])[57]
    bed.source.client.upsert("fading", [answered])  # as if the other one had expired
    found = proved_again(bed, migration)
    assert found.verified, found
    assert "1 keys are shared by 2 entities" in found.notes[0]


def test_a_ledger_from_before_explains_shared_keys_as_before(bed: Bed) -> None:
    """Where nobody kept how many entities shared a key at the copy, shared keys explain the gap."""
    bed.source.create("old")
    bed.source.insert("old", rows(KEYS))
    migration = bed.queued("old")
    assert run(bed, migration).verified
    bed.source.insert("old", rows([57]))
    found = proved_again(bed, migration, source_surplus=None)
    assert found.verified, found
    assert "1 keys are shared by 2 entities" in found.notes[0]


@pytest.mark.parametrize("auto_id", [AutoId.KEEP, AutoId.NEW])
def test_two_sides_that_are_the_same_are_proved(bed: Bed, auto_id: AutoId) -> None:
    """What came late to the source and was added to the target by hand is no mismatch for ever: both are read, and it is told."""
    bed.source.create("late", schema={"auto_id": True} if auto_id is AutoId.NEW else None)
    given = {"id", "vector", "text"} - ({"id"} if auto_id is AutoId.NEW else set())
    made = [{name: row[name] for name in given} for row in rows([*KEYS, 1_000])]
    bed.source.insert("late", made[:-1])
    request = bed.request("late").model_copy(update={"auto_id": auto_id})
    migration = bed.enqueue(request)
    assert run(bed, migration).verified
    bed.source.insert("late", made[-1:])
    found = run(bed, migration, EventName.VERIFY)
    assert (found.verified, found.missing) == (False, 1)
    bed.target.insert("late", made[-1:])
    found = run(bed, migration, EventName.VERIFY)
    assert found.verified, found
    assert (found.source_entities, found.target_entities) == (201, 201)
    assert "The source was written to meanwhile" in found.notes[0]
    assert "Both sides were read whole after that, and are the same" in found.notes[0]


def shared_at_the_copy(bed: Bed, name: str) -> str:
    """A proved migration of a collection in which two keys are shared by two entities each."""
    bed.source.insert(name, rows([57, 58]))
    migration = bed.queued(name)
    found = run(bed, migration)
    assert found.verified, found
    assert "2 keys are shared by 4 entities" in found.notes[0]
    return migration


def proved_again(bed: Bed, migration: str, **recorded: object) -> CollectionReport:
    """Proves an ended migration of one collection without reading all of its source; the ledger says this of it before."""
    bed.act(migration, EventName.VERIFY)
    lease = bed.ledger.claim(migration, new_owner())
    plan = bed.ledger.migration(migration).plan
    assert plan is not None
    (collection,) = plan.collections
    if recorded:
        bed.ledger.set_collection(lease, collection.name, **recorded)
    with connect(bed.source.endpoint, "") as source, connect(bed.target.endpoint, "") as target:
        proof = proof_of(source, target, collection, lambda: None)
        report = proof.of_migration(bed.ledger, lease)
    bed.ledger.finish(lease, EventName.SUCCEED if report.verified else EventName.MISMATCH)
    return report


def test_a_source_that_is_exchanged_in_the_middle_is_compared_whole(
    bed: Bed, proxied: Proxied
) -> None:
    """A copy of two collections, one of which was dropped for the other, is found and mended, though every count is the same."""
    chunks, before, name = range(40), 4, "nightly"
    bed.source.create(name)
    bed.source.insert(name, rows(chunks))
    bed.source.ready()
    target = proxied(bed.target)
    plan = engine.plan(bed.request(name, target_uri=target.uri), Secrets())
    migration = next(
        migration
        for migration in (bed.enqueue_plan(plan) for _ in count())
        if min(sample(chunks, SAMPLE_CHUNKS, seed_of(migration, 0, name))) > before + IN_FLIGHT
    )
    gate, stop = target.hold("Insert", before), threading.Event()
    with running(bed, migration, stop, chunk_bytes=1) as (_, beats):
        gate.wait()
        stop.set()
        heard(beats)
        gate.open.set()
    copied = bed.chunks(migration, name)[2]
    assert before <= copied <= before + IN_FLIGHT
    bed.source.drop(name)
    bed.source.create(name)
    bed.source.insert(name, rows(chunks, text="new"))
    bed.source.ready()
    report = bed.run(migration)
    (found,) = report.collections
    assert (report.status, found.different) == (Outcome.MISMATCHED, copied)
    assert "was dropped there and made anew" in found.notes[0]
    mended = run(bed, migration, EventName.REPAIR)
    assert mended.verified
    assert "Both sides were read whole after that, and are the same" in mended.notes[0]
    bed.assert_same(name, chunks)
