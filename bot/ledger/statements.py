"""What the bot's parts of the ledger say to both databases in the same way."""

from collections.abc import Mapping

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session


def insert_new(session: Session, table: type, values: Mapping[str, object]) -> bool:
    """Insert a row unless one with its unique key is there; says whether it was new."""
    connection = session.connection()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    # Without it SQLAlchemy forgets the count of an INSERT on PostgreSQL.
    counted = statement.execution_options(preserve_rowcount=True)
    return connection.execute(counted).rowcount == 1
