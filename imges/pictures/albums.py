"""Albums: made, filled, shown and deleted. An album belongs to an API key, or to the holder of its edit token.

All guests share one API key. So a guest's album always is a new one, and its edit token comes with the answer.
"""

import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypedDict

from imges import ids
from imges.catalog import (
    GUEST,
    Album,
    ApiKey,
    Catalog,
    Cursor,
    Image,
    KeyTaken,
    NewAlbum,
    Privacy,
    Scope,
    Sort,
)
from imges.errors import BadParameter, Gone, NotFound
from imges.pictures.album_contents import AlbumContents
from imges.pictures.album_locks import AlbumLocks
from imges.pictures.changing import Asker
from imges.pictures.deleting import Deleting
from imges.pictures.drafts import AlbumWish, MadeAlbum, token_hash
from imges.pictures.lifetimes import LAST_END, MINUTE
from imges.pictures.passwords import hashed
from imges.pictures.refusals import GuestsHaveNoList, NotYours, PasswordWanted

LONGEST_NAME = 100
"""Characters."""

BATCH = 100
"""Pictures that are deleted with their album at a time."""


class AlbumChanges(TypedDict, total=False):
    """What to change of an album. A name that is left out stays as it is; `None` clears it.

    *cover* is the id of a picture, *expiration* counts from now. A *password* makes the album one with a password.
    """

    name: str
    description: str | None
    sort: Sort
    privacy: Privacy
    password: str | None
    cover: str | None
    expiration: timedelta | None


def album_name(text: str) -> str:
    """Return *text* as the name of an album: NFC, on one line. Raises `BadParameter` if it is empty or too long."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    name = " ".join(unicodedata.normalize("NFC", printable).split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise BadParameter(f"album: a name of 1 to {LONGEST_NAME} characters", field="album", limit=LONGEST_NAME)
    return name


class Albums:
    """The use cases of albums."""

    def __init__(self, catalog: Catalog, deleting: Deleting, now: Callable[[], datetime]) -> None:
        self.contents = AlbumContents(catalog, now)
        self.locks = AlbumLocks(catalog, now)
        self._catalog = catalog
        self._deleting = deleting
        self._now = now

    # Uploads

    async def chosen(self, wish: AlbumWish | None, key: ApiKey) -> Album | None:
        """Return the album that an upload with *key* names by its id; `None` if it names none by id.

        Raises `BadParameter` if there is none, or if it belongs to another key and the token is not its own.
        """
        if wish is None or wish.id is None:
            return None
        try:
            album = await self._catalog.albums.by_id(wish.id, self._now())
        except (NotFound, Gone):
            album = None
        if album is None or not Asker(key, wish.token).owns(album.api_key, album.edit_token_hash):
            token = "; guests send `album_token` too" if key.name == GUEST else ""
            raise BadParameter(f"album_id: no such album of this key{token}", field="album_id")
        return album

    async def named(self, name: str, key: ApiKey, seed: str) -> MadeAlbum:
        """Return the album of *key* with this *name*, in any case of letters. Makes it if there is none.

        A guest's is always made. Its edit token is derived from *seed*, the picture's delete token, so that an answer
        can be repeated.
        """
        if key.name == GUEST:
            return await self.make(key, name, AlbumChanges(), token=self._catalog.albums.edit_token(seed))
        while True:
            try:
                album, _ = await self._catalog.albums.named(self._new(key, name, None))
            except KeyTaken:
                continue
            return MadeAlbum(album)

    async def of_repeated(self, wish: AlbumWish, key: ApiKey, image: Image, seed: str) -> MadeAlbum | None:
        """Return the album of an upload that is repeated, as `chosen` and `named` returned it; `None`: it is gone."""
        if chosen := await self.chosen(wish, key):
            return MadeAlbum(chosen)
        if key.name != GUEST and wish.name:
            return next((MadeAlbum(album) for album in await self.of_name(key, wish.name)), None)
        album, token = await self.contents.latest_of(image), self._catalog.albums.edit_token(seed)
        if album is None:
            return None
        return MadeAlbum(album, token if Asker(token=token).owns("", album.edit_token_hash) else None)

    # Making and changing

    async def make(self, key: ApiKey, name: str, changes: AlbumChanges, *, token: str | None = None) -> MadeAlbum:
        """Make an album for *key*; a guest's has the edit *token*, or a random one.

        Raises `BadParameter`, `AlbumNameTaken`.
        """
        token = token or secrets.token_urlsafe(24) if key.name == GUEST else None
        while True:
            new = self._new(key, name, token)
            changed = await self._changed(Album(**_fields(new)), changes)
            try:
                made = await self._catalog.albums.make(NewAlbum(**_fields(changed)))
            except KeyTaken:
                continue
            return MadeAlbum(made, token)

    def _new(self, key: ApiKey, name: str, token: str | None) -> NewAlbum:
        kept = None if token is None else token_hash(token)
        return NewAlbum(ids.random_id(), key.name, name, self._now(), edit_token_hash=kept)

    async def edit(self, album: Album, changes: AlbumChanges) -> Album:
        """Return the album as it is after *changes*. Raises `BadParameter`, `AlbumNameTaken`, `AlbumGone`."""
        cover = changes.get("cover")
        if cover is not None and not await self._catalog.album_pictures.numbers(album, [cover]):
            raise BadParameter("cover: the id of a picture of this album", field="cover")
        changed = await self._changed(album, changes)
        names = {field for field in (*_fields(album), "cover") if getattr(changed, field) != getattr(album, field)}
        values = {name: getattr(changed, name) for name in names}
        return await self._catalog.albums.change(album.number, lambda row: replace(row, **values))

    async def _changed(self, album: Album, changes: AlbumChanges) -> Album:
        plain = {"name", "description", "sort", "privacy"}
        values: dict[str, Any] = {name: value for name, value in changes.items() if name in plain}
        if "expiration" in changes:
            values["expires"] = self._end(changes["expiration"])
        if "cover" in changes:
            cover = changes["cover"]
            values["cover"] = None if cover is None else (await self._catalog.album_pictures.numbers(album, [cover]))[0]
        if "password" in changes:
            text = changes["password"]
            values["password"] = await hashed(text) if text else None
            if text or album.privacy is Privacy.PASSWORD:
                values.setdefault("privacy", Privacy.PASSWORD if text else Privacy.UNLISTED)
        changed = replace(album, **values)
        if changed.privacy is Privacy.PASSWORD and changed.password is None:
            raise BadParameter("password: an album with `privacy=password` needs one", field="password")
        return changed

    def _end(self, asked: timedelta | None) -> datetime | None:
        if asked is None:
            return None
        if asked < MINUTE or asked > LAST_END - self._now():
            raise BadParameter("expiration: one minute at least, and not after the year 9998", field="expiration")
        return self._now() + asked

    async def delete(self, album: Album, *, pictures: bool = False) -> None:
        """Delete *album*. With *pictures* those that its owner may delete go too: their addresses answer 410 at once.

        Raises `CatalogUnavailable`.
        """
        if pictures:
            after = None
            while True:
                page, after = await self._catalog.album_pictures.page(album, self._now(), limit=BATCH, after=after)
                await self._deleting.mark_all([image.id for image in page if image.api_key == album.api_key])
                if after is None:
                    break
        await self._catalog.albums.delete([album.number])
        if pictures:
            await self._deleting.finish_all()

    # Finding

    async def by_id(self, album_id: str) -> Album:
        """Return the album, also one that only its owner may see. Raises `NotFound`, `AlbumGone`."""
        return await self._catalog.albums.by_id(album_id, self._now())

    async def owned(self, album_id: str, asker: Asker) -> Album:
        """Return the album if *asker* may change it. Raises `NotFound`, `AlbumGone`, `NotYours`."""
        album = await self.by_id(album_id)
        if not asker.owns(album.api_key, album.edit_token_hash):
            raise NotFound if album.privacy is Privacy.PRIVATE else NotYours("album")
        return album

    async def page_of(self, key: ApiKey, *, limit: int, older_than: Cursor | None = None) -> list[Album]:
        """Return the newest albums of *key*; of all keys for one that administers. Raises `GuestsHaveNoList`."""
        if key.name == GUEST:
            raise GuestsHaveNoList
        name = None if key.scope is Scope.ADMIN else key.name
        return await self._catalog.albums.page(api_key=name, now=self._now(), limit=limit, older_than=older_than)

    async def of_name(self, key: ApiKey, name: str) -> list[Album]:
        """Return the album of *key* with this name, in any case of letters, or nothing. Raises `GuestsHaveNoList`."""
        if key.name == GUEST:
            raise GuestsHaveNoList
        found = await self._catalog.albums.of_name(key.name, name)
        return [found] if found and (found.expires is None or found.expires > self._now()) else []

    async def shown(
        self, album_id: str, asker: Asker | None, *, see: str | None = None, edit: str | None = None
    ) -> Album:
        """Return the album if *asker*, or a browser with the tickets *see* or *edit*, may see it.

        Raises `NotFound` also for a private one, `AlbumGone`, `PasswordWanted`.
        """
        album = await self.by_id(album_id)
        if album.privacy is Privacy.UNLISTED or (asker and asker.owns(album.api_key, album.edit_token_hash)):
            return album
        if await self.locks.is_ticket(album, "edit", edit):
            return album
        if album.privacy is Privacy.PRIVATE:
            raise NotFound
        if not await self.locks.is_ticket(album, "see", see):
            raise PasswordWanted
        return album


def _fields(album: NewAlbum) -> dict[str, Any]:
    names = ("id", "api_key", "name", "created", "description", "expires", "sort", "privacy", "password")
    return {name: getattr(album, name) for name in (*names, "edit_token_hash")}
