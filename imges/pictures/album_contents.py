"""The pictures in albums: shown in pages, chosen by chance, added, moved and taken out."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from imges.catalog import Album, Catalog, Image, Place, Shape, Sort
from imges.errors import BadParameter, CatalogUnavailable
from imges.pictures.changing import Asker
from imges.pictures.drafts import MadeAlbum
from imges.pictures.refusals import NotYours


class AlbumContents:
    """What is in albums. The caller has checked that the client may see or change the album."""

    def __init__(self, catalog: Catalog, now: Callable[[], datetime]) -> None:
        self._catalog = catalog
        self._inside = catalog.album_pictures
        self._now = now

    async def count(self, album: Album) -> int:
        """Return how many pictures *album* shows now."""
        return await self._inside.count(album, self._now())

    async def page(self, album: Album, *, limit: int, after: Place | None = None) -> tuple[list[Image], Place | None]:
        """Return the pictures behind *after* in the order of *album*, and where the next page begins."""
        return await self._inside.page(album, self._now(), limit=limit, after=after)

    async def cover(self, album: Album) -> Image | None:
        """Return the picture that stands for *album*; `None` if it shows none."""
        return await self._inside.cover(album, self._now())

    async def random(self, album: Album, shape: Shape | None) -> Image | None:
        """Return a picture of *album* by chance; `None` if there is none of that *shape*."""
        return await self._inside.random(album, self._now(), shape)

    async def put(self, made: MadeAlbum, image: Image) -> MadeAlbum:
        """Add *image*, which an upload brought once more, and return *made* with its count."""
        await self._inside.add(made.album, [image.number], self._now())
        return await self.counted(made)

    async def counted(self, made: MadeAlbum) -> MadeAlbum:
        """Return *made* with its count; without one if the catalog fails: the upload it is for is stored already."""
        with suppress(CatalogUnavailable):
            return replace(made, count=await self.count(made.album))
        return made

    async def latest_of(self, image: Image) -> Album | None:
        """Return the album that *image* was added to last, of those that need neither a key nor a password."""
        return await self._catalog.album_pictures.latest_of(image, self._now())

    async def add(self, album: Album, asker: Asker, wanted: Sequence[str], tokens: Sequence[str] = ()) -> int:
        """Add the pictures of these ids behind the others; returns how many were not there.

        *tokens* are their delete tokens, in the same order, for guests. Raises `NotYours` if one of the pictures
        belongs to another key, and nothing is added then. Ids that are unknown are left out.
        """
        found = {image.id: image for image in await self._catalog.published.by_ids(wanted)}
        given = dict(zip(wanted, tokens, strict=False))
        for image_id, image in found.items():
            if not replace(asker, token=given.get(image_id)).owns(image.api_key, image.delete_token_hash):
                raise NotYours("picture")
        numbers = [found[each].number for each in wanted if each in found]
        return await self._inside.add(album, numbers, self._now())

    async def remove(self, album: Album, wanted: Sequence[str]) -> int:
        """Take pictures out of *album*; returns how many were in it."""
        return await self._inside.remove(album, await self._numbers(album, wanted))

    async def move(self, album: Album, wanted: Sequence[str], before: str | None) -> int:
        """Move pictures before the picture *before*, in this order; `None` is the end. Returns how many are in it.

        Raises `BadParameter` if *before* is not in *album*, or if the order of *album* is not that of adding.
        """
        if album.sort is not Sort.ADDED:
            raise BadParameter("move: pictures can be moved in an album with `sort=added`", field="move")
        target = None
        if before is not None:
            target = next(iter(await self._numbers(album, [before])), None)
            if target is None:
                raise BadParameter("before: the id of a picture of this album", field="before")
        return await self._inside.move(album, await self._numbers(album, wanted), target)

    async def _numbers(self, album: Album, wanted: Sequence[str]) -> list[int]:
        """Return the numbers of those ids that are in *album*, in their order."""
        return await self._inside.numbers(album, wanted)
