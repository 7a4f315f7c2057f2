"""Which receipts are known not to tell what the source holds, and how many entities of each source shared a key when its chunks were planned.

What was found different before this revision is compared with the source from now on; of what older versions planned nobody knows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("collection_state", sa.Column("source_surplus", sa.BigInteger()))
    op.add_column(
        "chunk", sa.Column("doubted", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    chunks = sa.table("chunk", sa.column("verified"), sa.column("doubted"))
    different = sa.update(chunks).where(chunks.c.verified.is_(sa.false()))
    op.execute(different.values(doubted=sa.true()))
