"""What the crash tests share: workers, and lanes that are filled once for a module."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.demo.clusters import lite_pair
from engine.ledger import Ledger
from tests.beds.forks import Forks
from tests.beds.ledgers import put
from tests.beds.shared import Lent
from tests.crash.kept_keys import KeptKeysLane
from tests.crash.lane import Lane, SmallLane
from tests.crash.new_keys import NewKeysLane
from tests.crash.walk_lane import NewKeysWalkLane, WalkLane
from tests.crash.workers import Workers
from tests.engine.bed import Side

WAIT_SECONDS = 60
POLL_SECONDS = 0.02


@pytest.fixture(scope="session", autouse=True)
def _quiet_client() -> None:
    """The SDK logs a traceback for every refusal that a test provokes."""
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)


@pytest.fixture(scope="session")
def workers(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Workers:
    """Starts worker processes."""
    return Workers(forks, tmp_path_factory.mktemp("workers"))


def _given(
    kind: type[Lane],
    pair: tuple[Lent, Lent],
    workers: Workers,
    folder: Path,
    on_postgresql: Callable[[int], str] = lambda _number: "",
) -> Iterator[Callable[[int], list[Lane]]]:
    """Gives lanes; `on_postgresql` is the URL of the ledger of the lane of that number, "" where it is on SQLite."""
    source, target = pair
    made: list[Lane] = []
    with ExitStack() as stack:

        def give(count: int) -> list[Lane]:
            while len(made) < count:
                side = Side(source.uri, f"lane_{uuid.uuid4().hex[:8]}")
                stack.callback(side.clear)
                url = on_postgresql(len(made)) or f"sqlite:///{folder}/{len(made)}.db"
                ledger = stack.enter_context(Ledger.open(put(url)))
                made.append(kind(side, target.uri, ledger, url, workers))
            return made[:count]

        yield give


@pytest.fixture(scope="module")
def lanes(
    real_milvus_pair: tuple[Lent, Lent],
    workers: Workers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[int], list[Lane]]]:
    """`lanes(n)` gives n lanes; each is filled when it is first asked for."""
    yield from _given(Lane, real_milvus_pair, workers, tmp_path_factory.mktemp("lanes"))


@pytest.fixture(scope="module")
def new_keys_lanes(
    real_milvus_pair: tuple[Lent, Lent],
    workers: Workers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[int], list[Lane]]]:
    """As `lanes`, where the target makes all keys anew."""
    folder = tmp_path_factory.mktemp("new-keys-lanes")
    yield from _given(NewKeysLane, real_milvus_pair, workers, folder)


@pytest.fixture(scope="module")
def walk_lanes(
    request: pytest.FixtureRequest,
    real_milvus_pair: tuple[Lent, Lent],
    workers: Workers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[int], list[Lane]]]:
    """As `lanes`, for random walks; every second one has its ledger on PostgreSQL."""
    folder = tmp_path_factory.mktemp("walk-lanes")
    yield from _given(WalkLane, real_milvus_pair, workers, folder, _every_second(request))


@pytest.fixture(scope="module")
def new_keys_walk_lanes(
    request: pytest.FixtureRequest,
    real_milvus_pair: tuple[Lent, Lent],
    workers: Workers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[int], list[Lane]]]:
    """As `walk_lanes`, where the target makes the keys of one collection anew."""
    folder = tmp_path_factory.mktemp("new-keys-walk-lanes")
    second = _every_second(request)
    yield from _given(NewKeysWalkLane, real_milvus_pair, workers, folder, second)


def _every_second(request: pytest.FixtureRequest) -> Callable[[int], str]:
    """A server is started only when the second lane is asked for."""

    def place(number: int) -> str:
        if number % 2 == 0:
            return ""
        make: Callable[[], str] = request.getfixturevalue("postgres")
        return make()

    return place


@pytest.fixture(scope="module")
def small_lanes(
    real_milvus_pair: tuple[Lent, Lent],
    workers: Workers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[int], list[Lane]]]:
    """As `lanes`, with less in them."""
    yield from _given(SmallLane, real_milvus_pair, workers, tmp_path_factory.mktemp("small-lanes"))


@pytest.fixture(scope="session")
def kept_keys_lane(
    forks: Forks, workers: Workers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lane]:
    """A lane between two Milvus Lite servers, where the target keeps keys that the source made."""
    folder = tmp_path_factory.mktemp("kept-keys-lane")
    url = f"sqlite:///{folder}/ledger.db"
    with (
        lite_pair(folder, forks.lite) as (source, target),
        Ledger.open(put(url)) as ledger,
    ):
        side = Side(source.uri)
        yield KeptKeysLane(side, target.uri, ledger, url, workers)
        side.client.close()


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], bool]], None]:
    """`until(condition)` returns as soon as the condition holds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, "what the test waits for never came"
            threading.Event().wait(POLL_SECONDS)

    return wait


@pytest.fixture
def crash_log(tmp_path: Path) -> Path:
    """Where a worker notes the points that it reaches."""
    return tmp_path / "points"


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a figure or a seed for whoever runs the tests, captured or not."""

    def print_it(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")  # noqa: T201  # the figure

    return print_it
