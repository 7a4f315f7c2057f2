"""What was written to the source beside entities that explain another content: those that share a key, those that expired."""

import pytest

from engine.lifecycle import EventName
from engine.model import CollectionReport
from tests.engine.bed import Bed, Row, rows

pytestmark = pytest.mark.real_milvus

TTL = {"collection.ttl.seconds": "86400"}
KEYS = range(50)
"""One chunk, which each verification reads again."""


def verified_again(bed: Bed, migration: str) -> CollectionReport:
    """The report of the only collection, after all of the source was compared."""
    bed.act(migration, EventName.VERIFY)
    (found,) = bed.run(migration).collections
    return found


def changed(key: int) -> Row:
    """Another entity under a key."""
    return next(rows([key])) | {"text": "new"}


def test_a_rewritten_entity_beside_a_shared_key_is_found(bed: Bed) -> None:
    """In a range in which entities share a key every other one is held against the target; what is shared explains itself alone."""
    bed.source.create("beside")
    bed.source.insert("beside", [*rows(KEYS), changed(7)])
    migration = bed.queued("beside")
    (copied,) = bed.run(migration).collections
    assert copied.verified, copied
    assert verified_again(bed, migration).verified
    bed.source.client.upsert("beside", [changed(20)])
    found = verified_again(bed, migration)
    assert not found.verified, found
    assert (
        "of 1 ranges of keys that were read again, 1 do not hold what was copied" in found.notes[0]
    )
    assert 20 in [each.pk for each in found.examples]


def test_a_rewritten_entity_beside_an_expired_one_is_found(bed: Bed) -> None:
    """Where entities expire, a range that holds fewer of them has not changed for that; one that was replaced there is a write."""
    bed.source.create("beside", properties=TTL)
    bed.source.insert("beside", rows(KEYS))
    migration = bed.queued("beside")
    assert bed.run(migration).collections[0].verified
    bed.source.client.delete("beside", ids=[7])  # as if it had expired
    found = verified_again(bed, migration)
    assert found.verified, found
    assert "1 entities that were read are gone from the source since" in found.notes[0]
    bed.source.client.upsert("beside", [changed(20)])
    found = verified_again(bed, migration)
    assert not found.verified, found
    assert [(each.pk, each.kind) for each in found.examples] == [(7, "extra"), (20, "different")]
