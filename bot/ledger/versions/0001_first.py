"""The bot's tables as they first were: decisions, messages, outbox, inbox and the narrator's place.

A released revision is never edited. It stands on its own, without the tables of today, which may have moved on.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KINDS = ("root", "progress", "reply", "report", "findings", "direct")
VERDICTS = ("approved", "rejected")
DELIVERIES = ("pending", "sent", "superseded", "dropped")


def number() -> "sa.Column[Any]":
    """A growing key; SQLite grows only what is declared INTEGER."""
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def moment(name: str, *, nullable: bool = False) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def word(name: str, length: int = 32) -> "sa.Column[Any]":
    return sa.Column(name, sa.String(length), nullable=False)


def one_of(table: str, name: str, values: tuple[str, ...]) -> "sa.Column[Any]":
    check = op.f(f"ck_{table}_{name}")
    kind = sa.Enum(*values, name=check, native_enum=False, create_constraint=True, length=32)
    return sa.Column(name, kind, nullable=False)


def upgrade() -> None:
    op.create_table(
        "bot_decision",
        number(),
        word("migration_id"),
        word("user_id"),
        sa.Column("role", sa.Text(), nullable=False),
        one_of("bot_decision", "verdict", VERDICTS),
        word("plan_hash", 64),
        sa.Column("comment", sa.Text(), nullable=False),
        moment("at"),
        sa.PrimaryKeyConstraint("id", name="pk_bot_decision"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bot_decision_migration_id", "bot_decision", ["migration_id"])
    op.create_table(
        "bot_posted",
        number(),
        word("migration_id"),
        one_of("bot_posted", "kind", KINDS),
        word("channel"),
        word("ts"),
        sa.PrimaryKeyConstraint("id", name="pk_bot_posted"),
        sa.UniqueConstraint("migration_id", "kind", name="uq_bot_posted_migration_id_kind"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "bot_outbox",
        number(),
        word("migration_id"),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        one_of("bot_outbox", "kind", KINDS),
        one_of("bot_outbox", "delivery", DELIVERIES),
        sa.Column("attempts", sa.Integer(), nullable=False),
        moment("not_before", nullable=True),
        moment("created_at"),
        moment("done_at", nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bot_outbox"),
        sa.UniqueConstraint(
            "migration_id", "event_id", "kind", name="uq_bot_outbox_migration_id_event_id_kind"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bot_outbox_delivery", "bot_outbox", ["delivery"])
    op.create_table(
        "bot_inbox",
        word("key", 255),
        word("migration_id"),
        moment("at"),
        sa.PrimaryKeyConstraint("key", name="pk_bot_inbox"),
    )
    op.create_index("ix_bot_inbox_at", "bot_inbox", ["at"])
    op.create_table(
        "bot_place",
        word("reader"),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reader", name="pk_bot_place"),
    )
