"""What `fsck` does with suspect rows.

- A thumb or medium that is missing, or has another size or digest, is made again from the original.
- An upload or a deletion that broke off is finished by the sweep of the service.
- An original that is missing or damaged is copied back from another place, if one has it byte for byte. If none has,
  and the object was changed but still decodes, the row takes over what the object is now. Otherwise the picture is
  given up: what is left of it goes to `lost+found`, and its addresses answer 410.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from functools import partial

from imges.catalog import Image, Kept, State, StoredFile
from imges.errors import FormatRefused, ImgesError, NotAnImage
from imges.imaging import MEDIA_TYPES
from imges.maintenance.adopt import described
from imges.maintenance.context import Context
from imges.maintenance.fsck_findings import Findings
from imges.maintenance.fsck_index import Index
from imges.maintenance.lost_and_found import LostAndFound
from imges.maintenance.objects import digest, elsewhere, fetched
from imges.maintenance.parallel import each
from imges.maintenance.remake import Changed, put_derived, remake
from imges.storage import KeyMissing
from imges.storage.places import Place

PAGE = 100
AT_ONCE = 4
"""Pictures that are checked and mended at a time."""

ORIGINAL, MEDIUM, THUMB = "original", "medium", "thumb"
MISSING = "is missing"
TRIES = 5
"""How often a row is read again if it changes while its objects are checked."""

SETTLING = 1.0
"""Seconds that a server has to finish its deletions, from when the first suspect row is checked."""


class NotFinished(ImgesError):
    """A sweep could not remove the row; the log says why."""

    def __init__(self) -> None:
        super().__init__("its objects could not be deleted")


class SuspectRows:
    """*digests*: compare bytes, not sizes alone. *keep*: places whose pictures are not given up."""

    def __init__(self, context: Context, findings: Findings, *, digests: bool, keep: set[str]) -> None:
        self._context = context
        self._findings = findings
        self._digests = digests
        self._keep = keep
        self._lost = LostAndFound(context.settings.data_dir)
        self._pictures = context.pictures
        self._catalog = context.catalog
        self._settled = 0.0

    async def go_through(self, index: Index) -> None:
        total, _ = await index.count_suspects()
        self._context.progress.stage("looking closely at rows", total)
        self._settled = asyncio.get_running_loop().time() + SETTLING
        await each(_numbers(index), self._check, at_once=AT_ONCE)

    async def _check(self, number: int) -> None:
        try:
            await self._judge(number)
        except ImgesError as error:
            self._findings.hopeless(f"row {number}", "it could not be checked", error.message)
        self._context.progress.advance()

    async def _judge(self, number: int) -> None:
        kept, problems = await self._now(number)
        if kept and kept.image.state == State.DELETING:  # perhaps by a server, which needs a moment for it
            await asyncio.sleep(self._settled - asyncio.get_running_loop().time())
            kept, problems = await self._now(number)
        if kept is None or kept.in_flight:
            return
        if kept.image.state == State.PUBLISHED:
            await self._mend_published(kept.image, problems)
        else:
            await self._mend_unfinished(kept.image)

    # What is wrong

    async def _now(self, number: int) -> tuple[Kept | None, dict[str, str]]:
        """Returns the row and what is wrong with its objects.

        The two belong together: the row is read before and after, and must not have changed. Raises `Changed` if it
        changes each time.
        """
        for _ in range(TRIES):
            kept = (await self._catalog.inventory.by_numbers([number])).get(number)
            if kept is None or kept.image.state != State.PUBLISHED:
                return kept, {}
            problems = await self._problems(kept.image)
            again = (await self._catalog.inventory.by_numbers([number])).get(number)
            if not problems or (again and replace(again.image, views=0) == replace(kept.image, views=0)):
                return kept, problems
        raise Changed

    async def _problems(self, image: Image) -> dict[str, str]:
        """Returns what is wrong with each object, by `ORIGINAL`, `MEDIUM` and `THUMB`."""
        place = self._context.places[image.place]
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

    async def _mend_unfinished(self, image: Image) -> None:
        deleting = image.state == State.DELETING
        problem = "its deletion was not finished" if deleting else "its upload broke off"
        await self._findings.wrong(_where(image), problem, "taken away", partial(self._finish, image.number))

    async def _finish(self, number: int) -> None:
        await self._pictures.sweeping.sweep()
        if await self._catalog.inventory.by_numbers([number]):
            raise NotFinished

    async def _mend_published(self, image: Image, problems: dict[str, str]) -> None:
        if ORIGINAL in problems:
            if not await self._mend_original(image, problems):
                return
            kept, problems = await self._now(image.number)
            if kept is None:
                return
            image = kept.image
        if problems:
            await self._mend_derived(image, problems)

    async def _mend_derived(self, image: Image, problems: dict[str, str]) -> None:
        told = ", ".join(f"its {name} {problem}" for name, problem in problems.items())

        async def again() -> None:
            await remake(self._context, image)

        await self._findings.wrong(_where(image), told, "made again from the original", again)

    async def _mend_original(self, image: Image, problems: dict[str, str]) -> bool:
        """Returns whether the picture has its old original again: then its thumb and medium are worth a look."""
        where, problem = _where(image), f"its original {problems[ORIGINAL]}"
        is_there = problems[ORIGINAL] != MISSING
        others = [place for place in self._context.places.values() if place.name != image.place]
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
        place, key = self._context.places[image.place], image.original.key
        async with self._context.work_folder.folder() as folder:
            copy = await fetched(source.storage, key, folder / "copy")
            if is_there:
                await self._lost.save(place, key)
            await place.storage.put(key, copy.path, media_type=image.media_type, expires=image.expires)

    async def _decodes(self, image: Image) -> bool:
        async with self._context.work_folder.folder() as folder:
            original = await fetched(self._context.places[image.place].storage, image.original.key, folder / "stored")
            try:
                header = await self._pictures.rendering.inspect(original.path)
                await self._pictures.rendering.derive(original.path, header, folder)
            except (NotAnImage, FormatRefused):
                return False
            return MEDIA_TYPES[header.format] == image.media_type

    async def _accept(self, image: Image) -> None:
        place = self._context.places[image.place]
        async with self._context.work_folder.folder() as folder:
            original = await fetched(place.storage, image.original.key, folder / "stored")
            header = await self._pictures.rendering.inspect(original.path)
            made = await self._pictures.rendering.derive(original.path, header, folder)
            changed = described(image.original.key, original, header)
            await put_derived(self._context, place, image, made, original=changed)

    async def _give_up(self, image: Image) -> None:
        place = self._context.places[image.place]
        for file in image.files():
            with suppress(KeyMissing):
                await self._lost.save(place, file.key)
        await self._pictures.deleting.delete(image)


async def _numbers(index: Index) -> AsyncGenerator[int]:
    last = 0
    while page := await index.suspects(after=last, limit=PAGE):
        for number in page:
            yield number
        last = page[-1]


def _where(image: Image) -> str:
    return f"{image.place}: {image.original.key}"
