"""One pair of real Milvus servers for all processes of a test run: whoever needs it first starts it, it ends after its last user.

The servers belong to a process of their own, `python -m tests.beds.shared FOLDER`, because whoever starts them may end before the
others do. Each user holds a shared lock on a file, which the system takes away even from a process that is killed; the keeper asks
for that lock alone, and ends when it got it for a while: a process that goes from one module to the next finds the pair again, and
tests that need none do not run beside two idle servers, which take a quarter of a core. Nothing here knows what the servers hold.
"""

import contextlib
import fcntl
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bot.demo.clusters import ServerFailed
from tests.beds.real import real_pair

USERS, STARTING, TOLD, LOG = "users.lock", "starting.lock", "pair.json", "keeper.log"
LINGER_SECONDS = 10
"""How long a pair waits for its next user."""


@dataclass(frozen=True)
class Lent:
    """A server of the pair: where it answers, its process id, the file that has what it printed."""

    uri: str
    pid: int
    log: Path


@contextlib.contextmanager
def shared_pair(folder: Path, linger: int = LINGER_SECONDS) -> Iterator[tuple[Lent, Lent]]:
    """The pair of everyone who gives the same folder, answering; it stays until the last one's block ended `linger` seconds ago.

    Raises:
        ServerFailed: It did not start; what was said of it is in the message.
    """
    folder.mkdir(exist_ok=True)
    # Before anything else: a keeper that is ending is waited for here, one that is not does not end any more.
    with _locked(folder / USERS, fcntl.LOCK_SH):
        with _locked(folder / STARTING, fcntl.LOCK_EX):
            if not (folder / TOLD).exists():
                _start(folder, linger)
        source, target = (
            Lent(uri, pid, Path(log)) for uri, pid, log in json.loads((folder / TOLD).read_text())
        )
        yield source, target


def _start(folder: Path, linger: int) -> None:
    """Starts the keeper; returns when its servers answer."""
    said, says = os.pipe()
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    # A process without a handle of `subprocess`, which would complain that nobody waits for it.
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "tests.beds.shared", str(folder), str(linger)],
        os.environ,
        setsid=True,  # Ctrl-C reaches the users, and it ends after them
        file_actions=[
            (os.POSIX_SPAWN_DUP2, says, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ],
    )
    os.close(says)
    os.close(log)
    with os.fdopen(said) as reading:
        answer = reading.read()  # until the keeper closes it: it answers, or it is gone
    if not answer:
        raise ServerFailed(f"The pair of servers did not start:\n{(folder / LOG).read_text()}")


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, how)
        yield


def _lock_when_unused(users: IO[str], linger: int) -> None:
    """Returns with the lock once nobody asked for it for so many seconds."""
    fcntl.flock(users, fcntl.LOCK_EX)
    left = linger
    while left:
        fcntl.flock(users, fcntl.LOCK_UN)
        time.sleep(1)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left -= 1
        except BlockingIOError:
            fcntl.flock(users, fcntl.LOCK_EX)
            left = linger


def main() -> None:
    """Keeps a pair until nobody uses it, then removes everything it made but the logs."""
    folder, linger = Path(sys.argv[1]), int(sys.argv[2])
    directory = Path(tempfile.mkdtemp(prefix="pair-", dir=folder))
    with (folder / USERS).open("a") as users, real_pair(directory, quick=True) as pair:
        fresh = directory / TOLD
        fresh.write_text(json.dumps([(each.uri, each.pid, str(each.log)) for each in pair]))
        fresh.rename(folder / TOLD)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the end of what its starter reads
        _lock_when_unused(users, linger)
        (folder / TOLD).unlink()


if __name__ == "__main__":
    main()
