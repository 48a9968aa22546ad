"""What a Chevereto (versions 3 and 4) knew of its pictures: rows of its MySQL dump.

Chevereto writes the number of a row, times `id_padding` if that is set, in base 62. The digits are letters, in an
order that comes from the SHA-256 of the site's `crypt_salt`. We encode numbers in the same way, so that addresses of
viewers stay.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from imges.maintenance.hosts import mysql_dump
from imges.maintenance.hosts.dump_file import NotUnderstood
from imges.maintenance.hosts.host import Host, Owners
from imges.maintenance.hosts.mysql_dump import Row
from imges.maintenance.old_keys import OldKey
from imges.maintenance.records import Notes, Record
from imges.maintenance.tree import in_date_folders

TABLES = ("images", "settings", "users", "categories", "tags", "tags_files", "albums", "likes", "follows", "pages")
"""Tables of a site, without the prefix that all of them have."""

ANY_TABLE = re.compile(rf"\w*?({'|'.join(TABLES)})")

LEFT_OUT = {"albums": "albums", "likes": "likes", "follows": "follows", "pages": "pages"}
"""What does not come along, by its table."""

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
class _Site:
    """One of the sites in a dump, as far as it is known before its pictures are read."""

    rows: Counter[str] = field(default_factory=Counter[str])
    salt: str | None = None
    padding: int = 0
    users: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    categories: dict[str, str] = field(default_factory=dict[str, str])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    tagged: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    """Numbers of tags by the number of a picture."""

    def add(self, table: str, row: Row) -> None:
        match table:
            case "settings":
                self._setting(row.get("setting_name"), row.get("setting_value"))
            case "users":
                self.users[row.get("user_id") or ""] = row.get("user_username")
            case "categories":
                self.categories[row.get("category_id") or ""] = row.get("category_name") or ""
            case "tags":
                self.tags[row.get("tag_id") or ""] = row.get("tag_name") or ""
            case "tags_files":
                self.tagged.setdefault(row.get("tag_file_file_id") or "", []).append(row.get("tag_file_tag_id") or "")
            case _:
                pass

    def _setting(self, name: str | None, value: str | None) -> None:
        if name == "crypt_salt" and value:
            self.salt = value
        elif name == "id_padding" and value and value.isdecimal():
            self.padding = int(value)

    def tags_of(self, row: Row) -> tuple[str, ...]:
        """Returns the category of a picture and its tags, as tags."""
        named = [self.categories.get(row.get("image_category_id") or "")]
        named += [self.tags.get(number) for number in self.tagged.get(row["image_id"] or "", ())]
        return tuple(dict.fromkeys(name for name in named if name))


@dataclass
class Chevereto(Host):
    """A Chevereto. *site* chooses between several in one dump, by the prefix of its tables."""

    site: str | None = None

    def read(self, notes: Notes) -> None:
        if self.dump is None:
            return
        name, site = self._chosen(self._surveyed())
        if site.salt is None:
            raise NotUnderstood(
                f"{self.dump.name} has no crypt_salt in {name}settings, so the addresses of viewers cannot be kept;"
                " dump all tables of the site"
            )
        for number, user in site.users.items():
            self.owners.add(number or None, user)
        for table, what in LEFT_OUT.items():
            self.counted[what] += site.rows[table]
        self._read_pictures(notes, name, site, id_encoder(site.salt, site.padding))

    def _surveyed(self) -> dict[str, _Site]:
        """Returns the sites by the prefix of their tables, with the database before it if the dump names that."""
        assert self.dump
        sites: dict[str, _Site] = {}
        for full, row in mysql_dump.rows(self.dump, ANY_TABLE):
            prefix, table = _parted(full)
            site = sites.setdefault(prefix, _Site())
            if row is not None and (table != "images" or "image_id" in row):
                site.rows[table] += 1
                site.add(table, row)
        return {prefix: site for prefix, site in sites.items() if site.rows["images"]}

    def _chosen(self, sites: dict[str, _Site]) -> tuple[str, _Site]:
        """Raises `NotUnderstood` if there is no site, if there are several, or if none is the one that was asked for.

        A prefix without the name of its database is enough.
        """
        assert self.dump
        asked = [name for name in sites if self.site is None or self.site in {name, name.rpartition(".")[2]}]
        if len(asked) == 1:
            return asked[0], sites[asked[0]]
        if not sites:
            raise NotUnderstood(
                f"{self.dump.name} has no rows of a table …images with a column image_id: it is no dump of a Chevereto,"
                " or only a part of one; dump all tables of the site"
            )
        listed = ", ".join(f"{name or '(none)'} ({site.rows['images']} pictures)" for name, site in sites.items())
        if self.site is None:
            raise NotUnderstood(f"{self.dump.name} has several sites; choose one by --site PREFIX: {listed}")
        raise NotUnderstood(f"{self.dump.name} has no site of its own called {self.site}; it has: {listed}")

    def _read_pictures(self, notes: Notes, wanted: str, site: _Site, encode: Callable[[int], str]) -> None:
        assert self.dump
        folders: set[str] = set()
        for full, row in mysql_dump.rows(self.dump, re.compile(r"\w*images")):
            if _parted(full) != (wanted, "images"):
                continue
            key = self._read_picture(notes, site, encode, row)
            if key is not None and OldKey.read(key) is None:
                folders.add(key.rpartition("/")[0])
        self.judge = in_date_folders(frozenset(folders))

    def _read_picture(self, notes: Notes, site: _Site, encode: Callable[[int], str], row: Row | None) -> str | None:
        """Returns the key of the picture; `None` if the row does not say it."""
        if row is None:
            self.problems.append("a row of images has more or fewer values than there are columns")
            return None
        shown, key = f"image_id {row.get('image_id')}", None
        try:
            key = _key(row)
            record = _record(row, encode(_number(row["image_id"])), site.tags_of(row), self.owners)
        except (ValueError, KeyError, TypeError) as error:
            self.problem(notes, key, shown, error)
            return key
        if row.get("image_is_approved") == "0":
            notes.refuse(key, "it waits for approval there")
        else:
            self.note(notes, key, record, shown)
        return key


def _parted(full: str) -> tuple[str, str]:
    """Returns the prefix of a table, with its database, and the table's own name."""
    table = max((name for name in TABLES if full.endswith(name)), key=len, default="")
    return full[: len(full) - len(table)], table


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


def _record(row: Row, identity: str, tags: tuple[str, ...], owners: Owners) -> Record:
    expires = row.get("image_expiration_date_gmt")
    return Record(
        id=identity,
        created=_moment(row.get("image_date_gmt") or row["image_date"]),
        expires=_moment(expires) if expires and not expires.startswith("0000") else None,
        original_filename=row.get("image_original_filename") or None,
        title=row.get("image_title") or None,
        description=row.get("image_description") or None,
        tags=tags,
        nsfw=row.get("image_nsfw") == "1",
        views=int(row.get("image_views") or 0),
        api_key=owners.of(row.get("image_user_id")),
        address=row.get("image_uploader_ip") or None,
    )


def _number(text: str | None) -> int:
    """Raises `ValueError` if *text* is no number of a row."""
    number = int(text or "")
    if not 0 < number < 2**63:
        raise ValueError("it is no number of a row")
    return number


def _moment(text: str | None) -> datetime:
    """Raises `ValueError` if *text* is missing or is no date."""
    if text is None:
        raise ValueError("a date is missing")
    return datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
