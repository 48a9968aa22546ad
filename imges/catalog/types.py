"""What the catalog stores, as the rest of the program sees it. All times are aware datetimes in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from imges.errors import CatalogUnavailable, ImgesError, KeyUnusable, RequestError, SettingsError

GUEST = "guest"
"""Name of the API key that `api.key` and the upload page use. It can be disabled, not revoked."""


def utc_now() -> datetime:
    """Return the time now: the clock of all stored times."""
    return datetime.now(UTC)


class State(StrEnum):
    """pending → published → deleting → (tombstone: no row), and pending → withdrawing → (forgotten: no row)."""

    PENDING = "pending"
    PUBLISHED = "published"
    DELETING = "deleting"
    WITHDRAWING = "withdrawing"


UNHEARD = (State.PENDING, State.WITHDRAWING)
"""States of pictures whose upload has not been answered."""


class Scope(StrEnum):
    UPLOAD = "upload"
    ADMIN = "admin"


class Role(StrEnum):
    """What a file is to its picture. These three are made before an upload is answered."""

    ORIGINAL = "original"
    MEDIUM = "medium"
    THUMB = "thumb"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a picture: *size* in bytes, hex *md5* of the object, *width* and *height* in pixels as shown."""

    key: str
    media_type: str
    size: int
    md5: str
    width: int
    height: int
    bits: int
    channels: int | None
    frames: int = 1
    crc32: int | None = None
    """The checksum of the object that ZIP archives need. `None`: it was not computed."""

    @property
    def extension(self) -> str:
        """The ending of the key, without the dot."""
        return self.key.rpartition(".")[2]


class _HasFiles:
    """What a picture says by its files."""

    __slots__ = ()

    original: StoredFile
    thumb: StoredFile
    medium: StoredFile | None

    @property
    def by_role(self) -> dict[Role, StoredFile]:
        """The files that it has, the original first."""
        found = {Role.ORIGINAL: self.original, Role.MEDIUM: self.medium, Role.THUMB: self.thumb}
        return {role: file for role, file in found.items() if file}

    def files(self) -> list[StoredFile]:
        """The files that it has, the original first."""
        return list(self.by_role.values())

    def file(self, key: str) -> StoredFile | None:
        """The file whose object is *key*. `None` for the key of a medium that is only reserved."""
        return next((file for file in self.files() if file.key == key), None)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all its files: what quotas count."""
        return self.original.size + self.thumb.size + (self.medium.size if self.medium else 0)

    @property
    def extension(self) -> str:
        """Of the original."""
        return self.original.extension

    @property
    def media_type(self) -> str:
        """Of the original."""
        return self.original.media_type

    @property
    def frames(self) -> int:
        """Of the original."""
        return self.original.frames


class Shows(StrEnum):
    """What an old address shows of its picture: the bytes of a file, or the page of the viewer."""

    ORIGINAL = "original"
    MEDIUM = "medium"
    THUMB = "thumb"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class OldAddress:
    """An address that a picture had at another host: its decoded *path*, from the first slash on, without query."""

    path: str
    shows: Shows = Shows.ORIGINAL


@dataclass(frozen=True, slots=True)
class NewImage(_HasFiles):
    """A picture about to be reserved. Only its number is not known yet."""

    id: str | None
    """The encoded id. `None`: a short one is made from the row's number."""
    place: str
    created: datetime
    original_filename: str
    original: StoredFile
    thumb: StoredFile
    medium: StoredFile | None
    medium_key: str
    """Reserved even if there is no medium."""
    api_key: str
    """Name of the API key that sent it."""
    address: str | None
    """The uploader's, `None` if `privacy.keep_addresses` forbids to store it."""
    delete_token_hash: bytes
    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    nsfw: bool = False
    exif: dict[str, str] | None = None
    expires: datetime | None = None
    album: int | None = None
    """The number of the album that it is added to."""


@dataclass(frozen=True, slots=True)
class Image(_HasFiles):
    """A picture in the catalog, with the files of its current version."""

    number: int
    id: str
    state: State
    place: str
    version: int
    created: datetime
    original_filename: str
    original: StoredFile
    thumb: StoredFile
    medium: StoredFile | None
    medium_key: str
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


@dataclass(frozen=True, slots=True)
class UploadId:
    """The id that a client gave to an upload, as the catalog keeps it; made by `UploadIds.new`."""

    hash: bytes
    content: str
    """MD5 digest in hex of what came with it."""
    salt: bytes
    created: datetime
    delete_token: str
    """The picture's, derived from the id. It is not stored."""
    removed: tuple[str, ...] = ()
    """What was taken out of the picture, for the answer."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of any state. It is *in_flight* while the process that uploads it lives."""

    image: Image
    in_flight: bool


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that may upload. The catalog stores a keyed hash of its text, not the text."""

    name: str
    scope: Scope
    created: datetime
    enabled: bool = True
    expires: datetime | None = None
    last_used: datetime | None = None
    quota_pictures: int | None = None
    quota_bytes: int | None = None
    pictures: int = 0
    """How many pictures it has now, including pending ones."""
    bytes: int = 0
    """The size of all their files together."""

    def check_alive(self, now: datetime) -> None:
        """Raises `KeyUnusable` if it is disabled or has expired by *now*."""
        if not self.enabled:
            raise KeyUnusable("guests cannot upload now" if self.name == GUEST else "this API key is disabled")
        if self.expires is not None and self.expires <= now:
            raise KeyUnusable("this API key has expired")


class Sort(StrEnum):
    """The order of an album: as its pictures were added and moved, the newest upload first, or by name."""

    ADDED = "added"
    NEWEST = "newest"
    NAME = "name"


class Privacy(StrEnum):
    """Who sees an album: everybody who has its address, who also has its password, or only its owner."""

    UNLISTED = "unlisted"
    PASSWORD = "password"  # noqa: S105  (a word)
    PRIVATE = "private"


Place = tuple[int | str, int]
"""Where a page of an album ends: the value that its pictures are sorted by, and the number of its last picture."""

Shape = Literal["landscape", "portrait"]
"""Of a picture that is wider than high, or higher than wide."""


@dataclass(frozen=True, slots=True)
class NewAlbum:
    """An album about to be made. Its owner is the API key, or the holder of the edit token."""

    id: str
    api_key: str
    name: str
    created: datetime
    description: str | None = None
    expires: datetime | None = None
    sort: Sort = Sort.ADDED
    privacy: Privacy = Privacy.UNLISTED
    password: bytes | None = None
    """Salt and scrypt hash."""
    edit_token_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Album(NewAlbum):
    """An album in the catalog. *cover* is the number of a picture."""

    number: int = 0
    cover: int | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """Which published pictures to find: those that meet all given conditions."""

    text: str | None = None
    """Part of the file's name or of the title, in any case."""
    api_key: str | None = None
    network: IPv4Network | IPv6Network | None = None
    """The network of the uploader's address."""
    md5: str | None = None
    """The digest of the stored original, in hex."""
    least: int | None = None
    """Bytes of the original."""
    most: int | None = None
    since: datetime | None = None
    before: datetime | None = None
    newest: int | None = None
    """The highest number: pictures that come later are not found."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the order of pictures, which are sorted by these two, newest first."""

    created: datetime
    number: int


@dataclass(frozen=True, slots=True)
class PlaceUse:
    """The published pictures of a place: how many, and the *size* of all their files in bytes."""

    place: str
    pictures: int
    size: int


@dataclass(frozen=True, slots=True)
class Block:
    """What may not be uploaded: a picture with this MD5 digest in hex, or any picture from this network."""

    what: str
    created: datetime


class Deed(StrEnum):
    """What an owner can do that the trail keeps."""

    SIGN_IN = "sign in"
    SIGN_OUT = "sign out"
    ADD_KEY = "add key"
    ENABLE_KEY = "enable key"
    DISABLE_KEY = "disable key"
    REVOKE_KEY = "revoke key"
    BLOCK = "block"
    UNBLOCK = "unblock"
    DELETE = "delete"
    DELETE_FOUND = "delete all found"


@dataclass(frozen=True, slots=True)
class Trace:
    """One line of the trail: *actor* did *deed* to *subject*, which concerned *count* pictures or blocks."""

    number: int
    created: datetime
    actor: str
    deed: Deed
    subject: str
    count: int | None


# Errors of the catalog, beside those of `imges.errors`


class KeyTaken(ImgesError):
    """An id or object key belongs to another picture, or did once. It is never used again."""

    def __init__(self, kind: Literal["id", "object key", "album"], text: str) -> None:
        super().__init__(f"the {kind} {text} is taken")
        self.kind: Literal["id", "object key", "album"] = kind
        self.text = text


class UploadIdTaken(ImgesError):
    """An upload with the same id of the client has a row already, published or not."""


class RowClaimed(CatalogUnavailable):
    """The caller's lease does not hold the row (any more): the lease ended, and a sweep has claimed the row."""

    def __init__(self, number: int) -> None:
        super().__init__("the upload took so long that its place was given up; try again")
        self.number = number


class DamagedDatabase(SettingsError):
    """The database file of the catalog is damaged."""


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
