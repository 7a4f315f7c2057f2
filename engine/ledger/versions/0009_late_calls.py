"""Until when calls of lost workers may still be applied, also while another worker holds their migration.

What an older version kept of an attempt that ended is where it was, in `lease_expires_at`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("migration", sa.Column("others_until", sa.DateTime(timezone=True)))
    op.create_index("ix_migration_lease_expires_at", "migration", ["lease_expires_at"])
