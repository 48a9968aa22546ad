"""`fsck`'s close look at rows: what is wrong with each, and how it is put right.

- Thumb or medium missing, or of another size or digest: made again from the original.
- An upload or a deletion that broke off: finished by the service's own sweep.
- The original missing or damaged: copied back from another place that has it byte for byte. If there is none, a file
  that was changed but still decodes counts as it is, and the row follows it; else the picture is given up. What is
  left of it goes to `lost+found`, and its addresses answer 410.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from imges.catalog import Image, State, StoredFile
from imges.catalog.upkeep import Kept
from imges.errors import FormatRefused, ImgesError, NotAnImage
from imges.imaging import MEDIA_TYPES
from imges.maintenance.adopt import described
from imges.maintenance.findings import Findings
from imges.maintenance.index import Index
from imges.maintenance.lost import LostAndFound
from imges.maintenance.objects import digest, elsewhere, fetched
from imges.maintenance.parallel import each
from imges.maintenance.remake import Changed, put_derived, remake
from imges.maintenance.tools import Tools
from imges.service import Place
from imges.storage import KeyMissing

PAGE = 100
AT_ONCE = 4
"""Pictures that are looked at, and mended, at a time."""

ORIGINAL, MEDIUM, THUMB = "original", "medium", "thumb"
MISSING = "is missing"
TRIES = 5
"""How often a row is read again that changes while its objects are looked at."""


SETTLING = 1.0
"""Seconds that deletions have to come to their end by themselves, from when rows begin to be looked at closely."""


class NotFinished(ImgesError):
    """A sweep could not take the row away; what held it up is in the log."""

    def __init__(self) -> None:
        super().__init__("its objects could not be deleted")


class SuspectRows:
    """*digests*: whether bytes are compared, not sizes alone; *keep*: places whose pictures are not given up."""

    def __init__(self, tools: Tools, findings: Findings, *, digests: bool, keep: set[str]) -> None:
        self._tools = tools
        self._findings = findings
        self._digests = digests
        self._keep = keep
        self._lost = LostAndFound(tools.settings.data_dir)
        self._service = tools.service
        self._catalog = tools.service.catalog
        self._settled = 0.0

    async def look(self, index: Index) -> None:
        total, _ = await index.count_suspects()
        self._tools.progress.stage("looking closely at rows", total)
        self._settled = asyncio.get_running_loop().time() + SETTLING
        await each(_numbers(index), self._look_at, at_once=AT_ONCE)

    async def _look_at(self, number: int) -> None:
        try:
            await self._judge(number)
        except ImgesError as error:
            self._findings.hopeless(f"row {number}", "it could not be looked at", error.message)
        self._tools.progress.advance()

    async def _judge(self, number: int) -> None:
        kept, problems = await self._now(number)
        if kept and kept.image.state == State.DELETING:  # by a server that is just at it, perhaps
            await asyncio.sleep(self._settled - asyncio.get_running_loop().time())
            kept, problems = await self._now(number)
        if kept is None or kept.in_flight:
            return
        image = kept.image
        if image.state != State.PUBLISHED:
            deleting = image.state == State.DELETING
            problem = "its deletion was not finished" if deleting else "its upload broke off"
            await self._findings.wrong(_where(image), problem, "taken away", partial(self._finish, number))
            return
        if ORIGINAL in problems:
            if not await self._mend_original(image, problems):
                return
            kept, problems = await self._now(number)
            if kept is None:
                return
            image = kept.image
        if problems:
            await self._mend_derived(image, problems)

    # What is wrong

    async def _now(self, number: int) -> tuple[Kept | None, dict[str, str]]:
        """The row and what is wrong with its objects, both seen at one time: the row was the same before and after."""
        for _ in range(TRIES):
            kept = (await self._catalog.rows_of([number])).get(number)
            if kept is None or kept.image.state != State.PUBLISHED:
                return kept, {}
            problems = await self._problems(kept.image)
            again = (await self._catalog.rows_of([number])).get(number)
            if not problems or (again and replace(again.image, views=0) == replace(kept.image, views=0)):
                return kept, problems
        raise Changed

    async def _problems(self, image: Image) -> dict[str, str]:
        """By the name of the object."""
        place = self._service.places[image.place]
        problems: dict[str, str] = {}
        for name, file in ((ORIGINAL, image.original), (MEDIUM, image.medium), (THUMB, image.thumb)):
            if file and (problem := await self._problem(place, file)):
                problems[name] = problem
        return problems

    async def _problem(self, place: Place, file: StoredFile) -> str | None:
        try:
            size = (await place.storage.stat(file.key)).size
            if size != file.size:
                return f"has {size} bytes instead of {file.size}"
            if self._digests and await digest(place.storage, file.key) != file.md5:
                return "has other bytes than were stored"
        except KeyMissing:
            return MISSING
        return None

    # How it is put right

    async def _finish(self, number: int) -> None:
        await self._service.sweep()
        if await self._catalog.rows_of([number]):
            raise NotFinished

    async def _mend_derived(self, image: Image, problems: dict[str, str]) -> None:
        told = ", ".join(f"its {name} {problem}" for name, problem in problems.items())

        async def again() -> None:
            await remake(self._service, self._tools.room, image)

        await self._findings.wrong(_where(image), told, "made again from the original", again)

    async def _mend_original(self, image: Image, problems: dict[str, str]) -> bool:
        """Whether the picture goes on, so that its thumb and medium are worth a look."""
        where, problem = _where(image), f"its original {problems[ORIGINAL]}"
        is_there = problems[ORIGINAL] != MISSING
        others = [place for place in self._service.places.values() if place.name != image.place]
        if source := await elsewhere(others, image.original):
            bring = partial(self._bring_back, image, source, is_there=is_there)
            return await self._findings.wrong(where, problem, f"copied back from {source.name}", bring)
        if is_there and await self._decodes(image):
            accept = partial(self._accept, image)
            await self._findings.wrong(where, f"{problem}, but is a picture", "taken as it is now", accept)
            return False
        if image.place in self._keep:
            advice = f"not given up, for most pictures of {image.place} have none: is it the right folder or bucket?"
            self._findings.hopeless(where, problem, advice)
            return False
        remedy = f"given up: what is left goes to {self._lost.folder}, and its addresses answer 410"
        await self._findings.wrong(where, problem, remedy, partial(self._give_up, image))
        return False

    async def _bring_back(self, image: Image, source: Place, *, is_there: bool) -> None:
        place, key = self._service.places[image.place], image.original.key
        async with self._tools.room.folder() as folder:
            copy = await fetched(source.storage, key, folder / "copy")
            if is_there:
                await self._lost.save(place, key)
            await place.storage.put(key, copy.path, media_type=image.media_type, expires=image.expires)

    async def _decodes(self, image: Image) -> bool:
        async with self._tools.room.folder() as folder:
            original = await fetched(self._service.places[image.place].storage, image.original.key, folder / "stored")
            try:
                header = await self._service.look(original.path)
                await self._service.derive(original.path, header, folder)
            except (NotAnImage, FormatRefused):
                return False
            return MEDIA_TYPES[header.format] == image.media_type

    async def _accept(self, image: Image) -> None:
        place = self._service.places[image.place]
        async with self._tools.room.folder() as folder:
            original = await fetched(place.storage, image.original.key, folder / "stored")
            header = await self._service.look(original.path)
            made = await self._service.derive(original.path, header, folder)
            changed = described(image.original.key, original, header)
            await put_derived(self._service, place, image, made, original=changed)

    async def _give_up(self, image: Image) -> None:
        place = self._service.places[image.place]
        for file in image.files():
            with suppress(KeyMissing):
                await self._lost.save(place, file.key)
        await self._service.delete(image)


async def _numbers(index: Index) -> AsyncGenerator[int]:
    last = 0
    while page := await index.suspects(after=last, limit=PAGE):
        for number in page:
            yield number
        last = page[-1]


def _where(image: Image) -> str:
    return f"{image.place}: {image.original.key}"
