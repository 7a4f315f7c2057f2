"""Ctrl-C, SIGTERM and a terminal that goes away, at various moments: what is said, and how the data stands; on Milvus Lite."""

import json
import signal
import subprocess
import sys

import pytest

from tests.cli.conftest import Shell
from tests.engine.bed import Side
from tests.engine.proxy import Proxy

WAIT_SECONDS = 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_verification_that_is_interrupted_releases_what_it_loaded(
    shell: Shell, source: Side, target: Side, number: signal.Signals
) -> None:
    """Whatever ends it, it says that it wrote nothing, and the source's collection is released again."""
    target.create("crew", key="VARCHAR")
    target.ready()
    source.client.release_collection("crew")
    with Proxy(source.uri) as proxy:
        gate = proxy.hold("Query", 1)
        command = ("verify", proxy.uri, target.uri, "--collection", "crew")
        with shell.start(*command) as process:
            gate.wait()
            process.send_signal(number)
            gate.open.set()
            out, err = process.communicate(timeout=WAIT_SECONDS)
        assert (process.returncode, out) == (130, ""), err
    assert err.splitlines() == [
        "This command was interrupted.",
        "It wrote to neither source nor target.",
        "`ferry jobs` shows how the migrations stand.",
    ]
    assert not source.loaded("crew")


def test_a_second_ctrl_c_says_how_the_migration_stands(
    shell: Shell, source: Side, target: Side
) -> None:
    """The first says that it cancels, the second ends the process and names what goes on from there; with --json in one object."""
    with Proxy(target.uri) as proxy:
        gate = proxy.hold("Insert", 4)
        command = ("migrate", source.uri, proxy.uri, "--collection", "cargo", "--json")
        with shell.start(*command, FERRY_LEASE_SECONDS="2") as process:
            gate.wait()
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            said = next(line for line in process.stderr if line.startswith("Canceling"))
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=WAIT_SECONDS)
        gate.open.set()
        assert process.returncode == 130
        failed = json.loads(out)
        name = failed["migration"]
        assert "Ctrl-C once more ends this process at once." in said
        assert (failed["status"], failed["state"]) == ("FAILED", "running")
        assert failed["error"]["message"] == f"This process ended before {name} had stopped."
        assert f"`ferry resume {name}` goes on from there" in failed["error"]["next_step"]
        proxy.drained()
        assert shell.run("cancel", name).returncode == 0


def test_an_undo_that_is_interrupted_says_how_it_goes_on(
    shell: Shell, source: Side, target: Side
) -> None:
    """What was dropped is gone, the rest stands, and the command that it names goes on with it."""
    with Proxy(target.uri) as proxy:
        done = shell.object("migrate", source.uri, proxy.uri)[1]
        gate = proxy.hold("DropCollection", 1)
        with shell.start("undo", done["migration"], FERRY_LEASE_SECONDS="2") as process:
            gate.wait()
            process.send_signal(signal.SIGINT)
            gate.open.set()
            _, err = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 130
        assert f"The undo of {done['migration']} was interrupted." in err
        assert f"`ferry undo {done['migration']}` goes on with it." in err
        shown = shell.run("show", done["migration"]).stdout
        assert f"`ferry undo {done['migration']}` goes on." in shown
        assert shell.run("undo", done["migration"]).returncode == 0
    assert target.client.list_collections() == []


def test_ctrl_c_while_it_starts() -> None:
    """Before the command line is there, it is a sentence too."""
    code = """
import sys
class Interrupts:
    def find_spec(self, name, *_):
        if name == "bot.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
from bot.entry import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "Interrupted. Nothing was started.\n")
