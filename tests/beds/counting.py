"""Counts what a ledger reads, and tells how its database finds it."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

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
def plans(ledger: Ledger) -> Iterator[list[str]]:
    """The steps in which SQLite carries out each SELECT that a ledger asks of it while the block runs."""
    steps: list[str] = []

    def executed(_: object, cursor: Any, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.startswith("SELECT"):
            explained = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps.extend(str(step[3]) for step in explained)

    event.listen(ledger.engine, "before_cursor_execute", executed)
    try:
        yield steps
    finally:
        event.remove(ledger.engine, "before_cursor_execute", executed)


@contextmanager
def calls(function: Callable[..., Any]) -> Iterator[list[str]]:
    """A name for each time that this thread calls a function of Python while the block runs."""
    called: list[str] = []
    wanted = function.__code__

    def entered(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is wanted:
            called.append(wanted.co_name)

    before = sys.getprofile()
    sys.setprofile(entered)
    try:
        yield called
    finally:
        sys.setprofile(before)
