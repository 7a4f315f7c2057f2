"""What a person sees on a terminal, and what a log gets instead: bars, lines, tables of any width; on Milvus Lite."""

import fcntl
import json
import os
import re
import struct
import subprocess
import termios
from contextlib import suppress

import pytest

from bot import terminal, under_way
from engine import patience
from engine.ledger import Ledger
from engine.lifecycle import Status
from engine.model import (
    CollectionReport,
    Endpoint,
    ErrorText,
    Outcome,
    Progress,
    Report,
    Request,
)
from tests.cli.conftest import Shell
from tests.engine.bed import Side, until
from tests.engine.proxy import Proxy

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(shell: Shell, *arguments: str, columns: int) -> tuple[int, str]:
    """Runs `ferry` on a terminal of that width: its exit status, and all that it wrote there, without colours."""
    master, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FERRY_")}
    kept.pop("COLUMNS", None)
    with subprocess.Popen(
        [shell.program, *arguments],
        cwd=shell.folder,
        env=kept | {"TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        written = b""
        with os.fdopen(master, "rb", buffering=0) as screen, suppress(OSError):  # EIO: it has ended
            while more := screen.read(65_536):
                written += more
    return process.returncode, _COLOURS.sub("", written.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [60, 200])
def test_a_migration_on_a_terminal(shell: Shell, source: Side, target: Side, columns: int) -> None:
    """It shows its name, how far it is and how it ended, on a terminal of any width."""
    status, shown = on_terminal(shell, "migrate", source.uri, target.uri, columns=columns)
    assert status == 0, shown
    (job,) = shell.object("jobs")[1]["migrations"]
    assert job["id"] in shown.splitlines()[0]
    assert "SUCCESSFUL" in shown
    for command in (("jobs",), ("show", job["id"]), ("verify", source.uri, target.uri), ("audit",)):
        _, told = on_terminal(shell, *command, columns=columns)
        assert "…" not in told, told
    assert f"{target.uri}/default" in on_terminal(shell, "jobs", columns=columns)[1]


def test_a_log_is_told_what_runs_and_what_it_waits_for(
    shell: Shell, source: Side, target: Side
) -> None:
    """Where standard error is no terminal it has a line for the migration, its phases, and what a lost worker makes it wait for."""
    with Proxy(target.uri) as proxy:
        command = ("migrate", source.uri, proxy.uri, "--collection", "cargo")
        job = shell.killed(proxy, *command)
        left = shell.run("show", job["id"])
        done = shell.run(*command)
    assert "The process that ran it is gone." in left.stdout
    assert f"`ferry resume {job['id']}` goes on" in left.stdout
    assert done.returncode == 0, done.stderr
    first, stop, *lines = done.stderr.splitlines()
    assert first == f"{job['id']}  {source.uri}/default → {proxy.uri}/default"
    assert f"`ferry cancel {job['id']}` stops it." in stop
    waited = [each for each in lines if each.startswith("Waiting: ")]
    assert len(waited) == 1, lines
    assert "Calls that were lost may still reach the target until" in waited[0]
    assert any(each.startswith(f"{job['id']}  ") for each in lines)


def test_a_failure_that_passes_names_what_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """A migration whose server went away is told to be resumed; one that a person must look at is not."""
    for code, said in (("E-UNAVAILABLE", "`ferry resume M-1` goes on from there."), ("E-DATA", "")):
        terminal.goes_on("M-1", Status.FAILED, ErrorText(code=code, message="It failed."))
        assert capsys.readouterr().out.strip().endswith(said)
        assert bool(said) or not capsys.readouterr().out


def test_a_copy_that_stands_still_is_said_without_a_rate() -> None:
    """Where nothing was copied for a minute, the line has neither the rate of before nor a time left by it."""
    stuck = Progress(
        phase="copy", entities=900, copied=600, verified=0, bytes=1, seconds=0.1, recent_seconds=0.0
    )
    assert under_way.figures(stuck) == "600 of 900 entities copied"
    moving = stuck.model_copy(update={"recent_entities": 100, "recent_seconds": 20.0})
    assert "5 entities/s" in under_way.figures(moving)


@pytest.mark.parametrize("as_object", [False, True])
def test_a_terminal_without_unicode(shell: Shell, as_object: bool) -> None:
    """What its encoding does not have is written as its code; with --json it is the same object."""
    wanted = Request(
        source=Endpoint(name="a", uri="a"), target=Endpoint(name="b\U0001f6a2", uri="b")
    )
    with Ledger.open(f"sqlite:///{shell.folder}/ferry.db") as ledger, ledger.transaction() as act:
        act.add_migration(wanted, requester="ada")
    command = ("jobs", *(["--json"] if as_object else []))
    with shell.start(*command, PYTHONIOENCODING="ascii") as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert (r"\u2192" in out) is not as_object
    if as_object:
        (job,) = json.loads(out)["migrations"]
        assert job["request"]["target"]["name"] == "b\U0001f6a2"


def test_what_lasts_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan or a comparison that takes long says on standard error what is being done; a short one says nothing."""
    with under_way.lasting() as told:
        told("“a” is being looked at.")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    said: list[str] = []
    with under_way.lasting() as told:
        told("“b” is being looked at.")
        until(lambda: bool(said.append(capsys.readouterr().err) or "".join(said)))
    assert "".join(said) == "“b” is being looked at.\n"


def test_what_holds_of_many_collections_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A note that several collections share is one line that names them all, and hides no other one."""
    notes = {"a": ("released.", "alone."), "b": ("released.",), "c": ("another.", "released.")}
    collections = tuple(
        CollectionReport(name=name, source_entities=1, notes=said) for name, said in notes.items()
    )
    terminal.report(
        Report(
            migration="M-1", status=Outcome.FAILED, seconds=1, entities=3, collections=collections
        )
    )
    said = [line.strip() for line in capsys.readouterr().out.splitlines() if line.endswith(".")]
    assert said == ["a, b, c: released.", "a: alone.", "c: another."]
