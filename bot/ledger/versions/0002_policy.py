"""Freezes, approvals that were forced, and the messages about both.

A released revision is never edited. It stands on its own, without the tables of today, which may have moved on.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORDS = {
    ("bot_decision", "verdict"): ("approved", "rejected", "forced"),
    ("bot_posted", "kind"): (
        *("root", "progress", "reply", "report", "findings", "direct"),
        *("broadcast", "freeze", "thaw"),
    ),
    ("bot_outbox", "kind"): (
        *("root", "progress", "reply", "report", "findings", "direct"),
        *("broadcast", "freeze", "thaw"),
    ),
}


def number() -> "sa.Column[Any]":
    """A growing key; SQLite grows only what is declared INTEGER."""
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def allow(table: str, column: str, values: tuple[str, ...]) -> None:
    """Let a column hold these words. SQLite cannot change a table's check, so the table is made anew from its own text."""
    name = f"ck_{table}_{column}"
    check = f"{column} IN ({', '.join(repr(value) for value in values)})"
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(op.f(name), table, type_="check")
        op.create_check_constraint(op.f(name), table, check)
        return
    made = op.get_bind().execute(
        sa.text("SELECT sql FROM sqlite_master WHERE name = :table"), {"table": table}
    )
    lines = made.scalar_one().splitlines()
    at = next(place for place, line in enumerate(lines) if name in line)
    comma = "," if lines[at].rstrip().endswith(",") else ""
    lines[at] = f"CONSTRAINT {name} CHECK ({check}){comma}"
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


def upgrade() -> None:
    for (table, column), values in WORDS.items():
        allow(table, column, values)
    op.create_table(
        "bot_freeze",
        number(),
        sa.Column("by", sa.String(32), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("thawed_by", sa.String(32), nullable=True),
        sa.Column("thawed_role", sa.Text(), nullable=True),
        sa.Column("thawed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_bot_freeze"),
        sqlite_autoincrement=True,
    )
