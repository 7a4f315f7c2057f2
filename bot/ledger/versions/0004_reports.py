"""What a report said, beside where it stands: it is edited when it is outdated, and must not say less then.

A released revision is never edited. It stands on its own, without the tables of today, which may have moved on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    content = sa.Column("content", sa.Text(), nullable=False, server_default="")
    op.add_column("bot_posted", content)
