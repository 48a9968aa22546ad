"""Albums: lists of pictures with an address. What is in them: `album_pictures`."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, delete, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from imges.catalog.album_errors import AlbumGone, AlbumNameTaken
from imges.catalog.album_rows import album_of, row_of
from imges.catalog.database import Database
from imges.catalog.dialects import insert_or_skip
from imges.catalog.rows import search_text
from imges.catalog.tables import albums, unique_keys
from imges.catalog.types import Album, Cursor, KeyTaken, NewAlbum
from imges.catalog.unique_keys import KeyHashes
from imges.errors import NotFound


class Albums:
    """Makes, finds, changes and deletes albums. An id is never used again."""

    def __init__(self, database: Database, hashes: KeyHashes) -> None:
        self._database = database
        self._hashes = hashes

    def edit_token(self, seed: str) -> str:
        """Return an edit token that nobody can derive from *seed* without the secret of this catalog."""
        return urlsafe_b64encode(self._hashes.of("edit token", seed, 24)).decode()

    async def make(self, new: NewAlbum) -> Album:
        """Add an album. Raises `KeyTaken` if its id is or was another's, `AlbumNameTaken` if its key has the name."""
        made = await self._database.write(partial(_make, new=new, hashes=self._hashes))
        if made is None:
            raise AlbumNameTaken(new.name)
        return made

    async def named(self, new: NewAlbum) -> tuple[Album, bool]:
        """Return the album of this key and name, and whether it was made for that. An ended one makes room first.

        Calls at once, also of other processes, get the same album. Raises `KeyTaken`.
        """
        found = await self.of_name(new.api_key, new.name)
        if found is not None and (found.expires is None or found.expires > new.created):
            return found, False
        return await self._database.write(partial(_named, new=new, hashes=self._hashes))

    async def of_name(self, api_key: str, name: str) -> Album | None:
        """Return the album of this key and name, in any case of letters; also one that has ended."""
        statement = select(albums).where(
            albums.c.api_key == api_key,
            albums.c.name_folded == search_text(name),
            albums.c.edit_token_hash.is_(None),
        )
        row = await self._database.read(lambda connection: connection.execute(statement).mappings().one_or_none())
        return None if row is None else album_of(row)

    async def by_id(self, album_id: str, now: datetime) -> Album:
        """Return the album. Raises `NotFound` if there never was one, `AlbumGone` if it is deleted or has ended."""
        known = select(unique_keys.c.hash).where(unique_keys.c.hash == self._hashes.of("album", album_id))
        statement = select(albums).where(albums.c.id == album_id)

        def look(connection: Connection) -> Album | None:
            row = connection.execute(statement).mappings().one_or_none()
            if row is None and connection.scalar(known) is None:
                raise NotFound
            return None if row is None else album_of(row)

        found = await self._database.read(look)
        if found is None or (found.expires is not None and found.expires <= now):
            raise AlbumGone
        return found

    async def page(
        self, *, api_key: str | None, now: datetime, limit: int, older_than: Cursor | None = None
    ) -> list[Album]:
        """Return the newest albums of that key, or of all, that have not ended; those *older_than* the cursor."""
        statement = select(albums).where(albums.c.expires.is_(None) | (albums.c.expires > now))
        if api_key is not None:
            statement = statement.where(albums.c.api_key == api_key)
        place = tuple_(albums.c.created, albums.c.number)
        if older_than is not None:
            statement = statement.where(place < (older_than.created, older_than.number))
        statement = statement.order_by(albums.c.created.desc(), albums.c.number.desc()).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(statement).mappings().all())
        return [album_of(row) for row in rows]

    async def change(self, number: int, change: Callable[[Album], Album]) -> Album:
        """Store what *change* makes of the album as it is now, and return it.

        Raises `AlbumGone` if it is deleted, `AlbumNameTaken` if its key has another album of the name.
        """
        one = select(albums).where(albums.c.number == number)

        def work(connection: Connection) -> Album:
            row = connection.execute(one.with_for_update()).mappings().one_or_none()
            if row is None:
                raise AlbumGone
            wanted = change(album_of(row))
            if _is_taken(connection, wanted):
                raise AlbumNameTaken(wanted.name)
            connection.execute(update(albums).where(albums.c.number == number).values(**row_of(wanted)))
            return wanted

        try:
            return await self._database.write(work)
        except IntegrityError as error:  # another took the name between our look and our change
            raise AlbumNameTaken("that") from error

    async def delete(self, numbers: Sequence[int]) -> None:
        """Delete albums; their pictures stay. The hash of each id stays and answers 410."""
        await self._database.write(lambda connection: _delete(connection, numbers))

    async def delete_ended(self, now: datetime, *, limit: int) -> int:
        """Delete albums that have ended by *now*, and return how many."""
        ended = select(albums.c.number).where(albums.c.expires <= now).limit(limit)

        def work(connection: Connection) -> int:
            numbers = connection.scalars(ended).all()
            _delete(connection, numbers)
            return len(numbers)

        return await self._database.write(work)


def _delete(connection: Connection, numbers: Sequence[int]) -> None:
    connection.execute(delete(albums).where(albums.c.number.in_(numbers)))


def _make(connection: Connection, new: NewAlbum, hashes: KeyHashes) -> Album | None:
    """Return `None` if the key has an album of that name."""
    number = connection.execute(insert_or_skip(connection, albums), row_of(new)).scalar()
    if number is None:
        if connection.scalar(select(albums.c.number).where(albums.c.id == new.id)) is not None:
            raise KeyTaken("album", new.id)
        return None
    taken = {"hash": hashes.of("album", new.id), "image": None}
    if connection.execute(insert_or_skip(connection, unique_keys), taken).first() is None:
        raise KeyTaken("album", new.id)
    row = connection.execute(select(albums).where(albums.c.number == number)).mappings().one()
    return album_of(row)


def _named(connection: Connection, new: NewAlbum, hashes: KeyHashes) -> tuple[Album, bool]:
    mine = (albums.c.api_key == new.api_key, albums.c.name_folded == search_text(new.name))
    connection.execute(delete(albums).where(*mine, albums.c.expires <= new.created))
    if made := _make(connection, new, hashes):
        return made, True
    row = connection.execute(select(albums).where(*mine, albums.c.edit_token_hash.is_(None))).mappings().one()
    return album_of(row), False


def _is_taken(connection: Connection, album: Album) -> bool:
    if album.edit_token_hash is not None:
        return False
    others = select(albums.c.number).where(
        albums.c.api_key == album.api_key,
        albums.c.name_folded == search_text(album.name),
        albums.c.edit_token_hash.is_(None),
        albums.c.number != album.number,
    )
    return connection.scalar(others) is not None
