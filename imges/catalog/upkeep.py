"""Statements of the maintenance commands: rows as they stand, whose a key is, and what is mended, moved or taken in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    literal_column,
    select,
    type_coerce,
    update,
)

from imges.catalog.columns import EPOCH
from imges.catalog.images import UNHEARD, remove
from imges.catalog.reservation import take_in
from imges.catalog.rows import file_columns, image_of
from imges.catalog.statements import Statements
from imges.catalog.tables import api_keys, images, leases, unique_keys
from imges.catalog.types import Image, NewImage, State


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of whatever state; *in_flight* while the process that uploads it lives."""

    image: Image
    in_flight: bool


@dataclass(frozen=True, slots=True)
class Statistics:
    """Published pictures, the *bytes* of all their objects, their views; and pictures and bytes by each group."""

    pictures: int
    bytes: int
    views: int
    places: dict[str, tuple[int, int]]
    formats: dict[str, tuple[int, int]]
    api_keys: dict[str, tuple[int, int]]
    days: dict[str, tuple[int, int]]
    """By the day of the upload, in UTC, as 2014-06-04."""


class Upkeep(Statements):
    async def rows(self, *, after: int = 0, limit: int) -> list[Kept]:
        """Rows of every state, by number, those above *after*."""
        return await self._kept(self._all().where(images.c.number > after).order_by(images.c.number).limit(limit))

    async def rows_of(self, numbers: Sequence[int]) -> dict[int, Kept]:
        """The rows of these numbers that there still are."""
        return {kept.image.number: kept for kept in await self._kept(self._all().where(images.c.number.in_(numbers)))}

    async def owners(self, keys: Sequence[str]) -> dict[str, Kept | None]:
        """Whose each object key is: its picture, or `None` for that of a deleted one; free keys are left out."""
        hashed = {self._hashes.of("object key", key): key for key in keys}
        statement = select(unique_keys.c.hash, unique_keys.c.image).where(unique_keys.c.hash.in_(list(hashed)))
        taken = await self._database.read(lambda connection: connection.execute(statement).all())
        found = await self.rows_of([number for _, number in taken if number is not None])
        return {hashed[key_hash]: found.get(number) for key_hash, number in taken}

    async def counts(self) -> dict[str, int]:
        """How many pictures each place has, whatever their state."""
        statement = select(images.c.place, func.count().label("pictures")).group_by(images.c.place)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return {row.place: row.pictures for row in rows}

    async def movable(self, *, to: str, source: str | None, before: datetime | None) -> dict[str, tuple[int, int]]:
        """By place, how many published pictures can go from there *to* a place, and the bytes of their objects."""
        sums = select(images.c.place, func.count(), func.sum(images.c.stored_bytes)).group_by(images.c.place)
        statement = sums.where(*_movable(to, source, before))
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return {place: (pictures, int(size)) for place, pictures, size in rows}

    async def to_move(
        self, *, to: str, source: str | None, before: datetime | None, after: int, limit: int
    ) -> list[Image]:
        """These pictures, by number, those above *after*."""
        statement = select(images).where(*_movable(to, source, before), images.c.number > after)
        page = statement.order_by(images.c.number).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(page).mappings().all())
        return [image_of(row) for row in rows]

    async def statistics(self) -> Statistics:
        return await self._database.read(_statistics)

    async def take_in(
        self,
        new: NewImage,
        *,
        lease: str | None = None,
        views: int = 0,
        short_id: Callable[[int], str] | None = None,
    ) -> Image:
        """A row for a picture that was somewhere before: quotas do not hold it up, though it counts.

        Published at once where its objects are in place already, else pending under *lease*. *short_id* is as in
        `reserve`. Raises: KeyTaken.
        """
        work = partial(take_in, new=new, lease=lease, views=views, short_id=short_id, hashes=self._hashes)
        return await self._database.write(work)

    async def refile(self, image: Image, new: Image) -> bool:
        """Let the row of the published *image* tell of the objects that *new* has. False: it is another by now."""
        return await self._database.write(partial(_refile, image=image, new=new))

    async def relocate(self, image: Image, place: str) -> bool:
        """Let the row of the published *image* say that its objects are in *place*. False: it is another by now."""
        return await self._rows_changed(update(images).where(_as_it_was(image)).values(place=place)) > 0

    async def forget_unfinished(self) -> int:
        """Drop every pending or withdrawing row, whoever holds it, and free its keys; how many there were.

        For a catalog that was just restored: an upload that was under way when the copy was made may have been
        answered since. Its files then are nobody's, and can be taken in; a sweep would delete them.
        """
        statement = select(images.c.number, images.c.state).where(images.c.state.in_(UNHEARD))

        def forget(connection: Connection) -> int:
            rows = connection.execute(statement).all()
            for number, state in rows:
                remove(connection, number, State(state), free_keys=True)
            return len(rows)

        return await self._database.write(forget)

    # How statements are run

    def _all(self) -> Select[Any]:
        alive = select(leases.c.id).where(leases.c.expires > self._now())
        held = and_(images.c.state.in_(UNHEARD), images.c.lease.in_(alive))
        return select(images, func.coalesce(held, False).label("in_flight"))

    async def _kept(self, statement: Select[Any]) -> list[Kept]:
        rows = await self._database.read(lambda connection: connection.execute(statement).mappings().all())
        return [Kept(image_of(row), bool(row["in_flight"])) for row in rows]


def _statistics(connection: Connection) -> Statistics:
    pictures, size = func.count(), func.coalesce(func.sum(images.c.stored_bytes), 0)
    published = images.c.state == State.PUBLISHED

    def grouped(column: ColumnElement[Any]) -> dict[Any, tuple[int, int]]:
        rows = connection.execute(select(column, pictures, size).where(published).group_by(column))
        return {name: (count, int(total)) for name, count, total in rows}

    views = func.coalesce(func.sum(images.c.views), 0)
    count, total, seen = connection.execute(select(pictures, size, views).where(published)).one()
    day = type_coerce(images.c.created, BigInteger) // literal_column("86400000000")  # microseconds
    days = {(EPOCH + timedelta(days=number)).date().isoformat(): sums for number, sums in grouped(day).items()}
    places, formats, api_keys = (grouped(images.c[name]) for name in ("place", "media_type", "api_key"))
    return Statistics(count, int(total), int(seen), places, formats, api_keys, days)


def _movable(to: str, source: str | None, before: datetime | None) -> list[ColumnElement[bool]]:
    """Holds for published pictures that are in *source* (`None`: anywhere but in *to*) and were created *before*."""
    conditions = [images.c.state == State.PUBLISHED, images.c.place != to]
    if source is not None:
        conditions.append(images.c.place == source)
    if before is not None:
        conditions.append(images.c.created < before)
    return conditions


def _as_it_was(image: Image) -> ColumnElement[bool]:
    """Holds for the row of *image* as long as it is published and has the same objects in the same place."""
    medium = images.c.medium_md5
    return and_(
        images.c.number == image.number,
        images.c.state == State.PUBLISHED,
        images.c.place == image.place,
        images.c.original_md5 == image.original.md5,
        images.c.thumb_md5 == image.thumb.md5,
        medium.is_(None) if image.medium is None else medium == image.medium.md5,
    )


def _refile(connection: Connection, image: Image, new: Image) -> bool:
    changed = connection.execute(update(images).where(_as_it_was(image)).values(**file_columns(new), frames=new.frames))
    if not changed.rowcount:
        return False
    more = new.stored_bytes - image.stored_bytes
    connection.execute(update(api_keys).where(api_keys.c.name == image.api_key).values(bytes=api_keys.c.bytes + more))
    return True
