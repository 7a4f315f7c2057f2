"""On Milvus Lite: what only newer servers have, and moving between old servers and it."""

from pathlib import Path

import pytest
from pymilvus import DataType

import engine
from engine.lifecycle import EventName
from engine.milvus import definitions
from engine.milvus.connection import connect
from engine.milvus.sample import ALIAS, PARTITIONS, fill
from engine.milvus.sample_values import awkward_key
from engine.milvus.survey import reader_of, survey
from engine.model import CollectionReport, Outcome, Secrets
from engine.proof.gaps import explain_gap
from engine.proof.redefined import redefined
from engine.proof.searches import QUERIES
from tests.engine.bed import Bed, Side, rows
from tests.engine.proxy import Proxy

TTL = {"collection.ttl.seconds": "86400"}


def of(bed: Bed, name: str) -> CollectionReport:
    """What a verification says of one collection."""
    (found,) = bed.verify(name).collections
    return found


def test_the_modern_sample_is_moved(lite_bed: Bed) -> None:
    """Functions, nulls, defaults, dynamic fields, partitions and aliases arrive, and full text search answers on the target."""
    made = fill(lite_bed.source.uri, scale=0.1)
    report = lite_bed.migrate()
    assert report.status is Outcome.SUCCESSFUL, report
    assert {each.name: each.target_entities for each in report.collections} == made
    searched = {each.name: each.searches for each in report.collections}
    (words,) = [found for found in searched["articles"] if found.by_text]
    assert (words.field, words.reason, words.overlap) == ("keywords", "", 1.0)
    assert words.queries == QUERIES
    target = lite_bed.target.client
    question = {"data": ["silver lantern"], "anns_field": "keywords", "limit": 5}
    ours, theirs = (
        [hit["id"] for hit in client.search("articles", **question)[0]]
        for client in (lite_bed.source.client, target)
    )
    assert len(theirs) == 5
    assert ours == theirs
    assert set(PARTITIONS) < set(target.list_partitions("documents"))
    assert target.list_aliases("documents")["aliases"] == [ALIAS]
    half = made["events"] // 2
    for name, keys in (
        ("events", range(-half, half)),
        ("documents", [awkward_key(number) for number in range(made["documents"])]),
    ):
        sides = [side.get(name, keys) for side in (lite_bed.source, lite_bed.target)]
        assert len(sides[0]) == made[name]
        assert sides[0] == sides[1]
    nulls = target.query("events", filter="tags is null", output_fields=["priority"], limit=100)
    assert {row["priority"] for row in nulls} == {5}


def test_outputs_of_functions_are_not_sent(lite_bed: Bed) -> None:
    """The sparse vectors that a BM25 function makes are made by the target itself: the requests do not carry them."""
    fill(lite_bed.source.uri, scale=0.02)
    with Proxy(lite_bed.target.uri) as proxy:
        sent = proxy.keep("Insert")
        report = lite_bed.migrate("articles", target_uri=proxy.uri)
    assert report.status is Outcome.SUCCESSFUL, report
    assert sent
    assert all(b"keywords" not in request for request in sent)
    assert all(b"title" in request for request in sent)


def test_differences_are_found_on_milvus_lite_too(lite_bed: Bed) -> None:
    """Deleted, added and changed entities are named with their fields, nulls among them."""
    fill(lite_bed.source.uri, scale=0.02)
    assert lite_bed.migrate("events").status is Outcome.SUCCESSFUL
    (row,) = lite_bed.target.get("events", [1]).values()
    client = lite_bed.target.client
    client.upsert("events", [row | {"region": None if row["region"] else "", "captain": "other"}])
    client.delete("events", ids=[5])
    found = of(lite_bed, "events")
    assert [(each.pk, each.kind, each.fields) for each in found.examples] == [
        (1, "different", ("$meta", "region")),
        (5, "missing", ()),
    ]


def test_a_partition_of_milvus_lite_is_counted_by_itself(lite_bed: Bed) -> None:
    """The plan says how many entities each partition has: Milvus Lite itself counts those of all of them (`count(*)`)."""
    lite_bed.source.create("cargo", partitions=["hold"])
    lite_bed.source.insert("cargo", rows(range(3)))
    lite_bed.source.insert("cargo", rows(range(3, 8)), "hold")
    (plan,) = engine.plan(lite_bed.request("cargo"), Secrets()).collections
    assert {each.name: each.entities for each in plan.partitions} == {"_default": 3, "hold": 5}
    assert plan.entities == 8


@pytest.mark.parametrize(
    ("lifetime", "answered", "sharing", "fault", "expired"),
    [
        ({}, 8, range(1), "", 0),
        ({}, 7, range(1), "it holds 8 entities now, and 7 were read", 0),
        ({}, 9, range(1), "it holds 8 entities now, and 9 were read", 0),
        (TTL, 9, range(1), "", 1),
        (TTL, 7, range(1), "it holds 8 entities now, and 7 were read", 0),
        ({}, 8, range(2, 3), "0 entities share another’s key now, 2 at the copy", 0),
        (TTL, 8, range(3), "", 0),
    ],
)
def test_a_gap_of_the_source_is_explained_or_a_write(
    lite_bed: Bed,
    lifetime: dict[str, str],
    answered: int,
    sharing: range,
    fault: str,
    expired: int,
) -> None:
    """Where entities expire fewer may be there than were read, never more; keys that are shared no more are a write, too."""
    lite_bed.source.create("cargo")
    lite_bed.source.insert("cargo", rows(range(8)))
    with connect(lite_bed.source.endpoint, "") as source:
        plan = survey(source, "cargo").model_copy(update={"properties": lifetime})
        gap = explain_gap(reader_of(source, plan), plan, answered, sharing)
    assert (fault in gap.fault, bool(gap.fault)) == (True, bool(fault))
    assert gap.expired == expired


def test_what_may_have_expired_on_the_source_is_told(lite_bed: Bed) -> None:
    """Where entities expire, two databases that are compared may differ for that alone: the report says so beside what is extra."""
    for side, entities in ((lite_bed.source, 8), (lite_bed.target, 9)):
        side.create("cargo", properties=TTL)
        side.insert("cargo", rows(range(entities)))
    found = of(lite_bed, "cargo")
    assert (found.verified, found.extra) == (False, 1)
    assert "what is extra there may have expired on the source" in found.notes[-1]


def test_a_lifetime_is_the_operators_once_it_is_handed_over(lite_bed: Bed) -> None:
    """A lifetime that the source gets is a redefinition until the copy is handed over, and none after that."""
    lite_bed.source.create("cargo")
    with connect(lite_bed.source.endpoint, "") as source:
        plan = survey(source, "cargo")
        definitions.alter(source, "cargo", TTL)
        (said,) = redefined(source, plan, handed_over=False)
        assert "collection.ttl.seconds was not set, is 86400" in said
        assert redefined(source, plan, handed_over=True) == ()


def test_an_undo_leaves_what_was_migrated_again(lite_bed: Bed) -> None:
    """Milvus Lite gives every collection the id 0: who makes one of that name again is its maker, not who made the one before."""
    lite_bed.source.create("crew")
    lite_bed.source.insert("crew", rows(range(20)))
    old = lite_bed.queued("crew")
    assert lite_bed.run(old).status is Outcome.SUCCESSFUL
    lite_bed.target.client.delete("crew", filter="id == 7")
    lite_bed.act(old, EventName.VERIFY)
    assert lite_bed.run(old).status is Outcome.MISMATCHED
    again = lite_bed.enqueue(engine.remigration(lite_bed.ledger, old))
    assert lite_bed.run(again).status is Outcome.SUCCESSFUL
    undone = engine.undo(lite_bed.ledger, old, Secrets())
    assert (undone.dropped, undone.left) == ((), ("crew",))
    lite_bed.assert_same("crew", range(20))
    assert engine.undo(lite_bed.ledger, again, Secrets()).dropped == ("crew",)


def test_a_new_file_is_a_target(lite_bed: Bed, tmp_path: Path) -> None:
    """The path of a .db that is not there yet becomes a Milvus Lite with the data, and is let go of afterwards."""
    lite_bed.source.create("cargo")
    lite_bed.source.insert("cargo", rows(range(50)))
    place = lite_bed.target.endpoint.model_copy(update={"uri": str(tmp_path / "new.db")})
    request = lite_bed.request("cargo").model_copy(update={"target": place})
    assert engine.plan(request, Secrets()).conflicts == ()
    assert not (tmp_path / "new.db").exists()
    assert lite_bed.run(lite_bed.enqueue(request)).status is Outcome.SUCCESSFUL
    assert engine.verify(request, Secrets()).status is Outcome.SUCCESSFUL


@pytest.mark.real_milvus
def test_from_an_old_server_to_milvus_lite(filled: Side, lite_bed: Bed) -> None:
    """Partitions of a Milvus 2.3.5 arrive on Milvus Lite, and what it does not report is listed as lost."""
    bed = Bed(filled, lite_bed.target, lite_bed.ledger, lite_bed.url)
    request = bed.request("parts").model_copy(update={"target": bed.target.endpoint})
    assert any(
        "Milvus Lite does not keep" in lost for lost in engine.plan(request, Secrets()).losses
    )
    report = bed.run(bed.enqueue(request))
    assert report.status is Outcome.SUCCESSFUL, report
    keys = range(report.entities)
    assert bed.source.get("parts", keys) == bed.target.get("parts", keys)


@pytest.mark.real_milvus
def test_names_that_a_server_does_not_take_are_conflicts(bed: Bed, lite_bed: Bed) -> None:
    """Milvus Lite lets a collection, a partition or a field have almost any name; a server does not, and the plan says so."""
    longest = "x" * 255
    lite_bed.source.create("a-b")
    lite_bed.source.create(
        "fields", fields=[("1a", DataType.INT64, {}), (longest, DataType.INT64, {})]
    )
    lite_bed.source.create("parts", partitions=["ключ", longest])
    lite_bed.source.ready()
    lite_bed.source.client.create_alias("parts", "_ok1")
    request = lite_bed.request().model_copy(update={"target": bed.target.endpoint})
    conflicts = engine.plan(request, Secrets()).conflicts
    assert [each.partition(" and not ")[2].partition(".")[0] for each in conflicts] == [
        "“a-b”",
        "“1a”",
        "“ключ”",
    ]
    assert engine.plan(lite_bed.request(), Secrets()).conflicts == ()


@pytest.mark.real_milvus
def test_an_old_server_cannot_hold_what_is_new(bed: Bed, lite_bed: Bed) -> None:
    """Functions, nulls and defaults, which Milvus 2.3.5 drops silently, are conflicts in the plan and name their fields."""
    fill(lite_bed.source.uri, scale=0.01)
    request = lite_bed.request().model_copy(update={"target": bed.target.endpoint})
    conflicts = " ".join(engine.plan(request, Secrets()).conflicts)
    assert "no nullable fields (used by payload, tags, region)" in conflicts
    assert "no default values (used by priority)" in conflicts
    assert "no SPARSE_FLOAT_VECTOR (used by keywords)" in conflicts
    assert "no functions (text_bm25)" in conflicts
    assert "“products” cannot" not in conflicts
    assert bed.target.client.list_collections() == []
    # Were it not found in the plan, the description after the creation would show it.
    lite_bed.source.create("quiet", fields=[("note", DataType.INT64, {"nullable": True})])
    lite_bed.source.ready()
    plan = engine.plan(request.model_copy(update={"collections": ("quiet",)}), Secrets())
    (blind,) = plan.collections
    assert blind.conflict is not None
    plan = plan.model_copy(update={"collections": (blind.model_copy(update={"conflict": None}),)})
    assert any("Users, roles, privileges" in lost for lost in plan.losses)
    report = lite_bed.run(lite_bed.enqueue_plan(plan))
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert (
        "made something else of “quiet”: field “note”: nullable is missing" in report.error.message
    )
    assert bed.target.client.list_collections() == []
