"""Which collection of the source was copied, by the source's own id of it; of what older versions copied nobody knows."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("collection_state", sa.Column("source_id", sa.BigInteger()))
