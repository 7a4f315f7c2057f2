"""Ticks of cut-over checklists in the ledger: appended in the transaction of the act, never changed; the last of a step counts.

It decides nothing and renders nothing. SQL stays in here.
"""

from pydantic import AwareDatetime
from sqlalchemy import bindparam, insert
from sqlmodel import Session, col, select

from bot.checklist import Step
from bot.ledger.tables import TickRow
from engine.ledger import Transaction
from engine.ledger.database import Database
from engine.model import Record

_TICKS = (
    select(TickRow).where(col(TickRow.migration_id) == bindparam("of")).order_by(col(TickRow.id))
)


class Ticked(Record):
    """Somebody's word that a step was done, or with `done` False that it was not."""

    step: Step
    done: bool
    user_id: str
    role: str
    at: AwareDatetime


class Ticks(Database):
    """The bot's methods about ticks."""

    def tick(
        self,
        tx: Transaction,
        migration_id: str,
        step: Step,
        user_id: str,
        role: str,
        *,
        done: bool,
    ) -> None:
        """Record a tick, or that it was taken back, in the transaction that lets it happen."""
        values: dict[str, object] = {"migration_id": migration_id, "step": step.value, "done": done}
        values |= {"user_id": user_id, "role": role, "at": tx.now}
        tx.session.connection().execute(insert(TickRow).values(values))

    def ticks(self, migration_id: str, tx: Transaction | None = None) -> tuple[Ticked, ...]:
        """The ticks of a migration, oldest first, as the transaction sees them, or as they are now."""
        if tx is not None:
            return _ticks(tx.session, migration_id)
        with self._read() as session:
            return _ticks(session, migration_id)


def _ticks(session: Session, migration_id: str) -> tuple[Ticked, ...]:
    found = session.exec(_TICKS, params={"of": migration_id})
    return tuple(Ticked(**row.model_dump(exclude={"id", "migration_id"})) for row in found)
