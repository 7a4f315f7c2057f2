"""The test's side of `forkserver.py`: starts programs, and tells how each of them ended."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from bot.demo.clusters import Server, free_ports, lite_arguments

END_SECONDS = 100
"""A program that takes longer hangs."""


@dataclass
class Fork:
    """One process, as `subprocess.Popen` shows it; `log` has what it wrote."""

    log: Path
    stderr: IO[bytes] | None = None
    _pid: "Future[int]" = field(default_factory=Future)
    _status: "Future[int]" = field(default_factory=Future)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._pid.result(END_SECONDS)

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._status.result() if self._status.done() else None

    def wait(self, timeout: float | None = END_SECONDS) -> int:
        """Its exit status, once it has ended; TimeoutExpired otherwise."""
        try:
            return self._status.result(timeout)
        except TimeoutError:
            raise subprocess.TimeoutExpired(str(self.log), timeout or 0) from None

    def send_signal(self, number: signal.Signals) -> None:
        """Sends it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended a moment ago; `Popen` forgives that too
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Sends it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Sends it SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def told(self, key: str, value: int) -> None:
        """Takes what the server says of it: its `pid`, its `status`."""
        (self._pid if key == "pid" else self._status).set_result(value)


class Forks:
    """One fork server; several threads may use it. What still runs when it is left is killed."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._started: dict[int, Fork] = {}
        self._lock = threading.Lock()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.beds.forkserver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches pytest, which then closes in order
        )
        self._listener = threading.Thread(target=self._listen, name="forks")

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.communicate()
        self._listener.join()

    def start(
        self,
        module: str,
        *arguments: str,
        log: Path,
        stdin: Path = Path(os.devnull),
        stdout: Path | None = None,
        **environment: str,
    ) -> Fork:
        """Starts `main()` of a module in a process of its own; returns at once.

        Args:
            module: Its name.
            arguments: What `sys.argv` holds after it.
            log: The file that takes its standard error.
            stdin: What it reads.
            stdout: Where it prints; None is the log.
            environment: Added to this process's.
        """
        number = next(self._numbers)
        fork = Fork(log)
        order = {
            "id": number,
            "module": module,
            "arguments": arguments,
            "environment": environment,
            "log": str(log),
            "stdin": str(stdin),
            "stdout": str(stdout or log),
        }
        assert self._server.stdin is not None
        with self._lock:
            self._started[number] = fork
            self._server.stdin.write(json.dumps(order) + "\n")
            self._server.stdin.flush()
        return fork

    def lite(self, data: Path, *, log: Path, port: int | None = None) -> Server:
        """As `bot.demo.clusters.start_lite`: a Milvus Lite server, not ready before `Server.wait`."""
        arguments = lite_arguments(data, port := port or free_ports(1)[0])
        return Server(
            lambda: self.start("milvus_lite.cmdline", *arguments, log=log), ports=[port], log=log
        )

    def _listen(self) -> None:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            answer = json.loads(line)
            fork = self._started[answer.pop("id")]
            for key, value in answer.items():
                fork.told(key, value)
