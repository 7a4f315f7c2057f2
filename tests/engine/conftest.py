"""What the engine's tests share: beds of two databases on the real servers or on Milvus Lite, a filled source, proxies."""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from bot.demo.clusters import lite_pair
from engine.ledger import Ledger
from engine.worker import LEASE_SECONDS
from tests.beds.forks import Forks
from tests.beds.ledgers import put
from tests.beds.shared import Lent
from tests.engine.bed import PARTITION_ENTITIES, PARTITIONS, Bed, Side, rows
from tests.engine.proxy import Proxy

Beds = Callable[..., AbstractContextManager[Bed]]


@pytest.fixture(scope="session", autouse=True)
def _quiet_client() -> None:
    """The SDK logs a traceback for every refusal that a test provokes."""
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)


@pytest.fixture(scope="module")
def beds(real_milvus_pair: tuple[Lent, Lent], tmp_path_factory: pytest.TempPathFactory) -> Beds:
    """A maker of beds, as context managers; a bed over a given source leaves that source as it is."""

    @contextmanager
    def make(source: Side | None = None) -> Iterator[Bed]:
        database = f"t_{uuid.uuid4().hex[:10]}"
        url = f"sqlite:///{tmp_path_factory.mktemp('bed')}/ferry.db"
        ours, theirs = real_milvus_pair
        target = Side(theirs.uri, database)
        with ExitStack() as stack:
            stack.callback(target.clear)
            if source is None:
                source = Side(ours.uri, database)
                stack.callback(source.clear)
            ledger = stack.enter_context(Ledger.open(put(url)))
            yield Bed(source, target, ledger, url)

    return make


@pytest.fixture
def bed(beds: Beds) -> Iterator[Bed]:
    """Two empty databases of one name on the two real servers, and a new ledger."""
    with beds() as made:
        yield made


@pytest.fixture(scope="session")
def _filled_of() -> Iterator[Callable[[str], Side]]:
    """The filled source of a server, made once; it goes with the server."""
    made: dict[str, Side] = {}

    def of(uri: str) -> Side:
        if uri not in made:
            made[uri] = _fill(Side(uri, f"filled_{uuid.uuid4().hex[:6]}"))
        return made[uri]

    yield of
    for side in made.values():
        side.client.close()


@pytest.fixture(scope="module")
def filled(real_milvus_pair: tuple[Lent, Lent], _filled_of: Callable[[str], Side]) -> Side:
    """A source that no test changes: `parts`, 20 partitions of 20 entities with the keys 0 … 399, so 20 chunks or more."""
    return _filled_of(real_milvus_pair[0].uri)


def _fill(side: Side) -> Side:
    side.create("parts", partitions=[f"p{number:02}" for number in range(PARTITIONS - 1)])
    made = list(rows(range(PARTITIONS * PARTITION_ENTITIES)))
    for number in range(PARTITIONS):
        name = f"p{number:02}" if number < PARTITIONS - 1 else ""
        start = number * PARTITION_ENTITIES
        side.insert("parts", made[start : start + PARTITION_ENTITIES], name)
    side.client.create_alias("parts", "pieces")
    side.ready()
    return side


@pytest.fixture
def crossing(beds: Beds, filled: Side) -> Iterator[Bed]:
    """A bed whose source is `filled`; the target is empty."""
    with beds(filled) as made:
        yield made


@pytest.fixture(scope="session")
def lite_sides(
    forks: Forks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Side, Side]]:
    """Two Milvus Lite servers that live for the session."""
    with lite_pair(tmp_path_factory.mktemp("lite"), forks.lite) as servers:
        source, target = (Side(server.uri) for server in servers)
        yield source, target
        source.client.close()
        target.client.close()


@pytest.fixture
def lite_bed(lite_sides: tuple[Side, Side], tmp_path: Path) -> Iterator[Bed]:
    """Two empty Milvus Lite servers and a new ledger."""
    url = f"sqlite:///{tmp_path}/ferry.db"
    with Ledger.open(put(url)) as ledger:
        try:
            yield Bed(*lite_sides, ledger, url)
        finally:
            for side in lite_sides:
                side.empty()


@pytest.fixture
def proxied() -> Iterator[Callable[[Side], Proxy]]:
    """`proxied(side)` puts a recording proxy in front of a side's server."""
    with ExitStack() as stack:
        yield lambda side: stack.enter_context(Proxy(side.uri))


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call outlives its worker's lease: what was lost, or was left by a worker that died, is settled when that is over."""
    monkeypatch.setenv(LEASE_SECONDS, "4")
