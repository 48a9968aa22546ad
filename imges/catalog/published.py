"""Finding published pictures by what names them. Every view of a picture begins here."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, tuple_

from imges.catalog.database import Database
from imges.catalog.networks import sent_from
from imges.catalog.reservation import is_alive
from imges.catalog.rows import IMAGE, image_of
from imges.catalog.statements import newest_first, select_images
from imges.catalog.tables import api_keys, images, unique_keys
from imges.catalog.types import UNHEARD, Image, State
from imges.catalog.unique_keys import KeyHashes
from imges.errors import Gone, NotFound

PAGE = 500
"""Most rows that are read at a time."""

# Built once, because every view runs it: building a statement costs more than running it.
_BY_HASH = (
    select(unique_keys.c.hash, *IMAGE)
    .select_from(unique_keys.outerjoin(images))
    .where(unique_keys.c.hash == bindparam("wanted"))
)


class PublishedImages:
    """Finds published pictures."""

    def __init__(self, database: Database, hashes: KeyHashes) -> None:
        self._database = database
        self._hashes = hashes

    async def by_id(self, image_id: str, now: datetime) -> Image:
        """Return the picture of that id.

        Raises `NotFound` if there never was one, `Gone` if it is deleted or has expired by *now*.
        """
        return await self._by_hash(self._hashes.of("id", image_id), now)

    async def by_key(self, key: str, now: datetime) -> Image:
        """Return the picture whose original, thumb or medium has this object key.

        Raises `NotFound` if there never was one, `Gone` if it is deleted or has expired by *now*.
        """
        return await self._by_hash(self._hashes.of("object key", key), now)

    async def _by_hash(self, key_hash: bytes, now: datetime) -> Image:
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

    async def by_ids(self, ids: Sequence[str]) -> list[Image]:
        """Return those of *ids* that are published, newest first."""
        statement = select(images.c.number).where(images.c.id.in_(ids), images.c.state == State.PUBLISHED)
        return await self._database.read(
            lambda connection: newest_first(connection, connection.scalars(statement).all())
        )

    async def duplicate_of(self, api_key: str, md5: str, size: int, now: datetime) -> Image | None:
        """Return a picture of that API key whose stored original has this hex *md5* and *size* in bytes.

        Returns `None` also if the API key is revoked, disabled or expired. `images.reserve` then says so.
        """
        statement = (
            select(*IMAGE)
            .join(api_keys, and_(api_keys.c.name == images.c.api_key, is_alive(now)))
            .where(images.c.original_md5 == md5, images.c.api_key == api_key, images.c.original_size == size)
            .where(images.c.state == State.PUBLISHED, or_(images.c.expires.is_(None), images.c.expires > now))
            .limit(1)
        )
        return next(iter(await self._database.read(select_images(statement))), None)

    async def each(
        self,
        *,
        api_key: str | None = None,
        network: IPv4Network | IPv6Network | None = None,
        before: datetime | None = None,
    ) -> AsyncGenerator[Image]:
        """Yield the pictures of that API key, sent from that *network* and created *before*; read in pages.

        A caller that deletes the pictures while it reads misses none.
        """
        order = _order(api_key, network, before)
        statement = (
            select(*IMAGE)
            .where(images.c.state == State.PUBLISHED, *_conditions(api_key, network, before))
            .order_by(order, images.c.number)
            .limit(PAGE)
        )
        page = await self._database.read(select_images(statement))
        while page:
            for image in page:
                yield image
            last = page[-1]
            further = tuple_(order, images.c.number) > (getattr(last, order.name), last.number)
            page = await self._database.read(select_images(statement.where(further)))


def _order(
    api_key: str | None, network: IPv4Network | IPv6Network | None, before: datetime | None
) -> ColumnElement[Any]:
    """Return the column whose index leads to these pictures."""
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
