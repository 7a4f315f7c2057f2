"""Counts what a ledger is asked: statements, and rows of a table that were made into objects."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from engine.ledger import Ledger


@contextmanager
def rows_read(*tables: type) -> Iterator[Counter[str]]:
    """How many rows of these tables are read while the block runs, by table."""
    read: Counter[str] = Counter()

    def loaded(row: object, *_: object) -> None:
        read[type(row).__name__] += 1

    for table in tables:
        event.listen(table, "load", loaded)
    try:
        yield read
    finally:
        for table in tables:
            event.remove(table, "load", loaded)


@contextmanager
def statements(ledger: Ledger) -> Iterator[list[str]]:
    """The statements that a ledger executes while the block runs."""
    said: list[str] = []

    def executed(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(ledger.engine, "before_cursor_execute", executed)
    try:
        yield said
    finally:
        event.remove(ledger.engine, "before_cursor_execute", executed)
