"""The catalog: rows of pictures and keys, in SQLite or PostgreSQL."""

from imges.catalog.blocks import block_text
from imges.catalog.catalog import Catalog, copy_catalog, open_catalog, upgrade_catalog
from imges.catalog.sqlite import copy_sqlite
from imges.catalog.types import (
    GUEST,
    ApiKey,
    ApiKeyNameTaken,
    Block,
    Cursor,
    DamagedDatabase,
    GuestStays,
    Image,
    KeyTaken,
    NewImage,
    NoSuchApiKey,
    PlaceUse,
    RowClaimed,
    Scope,
    Search,
    State,
    StoredFile,
    utc_now,
)

__all__ = [
    "GUEST",
    "ApiKey",
    "ApiKeyNameTaken",
    "Block",
    "Catalog",
    "Cursor",
    "DamagedDatabase",
    "GuestStays",
    "Image",
    "KeyTaken",
    "NewImage",
    "NoSuchApiKey",
    "PlaceUse",
    "RowClaimed",
    "Scope",
    "Search",
    "State",
    "StoredFile",
    "block_text",
    "copy_catalog",
    "copy_sqlite",
    "open_catalog",
    "upgrade_catalog",
    "utc_now",
]
