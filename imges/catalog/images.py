"""The life of pictures: pending → published → deleting → tombstone, and pending → withdrawing → forgotten.

Every change is one conditional statement, or stands in one transaction: it happens once, whoever else tries.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Update, and_, bindparam, delete, or_, select, tuple_, update

from imges.catalog.networks import sent_from
from imges.catalog.prepared import Prepared
from imges.catalog.reservation import is_alive, reserve
from imges.catalog.rows import image_of
from imges.catalog.statements import Statements
from imges.catalog.tables import IS_DELETING, api_keys, images, leases, unique_keys
from imges.catalog.types import Image, NewImage, RowClaimed, State
from imges.errors import Gone, ImgesError, NotFound

PAGE = 500
"""Rows read, or changed, at a time where there may be many."""

UNHEARD = (State.PENDING, State.WITHDRAWING)
"""States of pictures that nobody was ever told of."""

# Built once: what every upload and every view runs; building a statement costs more than running it.

_PUBLISH = Prepared(
    lambda _: (
        update(images)
        .where(images.c.number == bindparam("held_number"), images.c.state == State.PENDING)
        .where(images.c.lease == bindparam("held_lease"))
        .values(state=State.PUBLISHED, lease=None)
    )
)
_BY_HASH = (
    select(unique_keys.c.hash, images)
    .select_from(unique_keys.outerjoin(images))
    .where(unique_keys.c.hash == bindparam("wanted"))
)


class Images(Statements):
    # Upload

    async def reserve(self, new: NewImage, *, lease: str, short_id: Callable[[int], str] | None = None) -> Image:
        """A pending row for *new*, held by *lease*, its id and its three object keys nobody else's, now or ever.

        Where *new* has no id, *short_id* makes one from the row's number. When the caller is cancelled meanwhile,
        nothing stays; when the catalog gets out of reach, see `forget_unheard`.

        Raises: KeyTaken (one of them is or was another's), QuotaUsedUp, KeyWrong (the API key is gone),
        KeyUnusable (it is disabled, or has expired).
        """
        work = partial(reserve, new=new, lease=lease, now=self._now(), short_id=short_id, hashes=self._hashes)
        task = asyncio.ensure_future(self._database.write(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.shield(self._take_back(task, lease))
            raise

    async def _take_back(self, reserving: asyncio.Future[Image], lease: str) -> None:
        """Undo what nobody heard of; where that fails, see `forget_unheard`."""
        with suppress(ImgesError):
            image = await reserving
            await self.withdraw(image.number, lease=lease)
            await self.forget(image.number)

    async def forget_unheard(self, token_hashes: Collection[bytes], *, lease: str) -> None:
        """Take back reservations under *lease* that may have been made though `reserve` raised, or was cancelled.

        They are known by the hashes of their delete tokens. Nothing of them can have been put anywhere.
        """
        statement = select(images.c.number, images.c.state).where(
            images.c.lease == lease, images.c.state.in_(UNHEARD), images.c.delete_token_hash.in_(token_hashes)
        )

        def forget(connection: Connection) -> None:
            for number, state in connection.execute(statement).all():
                remove(connection, number, state, free_keys=True)

        await self._database.write(forget)

    async def publish(self, reserved: Image, *, lease: str) -> Image:
        """From pending to published, durably; the row as it is then.

        Raises: RowClaimed where it is not pending under *lease* any more.
        """
        held = {"held_number": reserved.number, "held_lease": lease}
        if not await self._database.write(lambda connection: _PUBLISH.run(connection, held).rowcount):
            raise RowClaimed(reserved.number)
        return replace(reserved, state=State.PUBLISHED)

    async def withdraw(self, number: int, *, lease: str) -> bool:
        """From pending to withdrawing: the upload cannot be published any more.

        True also for what is withdrawing already, so that an undo that broke off can begin again. False: *lease* holds
        no such row.
        """
        statement = (
            update(images)
            .where(images.c.number == number, images.c.state.in_(UNHEARD), images.c.lease == lease)
            .values(state=State.WITHDRAWING)
        )
        return await self._rows_changed(statement) > 0

    async def forget(self, number: int) -> None:
        """From withdrawing to no row; its keys are free again, for nobody was ever told. Fine where there is none."""
        await self._database.write(partial(remove, number=number, state=State.WITHDRAWING, free_keys=True))

    async def abandoned(self, *, now: datetime, limit: int) -> set[int]:
        """The numbers of pending and withdrawing rows whose lease has ended by *now*."""
        statement = select(images.c.number).where(_is_nobodys(now), images.c.state.in_(UNHEARD)).limit(limit)
        return set(await self._database.read(lambda connection: connection.scalars(statement).all()))

    async def claim(self, numbers: Collection[int], *, lease: str, now: datetime) -> list[Image]:
        """Those of *numbers* that still are abandoned: they are withdrawing under *lease* now.

        So are those that *lease* has claimed before: an answer may have been lost. No row is given to two callers as
        long as their leases live.
        """
        claimed_before = and_(images.c.lease == lease, images.c.state == State.WITHDRAWING)
        found = select(images.c.number).where(
            images.c.number.in_(numbers), images.c.state.in_(UNHEARD), or_(_is_nobodys(now), claimed_before)
        )
        return await self._claimed(found, state=State.WITHDRAWING, lease=lease)

    # Deletion

    async def mark_deleting(self, number: int) -> Image | None:
        """From published to deleting: its addresses answer 410 at once. `None`: it was not published.

        Answers the row as it is now: a migration may have moved the picture since the caller looked.
        """
        statement = (
            update(images)
            .where(images.c.number == number, images.c.state == State.PUBLISHED)
            .values(state=State.DELETING)
        )
        return next(iter(await self._changed(statement)), None)

    async def expire(self, now: datetime, *, limit: int) -> list[Image]:
        """Published pictures that have ended by *now*: they are deleting now."""
        ended = (
            select(images.c.number)
            .where(images.c.expires <= now, images.c.state == State.PUBLISHED)
            .order_by(images.c.expires)
            .limit(limit)
        )
        return await self._claimed(ended, state=State.DELETING)

    async def deleting(self, *, limit: int, after: int = 0) -> list[Image]:
        """Rows that are deleting, by number, those above *after*: deletions in progress, and what a crash left of them.

        Deleting twice does no harm: the object keys of these rows go to nobody else.
        """
        statement = select(images).where(IS_DELETING, images.c.number > after).order_by(images.c.number).limit(limit)
        return await self._selected(statement)

    async def bury(self, number: int) -> None:
        """From deleting to a tombstone: only the hashes of id and keys stay, and answer 410.

        Fine where there is no such row.
        """
        await self._database.write(partial(remove, number=number, state=State.DELETING, free_keys=False))

    # Lookup

    async def by_id(self, image_id: str, now: datetime) -> Image:
        """The published picture of that id. Raises: NotFound (never was), Gone (deleted, or expired by *now*)."""
        return await self._published(self._hashes.of("id", image_id), now)

    async def by_key(self, key: str, now: datetime) -> Image:
        """The published picture that the object key belongs to, be it the original's, the thumb's or the medium's.

        Raises: NotFound (never was), Gone (deleted, or expired by *now*).
        """
        return await self._published(self._hashes.of("object key", key), now)

    async def _published(self, key_hash: bytes, now: datetime) -> Image:
        wanted = {"wanted": key_hash}
        row = await self._database.read(
            lambda connection: connection.execute(_BY_HASH, wanted).mappings().one_or_none()
        )
        if row is None or row["state"] in UNHEARD:
            raise NotFound
        if row["state"] != State.PUBLISHED:  # deleting, or no row: a tombstone
            raise Gone
        image = image_of(row)
        if image.expires is not None and image.expires <= now:
            raise Gone
        return image

    async def duplicate_of(self, api_key: str, md5: str, size: int, now: datetime) -> Image | None:
        """A published picture of that API key whose stored original has this hex *md5* and *size* in bytes.

        `None` also for a key that is gone, disabled or expired: `reserve` says so.
        """
        statement = (
            select(images)
            .join(api_keys, and_(api_keys.c.name == images.c.api_key, is_alive(now)))
            .where(images.c.original_md5 == md5, images.c.api_key == api_key, images.c.original_size == size)
            .where(images.c.state == State.PUBLISHED, or_(images.c.expires.is_(None), images.c.expires > now))
            .limit(1)
        )
        return next(iter(await self._selected(statement)), None)

    async def published(
        self,
        *,
        api_key: str | None = None,
        network: IPv4Network | IPv6Network | None = None,
        before: datetime | None = None,
    ) -> AsyncGenerator[Image]:
        """All published pictures of that API key, sent from that *network* and created *before*; read in pages.

        Whoever deletes them while reading misses none.
        """
        order = _order(api_key, network, before)
        statement = (
            select(images)
            .where(images.c.state == State.PUBLISHED, *_conditions(api_key, network, before))
            .order_by(order, images.c.number)
            .limit(PAGE)
        )
        page = await self._selected(statement)
        while page:
            for image in page:
                yield image
            last = page[-1]
            further = tuple_(order, images.c.number) > (getattr(last, order.name), last.number)
            page = await self._selected(statement.where(further))

    # Upkeep

    async def add_views(self, counts: Mapping[str, int]) -> None:
        """Add the views of each picture by its id; of those that are gone nothing is kept."""
        if not counts:
            return
        statement = (
            update(images).where(images.c.id == bindparam("image_id")).values(views=images.c.views + bindparam("seen"))
        )
        seen = [{"image_id": image_id, "seen": counts[image_id]} for image_id in sorted(counts)]
        await self._database.write(lambda connection: connection.execute(statement, seen))

    async def forget_addresses(self, before: datetime) -> None:
        """Drop the uploaders' addresses of pictures created *before*."""
        old = select(images.c.number).where(images.c.address.is_not(None), images.c.created < before).limit(PAGE)
        statement = update(images).where(images.c.number.in_(old)).values(address=None)
        while await self._rows_changed(statement):
            pass

    # How statements are run

    async def _changed(self, statement: Update) -> list[Image]:
        returning = statement.returning(images)
        rows = await self._database.write(lambda connection: connection.execute(returning).mappings().all())
        return [image_of(row) for row in rows]

    async def _claimed(self, numbers: Select[Any], **values: Any) -> list[Image]:
        """The rows that *numbers* selects, changed; PostgreSQL passes over those that another is just changing.

        It stands in a CTE: in a plain subquery, PostgreSQL may run it again for each row and go beyond its limit.
        """
        some = numbers.with_for_update(skip_locked=True).cte("some")
        return await self._changed(update(images).where(images.c.number.in_(select(some.c.number))).values(**values))

    async def _selected(self, statement: Select[Any]) -> list[Image]:
        rows = await self._database.read(lambda connection: connection.execute(statement).mappings().all())
        return [image_of(row) for row in rows]


def _is_nobodys(now: datetime) -> ColumnElement[bool]:
    """Holds for a row with a lease that has ended by *now*."""
    alive = select(leases.c.id).where(leases.c.expires > now)
    return and_(images.c.lease.is_not(None), images.c.lease.not_in(alive))


def remove(connection: Connection, number: int, state: State, *, free_keys: bool) -> None:
    """Take the row away if it is in *state*, and count it no longer; its hashes become tombstones, or are freed."""
    found = connection.execute(
        select(images.c.api_key, images.c.stored_bytes)
        .where(images.c.number == number, images.c.state == state)
        .with_for_update()
    ).one_or_none()
    if found is None:
        return
    if free_keys:
        connection.execute(delete(unique_keys).where(unique_keys.c.image == number))
    connection.execute(delete(images).where(images.c.number == number))
    name, size = found
    connection.execute(
        update(api_keys)
        .where(api_keys.c.name == name)
        .values(pictures=api_keys.c.pictures - 1, bytes=api_keys.c.bytes - size)
    )


def _order(
    api_key: str | None, network: IPv4Network | IPv6Network | None, before: datetime | None
) -> ColumnElement[Any]:
    """The column whose index leads to the pictures asked for."""
    if network is not None:
        return images.c.address
    return images.c.number if api_key is None and before is None else images.c.created


def _conditions(
    api_key: str | None, network: IPv4Network | IPv6Network | None, before: datetime | None
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if api_key is not None:
        conditions.append(images.c.api_key == api_key)
    if network is not None:
        conditions.append(sent_from(network))
    if before is not None:
        conditions.append(images.c.created < before)
    return conditions
