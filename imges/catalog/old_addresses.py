"""Addresses that pictures had at other hosts. When a picture is deleted, its addresses stay and answer 410."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from imges.catalog.database import Database
from imges.catalog.dialects import insert_or_skip
from imges.catalog.rows import IMAGE, image_of
from imges.catalog.tables import images, old_addresses
from imges.catalog.types import UNHEARD, Image, OldAddress, Shows, State
from imges.errors import Gone, NotFound

LONGEST = 1024
"""Bytes of a path. A longer one is no old address."""

_BY_PATH = (
    select(old_addresses.c.shows, *IMAGE)
    .select_from(old_addresses.outerjoin(images))
    .where(old_addresses.c.path == bindparam("wanted"))
)


def is_possible(path: str) -> bool:
    """Returns whether *path* can be an old address: a path that is not too long and that a database can store."""
    try:
        length = len(path.encode())
    except UnicodeEncodeError:  # half a surrogate
        return False
    return path.startswith("/") and "\0" not in path and length <= LONGEST


def keep(connection: Connection, number: int, old: Sequence[OldAddress]) -> int:
    """Give the addresses *old* to the picture *number*, but those that exist already. Returns how many were given."""
    given = 0
    for each in sorted(old, key=lambda each: each.path):  # so that none deadlock
        row = {"path": each.path, "image": number, "shows": each.shows}
        given += connection.execute(insert_or_skip(connection, old_addresses), row).first() is not None
    return given


class OldAddresses:
    """Finds pictures by their old addresses, and adds such addresses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def has_any(self) -> bool:
        statement = select(old_addresses.c.path).limit(1)
        return await self._database.read(lambda connection: connection.scalar(statement)) is not None

    async def find(self, path: str, now: datetime) -> tuple[Shows, Image]:
        """Return what the old address *path* shows, and its picture.

        Raises `NotFound` if it is none, `Gone` if the picture is deleted or has expired by *now*.
        """
        if not is_possible(path):
            raise NotFound
        wanted = {"wanted": path}
        row = await self._database.read(
            lambda connection: connection.execute(_BY_PATH, wanted).mappings().one_or_none()
        )
        if row is None or row["state"] in UNHEARD:
            raise NotFound
        if row["state"] != State.PUBLISHED:  # deleting, or deleted
            raise Gone
        image = image_of(row)
        if image.expires is not None and image.expires <= now:
            raise Gone
        return Shows(row["shows"]), image

    async def owners(self, paths: Sequence[str]) -> dict[str, int | None]:
        """Return the number of the picture of each old address, `None` if it is deleted. Others are left out."""
        statement = select(old_addresses.c.path, old_addresses.c.image).where(old_addresses.c.path.in_(paths))
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return {row.path: row.image for row in rows}

    async def add(self, number: int, old: Sequence[OldAddress]) -> int:
        """Let the addresses *old* lead to the picture *number*, but those that exist. Returns how many were added."""
        return await self._database.write(lambda connection: keep(connection, number, old))

    async def of(self, numbers: Sequence[int]) -> dict[int, list[OldAddress]]:
        """Return the old addresses of each of these pictures that has any."""
        found: dict[int, list[OldAddress]] = {}
        statement = select(old_addresses).where(old_addresses.c.image.in_(numbers)).order_by(old_addresses.c.path)
        for path, number, shows in await self._database.read(lambda connection: connection.execute(statement).all()):
            found.setdefault(number, []).append(OldAddress(path, Shows(shows)))
        return found

    async def samples(self, limit: int) -> list[OldAddress]:
        """Return a few addresses whose pictures are published, to try them."""
        statement = (
            select(old_addresses.c.path, old_addresses.c.shows)
            .join(images)
            .where(images.c.state == State.PUBLISHED, images.c.expires.is_(None))
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [OldAddress(path, Shows(shows)) for path, shows in rows]
