"""What the chunks of each collection add up to, in the collection's row, and what was copied of late without a look at all chunks."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COUNTS = ("copied", "copied_bytes", "proved")


def upgrade() -> None:
    copied = sa.text("copied_at IS NOT NULL")
    op.create_index(
        "ix_chunk_copied",
        "chunk",
        ["migration_id", "copied_at"],
        sqlite_where=copied,
        postgresql_where=copied,
    )
    for name in COUNTS:
        op.add_column(
            "collection_state",
            sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"),
        )
    states = sa.table(
        "collection_state",
        sa.column("migration_id"),
        sa.column("name"),
        *(sa.column(name, sa.BigInteger()) for name in COUNTS),
    )
    names = ("migration_id", "collection", "copied_entities", "copied_bytes")
    chunks = sa.table("chunk", *map(sa.column, names), sa.column("verified", sa.Boolean()))
    proved = sa.case((chunks.c.verified.is_(sa.true()), chunks.c.copied_entities), else_=0)
    sums = {
        "copied": chunks.c.copied_entities,
        "copied_bytes": chunks.c.copied_bytes,
        "proved": proved,
    }
    of_it = sa.and_(
        chunks.c.migration_id == states.c.migration_id, chunks.c.collection == states.c.name
    )
    summed = {
        name: sa.select(sa.func.coalesce(sa.func.sum(value), 0)).where(of_it).scalar_subquery()
        for name, value in sums.items()
    }
    op.execute(sa.update(states).values(summed))
