"""Starts Milvus servers as child processes of this one, and ends them with it.

It knows processes, ports and log files, nothing of what the servers hold; `engine/milvus/sample.py` fills them.
"""

import contextlib
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.milvus.sample import answers

START_SECONDS = 90
"""How long a server may take to answer its first call; a busy 2-core machine needs 20 s for a real Milvus."""

LOG_TAIL = 2_000
"""How many characters of a server's log an error shows."""


class ServerFailed(RuntimeError):
    """A server ended, or did not answer in time; the message holds the end of its log."""


PORTS = range(20_000, 27_000)
"""Outside the range that systems use for outgoing connections."""


def free_ports(count: int, among: Sequence[int] = PORTS) -> list[int]:
    """Picks different ports that nothing listens on."""
    ports: set[int] = set()
    while len(ports) < count:
        candidate = random.SystemRandom().choice(among)
        if is_free(candidate):
            ports.add(candidate)
    return list(ports)


def is_free(port: int) -> bool:
    """Whether nothing listens on the port of this machine, and no `Server` has claimed it."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            _claimed(port).close()
        except OSError:
            return False
    return True


def _claimed(port: int) -> socket.socket:
    """A UDP socket of the number of a TCP port: while it is open, nobody else who starts a `Server` takes that port.

    A server listens only seconds after its port was chosen.

    Raises:
        OSError: Another one has claimed it.
    """
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        claim.bind(("127.0.0.1", port))
    except OSError:
        claim.close()
        raise
    return claim


class Server:
    """One server process; `close` (or leaving its `with`) kills it and waits until it is gone.

    It is killed, not asked: its data belongs to a test or a demo and goes with it.

    Args:
        command: What to run.
        port: Where it will serve gRPC, on 127.0.0.1.
        log: The file that takes what it prints.
        env: Its environment; None means this process's.
        directory: Its working directory.

    Raises:
        ServerFailed: Something listens on the port. Two gRPC servers would share it without an error, each getting some calls.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        log: Path,
        env: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        if not is_free(port):
            raise ServerFailed(f"Port {port} is in use by another process; nothing was started.")
        self.port = port
        self.log = log
        self._claim = _claimed(port)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*_dies_with_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=directory,
                start_new_session=True,  # Ctrl-C reaches the caller, who then closes in order
            )

    @property
    def uri(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The server's process id, for CPU accounting."""
        return self._process.pid

    def wait(self, timeout_seconds: float = START_SECONDS) -> Self:
        """Returns once the server answers a real call.

        Raises:
            ServerFailed: It ended before, or the time is over.
        """
        if not answers(self.uri, timeout_seconds, alive=lambda: self._process.poll() is None):
            ended = self._process.poll()
            how = f"ended with {ended}" if ended is not None else "did not answer in time"
            tail = self.log.read_text(errors="replace")[-LOG_TAIL:]
            raise ServerFailed(f"The server on port {self.port} {how}. Its log ends:\n{tail}")
        return self

    def close(self) -> None:
        """Kills the server and waits until it is gone; a second call does nothing."""
        self._process.kill()
        self._process.wait()
        self._claim.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def start_lite(data: Path, *, log: Path, port: int | None = None) -> Server:
    """Starts `milvus-lite server` over a data directory (made if it is not there); it is not ready before `Server.wait`."""
    port = port or free_ports(1)[0]
    command = [sys.executable, "-m", "milvus_lite", "server"]
    where = ["--data-dir", str(data), "--host", "127.0.0.1", "--port", str(port)]
    return Server([*command, *where], port=port, log=log)


@contextlib.contextmanager
def lite_pair(directory: Path) -> Iterator[tuple[Server, Server]]:
    """Two Milvus Lite servers, source and target, with their data and logs under `directory`; both answer when it yields."""
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(start_lite(directory / name, log=directory / f"{name}.log"))
            for name in ("source", "target")
        ]
        source, target = (server.wait() for server in servers)
        yield source, target


def _dies_with_parent() -> list[str]:
    """A command prefix by which the system ends the child when this process is killed; empty where there is none."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
