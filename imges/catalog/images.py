"""The rows of pictures from their reservation on: pending → published, or pending → withdrawing → no row.

Every change is one conditional statement or one transaction. So it happens once, even if several processes try it.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, insert, or_, select, update

from imges.catalog.database import Database
from imges.catalog.prepared import Prepared
from imges.catalog.removal import remove
from imges.catalog.reservation import reserve, take_in
from imges.catalog.rows import file_rows, summary_of
from imges.catalog.statements import claim_images, count_changed, is_as_it_was
from imges.catalog.tables import api_keys, files, images, leases
from imges.catalog.types import UNHEARD, Image, NewImage, OldAddress, RowClaimed, State, UploadId
from imges.catalog.unique_keys import KeyHashes
from imges.errors import ImgesError

PAGE = 500
"""Most rows that are changed at a time."""

# Built once, because every upload runs it: building a statement costs more than running it.
_PUBLISH = Prepared(
    lambda _: (
        update(images)
        .where(images.c.number == bindparam("held_number"), images.c.state == State.PENDING)
        .where(images.c.lease == bindparam("held_lease"))
        .values(state=State.PUBLISHED, lease=None)
    )
)


class Images:
    """Adds rows, publishes them or takes them back, and changes published ones."""

    def __init__(self, database: Database, hashes: KeyHashes, now: Callable[[], datetime]) -> None:
        self._database = database
        self._hashes = hashes
        self._now = now

    # Uploads

    async def reserve(
        self,
        new: NewImage,
        *,
        lease: str,
        short_id: Callable[[int], str] | None = None,
        upload_id: UploadId | None = None,
    ) -> Image:
        """Add a pending row for *new* under *lease*. Its id and its three object keys are its own from then on.

        If *new* has no id, *short_id* makes one from the row's number. If the caller is cancelled meanwhile, no row
        stays. If the catalog cannot be reached, see `forget_unheard`.

        Raises `KeyTaken` if the id or a key is or was another picture's, `QuotaUsedUp`, `KeyWrong` if the API key was
        revoked, `KeyUnusable` if it is disabled or has expired, `UploadIdTaken` if *upload_id* came before.
        """
        work = partial(
            reserve,
            new=new,
            lease=lease,
            now=self._now(),
            short_id=short_id,
            hashes=self._hashes,
            upload_id=upload_id,
        )
        task = asyncio.ensure_future(self._database.write(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.shield(self._take_back(task, lease))
            raise

    async def _take_back(self, reserving: asyncio.Future[Image], lease: str) -> None:
        """Delete the row of a caller that was cancelled. If that fails, see `forget_unheard`."""
        with suppress(ImgesError):
            image = await reserving
            await self.withdraw(image.number, lease=lease)
            await self.forget(image.number)

    async def take_in(
        self,
        new: NewImage,
        *,
        lease: str | None = None,
        views: int = 0,
        short_id: Callable[[int], str] | None = None,
        old: Sequence[OldAddress] = (),
    ) -> Image:
        """Add a row for a picture that was somewhere else before. No quota refuses it, but it counts in the quota.

        Without *lease* it is published at once, because its objects are in place; else it is pending under *lease*.
        The addresses *old* lead to it from now on. One that another picture has is skipped.
        *short_id* is as in `reserve`. Raises `KeyTaken`.
        """
        work = partial(take_in, new=new, lease=lease, views=views, short_id=short_id, hashes=self._hashes, old=old)
        return await self._database.write(work)

    async def publish(self, reserved: Image, *, lease: str) -> Image:
        """Change the row from pending to published, durably, and return it.

        Raises `RowClaimed` if it is not pending under *lease* any more.
        """
        held = {"held_number": reserved.number, "held_lease": lease}
        if not await self._database.write(lambda connection: _PUBLISH.run(connection, held).rowcount):
            raise RowClaimed(reserved.number)
        return replace(reserved, state=State.PUBLISHED)

    # Uploads that are taken back

    async def withdraw(self, number: int, *, lease: str) -> bool:
        """Change the row from pending to withdrawing, so that the upload cannot be published any more.

        Returns true also for a row that is withdrawing already, so that an interrupted undo can begin again. Returns
        false if *lease* holds no such row.
        """
        statement = (
            update(images)
            .where(images.c.number == number, images.c.state.in_(UNHEARD), images.c.lease == lease)
            .values(state=State.WITHDRAWING)
        )
        return await self._database.write(count_changed(statement)) > 0

    async def forget(self, number: int) -> None:
        """Delete a withdrawing row and free its keys, because no client knows them. Fine if there is none."""
        await self._database.write(partial(remove, number=number, state=State.WITHDRAWING, free_keys=True))

    async def forget_unheard(self, token_hashes: Collection[bytes], *, lease: str) -> None:
        """Delete rows that `reserve` may have added under *lease* although it raised or was cancelled.

        The hashes of their delete tokens identify them. No object of theirs can have been stored.
        """
        await self._forget_all(images.c.lease == lease, images.c.delete_token_hash.in_(token_hashes))

    async def forget_unfinished(self) -> int:
        """Delete every pending or withdrawing row under any lease, free its keys, and return how many there were.

        For a catalog that was just restored from a backup. An upload that was pending in the backup may have been
        answered since. Without its row, its files can be adopted; with it, a sweep would delete them.
        """
        return await self._forget_all()

    async def _forget_all(self, *conditions: ColumnElement[bool]) -> int:
        statement = select(images.c.number, images.c.state).where(images.c.state.in_(UNHEARD), *conditions)

        def forget(connection: Connection) -> int:
            rows = connection.execute(statement).all()
            for number, state in rows:
                remove(connection, number, State(state), free_keys=True)
            return len(rows)

        return await self._database.write(forget)

    async def abandoned(self, *, now: datetime, limit: int) -> set[int]:
        """Return the numbers of pending and withdrawing rows whose lease has ended by *now*."""
        statement = select(images.c.number).where(_is_abandoned(now), images.c.state.in_(UNHEARD)).limit(limit)
        return set(await self._database.read(lambda connection: connection.scalars(statement).all()))

    async def claim(self, numbers: Collection[int], *, lease: str, now: datetime) -> list[Image]:
        """Change those of *numbers* that still are abandoned to withdrawing under *lease*, and return them.

        Rows that *lease* claimed before are returned too, because the answer may have been lost. No row is given to
        two callers while their leases live.
        """
        claimed_before = and_(images.c.lease == lease, images.c.state == State.WITHDRAWING)
        found = select(images.c.number).where(
            images.c.number.in_(numbers), images.c.state.in_(UNHEARD), or_(_is_abandoned(now), claimed_before)
        )
        return await self._database.write(claim_images(found, state=State.WITHDRAWING, lease=lease))

    # Published pictures

    async def set_files(self, image: Image, new: Image) -> bool:
        """Put the files of *new* in the place of those of the published *image*, as the same version.

        Returns false if the picture has changed.
        """
        return await self._database.write(partial(_set_files, image=image, new=new))

    async def add_views(self, counts: Mapping[str, int]) -> None:
        """Add the views of each picture, given by its id. Views of deleted pictures are dropped."""
        if not counts:
            return
        statement = (
            update(images).where(images.c.id == bindparam("image_id")).values(views=images.c.views + bindparam("seen"))
        )
        seen = [{"image_id": image_id, "seen": counts[image_id]} for image_id in sorted(counts)]
        await self._database.write(lambda connection: connection.execute(statement, seen))

    async def forget_addresses(self, before: datetime) -> None:
        """Delete the uploaders' addresses of pictures created *before*."""
        old = select(images.c.number).where(images.c.address.is_not(None), images.c.created < before).limit(PAGE)
        statement = update(images).where(images.c.number.in_(old)).values(address=None)
        while await self._database.write(count_changed(statement)):
            pass


def _is_abandoned(now: datetime) -> ColumnElement[bool]:
    """Holds for a row with a lease that has ended by *now*."""
    alive = select(leases.c.id).where(leases.c.expires > now)
    return and_(images.c.lease.is_not(None), images.c.lease.not_in(alive))


def _set_files(connection: Connection, image: Image, new: Image) -> bool:
    if not is_as_it_was(connection, image):
        return False
    connection.execute(delete(files).where(files.c.image == image.number, files.c.version == image.version))
    connection.execute(insert(files), file_rows(new, image.number, image.version))
    connection.execute(update(images).where(images.c.number == image.number).values(**summary_of(new)))
    more = new.stored_bytes - image.stored_bytes
    connection.execute(update(api_keys).where(api_keys.c.name == image.api_key).values(bytes=api_keys.c.bytes + more))
    return True
