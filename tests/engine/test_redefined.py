"""The source is not what was planned any more: its definition was changed, or another collection stands there under its name."""

import pytest

from engine.lifecycle import EventName
from engine.model import CollectionReport, Outcome
from tests.engine.bed import Bed, rows, running
from tests.engine.proxy import Proxy
from tests.engine.test_outdated import CHUNK_BYTES, KEYS, changed, unseen


def verified_again(bed: Bed, migration: str) -> CollectionReport:
    """The report of the only collection, after all of the source was compared."""
    bed.act(migration, EventName.VERIFY)
    (found,) = bed.run(migration).collections
    return found


def test_a_definition_that_changed_meanwhile_is_a_difference(lite_bed: Bed) -> None:
    """A partition, alias, index or property that came to the source since the plan is not on the target, and the proof says so."""
    source = lite_bed.source
    source.create("grown", partitions=["first"])
    source.insert("grown", rows(range(20)))
    with Proxy(lite_bed.target.uri) as proxy:
        gate = proxy.hold("LoadCollection", 1)
        migration = lite_bed.queued(target_uri=proxy.uri)
        with running(lite_bed, migration) as (reports, _):
            gate.wait()
            source.client.create_partition("grown", "second")
            source.client.create_alias("grown", "front")
            source.client.alter_collection_properties("grown", {"of.tomorrow": "1"})
            gate.open.set()
        (found,) = reports[0].collections
        assert reports[0].status is Outcome.MISMATCHED, found
        assert (found.missing, found.extra, found.different) == (0, 0, 0)
        said = [note for note in found.notes if note.startswith("The source was redefined")]
        assert len(said) == 3, found.notes
        assert any("partitions: second is new" in each for each in said)
        assert any("aliases: front is new" in each for each in said)
        assert any("of.tomorrow was not set, is 1" in each for each in said)
        source.client.drop_partition("grown", "second")
        source.client.drop_collection_properties("grown", ["of.tomorrow"])
        source.client.drop_alias("front")
        lite_bed.act(migration, EventName.RESUME)
        assert lite_bed.run(migration).status is Outcome.SUCCESSFUL
        source.client.create_alias("grown", "front")  # it was handed over: its operator's
        assert verified_again(lite_bed, migration).verified


def test_a_definition_is_described_once_for_a_proof(lite_bed: Bed) -> None:
    """A proof asks the source for a collection's indexes and aliases once, after all else."""
    lite_bed.source.create("grown")
    lite_bed.source.insert("grown", rows(range(20)))
    with Proxy(lite_bed.source.uri) as proxy:
        migration = lite_bed.queued("grown", source_uri=proxy.uri)
        before = proxy.calls.copy()
        assert lite_bed.run(migration).status is Outcome.SUCCESSFUL
        asked = proxy.calls - before
    assert (asked["DescribeIndex"], asked["ListAliases"]) == (1, 1)


@pytest.mark.real_milvus
def test_a_source_that_was_made_anew_is_read_whole(bed: Bed) -> None:
    """Where its source was dropped and filled anew since it was planned, no receipt is believed, whatever the counts say."""
    made = list(rows(KEYS))
    bed.source.create("nightly")
    bed.source.insert("nightly", made)
    with Proxy(bed.target.uri) as proxy:
        gate = proxy.hold("LoadCollection", 1)
        migration = bed.queued("nightly", target_uri=proxy.uri)
        with running(bed, migration, chunk_bytes=CHUNK_BYTES) as (reports, _):
            gate.wait()
            key = unseen(bed, migration, "nightly")
            bed.source.drop("nightly")
            bed.source.create("nightly")
            bed.source.insert(
                "nightly", [changed(key) if row["id"] == key else row for row in made]
            )
            bed.source.ready()
            gate.open.set()
        (found,) = reports[0].collections
        assert reports[0].status is Outcome.MISMATCHED, found
        assert "“nightly” was dropped there and made anew" in found.notes[0]
        assert [(each.pk, each.kind) for each in found.examples] == [(key, "different")]
        bed.act(migration, EventName.REPAIR)
        (found,) = bed.run(migration, chunk_bytes=CHUNK_BYTES).collections
    assert found.verified, found
    assert "Both sides were read whole after that, and are the same" in found.notes[0]
    bed.assert_same("nightly", KEYS)
