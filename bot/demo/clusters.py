"""Starts Milvus servers as child processes of this one, and ends them with it.

It knows processes, ports and log files, nothing of what the servers hold; `engine/milvus/sample.py` fills them.
"""

import contextlib
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

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


class Process(Protocol):
    """What a server needs of its process: a `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""

    def kill(self) -> None:
        """Ends it."""

    def wait(self) -> int:
        """Its exit status, once it has ended."""


class Server:
    """One server process; `close` (or leaving its `with`) kills it and waits until it is gone.

    It is killed, not asked: its data belongs to a test or a demo and goes with it.

    Args:
        start: Starts the process.
        ports: Where it will listen on 127.0.0.1, first where it serves gRPC.
        log: The file that takes what it prints.

    Raises:
        ServerFailed: Something listens on one of the ports. Two gRPC servers would share it without an error, each getting some
            calls.
    """

    def __init__(self, start: Callable[[], Process], *, ports: Sequence[int], log: Path) -> None:
        self.port = ports[0]
        self.log = log
        with contextlib.ExitStack() as claims:
            for port in ports:
                if not is_free(port):
                    raise ServerFailed(
                        f"Port {port} is in use by another process; nothing was started."
                    )
                claims.enter_context(_claimed(port))
            self._process = start()
            self._claims = claims.pop_all()

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
        self._claims.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def spawned(
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Process:
    """Starts a command that ends with this process.

    Args:
        command: What to run.
        log: The file that takes what it prints.
        env: Its environment; None means this process's.
        directory: Its working directory.
    """
    with log.open("wb") as output:
        return subprocess.Popen(
            [*_dies_with_parent(), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=directory,
            start_new_session=True,  # Ctrl-C reaches the caller, who then closes in order
        )


def lite_arguments(data: Path, port: int) -> list[str]:
    """What `milvus-lite` is started with to serve a data directory, which it makes if it is not there."""
    return ["server", "--data-dir", str(data), "--host", "127.0.0.1", "--port", str(port)]


def start_lite(data: Path, *, log: Path, port: int | None = None) -> Server:
    """Starts a Milvus Lite server over a data directory; it is not ready before `Server.wait`."""
    port = port or free_ports(1)[0]
    command = [sys.executable, "-m", "milvus_lite", *lite_arguments(data, port)]
    return Server(lambda: spawned(command, log=log), ports=[port], log=log)


@contextlib.contextmanager
def lite_pair(
    directory: Path, start: Callable[..., Server] = start_lite
) -> Iterator[tuple[Server, Server]]:
    """Two Milvus Lite servers, source and target, with their data and logs under `directory`; both answer when it yields."""
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(start(directory / name, log=directory / f"{name}.log"))
            for name in ("source", "target")
        ]
        source, target = (server.wait() for server in servers)
        yield source, target


def _dies_with_parent() -> list[str]:
    """A command prefix by which the system ends the child when this process is killed; empty where there is none."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
