"""What the bot's parts of the ledger say to both databases in the same way."""

from collections.abc import Mapping
from functools import cache

from sqlalchemy import Insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session


def insert_new(session: Session, table: type, values: Mapping[str, object]) -> bool:
    """Insert a row unless one with its unique key is there; says whether it was new."""
    connection = session.connection()
    statement = _insert_new(table, connection.dialect.name)
    return connection.execute(statement, dict(values)).rowcount == 1


@cache
def _insert_new(table: type, dialect: str) -> Insert:
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    new: Insert = insert.on_conflict_do_nothing()
    # Without it SQLAlchemy forgets the count of an INSERT on PostgreSQL.
    return new.execution_options(preserve_rowcount=True)
