"""`migrate`: pictures go from one place to another, while uploads and views go on.

Of each picture the objects are copied, the original last, and every copy is read back and compared by digest. Then
the row is changed, if it still is what it was, and only then the source is deleted. Whoever looked the picture up a
moment ago and finds it gone looks once more. So wherever this breaks off, the row tells where the picture is whole;
a second run takes copies that are there already as they are, and deletes sources that the first one left.
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
from imges.intake import SpoolWriter, spool_chunks
from imges.maintenance.bandwidth import Bandwidth
from imges.maintenance.objects import OUT_OF_ORDER, Copy
from imges.maintenance.parallel import each
from imges.maintenance.remake import Changed
from imges.maintenance.tools import Tools
from imges.service import LOOKUP_LIFE, Place, holds
from imges.storage import CHECK_PREFIX, KeyExists, KeyMissing, StorageError, StorageUnavailable

PAGE = 200
PASSES = 3
"""How often what was uploaded to the source meanwhile is looked for; whoever goes on uploading there is not caught."""
PATIENCE = 10
"""So many pictures, one after the other, that a place does not take or give end the run."""
TRIES = 3
"""How often a picture is moved whose row changes meanwhile."""


class Damaged(ImgesError):
    """The object is not what the catalog says; a copy would be none the better."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is not what the catalog says; see `imges fsck --digests`")


class InTheWay(ImgesError):
    def __init__(self, key: str, place: str) -> None:
        super().__init__(f"there is another object {key} in {place}; see `imges fsck`")


@dataclass(frozen=True, slots=True)
class Move:
    """What to move: *to* a place, *source* (`None`: from all others), pictures created *before*.

    *keep*: the sources stay; *parallel* pictures at a time; *bandwidth* in bytes a second, read from the sources.
    """

    to: Place
    source: str | None = None
    before: datetime | None = None
    keep: bool = False
    parallel: int = 4
    bandwidth: int | None = None


@dataclass(slots=True)
class Moved:
    """How it went: *pictures* and *size* (bytes of all their objects) moved in *seconds*, *failed* ones left."""

    pictures: int = 0
    size: int = 0
    failed: int = 0
    cleaned: int = 0
    """Sources that were deleted at the end, those of an earlier run too."""
    seconds: float = 0.0


async def planned(tools: Tools, move: Move) -> dict[str, tuple[int, int]]:
    """By place, how many pictures would go, and the bytes of their objects."""
    return await tools.service.catalog.movable(to=move.to.name, source=move.source, before=move.before)


async def migrate(tools: Tools, move: Move) -> Moved:
    """Move all there are; whoever is interrupted may run it again.

    Raises: CatalogUnavailable; StorageUnavailable, StorageFull where a place goes on failing; SettingsError where two
    places are one, for there the copy would be deleted as the source.
    """
    return await _Migration(tools, move).run()


class _Migration:
    def __init__(self, tools: Tools, move: Move) -> None:
        self._tools = tools
        self._move = move
        self._catalog = tools.service.catalog
        self._bandwidth = Bandwidth(move.bandwidth)
        self._failed: set[int] = set()
        self._sent_there = False
        """Whether there are sources to be deleted at the end, which clients may still be sent to."""
        self._out_of_reach = 0
        """How many pictures, one after the other, failed for reasons that are not theirs."""
        self._moved = Moved()

    async def run(self) -> Moved:
        began = time.monotonic()
        await self._refuse_one_place()
        for _ in range(PASSES):
            plan = await planned(self._tools, self._move)
            count = sum(pictures for pictures, _ in plan.values()) - len(self._failed)
            if count <= 0:
                break
            self._tools.progress.stage(f"moving pictures to {self._move.to.name}", count)
            await each(self._pictures(), self._one, at_once=self._move.parallel)
        if self._sent_there:
            self._tools.progress.stage("waiting until no server sends clients to the sources")
            await asyncio.sleep(LOOKUP_LIFE)
        if not self._move.keep:
            await self._clean_up()
        self._moved.failed = len(self._failed)
        self._moved.seconds = time.monotonic() - began
        return self._moved

    async def _refuse_one_place(self) -> None:
        """Raises: SettingsError where a new object of the target is seen in a source: they have one folder or bucket.

        The place `disk` is there even where the settings do not name it.
        """
        target, key = self._move.to, CHECK_PREFIX + secrets.token_hex(8)
        async with self._tools.room.folder() as folder:
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
        places = self._tools.service.places.values()
        return [place for place in places if place is not self._move.to and self._move.source in {None, place.name}]

    async def _pictures(self) -> AsyncGenerator[Image]:
        last, move = 0, self._move
        choose = partial(self._catalog.to_move, to=move.to.name, source=move.source, before=move.before, limit=PAGE)
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
            self._tools.progress.say(f"{image.place}: {image.original.key}: not moved: {error.message}")
            self._out_of_reach += isinstance(error, OUT_OF_ORDER)
            if self._out_of_reach == PATIENCE:
                raise
        self._tools.progress.advance(1, image.stored_bytes)

    async def _move_it(self, image: Image) -> None:
        source = self._tools.service.places.get(image.place)
        if source is None:
            raise StorageError(f"the settings do not know the storage {image.place}")
        for _ in range(TRIES):
            missing = await self._copy_all(image, source)
            if missing is None and await self._catalog.relocate(image, self._move.to.name):
                self._moved.pictures += 1
                self._moved.size += image.stored_bytes
                if not self._move.keep:
                    await self._take_away(source, image)
                return
            kept = (await self._catalog.rows_of([image.number])).get(image.number)
            if kept is None or kept.image.state != State.PUBLISHED:  # deleted meanwhile: so are our copies
                await _delete(self._move.to, image)
                return
            if kept.image.place != image.place:  # another has moved it, and may have taken the source from under us
                return
            if missing is not None and kept.image.files() == image.files():
                raise missing
            image = kept.image
        raise Changed

    async def _copy_all(self, image: Image, source: Place) -> KeyMissing | None:
        """What the source does not have (any more); `None`: all is copied. Raises: as `_copy`."""
        async with self._tools.room.folder() as folder:
            try:
                for file in reversed(image.files()):  # the original last
                    await self._copy(image, source, file, folder / file.md5)
            except KeyMissing as error:
                return error
        return None

    async def _copy(self, image: Image, source: Place, file: StoredFile, path: Path) -> None:
        """Raises: Damaged, InTheWay, KeyMissing, and what the places raise."""
        target = self._move.to.storage
        async with source.storage.open(file.key) as chunks:
            spooled = await spool_chunks(self._bandwidth.limited(chunks), path, sys.maxsize)
        copy = await asyncio.to_thread(Copy.of, spooled)
        if (copy.size, copy.md5) != (file.size, file.md5):
            raise Damaged(file.key)
        replace = file.key != image.original.key  # a thumb of before it was made again may lie there
        with suppress(KeyExists):
            await target.put(file.key, path, media_type=image.media_type, expires=image.expires, replace=replace)
        if not await holds(target, file):
            raise InTheWay(file.key, self._move.to.name)

    async def _take_away(self, source: Place, image: Image) -> None:
        """Delete the source; later, where servers that know no better send clients there without looking."""
        if await source.storage.url(image.original.key, expires=image.expires):
            self._sent_there = True
        else:
            await _delete(source, image)

    async def _clean_up(self) -> None:
        """Delete the sources that a run left which broke off between the row and them."""
        for place in self._sources():
            self._tools.progress.stage(f"looking for what an earlier run left in {place.name}")
            page: list[str] = []
            async for entry in place.storage.scan():
                page.append(entry.key)
                if len(page) == PAGE:
                    await self._clean(place, page)
                    page = []
            await self._clean(place, page)

    async def _clean(self, place: Place, keys: list[str]) -> None:
        """Delete those of *keys* whose pictures are, byte for byte, where the others went."""
        for key, kept in (await self._catalog.owners(keys)).items():
            if kept is None or kept.image.state != State.PUBLISHED or kept.image.place != self._move.to.name:
                continue
            file = kept.image.file(key)
            if file and await holds(self._move.to.storage, file):
                await place.storage.delete(key)
                self._moved.cleaned += 1
        self._tools.progress.advance(len(keys))


async def _delete(place: Place, image: Image) -> None:
    for file in image.files():
        await place.storage.delete(file.key)
