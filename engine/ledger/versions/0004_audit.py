"""The audit trail, append-only: rows that carry the hash of the one before, and the head that says which is the last."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FIRST = "0" * 64

POSTGRESQL = (
    """CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END $$""",
    """CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()""",
)
SQLITE = tuple(
    f"""CREATE TRIGGER audit_append_only_{word.lower()} BEFORE {word} ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"""
    for word in ("UPDATE", "DELETE")
)


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("actor", "role")),
        sa.Column("act", sa.String(64), nullable=False),
        sa.Column("migration_id", sa.String(32), nullable=False),
        sa.Column("plan_hash", sa.String(64), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("outcome", "details")),
        *(sa.Column(name, sa.String(64), nullable=False) for name in ("previous", "hash")),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )
    op.create_index("ix_audit_migration_id", "audit", ["migration_id"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.bulk_insert(head, [{"id": 1, "number": 0, "hash": FIRST}])
    statements = SQLITE if op.get_context().dialect.name == "sqlite" else POSTGRESQL
    for statement in statements:
        op.execute(statement)
