"""Addresses that pictures had at another host get a table."""
# ruff: noqa: INP001 (a folder that Alembic reads, not a package)

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "old_addresses",
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("image", NUMBER),
        sa.Column("shows", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("path", name="old_addresses_pk"),
        sa.ForeignKeyConstraint(["image"], ["images.number"], name="old_addresses_image_fk", ondelete="SET NULL"),
        sqlite_with_rowid=False,
    )
    op.create_index("old_addresses_image", "old_addresses", ["image"])
    op.execute("INSERT INTO schema_revisions (revision, oldest_program) VALUES ('0006', '0002')")
