"""The pictures in albums: pages in each order, one at random, adding, moving and taking out.

Pictures that expired or are being deleted are in no answer, because the statements ask for their state. Only the count
is made of the index alone, without a look at each row, and then corrected by the few rows of other states.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, func, select, tuple_, update

from imges.catalog.album_rows import STEP, album_of, append, is_shown, respace
from imges.catalog.database import Database
from imges.catalog.rows import IMAGE, image_of
from imges.catalog.statements import by_index, select_images
from imges.catalog.tables import IS_DELETING, album_pictures, albums, files, images
from imges.catalog.types import Album, Image, Place, Role, Shape, Sort, State

BY_NAME = 10_000
"""Pictures that are sorted by name at most. A larger album is shown in the order in which they were added."""

TRIED = 50
"""Pictures that `random` reads, from a random one on, to find one that is shown."""

_IN = album_pictures.c


class AlbumPictures:
    """Reads and changes what is in albums."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, album: Album, now: datetime) -> int:
        """Return how many pictures *album* shows *now*. Takes some milliseconds for 100,000."""
        return await self._database.read(partial(_count, number=album.number, now=now))

    async def page(
        self, album: Album, now: datetime, *, limit: int, after: Place | None = None
    ) -> tuple[list[Image], Place | None]:
        """Return the pictures behind *after* in the order of *album*, and where the next page begins, if there is one.

        *after* must come from the same order; one of another order gives another page.
        """

        def look(connection: Connection) -> tuple[list[Image], Place | None]:
            sort = album.sort
            if sort is Sort.NAME and _listed(connection, album.number) > BY_NAME:
                sort = Sort.ADDED
            statement = _ordered(album.number, now, sort, after).limit(limit + 1)
            rows = connection.execute(statement).mappings().all()
            end = (rows[limit - 1]["sorted_by"], rows[limit - 1]["number"]) if len(rows) > limit else None
            return [image_of(row) for row in rows[:limit]], end

        return await self._database.read(look)

    async def random(self, album: Album, now: datetime, shape: Shape | None = None) -> Image | None:
        """Return one picture by chance, of that *shape* if it is given; `None` if there is none."""
        return await self._database.read(partial(_random, number=album.number, now=now, shape=shape))

    async def cover(self, album: Album, now: datetime) -> Image | None:
        """Return the picture that stands for *album*: its cover, or the first; `None` if it shows none."""

        def look(connection: Connection) -> Image | None:
            shown = _shown(album.number, now)
            chosen = select_images(shown.where(images.c.number == album.cover))(connection)
            first = chosen or select_images(shown.order_by(_IN.position, _IN.image).limit(1))(connection)
            return next(iter(first), None)

        return await self._database.read(look)

    async def latest_of(self, image: Image, now: datetime) -> Album | None:
        """Return the album that *image* was added to last, of those that everybody with its address sees."""
        statement = (
            select(albums)
            .join(album_pictures, albums.c.number == _IN.album)
            .where(_IN.image == image.number, albums.c.privacy == "unlisted")
            .where(albums.c.expires.is_(None) | (albums.c.expires > now))
            .order_by(_IN.added.desc(), _IN.album.desc())
            .limit(1)
        )
        row = await self._database.read(lambda connection: connection.execute(statement).mappings().one_or_none())
        return None if row is None else album_of(row)

    async def numbers(self, album: Album, wanted: Sequence[str]) -> list[int]:
        """Return the numbers of those ids whose pictures are in *album*, in their order."""
        statement = (
            select(images.c.id, images.c.number)
            .join(album_pictures, _IN.image == images.c.number)
            .where(_IN.album == album.number, images.c.id.in_(wanted))
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        found: dict[str, int] = {row.id: row.number for row in rows}
        return [found[each] for each in dict.fromkeys(wanted) if each in found]

    # Changes

    async def add(self, album: Album, numbers: Sequence[int], now: datetime) -> int:
        """Add the pictures of these *numbers* behind the others, in this order. Returns how many were not there."""
        return await self._database.write(
            lambda connection: append(connection, album.number, _existing(connection, numbers), now)
        )

    async def remove(self, album: Album, numbers: Sequence[int]) -> int:
        """Take pictures out of *album*, and return how many were in it. The pictures stay."""
        statement = delete(album_pictures).where(_IN.album == album.number, _IN.image.in_(numbers))
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def move(self, album: Album, numbers: Sequence[int], before: int | None) -> int:
        """Move pictures to the place before the picture *before*, in this order; `None` is the end.

        Returns how many of them are in *album*. Pictures that are not in it are left out.
        """
        return await self._database.write(partial(_move, number=album.number, wanted=numbers, before=before))

    async def put_crc32(self, image: Image, crc32: int) -> None:
        """Store the CRC-32 of the original of *image*, which the row did not have."""
        statement = update(files).where(
            files.c.image == image.number, files.c.version == image.version, files.c.role == Role.ORIGINAL
        )
        await self._database.write(lambda connection: connection.execute(statement.values(crc32=crc32)).rowcount)


def _shown(number: int, now: datetime) -> Select[Any]:
    """Select the pictures that the album shows."""
    joined = select(*IMAGE).join(album_pictures, _IN.image == images.c.number)
    return joined.where(_IN.album == number, is_shown(now))


def _ordered(number: int, now: datetime, sort: Sort, after: Place | None) -> Select[Any]:
    """Select the pictures behind *after*, with the column `sorted_by`, along an index."""
    by: ColumnElement[Any] = {Sort.ADDED: _IN.position, Sort.NEWEST: _IN.image, Sort.NAME: images.c.search}[sort]
    statement = _shown(number, now).add_columns(by.label("sorted_by"))
    if after is not None and isinstance(after[0], str) == (sort is Sort.NAME):
        place = tuple_(by, _IN.image)
        statement = statement.where(place < after if sort is Sort.NEWEST else place > after)
    if sort is Sort.NEWEST:
        return statement.order_by(_IN.image.desc())
    return statement.order_by(by, _IN.image)


def _listed(connection: Connection, number: int) -> int:
    """Return how many pictures of any state are in the album."""
    statement = select(func.count()).select_from(album_pictures).where(_IN.album == number)
    return connection.execute(statement).scalar_one()


def _count(connection: Connection, number: int, now: datetime) -> int:
    """Count all, without those that are not shown: each of their states has an index of its own, with few rows."""
    count = _listed(connection, number)
    for index, condition in (
        ("images_lease", images.c.lease.is_not(None)),
        ("images_deleting", IS_DELETING),
        ("images_expires", and_(images.c.expires <= now, images.c.state == State.PUBLISHED)),
    ):
        inside = exists().where(_IN.album == number, _IN.image == images.c.number)
        hidden = by_index(select(func.count()).select_from(images).where(condition, inside), index)
        count -= connection.execute(hidden).scalar_one()
    return count


def _random(connection: Connection, number: int, now: datetime, shape: Shape | None) -> Image | None:
    """Begin at a random place of the index. Behind a run of pictures that are not shown, the next is a bit likelier."""
    listed = _listed(connection, number)
    if not listed:
        return None
    numbers = select(_IN.image).where(_IN.album == number).order_by(_IN.position, _IN.image)
    some = connection.scalars(numbers.offset(secrets.randbelow(listed)).limit(TRIED)).all()
    statement = _shown(number, now)
    if shape is not None:
        wider = files.c.width > files.c.height if shape == "landscape" else files.c.height > files.c.width
        original = (files.c.image == images.c.number, files.c.version == images.c.version)
        statement = statement.join(files, and_(*original, files.c.role == Role.ORIGINAL)).where(wider)
    statement = statement.order_by(_IN.position, _IN.image).limit(1)
    for one in (statement.where(_IN.image.in_(some)), statement):
        if found := select_images(one)(connection):
            return found[0]
    return None


def _existing(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """Return those of *numbers* that are published, in their order, each once."""
    statement = select(images.c.number).where(images.c.number.in_(numbers), images.c.state == State.PUBLISHED)
    there = set(connection.scalars(statement.with_for_update(read=True, key_share=True)))
    return [number for number in dict.fromkeys(numbers) if number in there]


def _move(connection: Connection, number: int, wanted: Sequence[int], before: int | None) -> int:
    connection.execute(select(albums.c.number).where(albums.c.number == number).with_for_update())
    inside = select(_IN.image).where(_IN.album == number, _IN.image.in_(wanted))
    there = set(connection.scalars(inside))
    moved = [each for each in dict.fromkeys(wanted) if each in there]
    first, step = _room(connection, number, moved, before) or (None, 0)
    if first is None:
        respace(connection, number)
        first, step = _room(connection, number, moved, before) or (0, STEP)
    for place, each in enumerate(moved):
        one = update(album_pictures).where(_IN.album == number, _IN.image == each)
        connection.execute(one.values(position=first + place * step))
    return len(moved)


def _room(connection: Connection, number: int, moved: Sequence[int], before: int | None) -> tuple[int, int] | None:
    """Return the first position and the step for *moved* before the picture *before*; `None` if there is no room."""
    others = (_IN.album == number, _IN.image.not_in(moved))
    stop = None
    if before is not None:
        stop = connection.scalar(select(_IN.position).where(*others, _IN.image == before))
    last = select(func.max(_IN.position)).where(*others)
    if stop is None:
        return (connection.scalar(last) or 0) + STEP, STEP
    start = connection.scalar(last.where(_IN.position < stop))
    start = stop - STEP * (len(moved) + 1) if start is None else start
    same = connection.scalar(select(func.count()).where(*others, _IN.position == stop))
    step = (stop - start) // (len(moved) + 1)
    return None if step == 0 or same != 1 else (start + step, step)
