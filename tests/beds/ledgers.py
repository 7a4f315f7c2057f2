"""Empty ledgers on SQLite as copies of one: its revisions take 0.1 s of CPU, and hundreds of tests want a new ledger.

What the revisions themselves do is tested in `tests/ledger/test_database.py`, on ledgers that are made by them.
"""

import tempfile
from functools import cache
from pathlib import Path

from bot.ledger import BotLedger
from engine.ledger import Ledger


def put(url: str, *, with_bot: bool = False) -> str:
    """Makes the ledger of a `sqlite:///…` URL; one on PostgreSQL is left to be made. Returns the URL."""
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).write_bytes(_made(with_bot=with_bot))
    return url


@cache
def _made(*, with_bot: bool) -> bytes:
    with tempfile.TemporaryDirectory(prefix="ferry-ledger-") as folder:
        path = Path(folder) / "ferry.db"
        with Ledger.open(f"sqlite:///{path}") as ledger:
            if with_bot:
                BotLedger(ledger)
        return path.read_bytes()
