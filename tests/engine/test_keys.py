"""Keys that a server holds and cannot read: they are told in the plan, or by their name, and never as something else."""

from collections.abc import Callable

import pytest
from pymilvus import DataType

import engine
from engine.milvus import duplicates
from engine.milvus.connection import connect
from engine.milvus.grpc_gen import milvus_pb2
from engine.milvus.pages import LAST_KEY, CollectionReader
from engine.model import Outcome, Plan, Secrets
from tests.engine.bed import FLAT, Bed, Side, rows
from tests.engine.proxy import Proxy

pytestmark = pytest.mark.real_milvus

KEYS = (5, LAST_KEY - 1, LAST_KEY)
SAID = f"holds an entity whose key is {LAST_KEY}"


def planned(bed: Bed, target: Bed | None = None) -> Plan:
    """The plan of all that the bed's source holds, for its own target or another bed's."""
    bed.source.ready()
    goal = (target or bed).target.endpoint
    return engine.plan(bed.request().model_copy(update={"target": goal}), Secrets())


def test_a_key_that_is_called_like_a_word_of_filters_is_a_conflict(bed: Bed, lite_bed: Bed) -> None:
    """A server that cannot read a range of such keys is asked before anything is made, a real one on a released collection too."""
    for side in (bed.source, lite_bed.source):
        for name, loaded in (("like", True), ("not", False)):
            made = side.client.create_schema(auto_id=False)
            made.add_field(name, DataType.INT64, is_primary=True)
            made.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
            params = side.client.prepare_index_params()
            params.add_index("vector", **FLAT)
            side.client.create_collection(f"by_{name}", schema=made, index_params=params)
            if not loaded:
                side.client.release_collection(f"by_{name}")
        side.create("plain")
    for each in (bed, lite_bed):
        said = {found.name: found.conflict for found in planned(each).collections}
        assert said["plain"] is None
        # Of a released collection Milvus Lite answers nothing; it takes no such field either.
        told = "words of its own (not)" if each is lite_bed else "“not” for a word of its filters"
        assert told in str(said["by_not"])
        assert "“like” for a word of its filters" in str(said["by_like"])
        assert "leave the collection out" in str(said["by_like"])


def test_the_largest_integer_is_a_conflict_where_a_server_never_answers_it(
    bed: Bed, lite_bed: Bed
) -> None:
    """Milvus counts such an entity and answers it to no query: source or target, the plan says so; Milvus Lite copies it."""
    for side in (bed.source, lite_bed.source):
        side.create("ends")
        side.insert("ends", rows(KEYS))
    for source, target in ((bed, bed), (bed, lite_bed), (lite_bed, bed)):
        (conflict,) = planned(source, target).conflicts
        assert SAID in conflict
        assert "leave the collection out" in conflict
    assert lite_bed.migrate("ends").status is Outcome.SUCCESSFUL
    assert lite_bed.target.get("ends", KEYS).keys() == set(KEYS)


def test_the_largest_integer_of_a_released_collection_is_told_by_name(bed: Bed) -> None:
    """Where only the copy can find it, it fails and says why; no other reason is given."""
    bed.source.create("ends")
    bed.source.insert("ends", rows(KEYS))
    bed.source.ready()
    bed.source.client.release_collection("ends")
    error = bed.migrate("ends").error
    assert error is not None
    assert SAID in error.message


def test_the_largest_integer_on_either_side_of_a_comparison_is_told_by_name(bed: Bed) -> None:
    """What a server counts and does not answer is not taken for somebody's write, and is never proved."""
    for name, ours, theirs in (("both", KEYS, KEYS), ("there", KEYS[:2], KEYS)):
        for side, keys in ((bed.source, ours), (bed.target, theirs)):
            side.create(name)
            side.insert(name, rows(keys))
            side.ready()
    report = bed.verify()
    assert report.status is Outcome.MISMATCHED
    for found in report.collections:
        assert not found.verified
        assert SAID in " ".join(found.notes)
        assert "meanwhile" not in " ".join(found.notes)


def test_searches_of_a_source_that_finds_more_say_so(bed: Bed) -> None:
    """Of entities that share a key a search may find those that no query answers: the report says that, and blames no index."""
    bed.source.create("shared")
    bed.source.insert("shared", rows(range(90)))
    bed.source.insert("shared", rows(reversed(range(60))))
    report = bed.migrate("shared")
    assert report.status is Outcome.SUCCESSFUL
    notes = " ".join(report.collections[0].notes)
    assert "60 keys are shared by 120 entities" in notes
    assert "the source also finds the 60 entities that share a key" in notes
    assert "look at the target's index" not in notes


def test_long_keys_that_are_shared_are_sent_a_few_times(
    bed: Bed, proxied: Callable[[Side], Proxy]
) -> None:
    """Where every key is shared, a key is in as many filters as it takes to count it thrice and to halve the keys once."""
    keys = [f"{number:02}".ljust(2_000, "x") for number in range(64)]
    bed.source.create("shared", key="VARCHAR", key_length=2_000)
    for _ in range(2):
        bed.source.insert("shared", rows(keys))
    proxy = proxied(bed.source)
    migration = bed.queued("shared", source_uri=proxy.uri)
    sent = proxy.keep("Query")
    report = bed.run(migration)
    assert report.status is Outcome.SUCCESSFUL, report
    assert "64 keys are shared by 128 entities" in report.collections[0].notes[0]
    assert sum(map(len, sent)) < 10 * sum(map(len, keys))


def test_a_count_that_was_too_high_for_a_moment_names_no_key(
    lite_bed: Bed, proxied: Callable[[Side], Proxy]
) -> None:
    """Servers count too many for a while after a load or an upsert: no key is called shared for what one count had too many."""
    lite_bed.source.create("single")
    lite_bed.source.insert("single", rows(range(4)))
    proxy = proxied(lite_bed.source)
    too_many = milvus_pb2.QueryResults()
    too_many.fields_data.add(field_name="count(*)").scalars.long_data.data.append(5)
    endpoint = lite_bed.source.endpoint.model_copy(update={"uri": proxy.uri})
    with connect(endpoint, "") as cluster:
        reader = CollectionReader(cluster, "single", "id", ("id",))
        proxy.answer("Query", b"count(*)", too_many.SerializeToString(), times=1)
        assert list(duplicates.repeated_keys(reader, "", range(4))) == []
        proxy.answer("Query", b"count(*)", too_many.SerializeToString(), times=1)
        assert duplicates.surplus(reader, "", range(4)) == 0
