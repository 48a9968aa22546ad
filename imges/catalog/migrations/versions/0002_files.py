"""The files of pictures get a table of their own, in the place of three groups of columns in `images`."""
# ruff: noqa: INP001 (a folder that Alembic reads, not a package)

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")

FILL = """
INSERT INTO files (image, version, role, extension, key, media_type, size, md5, width, height, bits, channels, frames)
SELECT number, 1, role, extension,
    CASE role WHEN 'original' THEN original_key WHEN 'thumb' THEN thumb_key ELSE medium_key END,
    media_type,
    CASE role WHEN 'original' THEN original_size WHEN 'thumb' THEN thumb_size ELSE medium_size END,
    CASE role WHEN 'original' THEN original_md5 WHEN 'thumb' THEN thumb_md5 ELSE medium_md5 END,
    CASE role WHEN 'original' THEN original_width WHEN 'thumb' THEN thumb_width ELSE medium_width END,
    CASE role WHEN 'original' THEN original_height WHEN 'thumb' THEN thumb_height ELSE medium_height END,
    CASE role WHEN 'original' THEN original_bits WHEN 'thumb' THEN thumb_bits ELSE medium_bits END,
    CASE role WHEN 'original' THEN original_channels WHEN 'thumb' THEN thumb_channels ELSE medium_channels END,
    CASE WHEN role = 'original' OR role = 'medium' AND media_type IN ('image/gif', 'image/webp') THEN frames ELSE 1 END
FROM {images} CROSS JOIN (SELECT 'medium' AS role UNION ALL SELECT 'original' UNION ALL SELECT 'thumb') AS roles
WHERE role <> 'medium' OR medium_md5 IS NOT NULL
"""
"""Row by row in the order of the primary key. Mediums of animations moved in these two formats, others were stills."""

KEPT = (
    "number, id, state, lease, place, created, expires, original_filename, original_size, original_md5, stored_bytes,"
    " views, api_key, address, delete_token_hash, title, description, tags, nsfw, exif, search"
)
"""Columns that stay."""

GONE = [
    *[f"{role}_key" for role in ("original", "thumb", "medium")],
    *[f"{role}_{name}" for role in ("thumb", "medium") for name in ("size", "md5")],
    *[f"{role}_{name}" for role in ("original", "thumb", "medium") for name in ("width", "height", "bits", "channels")],
    *("extension", "media_type", "frames"),
]
"""Columns that stand in `files` now."""

COPY = """
INSERT INTO images (version, reserved_medium_key, {kept})
SELECT 1, CASE WHEN medium_md5 IS NULL THEN medium_key END, {kept} FROM images_0001
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        _alter()
    op.execute("INSERT INTO schema_revisions (revision, oldest_program) VALUES ('0002', '0002')")


# PostgreSQL: to add or drop a column rewrites no row


def _alter() -> None:
    op.create_table("files", *_files())
    op.execute(FILL.format(images="images"))
    op.create_primary_key("files_pk", "files", ["image", "version", "role", "extension"])
    op.create_foreign_key("files_image_fk", "files", "images", ["image"], ["number"], ondelete="CASCADE")
    op.execute("ANALYZE files")
    op.add_column("images", _version())
    op.add_column("images", sa.Column("reserved_medium_key", sa.Text))
    op.execute("UPDATE images SET reserved_medium_key = medium_key WHERE medium_md5 IS NULL")
    for name in GONE:
        op.drop_column("images", name)


# SQLite: to drop a column rewrites all rows, so the table is made anew, once


def _rebuild() -> None:
    for name in ("md5", "place", "api_key", "size", "search", "lease", "deleting", "expires", "address", "addressed"):
        op.drop_index(f"images_{name}", "images")
    op.rename_table("images", "images_0001")
    _create_images()
    op.execute(COPY.format(kept=KEPT))
    op.execute("DELETE FROM sqlite_sequence WHERE name = 'images'")  # numbers are never used again: the old one counts
    op.execute("INSERT INTO sqlite_sequence SELECT 'images', seq FROM sqlite_sequence WHERE name = 'images_0001'")
    op.create_table(
        "files",
        *_files(),
        sa.PrimaryKeyConstraint("image", "version", "role", "extension", name="files_pk"),
        sa.ForeignKeyConstraint(["image"], ["images.number"], name="files_image_fk", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.execute(FILL.format(images="images_0001"))
    _point_unique_keys_at_the_new_table()
    op.drop_table("images_0001")
    _create_indexes()


def _point_unique_keys_at_the_new_table() -> None:
    """The foreign key of `unique_keys` followed the old table to its new name. To drop that table would unset all keys.

    A foreign key stands in the schema's text alone, so SQLite's manual has it changed there:
    https://www.sqlite.org/lang_altertable.html#otheralter
    """
    op.execute("PRAGMA writable_schema = ON")
    op.execute("""UPDATE sqlite_master SET sql = replace(sql, '"images_0001"', 'images') WHERE name = 'unique_keys'""")
    op.execute("PRAGMA writable_schema = RESET")
    targets = op.get_bind().execute(sa.text("SELECT \"table\" FROM pragma_foreign_key_list('unique_keys')")).scalars()
    if targets.all() != ["images"]:
        raise RuntimeError("this SQLite does not let the schema be changed")


def _files() -> list[sa.Column[object]]:
    return [
        sa.Column("image", NUMBER, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("extension", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("md5", sa.LargeBinary, nullable=False),
        sa.Column("crc32", sa.BigInteger),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bits", sa.Integer, nullable=False),
        sa.Column("channels", sa.Integer),
        sa.Column("frames", sa.Integer, nullable=False),
    ]


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer, nullable=False, server_default="1")


def _create_images() -> None:
    op.create_table(
        "images",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("lease", sa.Text),
        sa.Column("place", sa.Text, nullable=False),
        _version(),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("original_filename", sa.Text, nullable=False),
        sa.Column("original_size", sa.BigInteger, nullable=False),
        sa.Column("original_md5", sa.LargeBinary, nullable=False),
        sa.Column("reserved_medium_key", sa.Text),
        sa.Column("stored_bytes", sa.BigInteger, nullable=False),
        sa.Column("views", sa.BigInteger, nullable=False),
        sa.Column("api_key", sa.Text, nullable=False),
        sa.Column("address", sa.LargeBinary),
        sa.Column("delete_token_hash", sa.LargeBinary, nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("description", sa.Text),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("nsfw", sa.Boolean, nullable=False),
        sa.Column("exif", sa.Text),
        sa.Column("search", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("number", name="images_pk"),
        sa.UniqueConstraint("id", name="images_id_unique"),
        sqlite_autoincrement=True,
    )


def _create_indexes() -> None:
    _partial_index("images_lease", ["lease"], "lease IS NOT NULL")
    _partial_index("images_deleting", ["number"], "state = 'deleting'")
    _partial_index("images_expires", ["expires"], "expires IS NOT NULL")
    _partial_index("images_address", ["address", "number"], "address IS NOT NULL")
    _partial_index("images_addressed", ["created"], "address IS NOT NULL")
    op.create_index("images_md5", "images", ["original_md5", "api_key"])
    op.create_index("images_place", "images", ["place", "number"])
    op.create_index("images_api_key", "images", ["api_key", "created", "number"])
    op.create_index("images_size", "images", ["original_size"])
    op.create_index(
        "images_search",
        "images",
        [
            "created",
            "number",
            "state",
            "place",
            "api_key",
            "address",
            "original_size",
            "stored_bytes",
            "search",
        ],
    )


def _partial_index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "images", columns, sqlite_where=sa.text(where))
