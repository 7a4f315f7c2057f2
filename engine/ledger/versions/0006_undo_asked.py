"""An undo that is asked for and waits for a worker, and where the migration stands if it is not done.

SQLite cannot change a check, so both tables are made anew there, with their rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
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
    "paused",
    "undo_asked",
    "undoing",
    "undone",
)

COLUMNS = {"migration": ("status", "stood"), "event": ("from_status", "to_status")}
"""What holds a state, by table."""


def upgrade() -> None:
    op.add_column("migration", sa.Column("stood", sa.String(32)))
    kept = {"sqlite_autoincrement": True}
    for table, columns in COLUMNS.items():
        with op.batch_alter_table(table, table_kwargs=kept) as batch:
            for column in columns:
                name = op.f(f"ck_{table}_{column}")
                if op.get_context().dialect.name != "sqlite" and column != "stood":
                    batch.drop_constraint(name, type_="check")
                batch.create_check_constraint(name, sa.column(column).in_(STATUSES))
