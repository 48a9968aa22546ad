"""Mends pictures that an earlier import brought: facts that it did not know, old addresses, and the right id."""

import re
from contextlib import suppress
from dataclasses import replace

from imges.catalog import GUEST, Image, KeyTaken, OldAddress, utc_now
from imges.errors import Gone, NotFound
from imges.maintenance.context import Context
from imges.maintenance.records import LeftOut, Record
from imges.maintenance.source import Known, Source

IDENTITY = re.compile(r"[0-9A-Za-z]{1,64}")


class Mending:
    """Mends pictures of *source* that are in the catalog already."""

    def __init__(self, context: Context, source: Source) -> None:
        self._context = context
        self._catalog = context.catalog
        self._source = source
        self.added = 0
        """How many old addresses were added."""

    async def mend(self, image: Image, known: Known) -> bool:
        """Fill in what *image* lacks. Returns whether there was anything to mend. Raises what the catalog raises."""
        changed = await self._mend_id(image, known.record.id) if known.record.id else False
        better = _filled(image, known.record)
        if better != image:
            changed = await self._catalog.mending.fill(image, better) or changed
        return await self._add_addresses(image, known.old) or changed

    async def _add_addresses(self, image: Image, old: tuple[OldAddress, ...]) -> bool:
        """Let the addresses *old* lead to *image*, and report those that belong to another picture.

        Returns whether there was one that did not.
        """
        owners = await self._catalog.old_addresses.owners([each.path for each in old])
        self.report_taken([path for path, number in owners.items() if number != image.number])
        new = [each for each in old if each.path not in owners]
        added = await self._catalog.old_addresses.add(image.number, new) if new else 0
        self.added += added
        return added > 0

    def report_taken(self, paths: list[str]) -> None:
        for path in paths:
            self._context.progress.say(f"{path}: another picture has, or had, this old address")

    async def _mend_id(self, image: Image, right: str) -> bool:
        """Give *image* the id *right*. Its present id stays with it, unless it is another picture's right id."""
        if image.id == right or not IDENTITY.fullmatch(right):
            return False
        rightful = await self._source.records.named(identity=image.id)
        if await self.owner_of_id(right) not in {None, image.number}:
            await self.make_way(right)
        try:
            await self._catalog.mending.give_id(image, right, keep=rightful is None)
        except KeyTaken:
            self._context.progress.say(
                f"{image.original.key}: its id {right} is another picture's here: it keeps {image.id}"
            )
            return False
        if rightful is not None:
            self._context.progress.say(
                f"{image.original.key}: /image/{image.id}, from an earlier import, is the address of {rightful} now"
            )
        return True

    async def owner_of_id(self, identity: str) -> int | None:
        """Return the number of the published picture with that id."""
        with suppress(NotFound, Gone):
            return (await self._catalog.published.by_id(identity, utc_now())).number
        return None

    async def make_way(self, right: str) -> bool:
        """Take the id *right* away from a picture of the same host that an earlier import gave it by mistake.

        Returns whether the id is free now. It is not if a picture has it that was uploaded here.
        """
        with suppress(NotFound, Gone):
            owner = await self._catalog.published.by_id(right, utc_now())
            record = await self._peek(owner.original.key)
            if record is not None and record.id is not None and record.id != right:
                await self._catalog.mending.free_id(owner, right)
                return True
        return False

    async def _peek(self, key: str) -> Record | None:
        with suppress(LeftOut):
            return await self._source.records.peek(key)
        return None


def _filled(image: Image, record: Record) -> Image:
    """Returns *image* with what *record* knows and the row does not. What was changed here since stays.

    A row with another moment of creation was made without the record.
    """
    created = record.created or image.created
    is_bare = created != image.created
    name = image.original.key.rpartition("/")[2]
    return replace(
        image,
        created=created,
        expires=image.expires or (record.expires if is_bare else None),
        original_filename=(image.original_filename == name and record.original_filename) or image.original_filename,
        title=image.title or record.title,
        description=image.description or record.description,
        tags=image.tags or record.tags,
        nsfw=image.nsfw or (is_bare and record.nsfw),
        views=max(image.views, record.views),
        api_key=record.api_key if record.api_key and image.api_key == GUEST else image.api_key,
    )
