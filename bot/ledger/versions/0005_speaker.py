"""Which of several bots posts to Slack, and when a thread was told that a message of it is not delivered.

A released revision is never edited. It stands on its own, without the tables of today, which may have moved on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    speaker = sa.Column("speaker", sa.Text(), nullable=False, server_default="")
    beat = sa.Column("beat", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("bot_place", speaker)
    op.add_column("bot_place", beat)
    said = sa.Column("said_at", sa.DateTime(timezone=True), nullable=True)
    op.add_column("bot_outbox", said)
