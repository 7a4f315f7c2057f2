"""`ferry demo` as its user runs it: a process that shows a page or plays the story, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import create_server

import psutil
import pytest

pytestmark = pytest.mark.timeout(480)

FERRY = [sys.executable, "-c", "from bot.cli import main; main()"]
MARK = "FERRY_DEMO_TEST"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment that marks every process of the demo and gives it a temporary directory of its own."""
    (tmp_path / "temporary").mkdir()
    return os.environ | {
        MARK: uuid.uuid4().hex,
        "TMPDIR": str(tmp_path / "temporary"),
        "COLUMNS": "120",
    }


@pytest.fixture
def interactive(env: dict[str, str], tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """`ferry demo`; what a test leaves running is ended by SIGTERM."""
    command = [*FERRY, "demo"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=env, cwd=tmp_path
    ) as process:
        yield process
        process.terminate()
        process.wait(60)


def _left_behind(env: dict[str, str]) -> list[str]:
    """What the demo left: its processes that still run, and its files."""
    processes = [
        " ".join(process.info["cmdline"] or ())
        for process in psutil.process_iter(["environ", "cmdline"])
        if (process.info["environ"] or {}).get(MARK) == env[MARK]
    ]
    return processes + [path.name for path in Path(env["TMPDIR"]).iterdir()]


def test_script_plays_the_whole_story(env: dict[str, str], tmp_path: Path) -> None:
    """The script exits 0 after a refused, approved and verified migration and a canceled one, with both threads printed."""
    done = subprocess.run(
        [*FERRY, "demo", "--script"],
        capture_output=True,
        text=True,
        env=env,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = done.stdout.split("A migration, canceled while it ran")
    assert "it takes the role Organization Owner or Project Admin" in first
    assert "another person has to approve it" in first
    assert "Approved by @Grace (Project Admin of acme/search)" in first
    assert "16,500 entities in 4 collections are proved equal on both sides" in first
    assert re.search(r"products +VERIFIED +0 +0 +0 +10,000 +10,000", first)
    assert "CANCELED · canceled by @Grace" in second
    assert re.search(r"[1-9][\d,]* of 16,500 entities", second)
    assert done.stderr == ""
    assert _left_behind(env) == []
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"]


def test_page_is_served_until_ctrl_c(
    interactive: "subprocess.Popen[str]", env: dict[str, str]
) -> None:
    """Without the script an address is printed where the page is served; Ctrl-C ends everything with status 0."""
    assert interactive.stdout is not None
    printed = next(line for line in interactive.stdout if "http://" in line)
    address = re.search(r"http://127\.0\.0\.1:\d+/", printed)
    assert address is not None
    with urllib.request.urlopen(address[0]) as page:
        assert b"<html" in page.read().lower()
    interactive.send_signal(signal.SIGINT)
    rest = interactive.stdout.read()
    assert interactive.wait(60) == 0
    assert "/migrate" in rest
    assert _left_behind(env) == []


def test_taken_port_is_told(env: dict[str, str]) -> None:
    """A page port that is in use is refused with status 2, before anything is started."""
    with closing(create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*FERRY, "demo", "--port", str(port)],
            capture_output=True,
            text=True,
            env=env,
            check=False,
        )
    assert done.returncode == 2
    assert (
        done.stderr == f"Port {port} is in use. Nothing was started. Choose another with --port.\n"
    )
