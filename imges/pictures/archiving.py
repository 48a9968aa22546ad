"""The archive of an album: planned whole before its first byte, then streamed from the storages."""

import zlib
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from unicodedata import normalize

from imges import naming
from imges.catalog import Album, Catalog, Image
from imges.errors import Busy, NotFound
from imges.pictures.album_contents import AlbumContents
from imges.pictures.finding import Finding
from imges.pictures.refusals import ArchiveTooLarge
from imges.pictures.zip_records import Entry, end
from imges.settings import Settings
from imges.storage import StorageUnavailable
from imges.storage.places import Place, place_named

AT_ONCE = 2
"""Archives that a process sends at a time. Each may take as long as a slow client does."""

PAGE = 500

LONGEST_NAME = 150
"""Characters; some programs unpack no longer ones."""

_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"/\\|?*', "_"))
"""What names of files cannot have on Windows."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What the archive of an album has in it: object keys by their entries, in order; its whole *length* in bytes."""

    entries: Mapping[str, Entry]
    length: int


class Archiving:
    """Makes archives of albums."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        contents: AlbumContents,
        finding: Finding,
        places: Mapping[str, Place],
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._contents = contents
        self._finding = finding
        self._places = places
        self._running = 0

    @contextmanager
    def turn(self) -> Generator[None]:
        """One of the `AT_ONCE` archives of this process. Raises `Busy` if all are being sent."""
        if self._running >= AT_ONCE:
            raise Busy
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def plan(self, album: Album) -> Archive:
        """Return the archive of what *album* shows now, in its order.

        Raises `ArchiveTooLarge`, `NotFound` if the site makes no archives, and what reading a picture raises if the
        catalog does not have its CRC-32 yet.
        """
        most, size = self._settings.albums.zip_max, 0
        if not most:
            raise NotFound
        images: list[Image] = []
        after = None
        while True:
            page, after = await self._contents.page(album, limit=PAGE, after=after)
            images += page
            size += sum(image.original.size for image in page)
            if after is None:
                break
        if size > most:
            raise ArchiveTooLarge(size, most)
        return await self._planned(images)

    async def _planned(self, images: list[Image]) -> Archive:
        digits = max(3, len(str(len(images))))
        entries = {
            image.original.key: Entry(
                f"{number:0{digits}} {_name(image)}", image.original.size, await self._crc32(image), image.created
            )
            for number, image in enumerate(images, 1)
        }
        offset = sum(len(entry.head) + entry.size for entry in entries.values())
        listed = sum(len(record) for record in _directory(entries))
        return Archive(entries, offset + listed + len(end(len(entries), listed, offset)))

    async def _crc32(self, image: Image) -> int:
        if image.original.crc32 is not None:
            return image.original.crc32
        found = 0
        storage = place_named(self._places, image.place).storage
        async with storage.open(image.original.key) as chunks:
            async for chunk in chunks:
                found = zlib.crc32(chunk, found)
        await self._catalog.album_pictures.put_crc32(image, found)
        return found

    async def chunks(self, archive: Archive) -> AsyncGenerator[bytes]:
        """Yield the bytes of *archive*: exactly `Archive.length`, or it raises.

        Raises `Gone` if a picture was deleted meanwhile, `StorageUnavailable` if an object is not as the catalog says.
        """
        for key, entry in archive.entries.items():
            yield entry.head
            found, left = await self._finding.locate(key), entry.size
            async with found.storage.open(key) as chunks:
                async for chunk in chunks:
                    left -= len(chunk)
                    if left < 0:
                        break
                    yield chunk
            if left:
                raise StorageUnavailable("the object has another size than the catalog says")
        listed = list(_directory(archive.entries))
        offset = sum(len(entry.head) + entry.size for entry in archive.entries.values())
        yield b"".join(listed) + end(len(listed), sum(map(len, listed)), offset)


def _directory(entries: Mapping[str, Entry]) -> Generator[bytes]:
    offset = 0
    for entry in entries.values():
        yield entry.listed(offset)
        offset += len(entry.head) + entry.size


def _name(image: Image) -> str:
    """Return a name that every system can write, with the ending of the stored file."""
    name = normalize("NFC", naming.base_name(image.original_filename)).translate(_FORBIDDEN).strip(" .")
    if name.lower().endswith(f".{image.extension}"):
        name = name[: -len(image.extension) - 1]
    return f"{name[:LONGEST_NAME] or 'picture'}.{image.extension}"
