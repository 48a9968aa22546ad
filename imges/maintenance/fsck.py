"""`fsck`: compares the catalog with the storages, both ways.

Every place is scanned into an `Index` on disk. Then all rows are read and compared with it, page by page: memory does
not grow with the number of pictures. A server may work meanwhile, so a difference proves nothing yet. Each suspect is
checked once more, its row and its objects as they are now, before it is reported or changed.

An upload writes its row before its objects, and a deletion removes it after them. So an object without a row belongs
to no upload that is under way.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

from imges.catalog import Image, Kept, State, StoredFile
from imges.maintenance.context import Context
from imges.maintenance.fsck_findings import Findings
from imges.maintenance.fsck_index import Index, ScannedObject, Suspect
from imges.maintenance.fsck_objects import StrayObjects
from imges.maintenance.fsck_rows import SuspectRows
from imges.maintenance.objects import digest
from imges.storage import KeyMissing, StorageError
from imges.storage.places import Place

PAGE = 500
"""Rows, or objects of a scan, in memory at a time."""

READERS = 8
"""Objects that are read at a time to compare their digests."""

FEW = 20
"""A place that has lost no more originals than this is never taken for the wrong folder or bucket."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What `fsck` is asked to do."""

    repair: bool = False
    digests: bool = False
    """Also compare the bytes of every object."""
    give_up: bool = False
    """Give pictures up, however many are lost."""
    rebuild: bool = False
    """Fill an empty catalog: pictures that are taken in as expected are not reported one by one."""


async def fsck(context: Context, checks: Checks) -> Findings:
    """Compares everything, and repairs what it can if asked to."""
    findings = Findings(context.progress, repair=checks.repair)
    async with Index.open() as index:
        comparison = _Comparison(context, checks, findings, index)
        await comparison.scan()
        await comparison.compare()
        doubtful = await comparison.doubtful()
        await SuspectRows(context, findings, digests=checks.digests, keep=doubtful).go_through(index)
        await StrayObjects(context, findings, quiet=checks.rebuild).go_through(index)
    return findings


class _Comparison:
    def __init__(self, context: Context, checks: Checks, findings: Findings, index: Index) -> None:
        self._context = context
        self._checks = checks
        self._findings = findings
        self._index = index
        self._catalog = context.catalog
        self._scanned: dict[str, Place] = {}
        self._nowhere: Counter[str] = Counter()
        """Rows by place, for places that the settings do not name."""
        self._rows: Counter[str] = Counter()
        """Published rows by place."""

    async def scan(self) -> None:
        for place in self._context.places.values():
            self._context.progress.stage(f"reading what is in {place.name}")
            try:
                await self._scan(place)
            except StorageError as error:
                self._findings.hopeless(
                    place.name, f"the storage could not be read: {error.message}", "look at it first"
                )
            else:
                self._scanned[place.name] = place

    async def _scan(self, place: Place) -> None:
        page: list[ScannedObject] = []
        async for entry in place.storage.scan():
            page.append(ScannedObject(place.name, entry.key, entry.size))
            if len(page) == PAGE:
                await self._add(page)
                page = []
        await self._add(page)

    async def _add(self, page: list[ScannedObject]) -> None:
        await self._index.add(page)
        self._context.progress.advance(len(page), sum(found.size for found in page))

    async def compare(self) -> None:
        """Notes every row whose objects are not in the index as the row describes them."""
        self._context.progress.stage(
            "comparing the catalog with it", sum((await self._catalog.figures.by_place()).values())
        )
        last = 0
        while rows := await self._catalog.inventory.page(after=last, limit=PAGE):
            await self._compare(rows)
            last = rows[-1].image.number
            self._context.progress.advance(len(rows))
        for name, count in sorted(self._nowhere.items()):
            self._findings.hopeless(
                f"storages.{name}",
                f"{count} pictures are in this storage, and the settings do not know it",
                "name it there again",
            )

    async def _compare(self, rows: list[Kept]) -> None:
        unfinished, published = self._sorted_out(rows)
        sizes = await self._index.take((image.place, file.key) for image in published for file in image.files())
        self._rows.update(image.place for image in published)
        suspects = [Suspect(image.number, image.place, lost=False) for image in unfinished]
        sound: list[Image] = []
        for image in published:
            if all(sizes.get((image.place, file.key)) == file.size for file in image.files()):
                sound.append(image)
            else:
                suspects.append(_suspect(image, sizes))
        if self._checks.digests:
            suspects += await self._differing(sound)
        await self._index.suspect(suspects)

    def _sorted_out(self, rows: list[Kept]) -> tuple[list[Image], list[Image]]:
        """Returns the rows whose upload or deletion broke off, and the published rows of the scanned places.

        Counts the other ones: uploads that are under way, and rows of places that the settings do not name.
        """
        unfinished: list[Image] = []
        published: list[Image] = []
        for kept in rows:
            image = kept.image
            if kept.in_flight:
                self._findings.notes["uploads are on their way"] += 1
            elif image.place not in self._context.places:
                self._nowhere[image.place] += 1
            elif image.state != State.PUBLISHED:
                unfinished.append(image)
            elif image.place in self._scanned:
                published.append(image)
        return unfinished, published

    async def _differing(self, images: list[Image]) -> list[Suspect]:
        """Returns those of *images* that have an object with other bytes than the row's digest says."""
        free = asyncio.Semaphore(READERS)

        async def same(image: Image, file: StoredFile) -> bool:
            async with free:
                try:
                    return await digest(self._scanned[image.place].storage, file.key) == file.md5
                except KeyMissing:
                    return False

        checked = [(image, file) for image in images for file in image.files()]
        equal = await asyncio.gather(*(same(image, file) for image, file in checked))
        bad = {image.number: image.place for (image, _), same in zip(checked, equal, strict=True) if not same}
        return [Suspect(number, place, lost=False) for number, place in bad.items()]

    async def doubtful(self) -> set[str]:
        """Returns the places where most pictures have lost their originals.

        Such a place is rather the wrong folder or bucket than a loss of so many.
        """
        if self._checks.give_up:
            return set()
        _, lost = await self._index.count_suspects()
        return {place for place, count in lost.items() if count > max(FEW, self._rows[place] / 2)}


def _suspect(image: Image, sizes: dict[tuple[str, str], int]) -> Suspect:
    """Returns the suspect for *image*. *sizes* has the size of each object that exists, by place and key."""
    return Suspect(image.number, image.place, lost=(image.place, image.original.key) not in sizes)
