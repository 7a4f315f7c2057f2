"""The ledger's tables, on a MetaData of their own: the bot keeps its tables beside them in the same database.

Rows never leave `engine/ledger/`: `records.py` turns them into the frozen records of `engine/model/`. Nothing here decides
anything. Whoever changes a table writes a revision in `versions/`; a test compares both on SQLite and PostgreSQL.

Two traps are avoided on purpose: an enum column would store its members' names, and SQLModel's table models do not validate; so
every enum column is `stored_enum`, which stores values and refuses others in Python and in the database.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Enum,
    Index,
    Integer,
    MetaData,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from engine.lifecycle import Status
from engine.model import MismatchKind

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of constraints, so that a later revision can name what it changes, on every database."""

BIG_KEY = BigInteger().with_variant(Integer(), "sqlite")
"""A growing key: SQLite grows only what is declared INTEGER, which holds 64 bits there anyway."""

GROWING: dict[str, Any] = {"sqlite_autoincrement": True}
"""Ids are never used twice, also after rows were deleted."""


def stored_enum(enum: type[StrEnum], name: str) -> Enum:
    """An enum column that stores values (not names) and refuses others in Python and in the database."""
    return Enum(
        enum,
        name=name,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        create_constraint=True,
        validate_strings=True,
        length=32,
    )


class LedgerTable(SQLModel, registry=registry(metadata=MetaData(naming_convention=NAMING))):
    """The base of the ledger's tables: its own registry and MetaData."""


class MigrationRow(LedgerTable, table=True):
    """`engine.model.Migration`; `number` orders migrations, `id` is what people type.

    `lease_expires_at` of one that nobody holds, and `others_until` of one that somebody does, say until when calls of workers that
    are gone may still be applied.
    """

    __tablename__ = "migration"
    __table_args__ = (
        Index(None, "identity"),
        Index(None, "status"),
        Index(None, "lease_expires_at"),
        GROWING,
    )

    number: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    id: str = Field(unique=True, max_length=32)
    identity: str = Field(max_length=64)
    request: str = Field(sa_type=Text)
    status: Status = Field(sa_type=stored_enum(Status, "status"))
    phase: str = Field(default="", sa_type=Text)
    requester: str = Field(sa_type=Text)
    reason: str = Field(default="", sa_type=Text)
    plan: str | None = Field(default=None, sa_type=Text)
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None
    cleared_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    cancel_requested_by: str | None = Field(default=None, sa_type=Text)
    pause_requested_at: datetime | None = None
    pause_requested_by: str | None = Field(default=None, sa_type=Text)
    stood: Status | None = Field(default=None, sa_type=stored_enum(Status, "stood"))
    attempts: int = 0
    lease_owner: str | None = Field(default=None, sa_type=Text)
    lease_token: int = Field(default=0, sa_type=BigInteger)
    lease_expires_at: datetime | None = None
    others_until: datetime | None = None
    error: str | None = Field(default=None, sa_type=Text)
    throttle: str | None = Field(default=None, sa_type=Text)
    slowed: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})


class CollectionRow(LedgerTable, table=True):
    """`engine.model.CollectionState`; `planned_at` says that all its chunks are stored, `entities` how many keys these hold.

    `copied`, `copied_bytes` and `proved` (entities) are what its chunks add up to (`counts.py`).
    """

    __tablename__ = "collection_state"
    __table_args__ = (UniqueConstraint("migration_id", "name"), GROWING)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    migration_id: str = Field(foreign_key="migration.id", max_length=32)
    name: str = Field(sa_type=Text)
    phase: str = Field(default="waiting", sa_type=Text)
    target_id: int | None = Field(default=None, sa_type=BigInteger)
    source_was_loaded: bool | None = None
    target_was_loaded: bool | None = None
    read_timestamp: int = Field(default=0, sa_type=BigInteger)
    source_surplus: int | None = Field(default=None, sa_type=BigInteger)
    copy_seconds: float = 0.0
    report: str | None = Field(default=None, sa_type=Text)
    handed_over: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    planned_at: datetime | None = None
    entities: int | None = Field(default=None, sa_type=BigInteger)
    copied: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    copied_bytes: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    proved: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


_COPIED = text("copied_at IS NOT NULL")


class ChunkRow(LedgerTable, table=True):
    """`engine.model.Chunk`; `lower` and `upper` are JSON texts, so that any key survives any database."""

    __tablename__ = "chunk"
    __table_args__ = (
        UniqueConstraint("migration_id", "collection", "ordinal"),
        Index(
            "ix_chunk_copied",
            "migration_id",
            "copied_at",
            sqlite_where=_COPIED,
            postgresql_where=_COPIED,
        ),
        GROWING,
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    migration_id: str = Field(foreign_key="migration.id", max_length=32)
    collection: str = Field(sa_type=Text)
    partition: str = Field(sa_type=Text)
    ordinal: int = Field(sa_type=BigInteger)
    lower: str | None = Field(default=None, sa_type=Text)
    upper: str | None = Field(default=None, sa_type=Text)
    entities: int = Field(sa_type=BigInteger)
    attempted: bool = False
    copied_entities: int | None = Field(default=None, sa_type=BigInteger)
    copied_bytes: int | None = Field(default=None, sa_type=BigInteger)
    digest: str | None = Field(default=None, max_length=32)
    copied_at: datetime | None = None
    verified: bool | None = None
    doubted: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


class MismatchRow(LedgerTable, table=True):
    """`engine.model.Mismatch`; it counts while its chunk's `verified` is False."""

    __tablename__ = "mismatch"
    __table_args__ = (
        Index(None, "migration_id", "collection"),
        Index(None, "migration_id", "id"),
        Index(None, "chunk_id"),
        GROWING,
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    migration_id: str = Field(foreign_key="migration.id", max_length=32)
    collection: str = Field(sa_type=Text)
    chunk_id: int = Field(foreign_key="chunk.id", sa_type=BigInteger, ondelete="CASCADE")
    partition: str = Field(sa_type=Text)
    pk: str = Field(sa_type=Text)
    kind: MismatchKind = Field(sa_type=stored_enum(MismatchKind, "kind"))
    fields: str = Field(default="[]", sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)


class SetAsideRow(LedgerTable, table=True):
    """`engine.model.SetAside`; it counts until its chunk gets another receipt."""

    __tablename__ = "set_aside"
    __table_args__ = (Index(None, "migration_id", "collection"), Index(None, "chunk_id"), GROWING)

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    migration_id: str = Field(foreign_key="migration.id", max_length=32)
    collection: str = Field(sa_type=Text)
    chunk_id: int = Field(foreign_key="chunk.id", sa_type=BigInteger, ondelete="CASCADE")
    partition: str = Field(sa_type=Text)
    pk: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)


_CHANGED = text("to_status IS NOT NULL")


class EventRow(LedgerTable, table=True):
    """`engine.model.Event`: what happened, appended in the transaction that made it happen, never changed.

    A week of waiting notes is forty thousand rows: what is asked of a migration's events finds them by name, or by change of state.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index(None, "migration_id", "id"),
        Index(None, "migration_id", "name", "id"),
        Index(
            "ix_event_change",
            "migration_id",
            "id",
            sqlite_where=_CHANGED,
            postgresql_where=_CHANGED,
        ),
        GROWING,
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_KEY)
    migration_id: str = Field(foreign_key="migration.id", max_length=32)
    at: datetime
    name: str = Field(max_length=64)
    actor: str = Field(sa_type=Text)
    from_status: Status | None = Field(default=None, sa_type=stored_enum(Status, "from_status"))
    to_status: Status | None = Field(default=None, sa_type=stored_enum(Status, "to_status"))
    details: str = Field(default="{}", sa_type=Text)


class AuditRow(LedgerTable, table=True):
    """`engine.ledger.audit.AuditEntry`: appended, never changed, each with the hash of the one before."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "migration_id"),)

    number: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    at: datetime
    actor: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    act: str = Field(max_length=64)
    migration_id: str = Field(max_length=32)
    plan_hash: str = Field(max_length=64)
    outcome: str = Field(sa_type=Text)
    details: str = Field(sa_type=Text)
    previous: str = Field(max_length=64)
    hash: str = Field(max_length=64)


class AuditHeadRow(LedgerTable, table=True):
    """The last row of the audit trail; whoever appends locks it."""

    __tablename__ = "audit_head"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    number: int = Field(sa_type=BigInteger)
    hash: str = Field(max_length=64)
