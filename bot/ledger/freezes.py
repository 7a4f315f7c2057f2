"""Freezes in the ledger: at most one is open, and whoever opens or ends it does so in a transaction of acts.

It decides nothing and renders nothing. SQL stays in here.
"""

from pydantic import AwareDatetime
from sqlalchemy import insert, update
from sqlmodel import Session, col, select

from bot.ledger.tables import FreezeRow
from engine.ledger import Transaction
from engine.ledger.database import Database
from engine.model import Record


class Freeze(Record):
    """A time in which nothing starts; `thawed_at` is None while it lasts."""

    id: int
    by: str
    role: str
    reason: str = ""
    at: AwareDatetime
    thawed_by: str | None = None
    thawed_role: str | None = None
    thawed_at: AwareDatetime | None = None


class Freezes(Database):
    """The bot's methods about freezes."""

    def freeze(self, freeze_id: int) -> Freeze | None:
        """A freeze by its id."""
        with self._read() as session:
            row = session.get(FreezeRow, freeze_id)
            return None if row is None else Freeze(**row.model_dump())

    def open_freeze(self, tx: Transaction | None = None) -> Freeze | None:
        """The freeze that lasts, as the transaction sees it, or as it is now."""
        if tx is not None:
            return _open(tx.session)
        with self._read() as session:
            return _open(session)

    def begin_freeze(self, tx: Transaction, by: str, role: str, reason: str) -> int:
        """Begin one, in the transaction that found none open; returns its id."""
        values = {"by": by, "role": role, "reason": reason.replace("\0", ""), "at": tx.now}
        made = tx.session.connection().execute(
            insert(FreezeRow).values(values).returning(col(FreezeRow.id))
        )
        return int(made.scalar_one() or 0)

    def end_freeze(self, tx: Transaction, freeze_id: int, by: str, role: str) -> None:
        """End one, in the transaction that found it open."""
        change = update(FreezeRow).where(col(FreezeRow.id) == freeze_id)
        tx.session.connection().execute(
            change.values(thawed_by=by, thawed_role=role, thawed_at=tx.now)
        )


def _open(session: Session) -> Freeze | None:
    query = select(FreezeRow).where(col(FreezeRow.thawed_at).is_(None)).limit(1)
    row = session.exec(query.execution_options(populate_existing=True)).first()
    return None if row is None else Freeze(**row.model_dump())
