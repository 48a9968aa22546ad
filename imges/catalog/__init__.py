"""The catalog: rows of pictures and keys, in SQLite or PostgreSQL."""

from imges.catalog.blocks import block_text
from imges.catalog.catalog import Catalog, open_catalog
from imges.catalog.types import (
    GUEST,
    ApiKey,
    ApiKeyNameTaken,
    Block,
    GuestStays,
    Image,
    KeyTaken,
    NewImage,
    NoSuchApiKey,
    RowClaimed,
    Scope,
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
    "GuestStays",
    "Image",
    "KeyTaken",
    "NewImage",
    "NoSuchApiKey",
    "RowClaimed",
    "Scope",
    "State",
    "StoredFile",
    "block_text",
    "open_catalog",
    "utc_now",
]
