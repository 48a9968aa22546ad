"""The trail of what owners did, and the sessions of owners that were ended. Programs of schema 0002 stay served."""
# ruff: noqa: INP001 (a folder that Alembic reads, not a package)

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "trail",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("deed", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger),
        sa.PrimaryKeyConstraint("number", name="trail_pk"),
        sqlite_autoincrement=True,
    )
    op.create_index("trail_created", "trail", ["created"])
    op.create_table(
        "ended_sessions",
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("began_before", sa.BigInteger, nullable=False),
        sa.Column("kept_until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="ended_sessions_pk"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO schema_revisions (revision, oldest_program) VALUES ('0004', '0002')")
