"""How long a proof holds: which chunks that were found the same the next attempt need not read again.

A proof is of the target as it was when the chunk was read, and a count shows no entity that was replaced since. While a migration
is under way its target is left to it, so a proof holds until its end, through kills and restarts: a long verification would never
end otherwise. At its end, however it ended, the target is in people's hands: what goes on after one proves everything anew. And
so does what nobody worked on for longer than `HOLDS`, paused or without a worker: nobody knows any more what happened meanwhile.

The rule is applied when a worker takes the migration, the only place where one attempt follows another.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import update
from sqlmodel import Session, col, select

from engine.ledger.tables import ChunkRow, CollectionRow, EventRow, MigrationRow
from engine.lifecycle import Status, is_terminal

HOLDS: Final = timedelta(minutes=15)
"""How long a migration may rest before what was proved of it is proved again: a restart, not a night."""


def lapsed(session: Session, row: MigrationRow, at: datetime) -> bool:
    """Whether what was proved of a migration has to be proved again by a worker that takes it at `at` (aware)."""
    query = (
        select(EventRow)
        .where(
            col(EventRow.migration_id) == row.id,
            col(EventRow.to_status).is_not(None),
            (col(EventRow.from_status) == Status.RUNNING)
            | (col(EventRow.to_status) == Status.RUNNING),
        )
        .order_by(col(EventRow.id).desc())
        .limit(1)
    )
    last = session.exec(query).first()
    if last is None:
        return False  # it never ran: nothing is proved
    assert last.to_status is not None  # noqa: S101  # the query asks for it, or for a change from one state to another
    # A worker that was lost said last that it lives when it renewed its lease.
    since = row.lease_expires_at or last.at
    return is_terminal(last.to_status) or at - since > HOLDS


def forget(session: Session, migration_id: str) -> None:
    """Makes a migration's chunks that were found the same count as not compared; what differs stays known, to be mended."""
    proved = update(ChunkRow).where(
        col(ChunkRow.migration_id) == migration_id, col(ChunkRow.verified).is_(True)
    )
    counted = update(CollectionRow).where(col(CollectionRow.migration_id) == migration_id)
    session.connection().execute(counted.values(proved=0))
    session.connection().execute(proved.values(verified=None))
