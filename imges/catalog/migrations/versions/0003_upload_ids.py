"""Ids that clients give to their uploads get a table. It only adds, so programs before it go on with the catalog."""
# ruff: noqa: INP001 (a folder that Alembic reads, not a package)

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "upload_ids",
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("removed", sa.Text, nullable=False),
        sa.Column("image", NUMBER),
        sa.PrimaryKeyConstraint("hash", name="upload_ids_pk"),
        sa.ForeignKeyConstraint(["image"], ["images.number"], name="upload_ids_image_fk", ondelete="SET NULL"),
        sqlite_with_rowid=False,
    )
    op.create_index("upload_ids_created", "upload_ids", ["created"])
    op.create_index("upload_ids_image", "upload_ids", ["image"])
    op.execute("INSERT INTO schema_revisions (revision, oldest_program) VALUES ('0003', '0002')")
