"""What people write about a picture after its upload: title, description, tags, and when it ends."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection, select, update

from imges.catalog.database import Database
from imges.catalog.rows import IMAGE, WRITTEN, written
from imges.catalog.statements import select_images
from imges.catalog.tables import images
from imges.catalog.types import Image, State


class Edits:
    """Changes what is written about published pictures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def apply(self, number: int, change: Callable[[Image], Image]) -> Image | None:
        """Store what *change* makes of the published picture, and return it. Only the fields `WRITTEN` are stored.

        *change* gets the row as it is now, and no other edit comes between. It may be called more than once. Returns
        `None` if the picture is not published.
        """

        def work(connection: Connection) -> Image | None:
            held = select(images.c.number).where(images.c.number == number, images.c.state == State.PUBLISHED)
            if connection.scalar(held.with_for_update()) is None:
                return None
            (now,) = select_images(select(*IMAGE).where(images.c.number == number))(connection)
            wanted = change(now)
            connection.execute(update(images).where(images.c.number == number).values(**written(wanted)))
            return replace(now, **{name: getattr(wanted, name) for name in WRITTEN})

        return await self._database.write(work)
