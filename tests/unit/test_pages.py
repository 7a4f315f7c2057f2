"""Reading page by page from a server that limits messages or rates, fails in the middle, or answers the same page again."""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from engine.content import read_range
from engine.copier import Copier, ReadChunk
from engine.errors import DataUnreadable, ServiceUnavailable, SourceUnusable, Throttled
from engine.flow import MEGABYTE, Flow, Sizes
from engine.ledger import Ledger
from engine.milvus import pages, retry
from engine.milvus.connection import Cluster, connect
from engine.milvus.failures import MessageTooLarge, MilvusRefused
from engine.milvus.pages import CollectionReader
from engine.milvus.survey import survey
from engine.model import (
    Chunk,
    ChunkRange,
    CollectionPlan,
    Endpoint,
    Lease,
    Receipt,
    Throttle,
)
from engine.proof.drift import reread
from tests.beds.ledgers import put
from tests.engine.bed import until

KEYS = range(200)
RATE_LIMIT, INTERNAL, NOT_LOADED = 8, 5, 101
WAIT_SECONDS = 30


class _Server(grpc.GenericRpcHandler):
    """Answers queries for the entities of `KEYS` in the order of their keys, as a Milvus server does.

    Attributes:
        asked: The limit of each query.
        params: The names of all parameters that were sent.
        points: The consistency level and the timestamp of each query.
        counts: What `count(*)` answers, one after the other.
        entities_max: An answer of more is too large for one message.
        answers: Says by the number of the query (from 1) what is answered in the place of its page.
        refused: What is answered to calls other than queries.
    """

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.params: set[str] = set()
        self.points: set[tuple[int, int]] = set()
        self.entities_max = len(KEYS)
        self.counts: deque[int] = deque()
        self.answers: Callable[[int], milvus_pb2.QueryResults | None] = lambda _number: None
        self.refused = common_pb2.Status()

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler:
        """Called by grpc for each call."""
        query = handler_call_details.method.endswith("Query")
        return grpc.unary_unary_rpc_method_handler(self._page if query else self._other)

    def _other(self, _request: bytes, _context: grpc.ServicerContext) -> bytes:
        # The status is the first field of all of these answers.
        return bytes(milvus_pb2.MutationResult(status=self.refused).SerializeToString())

    def _page(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = milvus_pb2.QueryRequest.FromString(request)
        self.points.add((asked.consistency_level, asked.guarantee_timestamp))
        if list(asked.output_fields) == ["count(*)"]:
            return bytes(page_of([self.counts.popleft()]).SerializeToString())
        params = {pair.key: pair.value for pair in asked.query_params}
        self.params |= params.keys()
        self.asked.append(int(params["limit"]))
        instead = self.answers(len(self.asked))
        if instead is not None:
            return bytes(instead.SerializeToString())
        after = re.search(r"id > (\d+)", asked.expr)
        keys = [key for key in KEYS if after is None or key > int(after[1])][: self.asked[-1]]
        if len(keys) > self.entities_max and "text" in asked.output_fields:
            context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "grpc: trying to send message larger than max"
            )
        return bytes(page_of(keys).SerializeToString())


def page_of(keys: list[int]) -> milvus_pb2.QueryResults:
    """A page of entities that are a key each."""
    answer = milvus_pb2.QueryResults()
    column = answer.fields_data.add(field_name="id", type=schema_pb2.DataType.Int64)
    column.scalars.long_data.data.extend(keys)
    return answer


def refusal(code: int) -> milvus_pb2.QueryResults:
    """What a server answers that does not want to."""
    return milvus_pb2.QueryResults(status=common_pb2.Status(code=code, reason="no"))


@pytest.fixture
def server() -> Iterator[tuple[_Server, Cluster]]:
    """The server, and an open cluster of it that reads at the pace of a `Flow`."""
    handler = _Server()
    listening = grpc.server(ThreadPoolExecutor(4))
    listening.add_generic_rpc_handlers((handler,))
    port = listening.add_insecure_port("127.0.0.1:0")
    listening.start()
    with connect(Endpoint(name="small", uri=f"http://127.0.0.1:{port}"), "") as cluster:
        yield handler, cluster
    listening.stop(grace=None).wait()


def reader_of(cluster: Cluster) -> CollectionReader:
    """Reads whole entities."""
    return CollectionReader(cluster, "c", "id", ("id", "text"), timestamp=1)


def read(reader: CollectionReader, limit: int) -> list[int]:
    """All keys, as they come."""
    return [int(key) for page in reader.pages("", limit=limit) for key in page.keys]


def test_pages_shrink_until_they_pass_and_grow_back(server: tuple[_Server, Cluster]) -> None:
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
    server: tuple[_Server, Cluster], monkeypatch: pytest.MonkeyPatch
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
    server: tuple[_Server, Cluster], monkeypatch: pytest.MonkeyPatch
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
    server: tuple[_Server, Cluster],
) -> None:
    """A write, which comes encoded, or a call of the loading itself is refused as it is, and nothing is loaded for it."""
    handler, cluster = server
    cluster.reload = pytest.fail
    handler.refused = common_pb2.Status(code=NOT_LOADED, reason="no")
    with pytest.raises(MilvusRefused):
        cluster.once("Insert", milvus_pb2.InsertRequest(collection_name="c").SerializeToString())
    with pytest.raises(MilvusRefused):
        cluster.once("GetLoadState", milvus_pb2.GetLoadStateRequest(collection_name="c"))


def test_one_entity_that_is_too_large_is_told(server: tuple[_Server, Cluster]) -> None:
    """Where not even one entity passes, the reading ends with that and its key, and not as if there were no more."""
    handler, cluster = server
    handler.entities_max = 0
    with pytest.raises(MessageTooLarge, match="The entity 0 of “c” cannot be read"):
        read(reader_of(cluster), 64)
    assert handler.asked == [64, 32, 16, 8, 4, 2, 1, 1]


def nothing() -> None:
    """Nobody asks the work to end."""


def test_what_the_source_cannot_answer_is_not_the_targets_limit(
    server: tuple[_Server, Cluster], tmp_path: Path
) -> None:
    """A chunk is read again as it is written, and the source refuses: that is told, and requests to the target stay as large."""
    handler, cluster = server
    plan = CollectionPlan.model_construct(name="c", entities=len(KEYS), bytes=MEGABYTE)
    turn, sizes = Flow(threading.Event()).turn, Sizes()
    whole = ChunkRange(
        collection="c", partition="", ordinal=0, lower=None, upper=None, entities=len(KEYS)
    )
    receipt = Receipt(entities=len(KEYS), bytes=MEGABYTE, digest="0" * 32)
    with Ledger.open(put(f"sqlite:///{tmp_path}/ferry.db")) as ledger:
        lease = Lease(migration_id="M-0000000", token=1, owner="")
        reader = reader_of(cluster)
        copier = Copier(
            reader,
            cluster,
            plan,
            ledger,
            lease,
            page_entities=64,
            exact=True,
            check=nothing,
            fence=nothing,
            turn=turn,
            settle=nothing,
            sizes=sizes,
        )
        handler.entities_max = 0
        again = ReadChunk(Chunk(id=1, range=whole), reader.pages("", limit=64), receipt)
        with pytest.raises(MessageTooLarge, match="The entity 0 of “c” cannot be read"):
            copier.write(again)
        assert sizes.now == Sizes().now
        with pytest.raises(MessageTooLarge, match="The entity 0 of “c” cannot be read"):
            copier.takes_again(("", 0))


def test_a_page_that_does_not_advance_ends_the_reading(server: tuple[_Server, Cluster]) -> None:
    """A server that answers the same page again is found at the second page; it is never read in a circle."""
    handler, cluster = server
    handler.answers = lambda _number: page_of([1, 2, 3])
    with pytest.raises(DataUnreadable, match="answered key 1 of “c” after 3, out of order"):
        read(reader_of(cluster), 3)
    assert len(handler.asked) == 2


def test_an_unordered_page_ends_the_reading(server: tuple[_Server, Cluster]) -> None:
    """Keys that do not ascend within a page, or come twice, are an error: a cursor over them would skip some."""
    handler, cluster = server
    for keys in ([1, 3, 2], [1, 1]):
        handler.answers = lambda _number, keys=keys: page_of(keys)  # type: ignore[misc]
        handler.asked.clear()
        with pytest.raises(DataUnreadable, match="out of order"):
            read(reader_of(cluster), 3)
        assert len(handler.asked) == 1


@pytest.mark.parametrize(
    ("timestamp", "level"),
    [(7, common_pb2.ConsistencyLevel.Customized), (0, common_pb2.ConsistencyLevel.Strong)],
)
def test_every_read_sees_what_was_written_before_it(
    server: tuple[_Server, Cluster], timestamp: int, level: int
) -> None:
    """Pages, keys and counts are asked for at the read point, and with Strong consistency where a server has none."""
    handler, cluster = server
    handler.counts.extend([200] * 2)
    reader = CollectionReader(cluster, "c", "id", ("id", "text"), timestamp)
    assert read(reader, 200) == [key for page in reader.keys("") for key in page]
    assert reader.count("") == reader.count_keys("", [1]) == 200
    assert handler.points == {(level, timestamp)}


def test_an_error_in_the_middle_is_not_the_end(server: tuple[_Server, Cluster]) -> None:
    """When the third page fails for good the reading raises, and is not over."""
    handler, cluster = server
    handler.answers = lambda number: refusal(INTERNAL) if number == 3 else None
    found: list[int] = []
    with pytest.raises(MilvusRefused):
        found.extend(key for page in reader_of(cluster).pages("", limit=20) for key in page.keys)
    assert found == list(KEYS[:40])
    assert len(handler.asked) == 3


def test_a_rate_limit_is_waited_out_and_lowers_what_is_read_at_once(
    server: tuple[_Server, Cluster],
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


def test_a_server_that_stays_away_is_an_error(server: tuple[_Server, Cluster]) -> None:
    """Once the waiting is ended from outside, what the server said is raised: never an end of the data."""
    handler, cluster = server
    handler.answers = lambda number: refusal(RATE_LIMIT) if number > 1 else None
    cluster.told = lambda _failure: cluster.stop.set()
    with pytest.raises((Throttled, ServiceUnavailable)):
        read(reader_of(cluster), 20)


def test_the_operators_throttle_holds_reading(server: tuple[_Server, Cluster]) -> None:
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
def test_a_page_may_end_where_the_data_ends(server: tuple[_Server, Cluster], limit: int) -> None:
    """Pages of one entity, as many as there are, one more, one less: each entity comes once, and the end is an empty page."""
    handler, cluster = server
    assert read(reader_of(cluster), limit) == list(KEYS)
    assert len(handler.asked) == -(-len(KEYS) // limit) + 1


def test_a_count_that_is_wrong_for_a_while_is_asked_for_again(
    server: tuple[_Server, Cluster],
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
    server: tuple[_Server, Cluster], planned: int, calls: int
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


def test_an_old_milvus_lite_is_refused_as_a_source(server: tuple[_Server, Cluster]) -> None:
    """Versions that repeat and drop entities in their pages are not read; the reader learns what to install."""
    _, cluster = server
    cluster.version = "milvus_lite-3.2.0"
    with pytest.raises(SourceUnusable, match="leaves entities out") as refused:
        survey(cluster, "c")
    assert "3.2.1 or newer" in str(refused.value)


@pytest.mark.parametrize("counted", [True, False])
def test_a_count_that_is_too_high_for_a_moment_shares_no_key(
    server: tuple[_Server, Cluster], *, counted: bool
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
