"""The source is only read, and left as it was found: released stays released, whatever happens in between."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

import engine
from engine.errors import ServiceUnavailable
from engine.lifecycle import EventName
from engine.milvus.connection import connect
from engine.milvus.loading import load
from engine.model import Outcome, Secrets
from engine.proof.drift import SAMPLE_CHUNKS
from engine.ranges import CHUNK_BYTES
from tests.engine.bed import Bed, Side, rows, running, until
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

Proxied = Callable[[Side], Proxy]
Beds = Callable[..., AbstractContextManager[Bed]]
READS = {
    "AllocTimestamp",
    "Connect",
    "DescribeCollection",
    "DescribeDatabase",
    "DescribeIndex",
    "GetCollectionStatistics",
    "GetLoadState",
    "GetPartitionStatistics",
    "GetReplicas",
    "GetVersion",
    "ListAliases",
    "ListDatabases",
    "LoadCollection",
    "Query",
    "Search",
    "ReleaseCollection",
    "ShowCollections",
    "ShowPartitions",
}


def test_a_released_source_is_released_again(bed: Bed, proxied: Proxied) -> None:
    """It is loaded for the copy and released at the end, also after a cancel and a resume; no call but reads reaches it."""
    bed.source.create("idle", load=False)
    bed.source.insert("idle", rows(range(200)))
    source, target = proxied(bed.source), proxied(bed.target)
    plan = engine.plan(bed.request("idle", source_uri=source.uri), Secrets())
    (planned,) = plan.collections
    assert not planned.loaded
    assert "loaded for the copy and released again" in planned.notes[0]
    assert not bed.source.loaded("idle")
    migration = bed.queued("idle", source_uri=source.uri, target_uri=target.uri)
    gate = target.hold("Insert", 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        assert bed.source.loaded("idle")
        bed.act(migration, EventName.CANCEL)
        gate.open.set()
    assert reports[0].status is Outcome.CANCELED
    assert not bed.source.loaded("idle")
    assert bed.report(migration).collections[0].notes == ()
    bed.act(migration, EventName.RESUME)
    report = bed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert report.entities == 200
    assert not bed.source.loaded("idle")
    assert set(source.calls) <= READS
    assert bed.verify("idle").status is Outcome.SUCCESSFUL
    assert not bed.source.loaded("idle")


def test_a_proved_copy_says_so_though_the_source_cannot_be_released(
    bed: Bed, proxied: Proxied
) -> None:
    """Where the last release is refused, the failure says that all is proved, and a resume releases and copies nothing again."""
    bed.source.create("idle", load=False)
    bed.source.insert("idle", rows(range(20)))
    source, target = proxied(bed.source), proxied(bed.target)
    refusal = common_pb2.Status(code=1100, error_code=1, reason="not now").SerializeToString()
    source.answer("ReleaseCollection", b"", refusal)
    migration = bed.queued("idle", source_uri=source.uri, target_uri=target.uri)
    report = bed.run(migration)
    assert report.status is Outcome.FAILED
    assert report.error is not None
    assert report.error.state.startswith("Everything is copied and proved.")
    assert "nothing is copied again" in report.error.next_step
    source.answer_no_more()
    inserts = target.calls["Insert"]
    bed.act(migration, EventName.RESUME)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    assert target.calls["Insert"] == inserts
    assert not bed.source.loaded("idle")


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_the_last_of_two_migrations_releases_the_source(
    beds: Beds, proxied: Proxied, first_to_end: int
) -> None:
    """Two copy one released collection at once: the first to end leaves it loaded for the other, whichever loaded it."""
    with beds() as one, beds(one.source) as other:
        one.source.create("idle", load=False)
        one.source.insert("idle", rows(range(50)))
        two = dataclasses.replace(other, ledger=one.ledger)
        targets = [proxied(bed.target) for bed in (one, two)]
        ids = [
            bed.queued("idle", target_uri=target.uri)
            for bed, target in zip((one, two), targets, strict=True)
        ]
        gates = [target.hold("Insert", 1) for target in targets]
        with ExitStack() as stack:
            ran = []
            for bed, migration, gate in zip((one, two), ids, gates, strict=True):
                ran.append(stack.enter_context(running(bed, migration))[0])
                gate.wait()
            gates[first_to_end].open.set()
            until(lambda: bool(ran[first_to_end]))
            assert one.source.loaded("idle")
            gates[1 - first_to_end].open.set()
        assert [reports[0].status for reports in ran] == [Outcome.SUCCESSFUL] * 2
        assert not one.source.loaded("idle")


def test_a_source_that_was_released_since_is_left_released(bed: Bed) -> None:
    """Verified again after its source was released, a migration loads it for that and releases it again."""
    bed.source.create("old")
    bed.source.insert("old", rows(range(20)))
    migration = bed.queued("old")
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    bed.source.client.release_collection("old")
    bed.act(migration, EventName.VERIFY)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    assert not bed.source.loaded("old")


@pytest.mark.parametrize("side", ["source", "target"])
def test_what_a_server_loads_again_by_itself_stays_loaded(
    bed: Bed, proxied: Proxied, side: str
) -> None:
    """A server that was started again answers nothing until it has loaded all: nobody released that, it is waited for and stays."""
    bed.source.create("steady")
    bed.source.insert("steady", rows(range(20)))
    proxies = {"source": proxied(bed.source), "target": proxied(bed.target)}
    source, target = proxies["source"], proxies["target"]
    migration = bed.queued("steady", source_uri=source.uri, target_uri=target.uri)
    gate = target.hold("Query", 1)
    recovering = common_pb2.Status(code=101, error_code=1, reason="collection not loaded")
    loading = milvus_pb2.GetLoadStateResponse(state=common_pb2.LoadStateLoading)
    with running(bed, migration) as (reports, _):
        gate.wait()
        answer = milvus_pb2.QueryResults(status=recovering).SerializeToString()
        proxies[side].answer("Query", b"steady", answer, times=1)
        proxies[side].answer("GetLoadState", b"steady", loading.SerializeToString(), times=1)
        gate.open.set()
    assert reports[0].status is Outcome.SUCCESSFUL, reports[0]
    assert bed.source.loaded("steady")
    assert bed.target.loaded("steady")
    assert source.calls["ReleaseCollection"] == 0


def test_a_load_that_somebody_takes_back_is_asked_for_again(bed: Bed, proxied: Proxied) -> None:
    """Someone releases a collection right when its load is done, before anybody saw that: it is not waited for in vain."""
    bed.source.create("idle", load=False)
    bed.source.insert("idle", rows(range(20)))
    proxy = proxied(bed.source)
    gate = proxy.hold("GetLoadState", 1)
    endpoint = bed.source.endpoint.model_copy(update={"uri": proxy.uri})
    with connect(endpoint, "") as cluster, ThreadPoolExecutor(1) as pool:
        loaded = pool.submit(load, cluster, "idle", seconds_max=8)
        gate.wait()
        until(lambda: bed.source.loaded("idle"))
        bed.source.client.release_collection("idle")
        gate.open.set()
        loaded.result()
    assert bed.source.loaded("idle")


def test_a_partition_that_somebody_releases_is_loaded_again(bed: Bed, proxied: Proxied) -> None:
    """What was loaded whole stays so, though someone released a part of it while it was read."""
    bed.source.create("parts", partitions=["a", "b"])
    for name, keys in (("a", range(50)), ("b", range(50, 100))):
        bed.source.insert("parts", rows(keys), name)
    target = proxied(bed.target)
    migration = bed.queued("parts", target_uri=target.uri)
    gate = target.hold("LoadCollection", 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        bed.source.client.release_partitions("parts", ["b"])
        gate.open.set()
    assert reports[0].status is Outcome.SUCCESSFUL, reports[0]
    assert bed.source.count("parts", "b") == 50


def test_a_source_without_an_index_is_a_conflict(bed: Bed) -> None:
    """A collection that its server cannot load is named in the plan with what can be done, before anything begins."""
    bed.source.create("bare", index=False)
    (conflict,) = engine.plan(bed.request("bare"), Secrets()).conflicts
    assert "“bare” has no index on vector" in conflict
    assert "leave the collection out" in conflict


def test_a_source_that_is_loaded_in_part_is_a_conflict(bed: Bed) -> None:
    """A collection of which some partitions are loaded is neither copied in part nor loaded behind its owner's back."""
    bed.source.create("partly", partitions=["in", "out"], load=False)
    bed.source.client.load_partitions("partly", ["in"])
    (conflict,) = engine.plan(bed.request("partly"), Secrets()).conflicts
    assert "“partly” is loaded only in part: _default, out cannot be read" in conflict


def test_writes_during_the_copy_are_reported(bed: Bed, proxied: Proxied) -> None:
    """An entity that comes after its chunk was read is found, named as missing, and the source is said to have changed."""
    bed.source.create("busy")
    bed.source.insert("busy", rows(range(100)))
    target = proxied(bed.target)
    migration = bed.queued("busy", target_uri=target.uri)
    gate = target.hold("LoadCollection", 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        bed.source.insert("busy", rows([500]))
        gate.open.set()
    (found,) = reports[0].collections
    assert reports[0].status is Outcome.MISMATCHED
    assert "The source was written to meanwhile" in found.notes[0]
    assert [(each.pk, each.kind) for each in found.examples] == [(500, "missing")]


def test_what_expires_during_the_copy_is_explained(bed: Bed, proxied: Proxied) -> None:
    """An entity that is gone after its chunk was read: where entities expire that is a note, elsewhere it is a write, and named."""
    for name, properties in (("fading", {"collection.ttl.seconds": "86400"}), ("steady", {})):
        bed.source.create(name, properties=properties)
        bed.source.insert(name, rows(range(100)))
    target = proxied(bed.target)
    migration = bed.queued(target_uri=target.uri)
    gate = target.hold("LoadCollection", 1)
    with running(bed, migration) as (reports, _):
        gate.wait()
        for name in ("fading", "steady"):
            bed.source.client.delete(name, ids=[7])
        gate.open.set()
    fading, steady = sorted(reports[0].collections, key=lambda each: each.name)
    assert fading.verified
    assert (fading.missing, fading.extra, fading.different) == (0, 0, 0)
    note, changed, *_ = fading.notes
    assert "1 entities that were read are gone from the source since" in note
    assert "collection.ttl.seconds 86400" in note
    assert "it held 100 entities then and 99 when it was verified" in changed
    assert not steady.verified
    assert "The source was written to meanwhile" in steady.notes[0]
    assert [(each.pk, each.kind) for each in steady.examples] == [(7, "extra")]
    (later,) = bed.verify("fading").collections
    assert (later.missing, later.extra, later.different) == (0, 1, 0)
    assert "what is extra there may have expired on the source" in later.notes[-1]


@pytest.mark.parametrize("whole", [False, True])
def test_a_rewritten_entity_is_found_though_all_counts_agree(
    bed: Bed, proxied: Proxied, *, whole: bool
) -> None:
    """One vector that is replaced on the source after its chunk was read is named; in many chunks, when all are read again."""
    bed.source.create("quiet")
    bed.source.create("rewritten")
    made = list(rows(range(200)))
    for name in ("quiet", "rewritten"):
        bed.source.insert(name, made)
    target = proxied(bed.target)
    request = bed.request(target_uri=target.uri).model_copy(update={"check_source": whole})
    migration = bed.enqueue(request)
    gate = target.hold("LoadCollection", 1)
    with running(bed, migration, chunk_bytes=500 if whole else CHUNK_BYTES) as (reports, _):
        gate.wait()
        bed.source.client.upsert("rewritten", [made[77] | {"vector": [0.0, 0.5, 1.0, 1.5]}])
        gate.open.set()
    (report,) = reports
    assert report.status is Outcome.MISMATCHED
    quiet, rewritten = sorted(report.collections, key=lambda each: each.name)
    assert (quiet.verified, quiet.notes) == (True, ())
    assert quiet.source_checked == rewritten.source_checked == 200
    assert (rewritten.source_entities, rewritten.target_entities) == (200, 200)
    chunks = bed.chunks(migration, "rewritten")[0]
    assert (chunks > SAMPLE_CHUNKS) == whole
    (note,) = rewritten.notes
    assert f"of {chunks} ranges of keys that were read again, 1 do not hold what was copied" in note
    assert [(each.pk, each.fields) for each in rewritten.examples] == [(77, ("vector",))]


@pytest.mark.parametrize("gone", ["released", "dropped"])
def test_a_source_that_goes_while_it_is_read(bed: Bed, proxied: Proxied, gone: str) -> None:
    """Released between two reads of its shards it is loaded again and read on; dropped, it is said to be gone."""
    bed.source.create("busy")
    bed.source.insert("busy", rows(range(40)))
    target = proxied(bed.target)
    migration = bed.queued("busy", target_uri=target.uri)
    gate = target.hold("Insert", 1)
    with running(bed, migration, chunk_bytes=1) as (reports, _):
        gate.wait()
        if gone == "released":
            bed.source.client.release_collection("busy")
        else:
            bed.source.drop("busy")
        gate.open.set()
    (report,) = reports
    if gone == "released":
        assert (report.status, report.error) == (Outcome.SUCCESSFUL, None)
        assert not bed.source.loaded("busy")
    else:
        assert report.error is not None
        assert report.error.code == "E-SOURCE-CHANGED"
        assert "There is no collection “busy” on" in report.error.message


def test_writes_between_plan_and_copy_are_told(bed: Bed) -> None:
    """What came before its chunk was read is copied and proved, and the report says that the plan said otherwise."""
    bed.source.create("early")
    bed.source.insert("early", rows(range(100)))
    migration = bed.queued("early")
    bed.source.insert("early", rows(range(100, 103)))
    report = bed.run(migration)
    (found,) = report.collections
    assert report.status is Outcome.SUCCESSFUL
    (note,) = found.notes
    assert "it held 100 entities then and 103 when it was verified" in note
    bed.assert_same("early", range(103))


def test_a_bound_can_be_any_key(bed: Bed) -> None:
    """With one entity per chunk every key is the bound of a range: the smallest INT64, the empty text and a NUL too."""
    texts = ["", "\0", 'say "hi"', "C:\\new\\", "line\nbreak", "tab\t\r", '" or id != "', "渡し船"]
    bed.source.create("texts", key="VARCHAR")
    bed.source.insert("texts", rows(texts))
    bed.source.create("numbers")
    bed.source.insert("numbers", rows([-(2**63), 5]))
    migration = bed.queued()
    report = bed.run(migration, chunk_bytes=1)
    assert report.status is Outcome.SUCCESSFUL, report
    assert bed.chunks(migration, "texts") == (8, 8, 8)
    assert bed.chunks(migration, "numbers") == (2, 2, 2)
    assert bed.target.count("texts") == 8
    assert bed.target.count("numbers") == 2


def test_a_load_that_takes_too_long_is_told_of_the_side_where_it_does(
    bed: Bed, proxied: Proxied
) -> None:
    """A source that does not finish loading is named itself, and nothing is said of a target that nobody has written to."""
    bed.source.create("idle", load=False)
    proxy = proxied(bed.source)
    loading = milvus_pb2.GetLoadStateResponse(state=common_pb2.LoadStateLoading)
    proxy.answer("GetLoadState", b"idle", loading.SerializeToString())
    place = bed.source.endpoint.model_copy(update={"uri": proxy.uri, "name": "old-cluster"})
    with connect(place, "") as source, pytest.raises(ServiceUnavailable) as late:
        load(source, "idle", seconds_max=0)
    assert late.value.message == "old-cluster did not finish loading “idle”."
    assert "old-cluster" in late.value.next_step
    assert "target" not in str(late.value)


def test_a_source_that_was_released_is_released_again_after_a_failure(
    bed: Bed, proxied: Proxied
) -> None:
    """A migration that fails in the middle of its copy, or before its proof, leaves the source as it found it."""
    bed.source.create("idle", load=False)
    bed.source.insert("idle", rows(range(20)))
    target = proxied(bed.target)
    migration = bed.queued("idle", target_uri=target.uri)
    refusal = common_pb2.Status(code=100, error_code=1, reason="it is not there")
    for rpc, answer in (
        ("Insert", milvus_pb2.MutationResult(status=refusal)),
        ("LoadCollection", refusal),
    ):
        target.answer(rpc, b"idle", answer.SerializeToString())
        gate = target.hold(rpc, 1, only=True)
        with running(bed, migration) as (reports, _):
            gate.wait()
            assert bed.source.loaded("idle")
            gate.open.set()
        assert reports[0].status is Outcome.FAILED, reports[0]
        assert not bed.source.loaded("idle")
        target.answer_no_more()
        bed.act(migration, EventName.RESUME)
    assert bed.run(migration).status is Outcome.SUCCESSFUL
    assert not bed.source.loaded("idle")
