"""Empty ledgers as copies of one: their revisions take 0.1 to 0.2 s of CPU, and hundreds of tests want a new ledger.

What the revisions themselves do is tested in `tests/ledger/test_database.py`, on ledgers that are made by them.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, event, make_url

from bot.ledger import BotLedger
from engine.ledger import Ledger

_SQLITE = "sqlite:///"
_recorded: dict[bool, str] = {}
"""Whether the bot's tables are there: what has to be executed in an empty place on PostgreSQL."""


def put(url: str, *, with_bot: bool = False) -> str:
    """Makes the ledger of a URL, a file that is not there or an empty place on PostgreSQL; returns the URL."""
    if url.startswith(_SQLITE):
        Path(url.removeprefix(_SQLITE)).write_bytes(_made(with_bot=with_bot))
    elif with_bot in _recorded:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_recorded[with_bot].encode())
    else:
        with _recording(url) as statements:
            _make(url, with_bot=with_bot)
        _recorded[with_bot] = ";\n".join(statements)
    return url


@cache
def _made(*, with_bot: bool) -> bytes:
    with tempfile.TemporaryDirectory(prefix="ferry-ledger-") as folder:
        path = Path(folder) / "ferry.db"
        _make(f"{_SQLITE}{path}", with_bot=with_bot)
        return path.read_bytes()


def _make(url: str, *, with_bot: bool) -> None:
    with Ledger.open(url) as ledger:
        if with_bot:
            BotLedger(ledger)


@contextmanager
def _recording(url: str) -> Iterator[list[str]]:
    """What changes that database while the block runs, as text."""
    statements: list[str] = []
    place = make_url(url).query

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if connection.engine.url.query == place and not statement.lstrip().startswith("SELECT"):
            writing = psycopg.ClientCursor(cursor.connection)
            statements.append(writing.mogrify(statement, parameters or None))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
