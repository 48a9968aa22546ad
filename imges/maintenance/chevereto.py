"""What a Chevereto (versions 3 and 4) knew of its pictures: rows of its MySQL dump.

Chevereto writes the number of a row, times `id_padding` if that is set, in base 62. The digits are letters, in an
order that comes from the SHA-256 of the site's `crypt_salt`. We encode numbers in the same way, so that addresses of
viewers stay.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from imges.maintenance import mysql_dump
from imges.maintenance.mysql_dump import Row
from imges.maintenance.records import Record

TABLES = re.compile(r"(?P<prefix>\w*?)(images|settings)")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def id_encoder(salt: str, padding: int) -> Callable[[int], str]:
    """Returns the function by which a site with this `crypt_salt` and `id_padding` encodes numbers of rows."""
    order = hashlib.sha256(salt.encode()).hexdigest()
    pairs = sorted(zip(order, LETTERS, strict=False), key=lambda pair: (-ord(pair[0]), pair[1]))
    letters = "".join(letter for _, letter in pairs)

    def encode(number: int) -> str:
        value, encoded = number * (padding or 1), ""
        while value:
            value, digit = divmod(value, len(letters))
            encoded = letters[digit] + encoded
        return encoded

    return encode


@dataclass
class Dump:
    """What was read from a dump beside its pictures."""

    salt: str | None = None
    padding: int = 0
    unreadable: list[str] = field(default_factory=list[str])
    """Rows that make no sense: their numbers and what is wrong."""

    def pictures(self, file: Path) -> Iterator[tuple[str, int, Record]]:
        """Yields each picture: its key, its number, and its record. Reads the site's settings on the way.

        Raises `OSError` if *file* cannot be read.
        """
        for table, row in mysql_dump.rows(file, TABLES):
            if table.endswith("settings"):
                self._setting(row)
            elif "image_id" in row:
                try:
                    yield _key(row), int(row["image_id"] or ""), _record(row)
                except (ValueError, KeyError, TypeError) as error:
                    self.unreadable.append(f"image_id {row.get('image_id')}: {error}")

    def _setting(self, row: Row) -> None:
        name, value = row.get("setting_name"), row.get("setting_value")
        if name == "crypt_salt" and value:
            self.salt = value
        elif name == "id_padding" and value and value.isdecimal():
            self.padding = int(value)


def _key(row: Row) -> str:
    """Returns where the file lies below `images/`. The date folder is that of the site's own clock."""
    name = f"{row['image_name']}.{row['image_extension']}"
    mode = row.get("image_storage_mode") or "datefolder"
    if mode == "direct":
        return name
    if mode == "old":
        return f"old/{name}"
    if mode == "path":
        return f"{(row.get('image_path') or '').strip('/')}/{name}".lstrip("/")
    return f"{_moment(row['image_date']):%Y/%m/%d}/{name}"


def _record(row: Row) -> Record:
    expires = row.get("image_expiration_date_gmt")
    return Record(
        created=_moment(row.get("image_date_gmt") or row["image_date"]),
        expires=_moment(expires) if expires and not expires.startswith("0000") else None,
        original_filename=row.get("image_original_filename") or None,
        title=row.get("image_title") or None,
        description=row.get("image_description") or None,
        nsfw=row.get("image_nsfw") == "1",
        views=int(row.get("image_views") or 0),
        address=row.get("image_uploader_ip") or None,
    )


def _moment(text: str | None) -> datetime:
    """Raises `ValueError` if *text* is missing or is no date."""
    if text is None:
        raise ValueError("a date is missing")
    return datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
