"""Whether there may be a ledger at an address, for whoever must not make one by looking."""

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


def database_exists(url: str) -> bool:
    """Whether a database may be there: a file of SQLite that is not is none; a server is not asked, nor a wrong address judged."""
    try:
        place = make_url(url)
    except ArgumentError:
        return True  # who opens it is told what is wrong
    return place.get_backend_name() != "sqlite" or Path(str(place.database)).exists()
