"""What proves more: why an entity is extra, and the mark of a source by which writes to it are noticed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mismatch", sa.Column("reason", sa.Text()))
    mark = sa.Column("source_mark", sa.Text(), server_default="", nullable=False)
    op.add_column("collection_state", mark)
