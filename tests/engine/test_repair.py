"""Repair mends just the keys that verification named, whatever happened to them, and proves the result before it says so."""

from collections.abc import Callable

import pytest
from pymilvus.grpc_gen import milvus_pb2

import engine
from engine import descent
from engine.ledger import TransitionRefused
from engine.lifecycle import EventName
from engine.model import Outcome, Report
from tests.engine.bed import WHO, Bed, Key, Side, rows, running
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

Proxied = Callable[[Side], Proxy]

NUMBERS = list(range(300))
TEXTS: list[Key] = [f'say "{n}"' for n in range(40)]
BAD = 7
"""Keys of both collections that have to be written again."""


def fill(side: Side) -> None:
    """`numbers`, half of it in a partition, with an alias; and `texts`."""
    side.create("numbers", partitions=["half"])
    made = list(rows(NUMBERS))
    side.insert("numbers", made[:150], "half")
    side.insert("numbers", made[150:])
    side.client.create_alias("numbers", "figures")
    side.create("texts", key="VARCHAR")
    side.insert("texts", rows(TEXTS))


def damage(side: Side) -> None:
    """Two deleted, one changed, one there three times and one twice, three that nobody knows, one in another partition."""
    made = list(rows(NUMBERS))
    side.client.delete("numbers", ids=[7], partition_name="half")
    side.client.delete("numbers", ids=[200], partition_name="_default")
    side.client.upsert("numbers", [made[42] | {"text": "other"}], partition_name="half")
    side.insert("numbers", [made[3], made[3]], "half")
    side.insert("numbers", rows([-(2**63), 999]), "half")
    side.client.delete("numbers", ids=[160], partition_name="_default")
    side.insert("numbers", [made[160]], "half")
    side.insert("texts", [row for row in rows(TEXTS) if row["id"] == TEXTS[5]])
    side.insert("texts", rows(['stranger\'s "key"']))


def mismatched(bed: Bed, target: Proxy) -> str:
    """A migration whose target is damaged, and whose source is written to, between copy and verification."""
    fill(bed.source)
    migration = bed.queued(target_uri=target.uri)
    gate = target.hold("LoadCollection", 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        damage(bed.target)
        bed.source.insert("numbers", rows([500]))
        gate.open.set()
    assert reports[0].status is Outcome.MISMATCHED
    return migration


def counts(report: Report) -> dict[str, tuple[int, int, int]]:
    """Missing, extra and different of each collection."""
    return {each.name: (each.missing, each.extra, each.different) for each in report.collections}


def test_just_the_bad_keys_are_mended(bed: Bed, proxied: Proxied) -> None:
    """Deleted, changed, doubled, strange and misplaced entities become the source's, nothing else is written, and all is proved."""
    target = proxied(bed.target)
    migration = mismatched(bed, target)
    assert counts(bed.report(migration)) == {"numbers": (4, 5, 1), "texts": (0, 2, 0)}
    assert bed.target.client.describe_collection("numbers")["aliases"] == []
    inserts, upserts = target.calls["Insert"], target.keep("Upsert")
    engine.repair(bed.ledger, migration, WHO)
    report = bed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert counts(report) == {"numbers": (0, 0, 0), "texts": (0, 0, 0)}
    bed.assert_same("numbers", [*NUMBERS, 500])
    bed.assert_same("texts", TEXTS)
    assert bed.target.count("numbers", "half") == 150
    assert bed.target.client.describe_collection("numbers")["aliases"] == ["figures"]
    written = sum(milvus_pb2.UpsertRequest.FromString(each).num_rows for each in upserts)
    assert (target.calls["Insert"], written) == (inserts, BAD)
    notes = [e.details for e in bed.ledger.events(migration_id=migration) if e.name == "repaired"]
    assert notes == [
        {"collection": "numbers", "written": 6, "deleted": 4},
        {"collection": "texts", "written": 1, "deleted": 2},
    ]
    with pytest.raises(TransitionRefused, match="It cannot be repaired"):
        engine.repair(bed.ledger, migration, WHO)


def test_a_repair_is_repeated(bed: Bed, proxied: Proxied) -> None:
    """A resume mends nothing, a canceled repair goes on when asked again, and damage to a proved chunk is found and mended."""
    target = proxied(bed.target)
    bed.source.create("calm")
    bed.source.insert("calm", rows(NUMBERS))
    migration = mismatched(bed, target)
    assert counts(bed.report(migration))["calm"] == (0, 0, 0)
    bed.act(migration, EventName.RESUME)
    assert bed.run(migration).status is Outcome.MISMATCHED
    engine.repair(bed.ledger, migration, WHO)
    gate = target.hold("Upsert", target.calls["Upsert"] + 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        assert engine.repair(bed.ledger, migration, WHO).id == migration
        bed.act(migration, EventName.CANCEL)
        gate.open.set()
    assert reports[0].status is Outcome.CANCELED
    bed.target.client.delete("calm", ids=[17])
    engine.repair(bed.ledger, migration, WHO)
    report = bed.run(migration)
    assert report.status is Outcome.MISMATCHED
    assert counts(report) == {"calm": (1, 0, 0), "numbers": (0, 0, 0), "texts": (0, 0, 0)}
    engine.repair(bed.ledger, migration, WHO)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    bed.assert_same("calm", NUMBERS)
    bed.assert_same("numbers", [*NUMBERS, 500])
    bed.assert_same("texts", TEXTS)


def test_who_sets_nothing_aside_is_not_the_one_that_set_aside_too_much(
    lite_bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that mends well while another one meets more refusals than there may be goes on with its own."""
    lite_bed.source.create("one")
    lite_bed.source.insert("one", rows(range(20)))
    migration = lite_bed.queued("one")
    assert lite_bed.run(migration).status is Outcome.SUCCESSFUL
    lite_bed.target.client.delete("one", ids=[7])
    lite_bed.act(migration, EventName.VERIFY)
    assert lite_bed.run(migration).status is Outcome.MISMATCHED
    monkeypatch.setattr(descent, "ASIDE_MAX", -1)  # as if there were too many already
    lite_bed.act(migration, EventName.REPAIR)
    report = lite_bed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
