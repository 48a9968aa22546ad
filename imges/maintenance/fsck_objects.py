"""What `fsck` does with objects that no row has.

- An object of a deleted picture, and a medium that its picture does not have, are deleted.
- An original that decodes is taken in as a picture, with the thumb and medium beside it. There are such after the
  restore of a catalog that is older than the files. A folder of this machine is ours alone, so the original may lie
  anywhere in it. A bucket may be used by others too, so there it must lie in a date folder.
- Anything else in a date folder, or with the name of a picture, is moved to `lost+found`: it may be somebody's only
  copy. So is an original whose name is too long for a thumb beside it.
- All other objects are not ours. They are counted, and left alone.
- A copy of a picture whose row names another place is counted. A migration leaves copies for a moment, or with --keep.
"""

import os
from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial

from imges.catalog import Image, Kept, KeyTaken, State
from imges.errors import FormatRefused, ImgesError, NotAnImage
from imges.maintenance.adopt import adopt
from imges.maintenance.context import Context
from imges.maintenance.fsck_findings import Findings
from imges.maintenance.fsck_index import Index, ScannedObject
from imges.maintenance.lost_and_found import LostAndFound
from imges.maintenance.objects import fetched
from imges.maintenance.old_keys import OldKey, is_in_date_folder
from imges.maintenance.parallel import each
from imges.storage import CHECK_PREFIX, KeyMissing
from imges.storage.places import Place

PAGE = 200


class StrayObjects:
    def __init__(self, context: Context, findings: Findings, *, quiet: bool) -> None:
        self._context = context
        self._quiet = quiet
        self._findings = findings
        self._lost = LostAndFound(context.settings.data_dir)
        self._places = context.places
        self._catalog = context.catalog

    async def go_through(self, index: Index) -> None:
        """Checks originals first: an original that is taken in takes its thumb and medium along."""
        self._context.progress.stage("looking at objects without a picture")
        for derived in (False, True):
            last = ("", "")
            while page := await index.objects(after=last, limit=PAGE):
                last = (page[-1].place, page[-1].key)
                chosen = [found for found in page if self._is_derived(found) is derived]
                await self._check(chosen)

    def _is_derived(self, found: ScannedObject) -> bool:
        name = OldKey.anywhere(found.key)
        return name is not None and name.original is not None

    async def _check(self, page: list[ScannedObject]) -> None:
        """Judges each object of *page* as it is now: much may have changed since the scan."""
        owners = await self._catalog.inventory.owners([found.key for found in page])
        at_once = self._context.settings.images.workers or os.cpu_count() or 1
        await each(_all_of(page), partial(self._judge, owners), at_once=at_once)

    async def _judge(self, owners: dict[str, Kept | None], found: ScannedObject) -> None:
        place = self._places[found.place]
        where = f"{found.place}: {found.key}"
        self._context.progress.advance()
        try:
            modified = (await place.storage.stat(found.key)).modified
        except KeyMissing:
            return
        except ImgesError as error:
            self._findings.hopeless(where, "it could not be checked", error.message)
            return
        if found.key not in owners:
            await self._unknown(place, found.key, where, modified)
        elif (owner := owners[found.key]) is None:
            delete = partial(self._delete, place, found.key)
            await self._findings.wrong(where, "it is left of a deleted picture", "deleted", delete)
        elif owner.image.state == State.PUBLISHED:
            await self._of_a_picture(place, found, owner.image)

    async def _of_a_picture(self, place: Place, found: ScannedObject, image: Image) -> None:
        where, home = f"{found.place}: {found.key}", image.place
        if image.file(found.key) is None:
            delete = partial(self._delete, place, found.key)
            await self._findings.wrong(where, "its picture has no such medium any more", "deleted", delete)
        elif home != place.name:
            self._findings.notes[f"copies in {place.name} of what is in {home}; `imges migrate` takes them away"] += 1

    async def _unknown(self, place: Place, key: str, where: str, modified: datetime) -> None:
        if key.startswith(CHECK_PREFIX):
            return
        is_local = place.storage.local_path(key) is not None
        name = OldKey.anywhere(key) if is_local else OldKey.read(key)
        if name is None and not is_in_date_folder(key):
            self._findings.notes[f"objects in {place.name} are not of imges, and left alone"] += 1
            return
        if name and name.original and not self._findings.repair and await _is_there(place, name.original):
            return  # its original was reported, and will take it along
        problem = "no picture in the catalog has it"
        original = name if name and name.original is None and name.has_room else None
        if original and (self._findings.repair or await self._looks_good(place, key)):
            remedy = "taken in as a picture of the guests', without title, expiry and delete link"
            take_in = partial(self._adopt, place, original, modified)
            await self._findings.wrong(where, problem, remedy, take_in, quiet=self._quiet)
        else:
            await self._findings.wrong(where, problem, self._to_lost, partial(self._save, place, key))

    @property
    def _to_lost(self) -> str:
        return f"moved to {self._lost.folder}"

    async def _looks_good(self, place: Place, key: str) -> bool:
        async with self._context.work_folder.folder() as folder:
            try:
                await fetched(place.storage, key, folder / "stored")
                await self._context.pictures.rendering.inspect(folder / "stored")
            except ImgesError:
                return False
            return True

    async def _adopt(self, place: Place, name: OldKey, modified: datetime) -> str | None:
        """Takes the original in. Returns what was done instead if it does not decode after all."""
        try:
            await adopt(self._context, place, name, modified=modified)
        except (KeyTaken, NotAnImage, FormatRefused):
            return await self._save(place, name.key)
        return None

    async def _save(self, place: Place, key: str) -> str:
        await self._lost.save(place, key)
        return self._to_lost

    async def _delete(self, place: Place, key: str) -> None:
        await place.storage.delete(key)


async def _all_of(page: list[ScannedObject]) -> AsyncGenerator[ScannedObject]:
    for found in page:
        yield found


async def _is_there(place: Place, key: str) -> bool:
    try:
        await place.storage.stat(key)
    except KeyMissing:
        return False
    return True
