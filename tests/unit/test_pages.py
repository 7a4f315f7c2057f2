"""Reading page by page from a server that limits messages or rates, fails in the middle, or answers the same page again."""

import threading
from collections.abc import Iterator

import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from engine.content import read_range
from engine.errors import DataUnreadable, ServiceUnavailable, SourceUnusable, Throttled
from engine.flow import Flow
from engine.milvus import pages, retry
from engine.milvus.connection import Cluster
from engine.milvus.failures import MessageTooLarge, MilvusRefused
from engine.milvus.pages import CollectionReader
from engine.milvus.survey import survey
from engine.model import (
    Chunk,
    ChunkRange,
    Receipt,
    Throttle,
)
from engine.proof.drift import reread
from tests.engine.bed import until
from tests.unit.small import KEYS, Small, page_of, reader_of, refusal, small_server

RATE_LIMIT, INTERNAL, NOT_LOADED = 8, 5, 101
WAIT_SECONDS = 30


@pytest.fixture
def server() -> Iterator[tuple[Small, Cluster]]:
    """The small server and an open cluster of it."""
    with small_server() as served:
        yield served


def read(reader: CollectionReader, limit: int) -> list[int]:
    """All keys, as they come."""
    return [int(key) for page in reader.pages("", limit=limit) for key in page.keys]


def test_pages_shrink_until_they_pass_and_grow_back(server: tuple[Small, Cluster]) -> None:
    """What is too large is halved once for all ranges that follow; when the limit is lifted pages grow to what they were."""
    handler, cluster = server
    reader = reader_of(cluster)
    handler.entities_max = 10
    assert read(reader, 64) == list(KEYS)
    assert handler.asked[:4] == [64, 32, 16, 8]
    assert set(handler.asked[4:]) == {8}
    handler.asked.clear()
    assert read(reader, 64) == list(KEYS)
    assert handler.asked[0] == 8
    assert handler.asked.count(16) <= 1
    handler.entities_max = len(KEYS)
    for _ in range(20):
        assert read(reader, 64) == list(KEYS)
    assert handler.asked[-1] == 64


def test_pages_of_heavy_entities_get_smaller_for_all(
    server: tuple[Small, Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where entities are heavier than planned, the range that is read next begins with as few of them as this one ended with."""
    handler, cluster = server
    reader = reader_of(cluster)
    whole = next(reader.pages("", None, None, limit=64)).bytes
    monkeypatch.setattr(pages, "PAGE_BYTES_MAX", whole // 4)
    handler.asked.clear()
    assert read(reader, 64) == list(KEYS)
    assert handler.asked[0] == 64
    first = len(handler.asked)
    assert read(reader, 64) == list(KEYS)
    assert handler.asked[first] <= 16


def test_a_read_goes_on_however_long_its_collection_was_loaded_again(
    server: tuple[Small, Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone released it: the read is repeated once it is loaded again, though the time for tries was over by then."""
    handler, cluster = server
    monkeypatch.setattr(retry, "TOTAL_SECONDS_MAX", 0.0)
    names: list[str] = []

    def loaded(name: str) -> bool:
        names.append(name)
        return True

    cluster.reload = loaded
    handler.answers = lambda number: refusal(NOT_LOADED) if number == 1 else None
    assert read(reader_of(cluster), 64) == list(KEYS)
    handler.answers = lambda _number: refusal(NOT_LOADED)
    with pytest.raises(ServiceUnavailable, match="“c” was not loaded any more"):
        read(reader_of(cluster), 64)
    assert names == ["c", "c"]


def test_only_reads_of_entities_have_a_collection_loaded_again(
    server: tuple[Small, Cluster],
) -> None:
    """A write, which comes encoded, or a call of the loading itself is refused as it is, and nothing is loaded for it."""
    handler, cluster = server
    cluster.reload = pytest.fail
    handler.refused = common_pb2.Status(code=NOT_LOADED, reason="no")
    with pytest.raises(MilvusRefused):
        cluster.once("Insert", milvus_pb2.InsertRequest(collection_name="c").SerializeToString())
    with pytest.raises(MilvusRefused):
        cluster.once("GetLoadState", milvus_pb2.GetLoadStateRequest(collection_name="c"))


def test_one_entity_that_is_too_large_is_told(server: tuple[Small, Cluster]) -> None:
    """Where not even one entity passes, the reading ends with that and its key, and not as if there were no more."""
    handler, cluster = server
    handler.entities_max = 0
    with pytest.raises(MessageTooLarge, match="The entity 0 of “c” cannot be read"):
        read(reader_of(cluster), 64)
    assert handler.asked == [64, 32, 16, 8, 4, 2, 1, 1]


def test_a_page_that_does_not_advance_ends_the_reading(server: tuple[Small, Cluster]) -> None:
    """A server that answers the same page again is found at the second page; it is never read in a circle."""
    handler, cluster = server
    handler.answers = lambda _number: page_of([1, 2, 3])
    with pytest.raises(DataUnreadable, match="answered key 1 of “c” after 3, out of order"):
        read(reader_of(cluster), 3)
    assert len(handler.asked) == 2


def test_an_unordered_page_ends_the_reading(server: tuple[Small, Cluster]) -> None:
    """Keys that do not ascend within a page, or come twice, are an error: a cursor over them would skip some."""
    handler, cluster = server
    for keys in ([1, 3, 2], [1, 1]):
        handler.answers = lambda _number, keys=keys: page_of(keys)  # type: ignore[misc]
        handler.asked.clear()
        with pytest.raises(DataUnreadable, match="out of order"):
            read(reader_of(cluster), 3)
        assert len(handler.asked) == 1


def test_every_read_sees_what_was_written_before_it(server: tuple[Small, Cluster]) -> None:
    """Pages, keys and counts are asked for at the read point, and with Strong consistency where a server has none."""
    handler, cluster = server
    for timestamp, level in ((7, "Customized"), (0, "Strong")):
        handler.counts.extend([200] * 2)
        handler.points.clear()
        reader = CollectionReader(cluster, "c", "id", ("id", "text"), timestamp)
        assert read(reader, 200) == [key for page in reader.keys("") for key in page]
        assert reader.count("") == reader.count_keys("", [1]) == 200
        assert handler.points == {(common_pb2.ConsistencyLevel.Value(level), timestamp)}


def test_an_error_in_the_middle_is_not_the_end(server: tuple[Small, Cluster]) -> None:
    """When the third page fails for good the reading raises, and is not over."""
    handler, cluster = server
    handler.answers = lambda number: refusal(INTERNAL) if number == 3 else None
    found: list[int] = []
    with pytest.raises(MilvusRefused):
        found.extend(key for page in reader_of(cluster).pages("", limit=20) for key in page.keys)
    assert found == list(KEYS[:40])
    assert len(handler.asked) == 3


def test_a_rate_limit_is_waited_out_and_lowers_what_is_read_at_once(
    server: tuple[Small, Cluster],
) -> None:
    """Pages that are refused for their rate are asked for again, each entity comes once, and fewer are read at once for a while."""
    handler, cluster = server
    flow = Flow(threading.Event())
    cluster.pace = flow.source
    said: list[str] = []

    def told(failure: BaseException) -> None:
        assert isinstance(failure, Throttled)
        flow.source_refused(failure)
        said.append(flow.reason())

    cluster.told = told
    handler.answers = lambda number: refusal(RATE_LIMIT) if number == 2 else None
    assert read(reader_of(cluster), 20) == list(KEYS)
    assert said == ["The source asked for fewer requests: 1 of 5 pages are read at once."]
    for _ in range(3):
        assert read(reader_of(cluster), 20) == list(KEYS)
    assert flow.reason() == ""
    assert handler.params == {"limit", "iterator", "reduce_stop_for_best"}  # never an offset


def test_a_server_that_stays_away_is_an_error(server: tuple[Small, Cluster]) -> None:
    """Once the waiting is ended from outside, what the server said is raised: never an end of the data."""
    handler, cluster = server
    handler.answers = lambda number: refusal(RATE_LIMIT) if number > 1 else None
    cluster.told = lambda _failure: cluster.stop.set()
    with pytest.raises((Throttled, ServiceUnavailable)):
        read(reader_of(cluster), 20)


def test_the_operators_throttle_holds_reading(server: tuple[Small, Cluster]) -> None:
    """One entity a second: the second page waits and the reason is said; keys alone do not count; lifted, it goes on."""
    _, cluster = server
    flow = Flow(threading.Event())
    cluster.pace = flow.source
    flow.throttle(Throttle(entities_per_second=1))
    reader = reader_of(cluster)
    assert sum(len(keys) for keys in reader.keys("")) == len(KEYS)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(read(reader, 100)))
    thread.start()
    until(lambda: bool(flow.reason()))
    assert flow.reason() == "Throttled by the operator to 1 entities/s."
    flow.throttle(Throttle())
    thread.join(WAIT_SECONDS)
    assert found == list(KEYS)


@pytest.mark.parametrize("limit", [1, 99, 100, 199, 200, 201])
def test_a_page_may_end_where_the_data_ends(server: tuple[Small, Cluster], limit: int) -> None:
    """Pages of one entity, as many as there are, one more, one less: each entity comes once, and the end is an empty page."""
    handler, cluster = server
    assert read(reader_of(cluster), limit) == list(KEYS)
    assert len(handler.asked) == -(-len(KEYS) // limit) + 1


def test_a_count_that_is_wrong_for_a_while_is_asked_for_again(
    server: tuple[Small, Cluster],
) -> None:
    """Where count and content differ both are asked for once more, carefully, before anything is said of it."""
    handler, cluster = server
    whole = ChunkRange(
        collection="c", partition="", ordinal=0, lower=None, upper=None, entities=len(KEYS)
    )
    handler.counts.extend([len(KEYS) + 5, len(KEYS)])
    found = read_range(reader_of(cluster), whole, 50)
    assert (found.counted, found.digest.count) == (len(KEYS), len(KEYS))
    handler.counts.extend([3, 4])
    assert read_range(reader_of(cluster), whole, 50).counted == 4


@pytest.mark.parametrize(("planned", "calls"), [(len(KEYS), 0), (len(KEYS) - 1, 1)])
def test_a_range_is_counted_only_where_it_is_not_what_was_known(
    server: tuple[Small, Cluster], planned: int, calls: int
) -> None:
    """What answers as was known is not counted; all else is counted and read once more, carefully."""
    handler, cluster = server
    whole = ChunkRange(
        collection="c", partition="", ordinal=0, lower=None, upper=None, entities=planned
    )
    handler.counts.extend([len(KEYS)] * 2)
    found = read_range(
        reader_of(cluster), whole, 50, known=lambda digest: digest.count == whole.entities
    )
    assert (found.counted, found.digest.count) == (len(KEYS), len(KEYS))
    assert 2 - len(handler.counts) == calls


def test_an_old_milvus_lite_is_refused_as_a_source(server: tuple[Small, Cluster]) -> None:
    """Versions that repeat and drop entities in their pages are not read; the reader learns what to install."""
    _, cluster = server
    cluster.version = "milvus_lite-3.2.0"
    with pytest.raises(SourceUnusable, match="leaves entities out") as refused:
        survey(cluster, "c")
    assert "3.2.1 or newer" in str(refused.value)


@pytest.mark.parametrize("counted", [True, False])
def test_a_count_that_is_too_high_for_a_moment_shares_no_key(
    server: tuple[Small, Cluster], *, counted: bool
) -> None:
    """An entity that expires between the count and the pages, or a count that lags, is not taken for a key that is shared."""
    handler, cluster = server
    handler.counts.extend([201] * (1 + counted) + [200])
    whole = ChunkRange(
        collection="c", partition="", ordinal=0, lower=None, upper=None, entities=200
    )
    copied = Chunk(id=1, range=whole, receipt=Receipt(entities=201, bytes=1, digest="0" * 32))
    drift = reread(reader_of(cluster), [copied], 50, lambda: None, expires=True, counted=counted)
    assert (drift.entities, drift.changed, drift.surplus) == (200, 0, 0)
    assert not handler.counts
