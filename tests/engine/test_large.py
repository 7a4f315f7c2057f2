"""Entities whose sizes differ a thousandfold: pages and requests shrink until they pass, and memory stays bounded."""

from collections.abc import Callable

import pytest
from pymilvus import DataType
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from engine import copier
from engine.lifecycle import EventName
from engine.model import Outcome
from tests.engine.bed import Bed, Side, rows
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

SMALL, LARGE = 150, 150
TEXT = "x" * 59_000
LIMIT = 2_000_000
"""Bytes of a message: about thirty of the large entities."""
TOO_LARGE = 41
"""The key of one entity that no message may hold."""

SAMPLED = 100
"""Entities by which a plan guesses the size of all."""
HEAVY, CHUNKS, CHUNK = b"y" * 1_000, 60, 10
HALVED, REGROWN = 5, 10
"""Chunks that pass in smaller requests at least; the last chunks, which are as large as the first again."""

Proxied = Callable[[Side], Proxy]


@pytest.fixture
def mixed(bed: Bed) -> Bed:
    """A bed with 150 small entities and then 150 of 59 KB, so that a page that suits the first is too large for the others."""
    bed.source.create("mixed")
    bed.source.insert("mixed", rows(range(SMALL)))
    large = (row | {"text": TEXT} for row in rows(range(SMALL, SMALL + LARGE)))
    bed.source.insert("mixed", large)
    return bed


def test_messages_shrink_until_they_pass(
    mixed: Bed, proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range over what either server passes in one message, and over what is held in memory, is copied and verified."""
    monkeypatch.setattr(copier, "HELD_BYTES_MAX", 1 << 20)
    source, target = proxied(mixed.source), proxied(mixed.target)
    source.limit("Query", LIMIT)
    target.limit("Query", LIMIT)
    target.limit("Insert", LIMIT // 2)
    target.limit("Upsert", LIMIT // 2)
    migration = mixed.queued("mixed", source_uri=source.uri, target_uri=target.uri)
    report = mixed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert mixed.chunks(migration, "mixed") == (1, 1, 1)
    assert report.bytes > LARGE * len(TEXT)
    mixed.assert_same("mixed", range(SMALL + LARGE))


def test_what_a_target_passes_is_learned_once(bed: Bed, proxied: Proxied) -> None:
    """Two collections whose chunks are too large for one message: only the first one's are refused."""
    names, keys = ("one", "two"), range(40)
    for name in names:
        bed.source.create(name)
        bed.source.insert(name, (row | {"text": TEXT} for row in rows(keys)))
    target = proxied(bed.target)
    target.limit("Insert", LIMIT // 2)
    inserts = target.keep("Insert")
    report = bed.run(bed.queued(*names, target_uri=target.uri))
    assert report.status is Outcome.SUCCESSFUL, report
    sent = [milvus_pb2.InsertRequest.FromString(each).collection_name for each in inserts]
    refused = {name for name, each in zip(sent, inserts, strict=True) if len(each) > LIMIT // 2}
    assert refused == {"one"}
    for name in names:
        bed.assert_same(name, keys)


def test_many_entities_that_never_pass_end_it(mixed: Bed, proxied: Proxied) -> None:
    """When the target accepts none of a hundred and more entities, the migration ends and says so."""
    target = proxied(mixed.target)
    target.limit("Insert", len(TEXT) // 2)
    target.limit("Upsert", len(TEXT) // 2)
    report = mixed.run(mixed.queued("mixed", target_uri=target.uri))
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert report.error.code == "E-TARGET-UNSUPPORTED"
    assert "refuses more than 100 entities of “mixed”" in report.error.message
    assert "cannot pass a message of this size" in report.error.message


def test_one_entity_that_never_passes_is_set_aside(bed: Bed, proxied: Proxied) -> None:
    """One of sixty is too large for the target: it is named by its key and reason, the rest is copied, and a repair copies it."""
    bed.source.create("mixed")
    made = [row | {"text": TEXT} if row["id"] == TOO_LARGE else row for row in rows(range(60))]
    bed.source.insert("mixed", made)
    target = proxied(bed.target)
    for rpc in ("Insert", "Upsert"):
        target.limit(rpc, len(TEXT) // 2)
    migration = bed.queued("mixed", target_uri=target.uri)
    report = bed.run(migration)
    assert (report.status, report.error) == (Outcome.MISMATCHED, None)
    (found,) = report.collections
    assert (found.missing, found.extra, found.different) == (1, 0, 0)
    assert [each.pk for each in found.examples] == [TOO_LARGE]
    assert (
        f"The target refused 1 entity, set aside and missing there: {TOO_LARGE}: " in found.notes[0]
    )
    assert "cannot pass a message of this size" in found.notes[0]
    assert bed.target.count("mixed") == 59
    for rpc in ("Insert", "Upsert"):
        target.limit(rpc, 2 * len(TEXT))
    bed.act(migration, EventName.REPAIR)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    bed.assert_same("mixed", range(60))


@pytest.mark.parametrize("light", [0, SAMPLED], ids=["as planned", "heavier than planned"])
def test_requests_grow_back(bed: Bed, proxied: Proxied, light: int) -> None:
    """After one request was too large the next ones are half as large, and at the end of the same run as large as the first.

    Where entities are heavier than planned every chunk is too large as it was read, and is written in parts.
    """
    keys = range(light, light + CHUNKS * CHUNK)
    bed.source.create("grown")
    bed.source.insert("grown", rows(range(light)))
    bed.source.insert("grown", (row | {"text": HEAVY.decode()} for row in rows(keys)))
    target = proxied(bed.target)
    status = common_pb2.Status(code=1100, error_code=1, reason="message larger than max")
    refusal = milvus_pb2.MutationResult(status=status).SerializeToString()
    target.answer("Insert", HEAVY, refusal, times=1)
    inserts = target.keep("Insert")
    migration = bed.queued("grown", target_uri=target.uri)
    plan = bed.ledger.migration(migration).plan
    assert plan is not None
    (planned,) = plan.collections
    report = bed.run(migration, chunk_bytes=CHUNK * planned.bytes // planned.entities + 1)
    assert report.status is Outcome.SUCCESSFUL, report
    sent = [milvus_pb2.InsertRequest.FromString(each).num_rows for each in inserts if HEAVY in each]
    assert sent[0] == CHUNK
    assert sum(number for number in sent if number <= CHUNK // 2) >= HALVED * CHUNK
    assert sent[-REGROWN:] == [CHUNK] * REGROWN
    bed.assert_same("grown", range(light + CHUNKS * CHUNK))


@pytest.mark.usefixtures("short_leases")
def test_an_entity_larger_than_a_message_of_the_log_arrives(bed: Bed, proxied: Proxied) -> None:
    """Arrays make an entity of 6 MB, more than a message of the target's log holds: it is inserted, and in doubt upserted."""
    long_array = {"element_type": DataType.VARCHAR, "max_capacity": 200, "max_length": 60_000}
    bed.source.create("mixed", fields=[("many", DataType.ARRAY, long_array)])
    made = [row | {"many": [TEXT] * (100 if row["id"] else 1)} for row in rows(range(3))]
    for row in made:
        bed.source.insert("mixed", [row])
    target = proxied(bed.target)
    target.lose_answer("Insert", 2)
    report = bed.run(bed.queued("mixed", target_uri=target.uri))
    assert report.status is Outcome.SUCCESSFUL, report
    assert target.calls["Upsert"] > 0
    bed.assert_same("mixed", range(3))
