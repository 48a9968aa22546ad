"""What is known about a picture before its row is reserved: the uploader's wishes, its files, and the keys to try."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from imges import naming
from imges.catalog import Album, ApiKey, Image, NewImage, StoredFile, UploadId
from imges.imaging import MEDIA_TYPES, Rendition, Renditions
from imges.storage import NewObject

MOST_TAGS = 50
"""Tags of one picture."""


@dataclass(frozen=True, slots=True)
class AlbumWish:
    """The album that an upload is to be in: by *name*, or by *id*. The *token* is that of an album of a guest."""

    name: str | None = None
    id: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class MadeAlbum:
    """An album, and its edit token if it was just made for a guest: only the hash of the token is kept."""

    album: Album
    edit_token: str | None = None
    count: int = 0
    """Pictures that it shows now."""


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """What an uploader may ask for. *width* is in pixels, *expiration* counts from now."""

    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    nsfw: bool = False
    width: int | None = None
    expiration: timedelta | None = None
    upload_id: str | None = None
    """The client's own id of this upload. A request that is repeated has the same id."""
    album: AlbumWish | None = None


@dataclass(frozen=True, slots=True)
class Uploader:
    """The API key and the client address that an upload came with."""

    key: ApiKey
    address: str | None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A stored picture and the text of its delete token.

    The token is `None` for a duplicate: it was given away with the first upload, and only its hash is kept.
    """

    image: Image
    delete_token: str | None
    removed: tuple[str, ...] = ()
    """What was taken out of the file, in the words of `imges.imaging.formats.removed`."""
    repeated: bool = False
    """Whether an earlier request with the same upload id stored it."""
    album: MadeAlbum | None = None
    """The album that the upload named."""


class Names:
    """The object keys to try for one picture.

    The first keys use the name that the client sent. Each time one of them is taken, a new random suffix follows.
    *rule* is the setting `images.naming`.
    """

    def __init__(self, client_name: str, extension: str, date: datetime, rule: str) -> None:
        self._base_name = naming.base_name(client_name)
        self._extension = extension
        self._date = date
        stem = None if rule == "random" else naming.clean_stem(self._base_name)
        self._is_random = stem is None
        self._stem = stem or naming.random_stem()
        self._suffix = naming.random_suffix() if rule == "mixed" and stem else None

    def keys(self) -> naming.ObjectKeys:
        """Return the keys to try now."""
        return naming.object_keys(self._date, self._stem, self._extension, self._suffix)

    def try_others(self) -> None:
        """Choose other keys, because one of the present ones is taken."""
        if self._is_random:
            self._stem = naming.random_stem()
        else:
            self._suffix = naming.random_suffix()

    def original_filename(self, keys: naming.ObjectKeys) -> str:
        """Return the name that the client sent, or the last part of the original's key if there was none."""
        return self._base_name or keys.original.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Draft:
    """A processed picture: all of its row except the keys, the id and the number."""

    renditions: Renditions
    options: UploadOptions
    uploader: Uploader
    created: datetime
    expires: datetime | None
    token: str
    upload_id: UploadId | None
    album: int | None
    """The number of the album that it is added to."""

    def row(self, names: Names, place: str, image_id: str | None) -> NewImage:
        """Return the row to reserve under the present keys of *names*."""
        original, keys, options = self.renditions.original, names.keys(), self.options
        medium = self.renditions.medium
        return NewImage(
            id=image_id,
            place=place,
            created=self.created,
            original_filename=names.original_filename(keys),
            original=stored_file(keys.original, original),
            thumb=stored_file(keys.thumb, self.renditions.thumb),
            medium=stored_file(keys.medium, medium) if medium else None,
            medium_key=keys.medium,
            api_key=self.uploader.key.name,
            address=self.uploader.address,
            delete_token_hash=token_hash(self.token),
            title=options.title,
            description=options.description,
            tags=options.tags,
            nsfw=options.nsfw,
            exif=self.renditions.exif,
            expires=self.expires,
            album=self.album,
        )


def stored_file(key: str, rendition: Rendition) -> StoredFile:
    """Return what the catalog keeps of *rendition*, stored under *key*."""
    return StoredFile(
        key=key,
        media_type=MEDIA_TYPES[rendition.format],
        size=rendition.size,
        md5=rendition.md5,
        width=rendition.width,
        height=rendition.height,
        bits=rendition.bits,
        channels=rendition.channels,
        frames=rendition.frames,
        crc32=rendition.crc32,
    )


def objects_of(row: Image, renditions: Renditions) -> list[NewObject]:
    """Return the objects to put. The original comes last, so that a reader of it finds the whole picture."""
    files = [(row.thumb, renditions.thumb), (row.original, renditions.original)]
    if row.medium and renditions.medium:
        files.insert(0, (row.medium, renditions.medium))
    return [NewObject(file.key, made.path, row.media_type, row.expires) for file, made in files]


def token_hash(token: str) -> bytes:
    """Return what the catalog keeps of a delete token. A token has 192 random bits, so its hash needs no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
