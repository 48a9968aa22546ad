"""Between rows of the tables and the types that the rest of the program sees."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import RowMapping, select

from imges.catalog.dialects import Hex, JsonRows
from imges.catalog.tables import files, images
from imges.catalog.types import ApiKey, Image, NewImage, Role, Scope, State, StoredFile

FIRST_VERSION = 1
"""`images.version` of a picture whose files were never replaced."""

_KEPT = [
    field.name
    for field in fields(NewImage)
    if field.name not in {"id", "original", "thumb", "medium", "medium_key", "album"}
]
"""Fields of a new picture that stand in its row of `images`, and in `Image`, under the same name."""

WRITTEN = ("title", "description", "tags", "nsfw", "expires")
"""Fields of a picture that can be changed after its upload."""

_FILE = [field.name for field in fields(StoredFile)]

FILES = (
    select(JsonRows(files.c.role, *[Hex(files.c.md5) if name == "md5" else files.c[name] for name in _FILE]))
    .where(files.c.image == images.c.number, files.c.version == images.c.version)
    .correlate(images)
    .scalar_subquery()
    .label("files")
)
"""All files of a row of `images` in one column, as a JSON text.

Reading the text is quicker than SQLAlchemy's work for three joined rows of 14 columns.
"""

IMAGE = (*images.columns, FILES)
"""What `image_of` reads."""

COLUMNS = [column.name for column in images.columns if column.name != "number"]
"""What `columns_of` fills."""

LONGEST_SEARCH = 200
"""Characters: PostgreSQL's indexes hold entries of up to 2,704 bytes."""

_API_KEY = [field.name for field in fields(ApiKey)]


def search_text(text: str) -> str:
    """Return *text* as it is searched: without a difference of case or of composed letters, in any script."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).strip()[:LONGEST_SEARCH]


def columns_of(new: NewImage, lease: str | None, views: int = 0) -> dict[str, Any]:
    """Return the row in `images` of a picture that *lease* holds as pending; without *lease* it is published."""
    row: dict[str, Any] = {name: getattr(new, name) for name in _KEPT}
    row |= {"id": new.id, "state": _state(lease), "lease": lease, "version": FIRST_VERSION, "views": views}
    return row | written(new) | summary_of(new)


def written(picture: NewImage | Image) -> dict[str, Any]:
    """Return the columns of `images` that an edit changes."""
    searched = search_text(f"{picture.original_filename} {picture.title or ''}")
    return {name: getattr(picture, name) for name in WRITTEN} | {"search": searched}


def summary_of(picture: NewImage | Image) -> dict[str, Any]:
    """Return the columns of `images` that depend on the files of *picture*."""
    return {
        "original_size": picture.original.size,
        "original_md5": picture.original.md5,
        "reserved_medium_key": None if picture.medium else picture.medium_key,
        "stored_bytes": picture.stored_bytes,
    }


def file_rows(picture: NewImage | Image, number: int, version: int) -> list[dict[str, Any]]:
    """Return the rows in `files` of *picture*, which has this *number*, as its *version*."""
    return [
        {"image": number, "version": version, "role": role, "extension": file.extension}
        | {name: getattr(file, name) for name in _FILE}
        for role, file in picture.by_role.items()
    ]


def reserved(new: NewImage, number: int, image_id: str, lease: str | None, views: int = 0) -> Image:
    """Return *new* as it stands in the catalog with the rows of `columns_of` and `file_rows`."""
    kept: dict[str, Any] = {name: getattr(new, name) for name in _KEPT}
    return Image(
        number=number,
        id=image_id,
        state=_state(lease),
        version=FIRST_VERSION,
        views=views,
        original=new.original,
        thumb=new.thumb,
        medium=new.medium,
        medium_key=new.medium_key,
        **kept,
    )


def _state(lease: str | None) -> State:
    return State.PENDING if lease else State.PUBLISHED


def image_of(columns: RowMapping) -> Image:
    """Return the picture of a row with the columns `IMAGE`. A join may add columns of other names."""
    kept: dict[str, Any] = {name: columns[name] for name in _KEPT}
    kept["tags"] = tuple(kept["tags"])
    found = _files_of(columns["files"])
    medium = found.get(Role.MEDIUM)
    return Image(
        number=columns["number"],
        id=columns["id"],
        state=State(columns["state"]),
        version=columns["version"],
        views=columns["views"],
        original=found[Role.ORIGINAL],
        thumb=found[Role.THUMB],
        medium=medium,
        medium_key=medium.key if medium else columns["reserved_medium_key"],
        **kept,
    )


def _files_of(text: str) -> Mapping[str, StoredFile]:
    """Return the files in *text*, the column `FILES`, by their roles."""
    return {role: StoredFile(*values) for role, *values in json.loads(text)}


def api_key_of(columns: RowMapping) -> ApiKey:
    """Return the key of a row of `api_keys`, without its hash."""
    kept: dict[str, Any] = {name: columns[name] for name in _API_KEY}
    kept["scope"] = Scope(kept["scope"])
    return ApiKey(**kept)
