"""Ticks of the cut-over checklist, messages to several people about one event, and the kinds of both messages.

A released revision is never edited. It stands on its own, without the tables of today, which may have moved on.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KINDS = (
    *("root", "progress", "reply", "report", "findings", "direct"),
    *("broadcast", "freeze", "thaw", "plan", "checklist"),
)
ONCE = "uq_bot_outbox_migration_id_event_id_kind"
ONCE_EACH = "uq_bot_outbox_migration_id_event_id_kind_recipient"


def number() -> "sa.Column[Any]":
    """A growing key; SQLite grows only what is declared INTEGER."""
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def rebuild(table: str, changed: dict[str, str]) -> None:
    """SQLite cannot change a table's constraints, so the table is made anew from its own text.

    Args:
        table: Which one.
        changed: What a constraint is to be, by its name now.
    """
    made = op.get_bind().execute(
        sa.text("SELECT sql FROM sqlite_master WHERE name = :table"), {"table": table}
    )
    lines = made.scalar_one().splitlines()
    for name, constraint in changed.items():
        at = next(place for place, line in enumerate(lines) if f"CONSTRAINT {name} " in line)
        comma = "," if lines[at].rstrip().endswith(",") else ""
        lines[at] = f"CONSTRAINT {constraint}{comma}"
    indexes = op.get_bind().execute(
        sa.text("SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql > ''"),
        {"table": table},
    )
    again = [sql for (sql,) in indexes]
    for statement in (
        "\n".join(lines).replace(table, f"{table}_new", 1),
        f"INSERT INTO {table}_new SELECT * FROM {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE {table}_new RENAME TO {table}",
        *again,
    ):
        op.execute(statement)


def check(table: str) -> str:
    return f"ck_{table}_kind"


def upgrade() -> None:
    allowed = f"kind IN ({', '.join(repr(kind) for kind in KINDS)})"
    columns = ["migration_id", "event_id", "kind", "recipient"]
    recipient = sa.Column("recipient", sa.String(32), nullable=False, server_default="")
    op.add_column("bot_outbox", recipient)
    if op.get_bind().dialect.name == "sqlite":
        once_each = f"{ONCE_EACH} UNIQUE ({', '.join(columns)})"
        for table, more in (("bot_posted", {}), ("bot_outbox", {ONCE: once_each})):
            name = check(table)
            rebuild(table, {name: f"{name} CHECK ({allowed})"} | more)
    else:
        for table in ("bot_posted", "bot_outbox"):
            op.drop_constraint(op.f(check(table)), table, type_="check")
            op.create_check_constraint(op.f(check(table)), table, allowed)
        op.drop_constraint(op.f(ONCE), "bot_outbox", type_="unique")
        op.create_unique_constraint(op.f(ONCE_EACH), "bot_outbox", columns)
    op.create_table(
        "bot_tick",
        number(),
        sa.Column("migration_id", sa.String(32), nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("user_id", sa.String(32), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bot_tick"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_bot_tick_migration_id", "bot_tick", ["migration_id"])
