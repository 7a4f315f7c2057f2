"""Which collections were handed over with everything that comes last, and how the target's were found when they were read again.

The collections of a migration that has ended successfully before this revision were handed over.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("collection_state", sa.Column("target_was_loaded", sa.Boolean()))
    op.add_column(
        "collection_state",
        sa.Column("handed_over", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    states = sa.table("collection_state", sa.column("migration_id"), sa.column("handed_over"))
    events = sa.table("event", sa.column("migration_id"), sa.column("name"))
    succeeded = sa.select(events.c.migration_id).where(events.c.name == "succeed")
    done = sa.update(states).where(states.c.migration_id.in_(succeeded))
    op.execute(done.values(handed_over=sa.true()))
