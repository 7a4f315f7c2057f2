"""Indexes for many events and many findings of one migration: each is found without reading the others."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    changed = sa.text("to_status IS NOT NULL")
    op.create_index(
        "ix_event_change",
        "event",
        ["migration_id", "id"],
        sqlite_where=changed,
        postgresql_where=changed,
    )
    op.create_index("ix_event_migration_id_name_id", "event", ["migration_id", "name", "id"])
    op.create_index("ix_event_migration_id_id", "event", ["migration_id", "id"])
    op.drop_index("ix_event_migration_id", "event")
    op.create_index("ix_mismatch_migration_id_id", "mismatch", ["migration_id", "id"])
