"""The command line as people start it: in a folder of its own, without configuration, against Milvus Lite servers."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from bot.cli import main
from tests.beds.forks import Forks
from tests.engine.bed import Side, rows
from tests.engine.proxy import Proxy

ENTITIES = 240
PARTITIONS = 12
WAIT_SECONDS = 90


@dataclass
class Shell:
    """A folder in which `ferry` is started; its ledger is the folder's `ferry.db`."""

    folder: Path

    @property
    def program(self) -> str:
        """The console script."""
        return str(Path(sys.executable).with_name("ferry"))

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts it and does not wait."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FERRY_")}
        return subprocess.Popen(
            [self.program, *arguments],
            cwd=self.folder,
            env=kept | {"COLUMNS": "200"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def killed(self, proxy: Proxy, *command: str) -> dict[str, Any]:
        """Runs it until its fourth insert is under way, kills it there, lets that call arrive; the only job, as it stands then."""
        gate = proxy.hold("Insert", 4)
        with self.start(*command, FERRY_LEASE_SECONDS="6") as process:
            gate.wait()
            process.kill()
            process.communicate()
        gate.open.set()
        proxy.drained()
        (job,) = self.object("jobs")[1]["migrations"]
        return cast(dict[str, Any], job)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """What the console script runs, in this process: a new one takes seconds to import everything."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name in [each for each in os.environ if each.startswith("FERRY_")]:
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", ["ferry", *arguments])
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = _ends()
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def process(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a process to its end."""
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(timeout=WAIT_SECONDS)
            finally:
                process.kill()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def object(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Runs it with --json: its exit status, and the one object that it prints."""
        done = self.run(*arguments, "--json")
        lines = done.stdout.splitlines()
        assert len(lines) == 1, (done.stdout, done.stderr)
        found: dict[str, Any] = json.loads(lines[0])
        return done.returncode, found


def _ends() -> int:
    """The status that the command line exits with."""
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int | None)
    return ended.value.code or 0


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """An empty folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return Shell(folder)


@pytest.fixture(scope="session")
def source(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """A Milvus Lite server that no test changes: `cargo`, 240 entities in 12 partitions, and `crew`, 30 with VARCHAR keys."""
    folder = tmp_path_factory.mktemp("source")
    with forks.lite(folder / "data", log=folder / "log") as server:
        side = Side(server.wait().uri)
        names = ["", *(f"p{number:02}" for number in range(1, PARTITIONS))]
        side.create("cargo", partitions=names[1:])
        each = ENTITIES // PARTITIONS
        made = list(rows(range(ENTITIES)))
        for number, name in enumerate(names):
            side.insert("cargo", made[number * each : (number + 1) * each], name)
        side.create("crew", key="VARCHAR")
        side.insert("crew", rows(f'say "{number}"' for number in range(30)))
        side.ready()
        yield side
        side.client.close()


@pytest.fixture(scope="session")
def second_server(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    """Another Milvus Lite server."""
    folder = tmp_path_factory.mktemp("target")
    with forks.lite(folder / "data", log=folder / "log") as server:
        side = Side(server.wait().uri)
        yield side
        side.client.close()


@pytest.fixture
def target(second_server: Side) -> Iterator[Side]:
    """The other server, empty."""
    yield second_server
    for name in second_server.client.list_collections():
        second_server.drop(name)
