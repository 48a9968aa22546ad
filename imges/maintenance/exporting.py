"""`export`: every original in a date folder, and a line of JSON for each picture; `import` reads it back."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from imges.catalog import Image, State, utc_now
from imges.errors import ImgesError
from imges.maintenance.importing import LIST
from imges.maintenance.objects import fetched
from imges.maintenance.parallel import each
from imges.maintenance.records import Record
from imges.maintenance.tools import Tools
from imges.storage import StorageError

PAGE = 200


class Differs(ImgesError):
    def __init__(self) -> None:
        super().__init__("its file is not what the catalog says; see `imges fsck --digests`")


@dataclass(slots=True)
class Exported:
    pictures: int = 0
    size: int = 0
    failed: int = 0


async def take_out(tools: Tools, folder: Path, *, parallel: int) -> Exported:
    """Export all pictures to *folder*; files that an earlier run has brought there whole are not copied again.

    The list has its name only when it is complete. Raises: OSError of *folder*.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    part = folder / f"{LIST}.part"
    with part.open("w", encoding="utf-8") as lines:
        export = _Export(tools, folder, lines)
        tools.progress.stage("exporting", sum((await tools.service.catalog.counts()).values()))
        await each(export.pictures(), export.one, at_once=parallel)
    part.replace(folder / LIST)
    return export.exported


class _Export:
    def __init__(self, tools: Tools, folder: Path, lines: TextIO) -> None:
        self.exported = Exported()
        self._tools = tools
        self._folder = folder
        self._lines = lines

    async def pictures(self) -> AsyncGenerator[Image]:
        last = 0
        while rows := await self._tools.service.catalog.rows(after=last, limit=PAGE):
            for kept in rows:
                if kept.image.state == State.PUBLISHED and not _has_expired(kept.image):
                    yield kept.image
            last = rows[-1].image.number

    async def one(self, image: Image) -> None:
        key = image.original.key
        try:
            await self._copy(image, self._folder / key)
        except ImgesError as error:
            self.exported.failed += 1
            self._tools.progress.say(f"{image.place}: {key}: not exported: {error.message}")
        else:
            self._lines.write(json.dumps({"key": key} | Record.of(image).to_json()) + "\n")
            self.exported.pictures += 1
            self.exported.size += image.original.size
        self._tools.progress.advance(1, image.original.size)

    async def _copy(self, image: Image, target: Path) -> None:
        """Raises: Differs, KeyMissing, StorageError, DiskReserve, SpoolUnavailable."""
        if await asyncio.to_thread(_is_there, image, target):
            return
        place = self._tools.service.places.get(image.place)
        if place is None:
            raise StorageError(f"the settings do not know the storage {image.place}")
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        part = target.with_name(f".{image.number}.part")  # short, for the name may be as long as can be
        await asyncio.to_thread(part.unlink, missing_ok=True)
        copy = await fetched(place.storage, image.original.key, part)
        if (copy.size, copy.md5) != (image.original.size, image.original.md5):
            await asyncio.to_thread(part.unlink)
            raise Differs
        await asyncio.to_thread(part.replace, target)


def _has_expired(image: Image) -> bool:
    return image.expires is not None and image.expires <= utc_now()


def _is_there(image: Image, target: Path) -> bool:
    try:
        with target.open("rb") as file:
            return (
                hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == image.original.md5
            )
    except OSError:
        return False
