"""Corrections of pictures that an earlier import brought: a better dump says more of them."""

from functools import partial

from sqlalchemy import Connection, delete, insert, select, update

from imges.catalog.database import Database
from imges.catalog.rows import search_text
from imges.catalog.tables import api_keys, images, unique_keys
from imges.catalog.types import Image, State
from imges.catalog.unique_keys import KeyHashes, take
from imges.ids import random_id

MENDED = ("created", "expires", "original_filename", "title", "description", "tags", "nsfw", "views", "api_key")


class Mending:
    """Changes what the rows of imported pictures say, and their ids."""

    def __init__(self, database: Database, hashes: KeyHashes) -> None:
        self._database = database
        self._hashes = hashes

    async def fill(self, image: Image, better: Image) -> bool:
        """Write what *better* says into the row of the published *image*. Returns false if it is not published.

        The pictures that API keys have are counted anew if the picture changes its key.
        """
        return await self._database.write(partial(_fill, image=image, better=better))

    async def give_id(self, image: Image, right: str, *, keep: bool) -> None:
        """Give *image* the id *right*. With *keep* its present id leads to it for ever, else the id becomes free.

        Raises `KeyTaken` if another picture has or had that id.
        """
        work = partial(_give_id, image=image, right=right, keep=keep, hashes=self._hashes)
        await self._database.write(work)

    async def free_id(self, image: Image, wanted: str) -> None:
        """Take the id *wanted* away from *image*, so that its rightful picture can have it.

        If it is the present id of *image*, that gets a random one.
        """
        await self._database.write(partial(_free_id, image=image, wanted=wanted, hashes=self._hashes))


def _fill(connection: Connection, image: Image, better: Image) -> bool:
    values = {name: getattr(better, name) for name in MENDED}
    values["search"] = search_text(f"{better.original_filename} {better.title or ''}")
    published = (images.c.number == image.number) & (images.c.state == State.PUBLISHED)
    held = select(images.c.api_key, images.c.stored_bytes).where(published).with_for_update()
    found = connection.execute(held).one_or_none()
    if found is None:
        return False
    connection.execute(update(images).where(published).values(**values))
    before, size = found
    if before != better.api_key:
        for name, sign in sorted({before: -1, better.api_key: 1}.items()):  # so that none deadlock
            counts = {"pictures": api_keys.c.pictures + sign, "bytes": api_keys.c.bytes + sign * size}
            connection.execute(update(api_keys).where(api_keys.c.name == name).values(**counts))
    return True


def _give_id(connection: Connection, image: Image, right: str, *, keep: bool, hashes: KeyHashes) -> None:
    wanted, present = hashes.of("id", right), hashes.of("id", image.id)
    owner = select(unique_keys.c.image).where(unique_keys.c.hash == wanted)
    if connection.scalar(owner) != image.number:  # an id that it had before comes back
        take(connection, image.number, {wanted: ("id", right)})
    if connection.execute(update(images).where(images.c.number == image.number).values(id=right)).rowcount and not keep:
        _forget(connection, present)


def _free_id(connection: Connection, image: Image, wanted: str, *, hashes: KeyHashes) -> None:
    _forget(connection, hashes.of("id", wanted))
    fresh = random_id()
    changed = update(images).where(images.c.number == image.number, images.c.id == wanted).values(id=fresh)
    if connection.execute(changed).rowcount:
        connection.execute(insert(unique_keys).values(hash=hashes.of("id", fresh), image=image.number))


def _forget(connection: Connection, key_hash: bytes) -> None:
    connection.execute(delete(unique_keys).where(unique_keys.c.hash == key_hash))
