"""A worker in this process whose ledger fails for a while, as on a bad disk, whichever statement that hits."""

import itertools
import sqlite3
import threading

import psycopg
from sqlalchemy import event

import engine
from engine.errors import FerryError, StopWork
from engine.ledger import Ledger
from engine.model import Secrets
from tests.crash.workers import LEASE_SECONDS, SQLITE

HANG_SECONDS = 90


def work_through_an_outage(
    url: str, migration_id: str, statements: range, chunk_bytes: int
) -> BaseException | None:
    """Works on a migration while the ledger fails at these statements, counted from 1 over all threads; returns how it failed."""
    numbers = itertools.count(1)
    failures: list[BaseException] = []
    failure = sqlite3.OperationalError if url.startswith(SQLITE) else psycopg.OperationalError

    def fail(*_: object) -> None:
        if next(numbers) in statements:
            raise failure("disk I/O error")

    with Ledger.open(url) as ledger:
        event.listen(ledger.engine, "do_execute", fail)

        def work() -> None:
            try:
                engine.work(
                    ledger,
                    migration_id,
                    Secrets(),
                    stop=threading.Event(),
                    chunk_bytes=chunk_bytes,
                    lease_seconds=LEASE_SECONDS,
                )
            except (FerryError, StopWork) as ended:
                failures.append(ended)

        working = threading.Thread(target=work)
        working.start()
        working.join(HANG_SECONDS)
        assert not working.is_alive(), "a worker hangs"
    return failures[0] if failures else None
