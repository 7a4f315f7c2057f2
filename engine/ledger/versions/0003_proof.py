"""What proves more: why an entity is extra."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mismatch", sa.Column("reason", sa.Text()))
