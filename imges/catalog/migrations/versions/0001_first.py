"""The first schema."""
# ruff: noqa: INP001 (a folder that Alembic reads, not a package)

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    _images()
    op.create_table(
        "unique_keys",
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("image", NUMBER),
        sa.PrimaryKeyConstraint("hash", name="unique_keys_pk"),
        sa.ForeignKeyConstraint(["image"], ["images.number"], name="unique_keys_image_fk", ondelete="SET NULL"),
        sqlite_with_rowid=False,
    )
    op.create_index("unique_keys_image", "unique_keys", ["image"])
    op.create_table(
        "api_keys",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("last_used", sa.BigInteger),
        sa.Column("quota_pictures", sa.BigInteger),
        sa.Column("quota_bytes", sa.BigInteger),
        sa.Column("pictures", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="api_keys_pk"),
        sa.UniqueConstraint("hash", name="api_keys_hash_unique"),
    )
    op.create_table(
        "blocks",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="blocks_pk"),
        sa.UniqueConstraint("what", name="blocks_what_unique"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "leases",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="leases_pk"),
    )
    op.create_table(
        "jobs",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("lease", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="jobs_pk"),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="secrets_pk"),
    )
    revisions = op.create_table(
        "schema_revisions",
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("oldest_program", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="schema_revisions_pk"),
    )
    op.bulk_insert(revisions, [{"revision": "0001", "oldest_program": "0001"}])


def _images() -> None:
    op.create_table(
        "images",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("lease", sa.Text),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("extension", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("original_filename", sa.Text, nullable=False),
        *_file_columns("original", nullable=False),
        *_file_columns("thumb", nullable=False),
        *_file_columns("medium", nullable=True),
        sa.Column("stored_bytes", sa.BigInteger, nullable=False),
        sa.Column("frames", sa.Integer, nullable=False),
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


def _file_columns(kind: str, *, nullable: bool) -> list[sa.Column[object]]:
    return [
        sa.Column(f"{kind}_key", sa.Text, nullable=False),
        sa.Column(f"{kind}_size", sa.BigInteger, nullable=nullable),
        sa.Column(f"{kind}_md5", sa.LargeBinary, nullable=nullable),
        sa.Column(f"{kind}_width", sa.Integer, nullable=nullable),
        sa.Column(f"{kind}_height", sa.Integer, nullable=nullable),
        sa.Column(f"{kind}_bits", sa.Integer, nullable=nullable),
        sa.Column(f"{kind}_channels", sa.Integer),
    ]


def _partial_index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "images", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
