"""How many keys were read of each collection when its chunks were planned: a released one is planned by its server's statistics."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("collection_state", sa.Column("entities", sa.BigInteger()))
