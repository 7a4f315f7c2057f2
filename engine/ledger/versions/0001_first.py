"""The ledger as it first was: migrations, their collections, chunks, mismatches and events.

A released revision is never edited. It stands on its own, without the tables of today, which may have moved on.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATUSES = (
    "planning",
    "awaiting_approval",
    "queued",
    "running",
    "successful",
    "mismatched",
    "failed",
    "canceled",
    "rejected",
    "expired",
)


def number(name: str) -> sa.Column[Any]:
    """A growing key; SQLite grows only what is declared INTEGER."""
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def moment(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def one_of(
    name: str, check: str, values: tuple[str, ...], *, nullable: bool = False
) -> sa.Column[Any]:
    kind = sa.Enum(*values, name=op.f(check), native_enum=False, create_constraint=True, length=32)
    return sa.Column(name, kind, nullable=nullable)


def migration_id(table: str) -> tuple[sa.Column[Any], sa.ForeignKeyConstraint]:
    return (
        sa.Column("migration_id", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["migration_id"], ["migration.id"], name=f"fk_{table}_migration_id"
        ),
    )


def upgrade() -> None:
    create_migrations()
    create_collection_states()
    create_chunks()
    create_mismatches()
    create_events()


def create_migrations() -> None:
    op.create_table(
        "migration",
        number("number"),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        one_of("status", "ck_migration_status", STATUSES),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text()),
        moment("created_at", nullable=False),
        moment("started_at"),
        moment("ended_at"),
        moment("due_at"),
        moment("cleared_at"),
        moment("cancel_requested_at"),
        sa.Column("cancel_requested_by", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        moment("lease_expires_at"),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("number", name="pk_migration"),
        sa.UniqueConstraint("id", name="uq_migration_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_migration_identity", "migration", ["identity"])
    op.create_index("ix_migration_status", "migration", ["status"])


def create_collection_states() -> None:
    op.create_table(
        "collection_state",
        number("id"),
        *migration_id("collection_state"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("target_id", sa.BigInteger()),
        sa.Column("source_was_loaded", sa.Boolean()),
        sa.Column("read_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("copy_seconds", sa.Float(), nullable=False),
        sa.Column("report", sa.Text()),
        moment("planned_at"),
        sa.PrimaryKeyConstraint("id", name="pk_collection_state"),
        sa.UniqueConstraint("migration_id", "name", name="uq_collection_state_migration_id_name"),
        sqlite_autoincrement=True,
    )


def create_chunks() -> None:
    op.create_table(
        "chunk",
        number("id"),
        *migration_id("chunk"),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.BigInteger(), nullable=False),
        sa.Column("lower", sa.Text()),
        sa.Column("upper", sa.Text()),
        sa.Column("entities", sa.BigInteger(), nullable=False),
        sa.Column("attempted", sa.Boolean(), nullable=False),
        sa.Column("copied_entities", sa.BigInteger()),
        sa.Column("copied_bytes", sa.BigInteger()),
        sa.Column("digest", sa.String(32)),
        moment("copied_at"),
        sa.Column("verified", sa.Boolean()),
        sa.PrimaryKeyConstraint("id", name="pk_chunk"),
        sa.UniqueConstraint(
            "migration_id",
            "collection",
            "ordinal",
            name="uq_chunk_migration_id_collection_ordinal",
        ),
        sqlite_autoincrement=True,
    )


def create_mismatches() -> None:
    op.create_table(
        "mismatch",
        number("id"),
        *migration_id("mismatch"),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("chunk_id", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("pk", sa.Text(), nullable=False),
        one_of("kind", "ck_mismatch_kind", ("missing", "extra", "different")),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mismatch"),
        sa.ForeignKeyConstraint(
            ["chunk_id"], ["chunk.id"], name="fk_mismatch_chunk_id", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_mismatch_migration_id_collection", "mismatch", ["migration_id", "collection"]
    )
    op.create_index("ix_mismatch_chunk_id", "mismatch", ["chunk_id"])


def create_events() -> None:
    op.create_table(
        "event",
        number("id"),
        *migration_id("event"),
        moment("at", nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        one_of("from_status", "ck_event_from_status", STATUSES, nullable=True),
        one_of("to_status", "ck_event_to_status", STATUSES, nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_migration_id", "event", ["migration_id"])
