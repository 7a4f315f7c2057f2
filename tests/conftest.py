"""What all tests share: the servers they run against, and the rule for parts that a machine cannot have.

A test that needs such a part asks its fixture; the fixture calls `require` when the part is not there.
"""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:  # importing pymilvus takes 2 s, which tests without a server need not pay
    from bot.demo.clusters import Server
    from tests.beds.forks import Forks
    from tests.beds.shared import Lent

REQUIRE_ALL = "FERRY_REQUIRE_ALL"
QUICK_ROOMS = ("ledger", "sandbox", "views", "unit")
"""Folders of tests that start no cluster, the quickest last."""


def pytest_configure() -> None:
    """SIGTERM ends the run as Ctrl-C does, so that fixtures close what they started; Hypothesis tries the same examples again.

    Ctrl-C and SIGHUP do too where a run begins with them ignored (`&` in a script, nohup): what tests start would ignore them.
    """
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    settings.register_profile(
        "ferry",
        deadline=None,  # a machine that does other things as well is late by more than an example takes
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,  # `--hypothesis-profile default` looks for new ones
        print_blob=True,
    )
    settings.load_profile("ferry")
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was collected stays until the end: looking through it again and again for garbage took a tenth of the tests' CPU."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take longest begins first, so that at the end no process works alone; beside that the order stays random."""

    def longest(item: pytest.Item) -> tuple[float, bool, int]:
        limit = item.get_closest_marker("timeout")
        room = item.path.parent.name
        return (
            -float(limit.args[0] if limit else 0),
            "real_milvus" not in item.keywords,
            QUICK_ROOMS.index(room) if room in QUICK_ROOMS else -1,
        )

    items.sort(key=longest)


def require(reason: str) -> NoReturn:
    """Skips the test because this machine lacks a part, or fails it where FERRY_REQUIRE_ALL=1 says that nothing may be skipped."""
    if os.environ.get(REQUIRE_ALL) == "1":
        pytest.fail(f"{reason} ({REQUIRE_ALL}=1 allows no skips)")
    pytest.skip(reason)


@pytest.fixture(name="require", scope="session")
def require_fixture() -> Callable[[str], NoReturn]:
    """`require(reason)`, for tests and fixtures that cannot import this file."""
    return require


@pytest.fixture(scope="session")
def of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of pytest share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="module")
def real_milvus_pair(of_the_run: Path) -> Iterator[tuple["Lent", "Lent"]]:
    """Two real Milvus 2.3.5 servers, source and target: `.uri`, `.pid` and `.log` of each. All processes of a run share them.

    So a test works in databases, or with collections, of names that no other test uses. Between two modules they may be others.
    """
    from tests.beds.real import package_data  # noqa: PLC0415  # as above
    from tests.beds.shared import shared_pair  # noqa: PLC0415  # as above

    if package_data() is None:
        require("the PyPI package milvus==2.3.5 (x86-64 Linux only) is not installed")
    with shared_pair(of_the_run / "real-milvus") as pair:
        yield pair


@pytest.fixture(scope="session")
def forks() -> Iterator["Forks"]:
    """Starts Milvus Lite servers and programs of Ferry without the seconds of their imports."""
    from tests.beds.forks import Forks  # noqa: PLC0415  # as above

    with Forks() as started:
        yield started


@pytest.fixture
def lite_server(forks: "Forks", tmp_path: Path) -> Iterator[Callable[..., "Server"]]:
    """`lite_server(name="source", port=None)` starts a Milvus Lite server over `tmp_path/name`, ready when it returns.

    The same name over a closed server opens its data again. All end with the test.
    """
    with ExitStack() as stack:

        def start(name: str = "source", port: int | None = None) -> "Server":
            server = forks.lite(tmp_path / name, log=tmp_path / f"{name}.log", port=port)
            return stack.enter_context(server).wait()

        yield start


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """`postgres()` makes an empty place on the session's PostgreSQL server and returns its URL."""
    from tests.beds.postgres import Absent, places  # noqa: PLC0415  # as above

    with ExitStack() as stack:
        try:
            create = stack.enter_context(places())
        except Absent as absent:
            require(str(absent))
        yield create


@pytest.fixture(params=["sqlite", "postgresql"])
def on_each_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a ledger that does not exist yet: the test runs on SQLite (a new file) and on PostgreSQL (an empty place)."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ferry.db'}"
    create: Callable[[], str] = request.getfixturevalue("postgres")
    return create()
