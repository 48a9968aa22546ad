"""The tables, with types and indexes that SQLite and PostgreSQL share. A change here needs a migration as well."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    literal_column,
)

from imges.catalog.columns import Address, Digest, Json, Moment, RowNumber

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_name)s",
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "uq": "%(table_name)s_%(column_0_name)s_unique",
    }
)


images = Table(
    "images",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("id", Text, unique=True),  # NULL only inside the transaction that makes a short id from the number
    Column("state", Text, nullable=False),
    Column("lease", Text),  # only while pending or withdrawing; no foreign key, because a lease may end before its rows
    Column("place", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),  # the current version of its files
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("original_filename", Text, nullable=False),
    Column("original_size", BigInteger, nullable=False),  # this and the next stand in `files` too; here for indexes
    Column("original_md5", Digest, nullable=False),
    Column("reserved_medium_key", Text),  # only while there is no medium: the key that one made later will have
    Column("stored_bytes", BigInteger, nullable=False),
    Column("views", BigInteger, nullable=False),
    Column("api_key", Text, nullable=False),  # a name, no foreign key: pictures outlive the key
    Column("address", Address),
    Column("delete_token_hash", LargeBinary, nullable=False),
    Column("title", Text),
    Column("description", Text),
    Column("tags", Json, nullable=False),
    Column("nsfw", Boolean, nullable=False),
    Column("exif", Json),
    Column("search", Text, nullable=False, server_default=""),  # name and title as they are searched: `search_text`
    sqlite_autoincrement=True,  # numbers are never used again, or short ids would be
)


IS_DELETING = images.c.state == literal_column("'deleting'")
"""The value stands in the statement and is not bound, or the planner would not see that the partial index fits."""


def _partial_index(name: str, *columns: Column[Any], where: ColumnElement[bool]) -> None:
    """An index of only the rows that *where* holds for: a sweep that finds nothing then costs nothing."""
    Index(name, *columns, sqlite_where=where, postgresql_where=where)


_partial_index("images_lease", images.c.lease, where=images.c.lease.is_not(None))
_partial_index("images_deleting", images.c.number, where=IS_DELETING)
_partial_index("images_expires", images.c.expires, where=images.c.expires.is_not(None))
_partial_index("images_address", images.c.address, images.c.number, where=images.c.address.is_not(None))
_partial_index("images_addressed", images.c.created, where=images.c.address.is_not(None))
Index("images_md5", images.c.original_md5, images.c.api_key)
Index("images_place", images.c.place, images.c.number)
Index("images_api_key", images.c.api_key, images.c.created, images.c.number)
Index("images_size", images.c.original_size)

Index(  # all that pictures are searched by, newest first: read alone, not the tenfold of the rows
    "images_search",
    images.c.created,
    images.c.number,
    images.c.state,
    images.c.place,
    images.c.api_key,
    images.c.address,
    images.c.original_size,
    images.c.stored_bytes,
    images.c.search,
)

files = Table(
    "files",
    metadata,
    Column("image", RowNumber, ForeignKey(images.c.number, ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("extension", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("md5", Digest, nullable=False),
    Column("crc32", BigInteger),  # NULL: not computed
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bits", Integer, nullable=False),
    Column("channels", Integer),
    Column("frames", Integer, nullable=False),
    sqlite_with_rowid=False,  # the rows of one picture lie side by side, in the order of the primary key
)

albums = Table(
    "albums",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("api_key", Text, nullable=False),  # a name, no foreign key: albums outlive the key
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False),  # as names are compared: `search_text`
    Column("description", Text),
    Column("created", Moment, nullable=False),
    Column("expires", Moment),
    Column("cover", RowNumber, ForeignKey(images.c.number, ondelete="SET NULL"), index=True),
    Column("sort", Text, nullable=False),
    Column("privacy", Text, nullable=False),
    Column("password", LargeBinary),  # salt and scrypt hash
    Column("edit_token_hash", LargeBinary),  # of albums of guests, who all share one key
    sqlite_autoincrement=True,
)

_names = albums.c.edit_token_hash.is_(None)
Index(  # names are unique for a key, but not for guests
    "albums_name",
    albums.c.api_key,
    albums.c.name_folded,
    unique=True,
    sqlite_where=_names,
    postgresql_where=_names,
)
Index("albums_api_key", albums.c.api_key, albums.c.created, albums.c.number)
_partial_index("albums_expires", albums.c.expires, where=albums.c.expires.is_not(None))

album_pictures = Table(
    "album_pictures",
    metadata,
    Column("album", RowNumber, ForeignKey(albums.c.number, ondelete="CASCADE"), primary_key=True),
    Column("image", RowNumber, ForeignKey(images.c.number, ondelete="CASCADE"), primary_key=True, index=True),
    Column("position", BigInteger, nullable=False),  # see `album_pictures.position_at`
    Column("added", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index("album_pictures_position", album_pictures.c.album, album_pictures.c.position, album_pictures.c.image)

unique_keys = Table(
    "unique_keys",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # keyed, of an id or an object key
    Column("image", RowNumber, ForeignKey(images.c.number, ondelete="SET NULL"), index=True),  # NULL: a tombstone
    sqlite_with_rowid=False,
)

upload_ids = Table(
    "upload_ids",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # keyed, of the API key's name and the client's id
    Column("content", Digest, nullable=False),  # of what came with it: the same id with another is refused
    Column("salt", LargeBinary, nullable=False),  # of the picture's delete token, which is derived and not stored
    Column("created", Moment, nullable=False, index=True),
    Column("removed", Text, nullable=False),  # words of the answer, which are in no row of a picture
    Column("image", RowNumber, ForeignKey(images.c.number, ondelete="SET NULL"), index=True),  # NULL: deleted
    sqlite_with_rowid=False,
)

old_addresses = Table(
    "old_addresses",
    metadata,
    Column("path", Text, primary_key=True),  # at the host that a picture came from, decoded, from its first slash on
    Column("image", RowNumber, ForeignKey(images.c.number, ondelete="SET NULL"), index=True),  # NULL: it is deleted
    Column("shows", Text, nullable=False),  # `Shows`
    sqlite_with_rowid=False,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("name", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("scope", Text, nullable=False),
    Column("created", Moment, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("expires", Moment),
    Column("last_used", Moment),
    Column("quota_pictures", BigInteger),
    Column("quota_bytes", BigInteger),
    Column("pictures", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

blocks = Table(
    "blocks",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("what", Text, nullable=False, unique=True),  # a digest in hex, or a network
    Column("created", Moment, nullable=False),
    sqlite_autoincrement=True,  # numbers are never used again: others see a change by them
)

trail = Table(
    "trail",
    metadata,
    Column("number", RowNumber, primary_key=True),
    Column("created", Moment, nullable=False, index=True),
    Column("actor", Text, nullable=False),  # the name of an API key, no foreign key; or an account on the server
    Column("deed", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("count", BigInteger),  # of pictures or blocks; NULL: the deed has no number
    sqlite_autoincrement=True,  # numbers are never used again: they are positions in the list
)

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("hash", LargeBinary, primary_key=True),  # of one session, or of an API key
    Column("began_before", Moment, nullable=False),
    Column("kept_until", Moment, nullable=False),
    sqlite_with_rowid=False,
)

leases = Table("leases", metadata, Column("id", Text, primary_key=True), Column("expires", Moment, nullable=False))

jobs = Table(
    "jobs",
    metadata,
    Column("name", Text, primary_key=True),
    Column("lease", Text, nullable=False),  # of the process that does the job while the lease lives
)

secrets = Table(
    "secrets", metadata, Column("name", Text, primary_key=True), Column("value", LargeBinary, nullable=False)
)

schema_revisions = Table(
    "schema_revisions",
    metadata,
    Column("revision", Text, primary_key=True),
    Column("oldest_program", Text, nullable=False),  # the newest revision that the oldest program still served knows
)
