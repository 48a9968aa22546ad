"""Between rows of the tables and the types that the rest of the program sees."""

import unicodedata
from dataclasses import fields
from typing import Any

from sqlalchemy import RowMapping

from imges.catalog.tables import images
from imges.catalog.types import ApiKey, Image, NewImage, Scope, State, StoredFile

_KEPT = [field.name for field in fields(NewImage) if field.name not in {"id", "original", "thumb", "medium"}]
"""Fields of a new picture that stand in its row, and in `Image`, under the same name."""

_FILE = [field.name for field in fields(StoredFile)]
_FILE_COLUMNS = {kind: [(f"{kind}_{name}", name) for name in _FILE] for kind in ("original", "thumb", "medium")}
COLUMNS = [column.name for column in images.columns if column.name != "number"]
"""What `columns_of` fills."""
LONGEST_SEARCH = 200
"""Characters: PostgreSQL's indexes hold entries of up to 2,704 bytes."""

_API_KEY = [field.name for field in fields(ApiKey)]


def search_text(text: str) -> str:
    """*text* as it is searched for: without a difference of case or of composed letters, in any script."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).strip()[:LONGEST_SEARCH]


def columns_of(new: NewImage, lease: str | None, views: int = 0) -> dict[str, Any]:
    """The row of a picture that *lease* holds as pending; without one it is published."""
    row: dict[str, Any] = {name: getattr(new, name) for name in _KEPT}
    row |= {"id": new.id, "state": _state(lease), "lease": lease, "views": views}
    return row | file_columns(new)


def file_columns(new: NewImage | Image) -> dict[str, Any]:
    """What its row says of the objects of *new*, and what they take together."""
    row: dict[str, Any] = {"stored_bytes": new.stored_bytes}
    row["search"] = search_text(f"{new.original_filename} {new.title or ''}")
    for kind, file in (("original", new.original), ("thumb", new.thumb), ("medium", new.medium)):
        for column, name in _FILE_COLUMNS[kind]:
            row[column] = getattr(file, name, None)
    row["medium_key"] = new.medium_key  # stays reserved where there is no medium
    return row


def reserved(new: NewImage, number: int, image_id: str, lease: str | None, views: int = 0) -> Image:
    """*new* as it stands in the catalog with the row of `columns_of`."""
    kept: dict[str, Any] = {name: getattr(new, name) for name in (*_KEPT, "original", "thumb", "medium")}
    return Image(number=number, id=image_id, state=_state(lease), views=views, **kept)


def _state(lease: str | None) -> State:
    return State.PENDING if lease else State.PUBLISHED


def image_of(columns: RowMapping) -> Image:
    """The picture of a row of `images`; of a join too, where no other column has the name of one of them."""
    kept: dict[str, Any] = {name: columns[name] for name in _KEPT}
    kept["tags"] = tuple(kept["tags"])
    return Image(
        number=columns["number"],
        id=columns["id"],
        state=State(columns["state"]),
        views=columns["views"],
        original=_file_of(columns, "original"),
        thumb=_file_of(columns, "thumb"),
        medium=None if columns["medium_md5"] is None else _file_of(columns, "medium"),
        **kept,
    )


def _file_of(columns: RowMapping, kind: str) -> StoredFile:
    return StoredFile(**{name: columns[f"{kind}_{name}"] for name in _FILE})


def api_key_of(columns: RowMapping) -> ApiKey:
    """The key of a row of `api_keys`, without its hash."""
    kept: dict[str, Any] = {name: columns[name] for name in _API_KEY}
    kept["scope"] = Scope(kept["scope"])
    return ApiKey(**kept)
