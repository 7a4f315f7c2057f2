"""The operator's throttle of a migration, why it is slower than it could be, and the entities that the target refused."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("migration", sa.Column("throttle", sa.Text()))
    op.add_column("migration", sa.Column("slowed", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "set_aside",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("migration_id", sa.String(32), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("chunk_id", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("pk", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_set_aside"),
        sa.ForeignKeyConstraint(
            ["migration_id"], ["migration.id"], name="fk_set_aside_migration_id"
        ),
        sa.ForeignKeyConstraint(
            ["chunk_id"], ["chunk.id"], name="fk_set_aside_chunk_id", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_set_aside_migration_id_collection", "set_aside", ["migration_id", "collection"])
    op.create_index("ix_set_aside_chunk_id", "set_aside", ["chunk_id"])
