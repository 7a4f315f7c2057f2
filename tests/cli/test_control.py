"""`ferry pause | throttle | undo` as processes: a running migration rests, is limited, goes on, and is taken back."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from bot import console
from engine.ledger import Ledger
from engine.model import Endpoint, Request
from tests.cli.conftest import ENTITIES, Shell
from tests.engine.bed import Side
from tests.engine.proxy import Proxy


def test_pause_throttle_resume_and_undo(shell: Shell, source: Side, target: Side) -> None:
    """A pause from another terminal ends the first one with exit 5; throttle and show say the limit; undo drops what was made."""
    with Proxy(target.uri) as proxy:
        gate = proxy.hold("Insert", 4)
        command = ("migrate", source.uri, proxy.uri, "--collection", "cargo", "--json")
        with shell.start(*command) as process:
            gate.wait()
            (job,) = shell.object("jobs")[1]["migrations"]
            migration = job["id"]
            told = shell.run("pause", migration)
            assert told.stdout == f"{migration} pauses after the chunks under way.\n"
            gate.open.set()
            out, err = process.communicate(timeout=60)
        assert process.returncode == 5, err
        report = json.loads(out)
        assert (report["status"], report["state"]) == ("IN PROGRESS", "paused")
        assert "IN PROGRESS (paused)" in shell.run("jobs").stdout
        assert f"`ferry resume {migration}` goes on" in shell.run("show", migration).stdout
        both = ("--entities-per-second", "100000", "--megabytes-per-second", "50")
        limited = shell.run("throttle", migration, *both)
        assert limited.stdout == f"{migration} copies at most 100,000 entities/s and 50 MB/s.\n"
        assert shell.run("throttle", migration, "--off", *both).returncode == 2
        status, shown = shell.object("show", migration)
        allowed = {"entities_per_second": 100_000, "megabytes_per_second": 50.0}
        assert (status, shown["throttle"], shown["slowed"]) == (0, allowed, "")
        assert "Throttled to 100,000 entities/s and 50 MB/s." in shell.run("show", migration).stdout
        off, lifted = shell.object("throttle", migration, "off")
        assert (off, lifted) == (0, {"migration": migration, "throttle": None})
        status, ended = shell.object("resume", migration)
        assert (status, ended["status"], ended["entities"]) == (0, "SUCCESSFUL", ENTITIES)
        target.client.insert("cargo", {"id": -1, "vector": [0.0] * 4, "text": "theirs"})
        refused = shell.run("undo", migration)
        assert refused.returncode == 2
        assert f"it holds {ENTITIES + 1} entities" in refused.stderr
        target.client.delete("cargo", ids=[-1])
        status, undone = shell.object("undo", migration)
        assert (status, undone["status"], undone["state"]) == (0, "CANCELED", "undone")
        assert undone["dropped"] == ["cargo"]
    assert target.client.list_collections() == []
    with shell.start("show", migration, TZ="Asia/Tokyo") as process:
        shown, _ = process.communicate(timeout=60)
    ended = datetime.fromisoformat(shell.object("show", migration)[1]["events"][-1]["at"])
    assert shown.startswith(f"CANCELED (undone)  {migration}")
    assert "when (UTC)" in shown
    last = shown.splitlines()[-1]
    assert last.startswith(f"{ended.astimezone(UTC):%Y-%m-%d %H:%M:%S}  undone")
    assert " process " in last
    assert "error=Someone else has changed" in shown
    assert "{" not in shown


def test_an_undo_says_why_it_waits(shell: Shell, source: Side, target: Side) -> None:
    """After a worker was lost, an undo tells on standard error what may still arrive and until when, and then drops."""
    with Proxy(target.uri) as proxy:
        command = ("migrate", source.uri, proxy.uri, "--collection", "cargo")
        job = shell.killed(proxy, *command)
        assert shell.run("cancel", job["id"]).returncode == 0
        canceled = shell.run("show", job["id"]).stdout
        assert f"`ferry resume {job['id']}` goes on from there" in canceled
        done = shell.run("undo", job["id"])
    assert done.returncode == 0, done.stderr
    (said,) = done.stderr.splitlines()
    waited = r"Waiting: Calls that were lost may still reach the target until \d\d:\d\d:\d\d UTC\."
    assert re.fullmatch(waited, said)
    assert target.client.list_collections() == []


def test_cancel_puts_back_what_a_killed_migration_left_loaded(
    shell: Shell, source: Side, target: Side
) -> None:
    """After a SIGKILL in the middle `ferry cancel` releases the source's collection itself, and says what it could not release."""
    source.client.release_collection("crew")
    with Proxy(source.uri) as near, Proxy(target.uri) as far:
        for refused in (False, True):
            gate = far.hold("Insert", far.calls["Insert"] + 1)
            command = ("migrate", near.uri, far.uri, "--collection", "crew")
            with shell.start(*command, FERRY_LEASE_SECONDS="2") as process:
                gate.wait()
                process.kill()
            gate.open.set()
            (job, *_) = shell.object("jobs")[1]["migrations"]
            assert source.loaded("crew")
            if refused:
                near.fail_before("ReleaseCollection", *range(1, 100))
            told = shell.run("cancel", job["id"])
            assert told.returncode == 0, told.stderr
            assert told.stdout.startswith(f"{job['id']} is canceled.")
            assert ("Still loaded" in told.stdout) is refused
            assert source.loaded("crew") is refused
            shell.run("undo", job["id"])


def test_a_ledger_that_goes_away_leaves_the_migration_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json the object of the failure has the migration that the command was about, as it was last seen."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    wanted = Request(source=Endpoint(name="a", uri="a"), target=Endpoint(name="b", uri="b"))
    with Ledger.open(f"sqlite:///{folder}/ferry.db") as ledger:
        with ledger.transaction() as act:
            migration = act.add_migration(wanted, requester="ada")
        ledger.engine.dispose()
        folder.rename(tmp_path / "moved")
        with pytest.raises(typer.Exit) as ended, console.about(ledger, migration, json=True):
            ledger.migrations()
    told = json.loads(capsys.readouterr().out)
    assert (told["migration"], told["error"]["code"]) == (migration.id, "E-LEDGER-AWAY")
    assert ended.value.exit_code == 5
