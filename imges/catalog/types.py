"""Rows of the catalog as the rest of the program sees them. All times are aware datetimes in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from imges.errors import CatalogUnavailable, ImgesError, KeyUnusable, RequestError, SettingsError

GUEST = "guest"
"""Name of the API key of `api.key` and the upload page. It can be disabled, not revoked."""

FileKind = Literal["original", "medium", "thumb"]


def utc_now() -> datetime:
    """The clock of everything that is stored."""
    return datetime.now(UTC)


class State(StrEnum):
    """pending → published → deleting → (tombstone: no row), and pending → withdrawing → (forgotten: no row)."""

    PENDING = "pending"
    PUBLISHED = "published"
    DELETING = "deleting"
    WITHDRAWING = "withdrawing"


class Scope(StrEnum):
    UPLOAD = "upload"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One object of a picture: *size* in bytes, hex *md5* of what is stored, width and height in pixels as shown."""

    key: str
    size: int
    md5: str
    width: int
    height: int
    bits: int
    channels: int | None


@dataclass(frozen=True, slots=True)
class NewImage:
    """A picture about to be reserved: everything is known but its number."""

    id: str | None
    """The encoded id; `None`: a short one is made from the row's number."""
    place: str
    extension: str
    media_type: str
    created: datetime
    original_filename: str
    original: StoredFile
    thumb: StoredFile
    medium: StoredFile | None
    medium_key: str
    """Reserved also where there is no medium."""
    frames: int
    api_key: str
    """Name of the API key that sent it."""
    address: str | None
    """The uploader's, where `privacy.keep_addresses` allows."""
    delete_token_hash: bytes
    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    nsfw: bool = False
    exif: dict[str, str] | None = None
    expires: datetime | None = None

    @property
    def stored_bytes(self) -> int:
        """Bytes of all its objects: what quotas count."""
        return self.original.size + self.thumb.size + (self.medium.size if self.medium else 0)


@dataclass(frozen=True, slots=True)
class Image:
    """A row of the catalog."""

    number: int
    id: str
    state: State
    place: str
    extension: str
    media_type: str
    created: datetime
    original_filename: str
    original: StoredFile
    thumb: StoredFile
    medium: StoredFile | None
    medium_key: str
    frames: int
    views: int
    api_key: str
    address: str | None
    delete_token_hash: bytes
    title: str | None
    description: str | None
    tags: tuple[str, ...]
    nsfw: bool
    exif: dict[str, str] | None
    expires: datetime | None

    def files(self) -> list[StoredFile]:
        """The objects that it has, the original first."""
        return [self.original, *([self.medium] if self.medium else []), self.thumb]

    @property
    def stored_bytes(self) -> int:
        """Bytes of all its objects: what quotas count."""
        return sum(file.size for file in self.files())

    def file(self, key: str) -> StoredFile | None:
        """The object under *key*; `None` for a medium that is only reserved."""
        return next((file for file in self.files() if file.key == key), None)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that may upload. The text of it is nowhere, only its keyed hash."""

    name: str
    scope: Scope
    created: datetime
    enabled: bool = True
    expires: datetime | None = None
    last_used: datetime | None = None
    quota_pictures: int | None = None
    quota_bytes: int | None = None
    pictures: int = 0
    """How many pictures it has now, pending ones included."""
    bytes: int = 0
    """What their objects take together."""

    def check_alive(self, now: datetime) -> None:
        """Raises: KeyUnusable where it is disabled, or has expired by *now*."""
        if not self.enabled:
            raise KeyUnusable("guests cannot upload now" if self.name == GUEST else "this API key is disabled")
        if self.expires is not None and self.expires <= now:
            raise KeyUnusable("this API key has expired")


@dataclass(frozen=True, slots=True)
class Search:
    """Which published pictures are looked for: those for which all that is given holds."""

    text: str | None = None
    """Part of the file's name or the title, whatever its case."""
    api_key: str | None = None
    network: IPv4Network | IPv6Network | None = None
    """What they were sent from."""
    md5: str | None = None
    """Of the stored original, in hex."""
    least: int | None = None
    """Bytes of the original."""
    most: int | None = None
    since: datetime | None = None
    before: datetime | None = None
    newest: int | None = None
    """Their highest number: those that come later are left alone."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order of pictures, which are sorted by these two, newest first."""

    created: datetime
    number: int


@dataclass(frozen=True, slots=True)
class PlaceUse:
    """What a storage holds of published pictures: *size* in bytes, of all their objects."""

    place: str
    pictures: int
    size: int


@dataclass(frozen=True, slots=True)
class Block:
    """An MD5 digest in hex, or a network of addresses, that nothing is taken from."""

    what: str
    created: datetime


# Errors of its own, beside those of `imges.errors`


class KeyTaken(ImgesError):
    """An *id* or *object key* belongs to another picture, or did once; it is never used again."""

    def __init__(self, kind: Literal["id", "object key"], text: str) -> None:
        super().__init__(f"the {kind} {text} is taken")
        self.kind: Literal["id", "object key"] = kind
        self.text = text


class RowClaimed(CatalogUnavailable):
    """The row is not ours (any more): our lease ended, and a sweep has claimed it."""

    def __init__(self, number: int) -> None:
        super().__init__("the upload took so long that its place was given up; try again")
        self.number = number


class DamagedDatabase(SettingsError):
    """The file of the catalog cannot be read as one."""


class ApiKeyNameTaken(RequestError):
    status = 409

    def __init__(self, name: str) -> None:
        super().__init__(f"there is an API key named {name} already")


class NoSuchApiKey(RequestError):
    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no API key named {name}")


class GuestStays(RequestError):
    def __init__(self) -> None:
        super().__init__(f"the key {GUEST} cannot be revoked; it can be disabled")
