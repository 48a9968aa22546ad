"""`migrate`: moves pictures from one place to another, while uploads and views go on.

The objects of a picture are copied, the original last. Every copy is read back and compared by digest. Then the row is
changed, if it is still what it was. Only then the source is deleted. A server that looked the picture up a moment ago,
and finds it gone, looks it up once more.

So wherever a run breaks off, the row names the place where the picture is whole. The next run accepts the copies that
are already there, and deletes the sources that the first run left.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from imges.catalog import Image, State, StoredFile
from imges.errors import ImgesError, SettingsError
from imges.maintenance.bandwidth import Bandwidth
from imges.maintenance.context import Context
from imges.maintenance.objects import OUT_OF_ORDER, Copy
from imges.maintenance.parallel import each
from imges.maintenance.remake import Changed
from imges.pictures.finding import LOOKUP_LIFE
from imges.pictures.integrity import is_intact
from imges.receiving.spool import SpoolWriter, spool_chunks
from imges.storage import CHECK_PREFIX, KeyExists, KeyMissing, StorageError, StorageUnavailable
from imges.storage.places import Place

PAGE = 200
PASSES = 3
"""How often the run looks for pictures that were uploaded to the source meanwhile. It does not wait for their end."""
PATIENCE = 10
"""The run ends after so many pictures in a row that a place did not take or give."""
TRIES = 3
"""How often a picture is tried again if its row changes meanwhile."""


class Damaged(ImgesError):
    """The object is not what the catalog says, so a copy would be damaged too."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is not what the catalog says; see `imges fsck --digests`")


class InTheWay(ImgesError):
    """The target has an object of the same key and other bytes, which is not overwritten."""

    def __init__(self, key: str, place: str) -> None:
        super().__init__(f"there is another object {key} in {place}; see `imges fsck`")


@dataclass(frozen=True, slots=True)
class Move:
    """What to move: pictures of *source* (`None`: of all other places) that were created *before*, *to* a place.

    *keep*: do not delete the sources. *parallel*: pictures at a time. *bandwidth*: bytes per second that are read.
    """

    to: Place
    source: str | None = None
    before: datetime | None = None
    keep: bool = False
    parallel: int = 4
    bandwidth: int | None = None


@dataclass(slots=True)
class Moved:
    """*pictures* with *size* bytes of objects were moved in *seconds*; *failed* pictures were not."""

    pictures: int = 0
    size: int = 0
    failed: int = 0
    cleaned: int = 0
    """Sources that were deleted at the end, also those of an earlier run."""
    seconds: float = 0.0


async def planned(context: Context, move: Move) -> dict[str, tuple[int, int]]:
    """Returns for each place how many pictures would be moved, and the bytes of their objects."""
    return await context.catalog.moves.sums(to=move.to.name, source=move.source, before=move.before)


async def migrate(context: Context, move: Move) -> Moved:
    """Moves all pictures that are meant. An interrupted run may be run again.

    Raises `SettingsError` if two places are one: there the copy would be deleted as the source. Raises
    `StorageUnavailable` or `StorageFull` if a place goes on failing, and `CatalogUnavailable`.
    """
    return await _Migration(context, move).run()


class _Migration:
    def __init__(self, context: Context, move: Move) -> None:
        self._context = context
        self._move = move
        self._catalog = context.catalog
        self._bandwidth = Bandwidth(move.bandwidth)
        self._failed: set[int] = set()
        self._sent_there = False
        """Whether sources are left for the end, because servers may still send clients to them."""
        self._out_of_reach = 0
        """How many pictures failed, one after the other, because a place did."""
        self._moved = Moved()

    async def run(self) -> Moved:
        began = time.monotonic()
        await self._refuse_one_place()
        for _ in range(PASSES):
            plan = await planned(self._context, self._move)
            count = sum(pictures for pictures, _ in plan.values()) - len(self._failed)
            if count <= 0:
                break
            self._context.progress.stage(f"moving pictures to {self._move.to.name}", count)
            await each(self._pictures(), self._one, at_once=self._move.parallel)
        if self._sent_there:
            self._context.progress.stage("waiting until no server sends clients to the sources")
            await asyncio.sleep(LOOKUP_LIFE)
        if not self._move.keep:
            await self._clean_up()
        self._moved.failed = len(self._failed)
        self._moved.seconds = time.monotonic() - began
        return self._moved

    async def _refuse_one_place(self) -> None:
        """Raises `SettingsError` if a new object of the target appears in a source: both are one folder or bucket.

        The place `disk` is a source even if the settings do not name it.
        """
        target, key = self._move.to, CHECK_PREFIX + secrets.token_hex(8)
        async with self._context.work_folder.folder() as folder:
            probe = SpoolWriter(folder / "probe", len(key))
            await probe.write(key.encode())
            try:
                file = (await probe.finish()).path
                await target.storage.put(key, file, media_type="application/octet-stream")
                for place in self._sources():
                    with suppress(KeyMissing, StorageUnavailable):
                        await place.storage.stat(key)
                        raise SettingsError(
                            f"storages.{place.name} and storages.{target.name} are one and the same place: nothing can "
                            "be moved from one to the other; take one of them out, or give it another folder or bucket"
                        )
            finally:
                await target.storage.delete(key)

    def _sources(self) -> list[Place]:
        places = self._context.places.values()
        return [place for place in places if place is not self._move.to and self._move.source in {None, place.name}]

    async def _pictures(self) -> AsyncGenerator[Image]:
        last, move = 0, self._move
        choose = partial(self._catalog.moves.page, to=move.to.name, source=move.source, before=move.before, limit=PAGE)
        while page := await choose(after=last):
            for image in page:
                if image.number not in self._failed:
                    yield image
            last = page[-1].number

    async def _one(self, image: Image) -> None:
        try:
            await self._move_it(image)
            self._out_of_reach = 0
        except ImgesError as error:
            self._failed.add(image.number)
            self._context.progress.say(f"{image.place}: {image.original.key}: not moved: {error.message}")
            self._out_of_reach += isinstance(error, OUT_OF_ORDER)
            if self._out_of_reach == PATIENCE:
                raise
        self._context.progress.advance(1, image.stored_bytes)

    async def _move_it(self, image: Image) -> None:
        source = self._context.places.get(image.place)
        if source is None:
            raise StorageError(f"the settings do not know the storage {image.place}")
        for _ in range(TRIES):
            missing = await self._copy_all(image, source)
            if missing is None and await self._catalog.moves.record(image, self._move.to.name):
                await self._finish(image, source)
                return
            now = await self._still_to_move(image)
            if now is None:
                return
            if missing is not None and now.files() == image.files():
                raise missing
            image = now
        raise Changed

    async def _finish(self, image: Image, source: Place) -> None:
        """The row names the new place: counts the picture, and deletes the source unless it is to be kept."""
        self._moved.pictures += 1
        self._moved.size += image.stored_bytes
        if not self._move.keep:
            await self._take_away(source, image)

    async def _still_to_move(self, image: Image) -> Image | None:
        """Returns the row of *image* as it is now; `None` if it was deleted or moved meanwhile.

        If it was deleted, our copies are deleted too. If another run has moved it, our copies may be its own.
        """
        kept = (await self._catalog.inventory.by_numbers([image.number])).get(image.number)
        if kept is None or kept.image.state != State.PUBLISHED:
            await _delete(self._move.to, image)
            return None
        return kept.image if kept.image.place == image.place else None

    async def _copy_all(self, image: Image, source: Place) -> KeyMissing | None:
        """Returns what the source does not have (any more); `None` if all is copied. Raises what `_copy` raises."""
        async with self._context.work_folder.folder() as folder:
            try:
                for file in reversed(image.files()):  # the original last: it makes the copy a picture
                    await self._copy(image, source, file, folder / file.md5)
            except KeyMissing as error:
                return error
        return None

    async def _copy(self, image: Image, source: Place, file: StoredFile, path: Path) -> None:
        """Copies one object by way of the file *path*, and compares it.

        Raises `KeyMissing` if the source does not have it, `Damaged` if it is not what the row says, and `InTheWay` if
        the target has another object of this key.
        """
        target = self._move.to.storage
        async with source.storage.open(file.key) as chunks:
            spooled = await spool_chunks(self._bandwidth.limited(chunks), path, sys.maxsize)
        copy = await asyncio.to_thread(Copy.of, spooled.path, spooled.size)
        if (copy.size, copy.md5) != (file.size, file.md5):
            raise Damaged(file.key)
        replace = file.key != image.original.key  # an older thumb may lie there, from before it was made again
        with suppress(KeyExists):
            await target.put(file.key, path, media_type=image.media_type, expires=image.expires, replace=replace)
        if not await is_intact(target, file):
            raise InTheWay(file.key, self._move.to.name)

    async def _take_away(self, source: Place, image: Image) -> None:
        """Deletes the source, or leaves it to the end of the run if servers may still send clients there."""
        if await source.storage.url(image.original.key, expires=image.expires):
            self._sent_there = True
        else:
            await _delete(source, image)

    async def _clean_up(self) -> None:
        """Deletes sources whose rows name the target: those left to the end, and those of a run that broke off."""
        for place in self._sources():
            self._context.progress.stage(f"looking for what an earlier run left in {place.name}")
            page: list[str] = []
            async for entry in place.storage.scan():
                page.append(entry.key)
                if len(page) == PAGE:
                    await self._clean(place, page)
                    page = []
            await self._clean(place, page)

    async def _clean(self, place: Place, keys: list[str]) -> None:
        """Deletes those objects whose pictures are in the target, if the target has them byte for byte."""
        for key, kept in (await self._catalog.inventory.owners(keys)).items():
            if kept is None or kept.image.state != State.PUBLISHED or kept.image.place != self._move.to.name:
                continue
            file = kept.image.file(key)
            if file and await is_intact(self._move.to.storage, file):
                await place.storage.delete(key)
                self._moved.cleaned += 1
        self._context.progress.advance(len(keys))


async def _delete(place: Place, image: Image) -> None:
    for file in image.files():
        await place.storage.delete(file.key)
