"""The pace of a copy on real servers: throttled by its operator, with entities that the target refuses."""

import time
from collections.abc import Callable

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

import engine
from engine import patience
from engine.errors import InputRejected
from engine.lifecycle import EventName, Status
from engine.model import Outcome, Progress, Secrets, Throttle
from tests.engine.bed import (
    PARTITION_ENTITIES,
    PARTITIONS,
    Bed,
    Side,
    heard,
    rows,
    running,
    stalls,
    until,
)
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

KEYS = range(PARTITIONS * PARTITION_ENTITIES)
BAD = (7, 41)
POISON = "poison"
CANCEL_SECONDS = 5.0
LIFTED_SECONDS = 120.0
"""At one entity a second the proof would take some minutes."""
Proxied = Callable[[Side], Proxy]


def refusal(code: int, reason: str) -> bytes:
    """What a server answers to a write that it refuses."""
    status = common_pb2.Status(code=code, error_code=1, reason=reason)
    return milvus_pb2.MutationResult(status=status).SerializeToString()


def throttled(bed: Bed, migration: str, throttle: Throttle | None) -> None:
    """The operator throttles it, or lifts the limit."""
    with bed.ledger.transaction() as act:
        act.throttle(migration, throttle, "tests")


def test_a_throttle_holds_is_seen_and_can_be_lifted(crossing: Bed) -> None:
    """Four entities a second: the reason is shown, a cancel ends it within 5 s, and lifting it lets a resumed run go on at once."""
    migration = crossing.queued("parts")
    throttled(crossing, migration, Throttle(entities_per_second=4))

    def slowed() -> bool:
        return "Throttled by the operator to 4 entities/s" in totals().slowed

    def totals() -> Progress:
        return crossing.ledger.totals(migration)

    with stalls() as late, running(crossing, migration) as (reports, _):
        until(lambda: slowed() and totals().copied >= PARTITION_ENTITIES)
        asked = time.monotonic() - late()
        crossing.act(migration, EventName.CANCEL)
        until(lambda: crossing.ledger.migration(migration).status is not Status.RUNNING)
        seconds = time.monotonic() - late() - asked
    assert seconds < CANCEL_SECONDS
    assert reports[0].status is Outcome.CANCELED
    assert totals().slowed == ""
    assert PARTITION_ENTITIES <= totals().copied < len(KEYS) // 2
    crossing.act(migration, EventName.RESUME)
    with running(crossing, migration) as (reports, _):
        until(slowed)
        throttled(crossing, migration, None)
        until(lambda: totals().copied == len(KEYS), 60)  # throttled it would take 100 s
    assert reports[0].status is Outcome.SUCCESSFUL
    events = crossing.ledger.events(migration_id=migration)
    allowed = [e.details["entities_per_second"] for e in events if e.name == "throttled"]
    assert allowed == [4, None]
    crossing.assert_same("parts", KEYS)
    with pytest.raises(InputRejected, match="there is nothing to throttle"):
        throttled(crossing, migration, Throttle(megabytes_per_second=1.0))


def test_a_throttle_holds_the_proof_too(crossing: Bed, proxied: Proxied) -> None:
    """One entity a second while it verifies: reading waits, the reason is shown, and once it is lifted the proof ends at once."""
    proxy = proxied(crossing.target)
    migration = crossing.queued("parts", target_uri=proxy.uri)
    gate = proxy.hold("Query", 4)
    with running(crossing, migration) as (reports, beats):
        gate.wait()
        throttled(crossing, migration, Throttle(entities_per_second=1))
        heard(beats)
        gate.open.set()
        until(lambda: "Throttled by the operator" in crossing.ledger.totals(migration).slowed)
        totals = crossing.ledger.totals(migration)
        assert totals.copied == len(KEYS)
        assert totals.verified < len(KEYS)
        throttled(crossing, migration, None)
        asked = time.monotonic()
    assert time.monotonic() - asked < LIFTED_SECONDS
    assert reports[0].status is Outcome.SUCCESSFUL


@pytest.mark.parametrize("code", [1100, 65535])
def test_what_the_target_refuses_is_set_aside_by_key(bed: Bed, proxied: Proxied, code: int) -> None:
    """Two of sixty are refused: the rest goes on, the report names both with the reason, and a repair copies them once it may."""
    bed.source.create("mixed")
    made = [row | {"text": POISON} if row["id"] in BAD else row for row in rows(range(60))]
    bed.source.insert("mixed", made)
    proxy = proxied(bed.target)
    for rpc in ("Insert", "Upsert"):
        proxy.answer(rpc, POISON.encode(), refusal(code, "no such values here"))
    migration = bed.queued("mixed", target_uri=proxy.uri)
    report = bed.run(migration)
    assert (report.status, report.error) == (Outcome.MISMATCHED, None)
    (found,) = report.collections
    assert (found.missing, found.extra, found.different) == (2, 0, 0)
    assert [each.pk for each in found.examples] == list(BAD)
    assert "The target refused 2 entities, set aside and missing there: 7: " in found.notes[0]
    assert "no such values here" in found.notes[0]
    listed = list(engine.listed(bed.ledger, migration))
    assert [each.pk for each in listed] == list(BAD)
    assert all("no such values here" in each.reason for each in listed)
    assert bed.target.count("mixed") == 58
    bed.act(migration, EventName.REPAIR)
    refused = bed.run(migration)
    assert (refused.status, refused.error) == (Outcome.MISMATCHED, None)
    assert "The target refused 2 entities" in refused.collections[0].notes[0]
    proxy.answer_no_more()
    bed.act(migration, EventName.REPAIR)
    mended = bed.run(migration)
    assert mended.status is Outcome.SUCCESSFUL, mended
    assert mended.collections[0].notes == ()
    bed.assert_same("mixed", range(60))


@pytest.mark.parametrize("bad", [range(9), range(20, 38), range(31, 40), range(0, 40, 3)], ids=str)
def test_what_the_target_refuses_may_be_neighbours(bed: Bed, proxied: Proxied, bad: range) -> None:
    """Wherever in their range those stand that are refused, first, last or spread: they are set aside, and the rest goes on."""
    bed.source.create("rows")
    made = [row | {"text": POISON} if row["id"] in bad else row for row in rows(range(40))]
    bed.source.insert("rows", made)
    proxy = proxied(bed.target)
    for rpc in ("Insert", "Upsert"):
        proxy.answer(rpc, POISON.encode(), refusal(65535, "no such values here"))
    migration = bed.queued("rows", target_uri=proxy.uri)
    report = bed.run(migration)
    assert (report.status, report.error) == (Outcome.MISMATCHED, None)
    assert sorted(each.pk for each in engine.listed(bed.ledger, migration)) == list(bad)
    assert bed.target.count("rows") == 40 - len(bad)


@pytest.mark.parametrize(
    ("code", "reason"), [(1100, "everything is wrong"), (100, "no collection")]
)
def test_a_refusal_of_everything_is_no_entitys_fault(
    crossing: Bed, proxied: Proxied, code: int, reason: str
) -> None:
    """Where the target takes nothing at all the migration fails with what it said, and sets nothing aside; it can be undone."""
    proxy = proxied(crossing.target)
    for rpc in ("Insert", "Upsert"):
        proxy.answer(rpc, b"", refusal(code, reason))
    migration = crossing.queued("parts", target_uri=proxy.uri)
    report = crossing.run(migration)
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert reason in report.error.message
    assert crossing.ledger.set_aside(migration, "parts") == {}
    assert engine.undo(crossing.ledger, migration, Secrets()).dropped == ("parts",)
    assert crossing.ledger.migration(migration).status is Status.UNDONE


def test_what_comes_before_the_first_entity_is_told(
    bed: Bed, proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a released source is being loaded, and while its keys are read, the progress says so, and no longer than that."""
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    bed.source.create("c", partitions=["p", "q"], load=False)
    bed.source.insert("c", rows(range(9)), "p")
    source = proxied(bed.source)
    migration = bed.queued(source_uri=source.uri)
    being_loaded = milvus_pb2.GetLoadStateResponse(state=common_pb2.LoadStateLoading)
    source.answer("GetLoadState", b"c", being_loaded.SerializeToString())

    def told() -> str:
        return bed.ledger.totals(migration).slowed

    keys = source.hold("Query", source.calls["Query"] + 2)
    with running(bed, migration) as (reports, _):
        until(lambda: told() == f"Waiting: {source.uri} is loading “c”.")
        source.answer_no_more()
        until(lambda: told() == "Waiting: All keys of “c” are read first, to plan its chunks.")
        keys.open.set()
    assert reports[0].status is Outcome.SUCCESSFUL, reports[0]
    assert told() == ""
