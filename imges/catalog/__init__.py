"""The catalog: rows of pictures and keys, in SQLite or PostgreSQL.

catalog           opens it; `Catalog` has a part for each subject
├─ images           pictures from their reservation on (`reservation`, `unique_keys`), or taken back (`removal`)
├─ published        lookups of published pictures: every view begins here
├─ deletions        deletions, and the tombstones that they leave
├─ api_keys         API keys, and what they have used
├─ leases           which process owns a pending row or a job
├─ inventory        rows of every state, for `fsck`
├─ old_addresses    addresses that pictures had at other hosts; `mending` corrects what an import brought
├─ moves            pictures that migrate to another place
├─ search           the owner's search
├─ upload_ids       answers that a client may ask for again
├─ trail            what owners did, and which of their sessions are ended (`ended_sessions`)
└─ blocks, figures  what is blocked; what is counted
sqlite            runs statements in SQLite (`connection_thread`, `group_commit`, `readers`)
postgres          runs the same statements in PostgreSQL
tables            the tables; `schema` and `migrations` bring a database to them
types             what the rest of the program sees; `rows` converts rows to it
"""

from imges.catalog.album_errors import AlbumGone, AlbumNameTaken
from imges.catalog.blocks import block_text
from imges.catalog.catalog import Catalog, copy_catalog, open_catalog, upgrade_catalog
from imges.catalog.sqlite import copy_sqlite
from imges.catalog.statistics import Statistics
from imges.catalog.types import (
    GUEST,
    Album,
    ApiKey,
    ApiKeyNameTaken,
    Block,
    Cursor,
    DamagedDatabase,
    Deed,
    GuestStays,
    Image,
    Kept,
    KeyTaken,
    NewAlbum,
    NewImage,
    NoSuchApiKey,
    OldAddress,
    Place,
    PlaceUse,
    Privacy,
    Role,
    RowClaimed,
    Scope,
    Search,
    Shape,
    Shows,
    Sort,
    State,
    StoredFile,
    Trace,
    UploadId,
    UploadIdTaken,
    utc_now,
)

__all__ = [
    "GUEST",
    "Album",
    "AlbumGone",
    "AlbumNameTaken",
    "ApiKey",
    "ApiKeyNameTaken",
    "Block",
    "Catalog",
    "Cursor",
    "DamagedDatabase",
    "Deed",
    "GuestStays",
    "Image",
    "Kept",
    "KeyTaken",
    "NewAlbum",
    "NewImage",
    "NoSuchApiKey",
    "OldAddress",
    "Place",
    "PlaceUse",
    "Privacy",
    "Role",
    "RowClaimed",
    "Scope",
    "Search",
    "Shape",
    "Shows",
    "Sort",
    "State",
    "Statistics",
    "StoredFile",
    "Trace",
    "UploadId",
    "UploadIdTaken",
    "block_text",
    "copy_catalog",
    "copy_sqlite",
    "open_catalog",
    "upgrade_catalog",
    "utc_now",
]
