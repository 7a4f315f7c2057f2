"""Whether the holder of a lease is certainly dead: never said of a living process, nor of one that cannot be seen from here."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from engine.ledger import new_owner, owner_is_dead

PRINT_OWNER = """
import sys
from engine.ledger import new_owner
print(new_owner(), flush=True)
sys.stdin.readline()
"""


def changed(owner: str, place: int, value: str) -> str:
    """The owner's name with one of its parts replaced."""
    parts = owner.split(":")
    parts[place] = value
    return ":".join(parts)


def test_this_process_is_alive() -> None:
    """A process never takes itself for dead, and each of its names is another one."""
    assert not owner_is_dead(new_owner())
    assert new_owner() != new_owner()


def test_a_process_is_alive_until_it_is_killed() -> None:
    """Another process of this machine is alive while it runs, and dead as a zombie and after it was waited for."""
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        assert not owner_is_dead(owner)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert owner_is_dead(owner)
    assert owner_is_dead(owner)


def test_of_another_users_process_only_another_start_is_certain(
    monkeypatch: pytest.MonkeyPatch, require: Callable[[str], NoReturn]
) -> None:
    """A process that may not be asked is the owner as long as its start, where that can be seen, is the owner's."""
    if not Path("/proc/self/stat").exists():
        require("the system has no /proc")

    def refused(_pid: int, _signal: int) -> None:
        raise PermissionError

    owner = new_owner()
    monkeypatch.setattr(os, "kill", refused)
    assert not owner_is_dead(owner)
    assert not owner_is_dead(changed(owner, 1, str(2**31 - 1)))  # hidden
    boot = owner.split(":")[2].rpartition(".")[0]
    assert owner_is_dead(changed(owner, 2, f"{boot}.1"))


def test_a_process_id_that_was_given_out_again_is_not_the_owner(
    require: Callable[[str], NoReturn],
) -> None:
    """A living process with the owner's id but another start is not the owner: that one is dead."""
    if not Path("/proc/self/stat").exists():
        require("the system has no /proc")
    boot = new_owner().split(":")[2].rpartition(".")[0]
    assert owner_is_dead(changed(new_owner(), 2, f"{boot}.1"))


@pytest.mark.parametrize("place", [0, 2], ids=["another host", "another boot or container"])
def test_processes_elsewhere_are_never_declared_dead(place: int) -> None:
    """What runs on another host, or ran before a restart, or in another container, is left to its lease's expiry."""
    gone = changed(new_owner(), 1, str(2**31 - 1))
    assert owner_is_dead(gone)
    assert not owner_is_dead(changed(gone, place, "elsewhere.1"))


@pytest.mark.parametrize("name", ["", "worker-1", "a:b:c:d", "host:-1:boot:x", "host:0:boot:x"])
def test_names_of_another_kind_are_never_declared_dead(name: str) -> None:
    """A name that is not made by `new_owner` says nothing about a process."""
    assert not owner_is_dead(name)


def test_an_impossible_process_id_is_never_declared_dead() -> None:
    """A number that no process can have comes from elsewhere, and says nothing."""
    assert not owner_is_dead(changed(new_owner(), 1, str(2**40)))
    assert not owner_is_dead(changed(new_owner(), 1, "0"))
