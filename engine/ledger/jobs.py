"""The list of jobs in pages that stand still: newest first, each page begins below a job that was named, whatever is new since.

It only reads. What a filter means to people, and who may see what, is not decided here.
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import JSON, ColumnElement, cast, func, type_coerce
from sqlmodel import Session, col, select

from engine.ledger.database import Database
from engine.ledger.records import migration_of, normal_id
from engine.ledger.tables import MigrationRow
from engine.lifecycle import Status
from engine.model import Migration


class JobFilter(NamedTuple):
    """Which jobs are wanted; what is left empty leaves none out.

    Attributes:
        statuses: Only those.
        requester: Only this person's.
        target: Only those that write to the cluster of this name.
    """

    statuses: Collection[Status] = ()
    requester: str = ""
    target: str = ""


class JobsPage(NamedTuple):
    """One page.

    Attributes:
        migrations: Newest first.
        newer: How many wanted jobs are newer than these.
        total: How many there are in all.
    """

    migrations: tuple[Migration, ...]
    newer: int
    total: int

    @property
    def older(self) -> int:
        """How many wanted jobs are older than these."""
        return self.total - self.newer - len(self.migrations)


class Jobs(Database):
    """The ledger's methods about the list of jobs."""

    def jobs(self, wanted: JobFilter, *, limit: int, before: str = "") -> JobsPage:
        """The page of jobs that are older than `before`; the first page where there is no such job, or none is named."""
        with self._read() as session:
            conditions = _conditions(session, wanted)
            total = _count(session, conditions)
            number = _number(session, before)
            older = [] if number is None else [col(MigrationRow.number) < number]
            below = _count(session, (*conditions, *older)) if older else total
            query = select(MigrationRow).where(*conditions, *older)
            rows = session.exec(query.order_by(col(MigrationRow.number).desc()).limit(limit))
            found = tuple(migration_of(row, listed=True) for row in rows)
        return JobsPage(found, total - below, total)

    def page_above(self, wanted: JobFilter, *, limit: int, before: str) -> str:
        """Where the page above the one of `before` begins, as `jobs` takes it; "" when that is the first page."""
        with self._read() as session:
            number = _number(session, before)
            if number is None:
                return ""
            newer = col(MigrationRow.number) >= number
            query = select(MigrationRow.id).where(*_conditions(session, wanted), newer)
            upwards = query.order_by(col(MigrationRow.number)).offset(limit).limit(1)
            return session.exec(upwards).first() or ""

    def targets(self, containing: str = "", *, limit: int = 100) -> tuple[str, ...]:
        """The names of the clusters that migrations have written to or are to write to, sorted; those that contain the text."""
        with self._read() as session:
            names = session.exec(select(_target_name(session)).distinct()).all()
        typed = containing.casefold()
        return tuple(sorted(name for name in names if typed in name.casefold()))[:limit]


def _conditions(session: Session, wanted: JobFilter) -> tuple[ColumnElement[bool], ...]:
    found: list[ColumnElement[bool]] = []
    if wanted.statuses:
        found.append(col(MigrationRow.status).in_(wanted.statuses))
    if wanted.requester:
        found.append(col(MigrationRow.requester) == wanted.requester)
    if wanted.target:
        found.append(_target_name(session) == wanted.target)
    return tuple(found)


def _target_name(session: Session) -> ColumnElement[Any]:
    """The target's name inside the stored request: a JSON text, which SQLite reads as it is and PostgreSQL casts."""
    text = col(MigrationRow.request)
    on_postgresql = session.connection().dialect.name == "postgresql"
    request = cast(text, JSON) if on_postgresql else type_coerce(text, JSON)
    name: ColumnElement[Any] = request[("target", "name")].as_string()
    return name


def _number(session: Session, migration_id: str) -> int | None:
    known = select(MigrationRow.number).where(col(MigrationRow.id) == normal_id(migration_id))
    return session.exec(known).first()


def _count(session: Session, conditions: Iterable[ColumnElement[bool]]) -> int:
    return int(
        session.exec(select(func.count()).select_from(MigrationRow).where(*conditions)).one()
    )
