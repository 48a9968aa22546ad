"""`export`: every original in a date folder, and a line of JSON for each picture; `import` reads it back."""

import asyncio
import errno
import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from imges.catalog import Image, State, utc_now
from imges.errors import DiskReserve, ImgesError, SpoolUnavailable
from imges.maintenance.importing import LIST
from imges.maintenance.objects import fetched
from imges.maintenance.parallel import each
from imges.maintenance.records import Record
from imges.maintenance.tools import Tools
from imges.maintenance.tree import NoFile, opened, printable
from imges.service import Place
from imges.storage import StorageError

PAGE = 200

NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Of a disk: what is no picture's fault: the next one will not fare better."""


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

    The list has its name only when it is complete; whatever is broken off leaves none. Raises: OSError of *folder*, and
    of a disk that is full.
    """
    part = folder / f"{LIST}.part"
    lines = await asyncio.to_thread(_begun, folder, part)
    try:
        with lines:
            export = _Export(tools, folder, lines)
            tools.progress.stage("exporting", sum((await tools.service.catalog.counts()).values()))
            await each(export.pictures(), export.one, at_once=parallel)
        part.replace(folder / LIST)
    except BaseException:
        _take_away(part)
        raise
    return export.exported


def _begun(folder: Path, part: Path) -> TextIO:
    """The list, as yet under the name *part*. Raises: OSError, also for what the whole one could not replace."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / LIST
    if whole.exists() and not whole.is_file():
        raise NoFile(whole)
    part.unlink(missing_ok=True)  # an earlier run's; or a pipe, which would hold us
    return part.open("x", encoding="utf-8")


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
        except (ImgesError, OSError) as error:
            self._failed(image, error)
        else:
            self._lines.write(json.dumps({"key": key} | Record.of(image).to_json()) + "\n")
            self.exported.pictures += 1
            self.exported.size += image.original.size
        self._tools.progress.advance(1, image.original.size)

    def _failed(self, image: Image, error: ImgesError | OSError) -> None:
        """Raises: OSError, where the next one would not fare better."""
        if isinstance(error, DiskReserve | SpoolUnavailable) and isinstance(error.__cause__, OSError):
            error = error.__cause__  # which is of the export's folder; the words above it are for uploads
        if isinstance(error, OSError):
            if error.errno in NOT_WRITABLE:
                raise error
            reason = f"{printable(str(error.filename or self._folder))}: {error.strerror}"
        else:
            reason = error.message
        self.exported.failed += 1
        self._tools.progress.say(f"{image.place}: {image.original.key}: not exported: {reason}")

    async def _copy(self, image: Image, target: Path) -> None:
        """Raises: Differs, KeyMissing, StorageError; OSError of the target, NoFile where it is none."""
        if await asyncio.to_thread(_is_there, image, target):
            return
        place = self._tools.service.places.get(image.place)
        if place is None:
            raise StorageError(f"the settings do not know the storage {image.place}")
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        part = target.with_name(f".{image.number}.part")  # short, for the name may be as long as can be
        await asyncio.to_thread(part.unlink, missing_ok=True)
        try:
            await _fetch(place, image, part)
            await asyncio.to_thread(part.replace, target)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(_take_away, part))
            raise


async def _fetch(place: Place, image: Image, part: Path) -> None:
    copy = await fetched(place.storage, image.original.key, part)
    if (copy.size, copy.md5) != (image.original.size, image.original.md5):
        raise Differs


def _has_expired(image: Image) -> bool:
    return image.expires is not None and image.expires <= utc_now()


def _is_there(image: Image, target: Path) -> bool:
    """Raises: NoFile, for what is somebody's and no file is not replaced."""
    if target.exists() and not target.is_file():
        raise NoFile(target)
    try:
        with opened(target) as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    except OSError:
        return False
    return md5.hexdigest() == image.original.md5


def _take_away(part: Path) -> None:
    with suppress(OSError):
        part.unlink()
