"""Albums.

Revision 0005: two tables more. It serves every program that knows 0002.
"""
# ruff: noqa: INP001 (a folder that Alembic reads, not a package)

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "albums",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("api_key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_folded", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("cover", NUMBER),
        sa.Column("sort", sa.Text, nullable=False),
        sa.Column("privacy", sa.Text, nullable=False),
        sa.Column("password", sa.LargeBinary),
        sa.Column("edit_token_hash", sa.LargeBinary),
        sa.PrimaryKeyConstraint("number", name="albums_pk"),
        sa.UniqueConstraint("id", name="albums_id_unique"),
        sa.ForeignKeyConstraint(["cover"], ["images.number"], name="albums_cover_fk", ondelete="SET NULL"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "album_pictures",
        sa.Column("album", NUMBER, nullable=False),
        sa.Column("image", NUMBER, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("album", "image", name="album_pictures_pk"),
        sa.ForeignKeyConstraint(["album"], ["albums.number"], name="album_pictures_album_fk", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["image"], ["images.number"], name="album_pictures_image_fk", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    _create_indexes()
    op.execute("INSERT INTO schema_revisions (revision, oldest_program) VALUES ('0005', '0002')")


def _create_indexes() -> None:
    op.create_index("albums_cover", "albums", ["cover"])
    names = sa.text("edit_token_hash IS NULL")
    op.create_index(
        "albums_name",
        "albums",
        ["api_key", "name_folded"],
        unique=True,
        sqlite_where=names,
        postgresql_where=names,
    )
    op.create_index("albums_api_key", "albums", ["api_key", "created", "number"])
    ending = sa.text("expires IS NOT NULL")
    op.create_index("albums_expires", "albums", ["expires"], sqlite_where=ending, postgresql_where=ending)
    op.create_index("album_pictures_image", "album_pictures", ["image"])
    op.create_index("album_pictures_position", "album_pictures", ["album", "position", "image"])
