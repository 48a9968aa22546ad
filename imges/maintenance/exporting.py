"""`export`: writes every original to a date folder, and a line of JSON for each picture. `import` reads it back."""

import asyncio
import errno
import hashlib
import json
import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from imges.catalog import Image, OldAddress, State, utc_now
from imges.durable import PRIVATE, move_over
from imges.errors import DiskReserve, ImgesError, SpoolUnavailable
from imges.maintenance import album_list
from imges.maintenance.context import Context
from imges.maintenance.objects import fetched
from imges.maintenance.parallel import each
from imges.maintenance.records import Record
from imges.maintenance.source import LIST
from imges.maintenance.tree import NoFile, opened, printable
from imges.storage import StorageError
from imges.storage.places import Place

PAGE = 200

NOT_WRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors of the disk, after which the next picture cannot be written either."""


class Differs(ImgesError):
    """The object has other bytes than the catalog says."""

    def __init__(self) -> None:
        super().__init__("its file is not what the catalog says; see `imges fsck --digests`")


@dataclass(slots=True)
class Exported:
    pictures: int = 0
    size: int = 0
    failed: int = 0


async def take_out(context: Context, folder: Path, *, parallel: int) -> Exported:
    """Exports all pictures to *folder*, and the albums. Files that an earlier run wrote whole are not copied again.

    The list gets its name when it is complete. A run that breaks off leaves no list.

    Raises `OSError` if *folder* cannot be written, or if its disk is full.
    """
    part = folder / f"{LIST}.part"
    lines = await asyncio.to_thread(_begun, folder, part)
    try:
        with lines:
            export = _Export(context, folder, lines)
            context.progress.stage("exporting", sum((await context.catalog.figures.by_place()).values()))
            await each(export.pictures(), export.one, at_once=parallel)
        await asyncio.to_thread(move_over, part, folder / LIST)
        await album_list.take_out(context, folder)
    except BaseException:
        _take_away(part)
        raise
    return export.exported


def _begun(folder: Path, part: Path) -> TextIO:
    """Returns the list, opened under the name *part*.

    Raises `OSError` if it cannot be written, or if something that is no file has the name of the list.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / LIST
    if whole.exists() and not whole.is_file():
        raise NoFile(whole)
    part.unlink(missing_ok=True)  # an earlier run's; or a pipe, which would block us
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE), "w", encoding="utf-8")


class _Export:
    def __init__(self, context: Context, folder: Path, lines: TextIO) -> None:
        self.exported = Exported()
        self._context = context
        self._folder = folder
        self._lines = lines

    async def pictures(self) -> AsyncGenerator[tuple[Image, list[OldAddress]]]:
        last = 0
        while rows := await self._context.catalog.inventory.page(after=last, limit=PAGE):
            old = await self._context.catalog.old_addresses.of([kept.image.number for kept in rows])
            for image in (kept.image for kept in rows):
                if image.state == State.PUBLISHED and not _has_expired(image):
                    yield image, old.get(image.number, [])
            last = rows[-1].image.number

    async def one(self, found: tuple[Image, list[OldAddress]]) -> None:
        image, old = found
        key = image.original.key
        try:
            await self._copy(image, self._folder / key)
        except (ImgesError, OSError) as error:
            self._failed(image, error)
        else:
            self._lines.write(json.dumps({"key": key} | Record.of(image, old).to_json()) + "\n")
            self.exported.pictures += 1
            self.exported.size += image.original.size
        self._context.progress.advance(1, image.original.size)

    def _failed(self, image: Image, error: ImgesError | OSError) -> None:
        """Reports that *image* was not exported. Raises `OSError` if the next picture could not be written either."""
        if isinstance(error, DiskReserve | SpoolUnavailable) and isinstance(error.__cause__, OSError):
            error = error.__cause__  # it is about the export's folder, but its words are about uploads
        if isinstance(error, OSError):
            if error.errno in NOT_WRITABLE:
                raise error
            reason = f"{printable(str(error.filename or self._folder))}: {error.strerror}"
        else:
            reason = error.message
        self.exported.failed += 1
        self._context.progress.say(f"{image.place}: {image.original.key}: not exported: {reason}")

    async def _copy(self, image: Image, target: Path) -> None:
        """Raises `Differs`, or what the storage raises, and `OSError` if *target* cannot be written."""
        if await asyncio.to_thread(_is_there, image, target):
            return
        place = self._context.places.get(image.place)
        if place is None:
            raise StorageError(f"the settings do not know the storage {image.place}")
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        part = target.with_name(f".{image.number}.part")  # not from its name, which may have the greatest length
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
    """Returns whether an earlier run wrote *target*. Raises `NoFile` if it is no file: we do not replace that."""
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
