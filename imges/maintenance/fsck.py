"""`fsck`: the catalog against the storages, both ways.

Every place is scanned into an `Index` on disk, then all rows are read and held against it, page by page: memory does
not grow with the number of pictures. What looks wrong then was only looked at in passing, while a server may have
been at work; so each suspect is looked at once more, row and objects as they are now, before anything is said of it
or done to it. Rows come before their objects and go after them: what is without a row has none.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass

from imges.catalog import State, StoredFile
from imges.catalog.upkeep import Kept
from imges.maintenance.findings import Findings
from imges.maintenance.fsck_objects import StrayObjects
from imges.maintenance.fsck_rows import SuspectRows
from imges.maintenance.index import Found, Index
from imges.maintenance.objects import digest
from imges.maintenance.tools import Tools
from imges.service import Place
from imges.storage import KeyMissing, StorageError

PAGE = 500
"""Rows, or thousands of objects, in memory at a time."""

READERS = 8
"""Objects that are read at a time to compare their digests."""

FEW = 20
"""So many pictures without their original are never taken for a place that is not the right one."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What `fsck` is asked for."""

    repair: bool = False
    digests: bool = False
    """Also to compare the bytes of every object."""
    give_up: bool = False
    """To give pictures up however many are lost."""
    rebuild: bool = False
    """To fill an empty catalog: what comes in as it should is not told one by one."""


async def fsck(tools: Tools, checks: Checks) -> Findings:
    """Compare everything, and put right what can be if asked to."""
    findings = Findings(tools.progress, repair=checks.repair)
    async with Index.open() as index:
        comparison = _Comparison(tools, checks, findings, index)
        await comparison.scan()
        await comparison.compare()
        doubtful = await comparison.doubtful()
        await SuspectRows(tools, findings, digests=checks.digests, keep=doubtful).look(index)
        await StrayObjects(tools, findings, quiet=checks.rebuild).look(index)
    return findings


class _Comparison:
    def __init__(self, tools: Tools, checks: Checks, findings: Findings, index: Index) -> None:
        self._tools = tools
        self._checks = checks
        self._findings = findings
        self._index = index
        self._catalog = tools.service.catalog
        self._scanned: dict[str, Place] = {}
        self._nowhere: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()

    async def scan(self) -> None:
        for place in self._tools.service.places.values():
            self._tools.progress.stage(f"reading what is in {place.name}")
            try:
                await self._scan(place)
            except StorageError as error:
                self._findings.hopeless(
                    place.name, f"the storage could not be read: {error.message}", "look at it first"
                )
            else:
                self._scanned[place.name] = place

    async def _scan(self, place: Place) -> None:
        page: list[Found] = []
        async for entry in place.storage.scan():
            page.append(Found(place.name, entry.key, entry.size))
            if len(page) == PAGE:
                await self._add(page)
                page = []
        await self._add(page)

    async def _add(self, page: list[Found]) -> None:
        await self._index.add(page)
        self._tools.progress.advance(len(page), sum(found.size for found in page))

    async def compare(self) -> None:
        """Note every row that does not have its objects, as it says, in the index."""
        self._tools.progress.stage("comparing the catalog with it", sum((await self._catalog.counts()).values()))
        last = 0
        while rows := await self._catalog.rows(after=last, limit=PAGE):
            await self._compare(rows)
            last = rows[-1].image.number
            self._tools.progress.advance(len(rows))
        for name, count in sorted(self._nowhere.items()):
            self._findings.hopeless(
                f"storages.{name}",
                f"{count} pictures are in this storage, and the settings do not know it",
                "name it there again",
            )

    async def _compare(self, rows: list[Kept]) -> None:
        published: list[Kept] = []
        suspects: list[tuple[int, str, bool]] = []
        for kept in rows:
            image = kept.image
            if kept.in_flight:
                self._findings.notes["uploads are on their way"] += 1
            elif image.place not in self._tools.service.places:
                self._nowhere[image.place] += 1
            elif image.state != State.PUBLISHED:
                suspects.append((image.number, image.place, False))
            elif image.place in self._scanned:
                published.append(kept)
        sizes = await self._index.take((row.image.place, file.key) for row in published for file in row.image.files())
        sound: list[Kept] = []
        for kept in published:
            image = kept.image
            self._rows[image.place] += 1
            if all(sizes.get((image.place, file.key)) == file.size for file in image.files()):
                sound.append(kept)
            else:
                suspects.append((image.number, image.place, (image.place, image.original.key) not in sizes))
        if self._checks.digests:
            suspects += await self._differing(sound)
        await self._index.suspect(suspects)

    async def _differing(self, rows: list[Kept]) -> list[tuple[int, str, bool]]:
        """Those of *rows* with an object that has other bytes."""
        free = asyncio.Semaphore(READERS)

        async def same(kept: Kept, file: StoredFile) -> bool:
            async with free:
                try:
                    return await digest(self._scanned[kept.image.place].storage, file.key) == file.md5
                except KeyMissing:
                    return False

        checked = [(kept, file) for kept in rows for file in kept.image.files()]
        equal = await asyncio.gather(*(same(kept, file) for kept, file in checked))
        bad = {kept.image.number: kept.image.place for (kept, _), same in zip(checked, equal, strict=True) if not same}
        return [(number, place, False) for number, place in bad.items()]

    async def doubtful(self) -> set[str]:
        """Places of which most pictures have no original: rather the wrong folder or bucket than so many lost."""
        if self._checks.give_up:
            return set()
        _, lost = await self._index.count_suspects()
        return {place for place, count in lost.items() if count > max(FEW, self._rows[place] / 2)}
