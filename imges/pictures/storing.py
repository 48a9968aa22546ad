"""A picture is stored: reserved, put, published; for uploads and imports by the same steps.

The row is *pending* before the first object is put, and *published* only when all of them are durable. If a step fails,
everything is undone, at once or by a later sweep.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from imges import ids, metrics
from imges.catalog import Catalog, Image, KeyTaken, NewImage, OldAddress, RowClaimed, UploadId, UploadIdTaken
from imges.errors import Blocked, Busy, CatalogUnavailable, Duplicate
from imges.imaging import Rendition
from imges.pictures.albums import Albums
from imges.pictures.background import Background
from imges.pictures.drafts import AlbumWish, Draft, MadeAlbum, Names, Uploaded, Uploader, UploadOptions, objects_of
from imges.pictures.integrity import is_intact
from imges.pictures.lifetimes import end_of_upload
from imges.pictures.rendering import Rendering
from imges.pictures.repeating import Repeating
from imges.pictures.undoing import Undoing
from imges.receiving.intake import Received
from imges.settings import Settings
from imges.storage import KeyExists, NewObject, StorageUnavailable
from imges.storage.places import Place

log = logging.getLogger(__name__)

TRIES = 4
"""How many names are tried if objects that the catalog does not know lie under the keys."""

Undo = Callable[[Image, Sequence[str]], Awaitable[object]]
"""Undoes a failed attempt to store a picture. Objects under these keys may have been put."""


class Storing:
    """Stores pictures under the present place of the settings. *id_key* is the key of short ids."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        places: Mapping[str, Place],
        rendering: Rendering,
        undoing: Undoing,
        *,
        repeating: Repeating,
        albums: Albums,
        background: Background,
        lease: str,
        id_key: bytes,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._places = places
        self._rendering = rendering
        self._undoing = undoing
        self._repeating = repeating
        self._albums = albums
        self._background = background
        self._lease = lease
        self._id_key = id_key
        self._now = now

    # Uploads

    async def upload(self, received: Received, options: UploadOptions, uploader: Uploader, folder: Path) -> Uploaded:
        """Store the received picture. When this returns, its files and its row are durable.

        *folder* is the upload's own on the spool; the caller removes it. If the same API key has sent the upload with
        the same id before, nothing is stored, and the picture of the first time is returned.

        Raises `NotAnImage`, `FormatRefused`, `TooLargeImage`, `ProcessingFailed`, `BadParameter`, `Blocked`,
        `Duplicate`, `KeyUnusable`, `Busy`, `CatalogUnavailable`, `StorageUnavailable`, `StorageFull`; `UploadIdReused`,
        or `Gone` if the picture of the first time is deleted. Nothing of the picture stays then.
        """
        if options.upload_id is None:
            return await self._upload(received, options, uploader, folder, None)
        content, name = await asyncio.to_thread(received.content_digest), uploader.key.name
        if earlier := await self._repeating.earlier(name, options.upload_id, content):
            return await self._repeated(earlier, options, uploader)
        upload_id = self._catalog.upload_ids.new(name, options.upload_id, content, self._now())
        try:
            return await self._upload(received, options, uploader, folder, upload_id)
        except UploadIdTaken as error:  # by the same request, which came again while this one was processed
            if earlier := await self._repeating.earlier(name, options.upload_id, content):
                return await self._repeated(earlier, options, uploader)
            raise Busy from error

    async def _upload(
        self, received: Received, options: UploadOptions, uploader: Uploader, folder: Path, upload_id: UploadId | None
    ) -> Uploaded:
        created = self._now()
        expires = end_of_upload(self._settings.images.expire, created, options.expiration)
        chosen = await self._albums.chosen(options.album, uploader.key)
        if options.width is not None:  # the stored original will have another digest
            await self.refuse_blocked(await asyncio.to_thread(received.file.digest))
        with metrics.step("render"):
            renditions = await self._rendering.render_upload(received, options.width, folder, uploader.address)
        await self.refuse_blocked(renditions.original.md5)
        upload_id = upload_id and replace(upload_id, removed=renditions.removed)
        token, removed = upload_id.delete_token if upload_id else secrets.token_urlsafe(24), renditions.removed
        duplicate = await self._duplicate(renditions.original, uploader)
        album = MadeAlbum(chosen) if chosen else await self._named_album(options.album, uploader, token)
        if duplicate:
            return Uploaded(duplicate, None, removed, album=album and await self._albums.contents.put(album, duplicate))
        number = album and album.album.number
        draft = Draft(renditions, options, self._kept(uploader), created, expires, token, upload_id, number)
        image = await self._store(draft, self._names(received, draft))
        return Uploaded(image, token, removed, album=album and await self._albums.contents.counted(album))

    def _names(self, received: Received, draft: Draft) -> Names:
        date = draft.created.astimezone(self._settings.site.time_zone)
        return Names(received.name, draft.renditions.original.format, date, self._settings.images.naming)

    async def _named_album(self, wish: AlbumWish | None, uploader: Uploader, token: str) -> MadeAlbum | None:
        """Return the album that the upload names. It is made late: a refused upload leaves no album."""
        return await self._albums.named(wish.name, uploader.key, token) if wish and wish.name else None

    async def _repeated(self, earlier: Uploaded, options: UploadOptions, uploader: Uploader) -> Uploaded:
        """Return the *earlier* answer with its album."""
        if options.album is None or earlier.delete_token is None:
            return earlier
        album = await self._albums.of_repeated(options.album, uploader.key, earlier.image, earlier.delete_token)
        return replace(earlier, album=album and await self._albums.contents.counted(album))

    def _kept(self, uploader: Uploader) -> Uploader:
        """Return what is stored of *uploader*: no address if `privacy.keep_addresses` is 0."""
        return uploader if self._settings.privacy.keep_addresses else replace(uploader, address=None)

    async def refuse_blocked(self, md5: str) -> None:
        """Raises `Blocked` if the owner has blocked pictures of this digest."""
        if await self._catalog.blocks.has(md5=md5):
            raise Blocked("this picture")

    async def _duplicate(self, original: Rendition, uploader: Uploader) -> Image | None:
        """Return what the same key has sent before, if `images.duplicates` asks for it.

        Raises `Duplicate` if the setting is `reject`.
        """
        rule = self._settings.images.duplicates
        if rule == "allow":
            return None
        found = await self._catalog.published.duplicate_of(uploader.key.name, original.md5, original.size, self._now())
        if found and rule == "reject":
            raise Duplicate
        return found

    async def _store(self, draft: Draft, names: Names) -> Image:
        """Reserve, put and publish, under another name if an object that no row knows lies under the first one."""
        for _ in range(TRIES):
            with metrics.step("reserve"):
                row = await self._reserve(draft, names)
            storing = self._put_and_publish(row, objects_of(row, draft.renditions), self._undoing.undo_upload)
            try:
                return await self._background.within_patience(storing, row.stored_bytes)
            except KeyExists as error:
                log.warning("an object that the catalog does not know lies at %s; see `imges fsck`", error.key)
                names.try_others()
        raise StorageUnavailable

    async def _reserve(self, draft: Draft, names: Names) -> Image:
        """Return a pending row whose keys no other picture has, had or will have."""
        while True:
            new = draft.row(names, self._settings.storage, self.fresh_id())
            try:
                return await self._catalog.images.reserve(
                    new, lease=self._lease, short_id=self._short_id, upload_id=draft.upload_id
                )
            except KeyTaken as taken:
                if taken.kind != "id":
                    names.try_others()
            except (CatalogUnavailable, asyncio.CancelledError):
                self._undoing.add_unconfirmed(new.delete_token_hash)
                raise

    async def _put_and_publish(self, row: Image, objects: Sequence[NewObject], undo: Undo) -> Image:
        """Put *objects*, publish *row*, and return it as it is then. If that fails, *undo* runs to its end."""
        stored: list[str] = []
        try:
            with metrics.step("put"):
                await self._places[row.place].storage.put_all(objects, stored)
            with metrics.step("publish"):
                return await self._catalog.images.publish(row, lease=self._lease)
        except BaseException as error:  # also if the request was cancelled
            undoing = self._undoing.now_or_later(partial(undo, row, tuple(stored)))
            await self._background.to_the_end(undoing)
            if isinstance(error, RowClaimed):
                raise CatalogUnavailable from error
            raise

    # Imports: pictures that were somewhere before are not held to quotas

    async def bring_in(
        self, new: NewImage, objects: Sequence[NewObject], *, views: int = 0, old: Sequence[OldAddress] = ()
    ) -> Image:
        """Store an imported picture, whose *objects* end with the original, and the addresses *old* that it had.

        If the original is in the storage already, byte for byte, the row is published in one step: an undo would
        delete what may be the only copy.

        Raises `KeyTaken`; `KeyExists` if another object lies under one of its keys; `CatalogUnavailable`,
        `StorageUnavailable`, `StorageFull`.
        """
        storage = self._places[new.place].storage
        if await is_intact(storage, new.original):
            for each in objects[:-1]:
                await storage.put(each.key, each.file, media_type=each.media_type, expires=each.expires, replace=True)
            return await self.adopt(new, views=views, old=old)
        row = await self._catalog.images.take_in(new, views=views, lease=self._lease, short_id=self._short_id, old=old)
        return await self._put_and_publish(row, objects, self._undoing.undo_import)

    async def adopt(self, new: NewImage, *, views: int = 0, old: Sequence[OldAddress] = ()) -> Image:
        """Publish a row for objects that are in their place already. Raises `KeyTaken`, `CatalogUnavailable`."""
        return await self._catalog.images.take_in(new, views=views, short_id=self._short_id, old=old)

    # Ids

    def fresh_id(self) -> str | None:
        """Return a random id, or `None` if `images.ids` is `short`: the catalog then makes it from the row's number."""
        return ids.random_id() if self._settings.images.ids == "random" else None

    def _short_id(self, number: int) -> str:
        return ids.short_id(number, self._id_key)
