"""A migration that has ended is compared with all of the source once more: nothing is copied, and what is found can be repaired."""

import pytest

from engine.lifecycle import EventName, Status
from engine.model import Outcome
from tests.engine.bed import PARTITION_ENTITIES, PARTITIONS, Bed, rows

pytestmark = pytest.mark.real_milvus

ENTITIES = PARTITIONS * PARTITION_ENTITIES


def test_an_ended_migration_is_verified_again(crossing: Bed) -> None:
    """Unchanged it is proved again with all of the source read; what a stranger wrote is named, and repaired; a drop is found."""
    migration = crossing.queued("parts")
    assert crossing.run(migration).status is Outcome.SUCCESSFUL
    crossing.act(migration, EventName.VERIFY)
    proved = crossing.run(migration)
    assert (proved.status, proved.collections[0].source_checked) == (Outcome.SUCCESSFUL, ENTITIES)

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
