"""How far a migration is, and what its chunks add up to; it only reads.

The database sums a million chunks up in half a second; read one by one they take half a minute, in which nobody hears a cancel.
What is asked each half second stands in the collections' rows (`counts.py`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, bindparam, case, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from engine.ledger.database import Database
from engine.ledger.records import chunk_of, migration_of
from engine.ledger.repeatable import repeatable
from engine.ledger.tables import ChunkRow, CollectionRow, SetAsideRow
from engine.ledger.transitions import load
from engine.model import Chunk, ChunkSums, CollectionProgress, Migration, Progress

RECENT_SECONDS: Final = 60.0
"""Over how long the rate of a copy is taken."""

_STORED = (
    select_columns(col(ChunkRow.collection), func.sum(col(ChunkRow.entities)))
    .where(col(ChunkRow.migration_id) == bindparam("of"))
    .group_by(col(ChunkRow.collection))
    .order_by(func.min(col(ChunkRow.id)))
)
_AFTER = (
    col(ChunkRow.migration_id) == bindparam("of"),
    col(ChunkRow.copied_at) > bindparam("since"),
)
_FIRST_COPIED = select(func.min(ChunkRow.copied_at)).where(*_AFTER)
_COPIED = select(func.coalesce(func.sum(ChunkRow.copied_entities), 0)).where(*_AFTER)
_STATES: Any = select_columns(
    col(CollectionRow.name),
    col(CollectionRow.phase),
    col(CollectionRow.copy_seconds),
    col(CollectionRow.entities),
    col(CollectionRow.copied),
    col(CollectionRow.copied_bytes),
    col(CollectionRow.proved),
).where(col(CollectionRow.migration_id) == bindparam("of"))
_OF_COLLECTION = (
    col(ChunkRow.migration_id) == bindparam("of"),
    col(ChunkRow.collection) == bindparam("its_name"),
)
_DOUBTFUL = col(ChunkRow.attempted) & col(ChunkRow.digest).is_(None)
_CHUNK_SUMS = select_columns(
    func.count(),
    func.coalesce(func.sum(col(ChunkRow.entities)), 0),
    func.coalesce(func.sum(case((col(ChunkRow.attempted), 1), else_=0)), 0),
    func.coalesce(func.sum(col(ChunkRow.copied_entities)), 0),
    func.coalesce(func.sum(case((_DOUBTFUL, 1), else_=0)), 0),
    func.coalesce(func.sum(case((_DOUBTFUL, col(ChunkRow.entities)), else_=0)), 0),
).where(*_OF_COLLECTION)
_REFUSED = select(SetAsideRow.id).where(col(SetAsideRow.chunk_id) == col(ChunkRow.id))
_TAKEN = (
    select(ChunkRow)
    .where(*_OF_COLLECTION, col(ChunkRow.copied_entities) > 0, col(ChunkRow.upper).is_not(None))
    .where(~_REFUSED.exists())
    .order_by(col(ChunkRow.ordinal))
    .limit(1)
)


class Totals(Database):
    """The ledger's methods that add up."""

    def totals(self, migration_id: str) -> Progress:
        """How far the migration is, summed up by the database.

        Collections come in the order of the plan; before there is a plan, those with chunks. `verified` counts the entities of
        chunks that were found equal, no others. Raises InputRejected if there is no such migration.
        """
        with self._read() as session:
            row = load(session, migration_id)
            migration = migration_of(row, listed=True)
            planned = _planned(session, migration)
            recent = _recent(session, migration.id, self._clock())
            states = _states(session, migration.id)
        collections = tuple(
            CollectionProgress(
                name=name,
                entities=_found(states.get(name), planned=entities),
                copied=states[name].copied if name in states else 0,
                verified=states[name].proved if name in states else 0,
                phase=states[name].phase if name in states else "waiting",
            )
            for name, entities in planned
        )
        return Progress(
            phase=migration.phase,
            entities=sum(each.entities for each in collections),
            copied=sum(each.copied for each in collections),
            verified=sum(each.verified for each in collections),
            bytes=sum(state.copied_bytes for state in states.values()),
            seconds=sum(state.copy_seconds for state in states.values()),
            recent_entities=recent[0],
            recent_seconds=recent[1],
            slowed=row.slowed,
            collections=collections,
        )

    @repeatable
    def chunk_sums(self, migration_id: str, collection: str) -> ChunkSums:
        """What the chunks of a collection add up to."""
        with self._reading() as connection:
            given = {"of": migration_id, "its_name": collection}
            found = map(int, connection.execute(_CHUNK_SUMS, given).one())
        return ChunkSums(**dict(zip(ChunkSums.model_fields, found, strict=True)))

    @repeatable
    def taken_chunk(self, migration_id: str, collection: str) -> Chunk | None:
        """The first chunk of which the target took every entity, and whose last key is known; None where there is none."""
        with self._read() as session:
            given = {"of": migration_id, "its_name": collection}
            row = session.exec(_TAKEN, params=given).first()
            return None if row is None else chunk_of(row)

    @repeatable
    def chunks_at(
        self, migration_id: str, collection: str, ordinals: Sequence[int]
    ) -> tuple[Chunk, ...]:
        """A few chunks of a collection, in the order of `ordinals`; what there is none of is left out."""
        query = select(ChunkRow).where(*_OF_COLLECTION, col(ChunkRow.ordinal).in_(ordinals))
        with self._read() as session:
            given = {"of": migration_id, "its_name": collection}
            found = {row.ordinal: chunk_of(row) for row in session.exec(query, params=given)}
        return tuple(found[each] for each in ordinals if each in found)


def _found(state: Row[Any] | None, *, planned: int) -> int:
    """The entities of a collection: those whose keys were read, until then those of the plan, maybe a server's statistics."""
    return planned if state is None or state.entities is None else int(state.entities)


def _planned(session: Session, migration: Migration) -> list[tuple[str, int]]:
    if migration.plan is not None:
        return [(each.name, each.entities) for each in migration.plan.collections]
    stored = session.connection().execute(_STORED, {"of": migration.id})
    return [(name, int(entities)) for name, entities in stored]


def _recent(session: Session, migration_id: str, now: datetime) -> tuple[int, float]:
    """What was copied after the first receipt of the last minute, and how long ago that one was."""
    since = now - timedelta(seconds=RECENT_SECONDS)
    first = session.exec(_FIRST_COPIED, params={"of": migration_id, "since": since}).one()
    if first is None:
        return 0, 0.0
    after = session.exec(_COPIED, params={"of": migration_id, "since": first}).one()
    return int(after or 0), max(0.0, (now - first).total_seconds())


def _states(session: Session, migration_id: str) -> dict[str, Row[Any]]:
    found = session.connection().execute(_STATES, {"of": migration_id})
    return {row.name: row for row in found}
