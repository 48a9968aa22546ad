"""What every catalog does with albums; a part of its suite."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from imges.catalog import (
    Album,
    AlbumGone,
    AlbumNameTaken,
    Catalog,
    Cursor,
    KeyTaken,
    NewAlbum,
    Privacy,
    Sort,
)
from imges.errors import NotFound
from tests.catalog.pictures import MINUTE, NOON, Clock, delete, new_image, published, stored


def new_album(album_id: str = "album", name: str = "Holiday", *, created: datetime = NOON, **fields: Any) -> NewAlbum:
    return NewAlbum(album_id, fields.pop("api_key", "mine"), name, created, **fields)


async def in_order(catalog: Catalog, album: Album, clock: Clock) -> list[str]:
    """The names of the pictures that *album* shows, read in pages of two."""
    found: list[str] = []
    after = None
    while True:
        images, after = await catalog.album_pictures.page(album, clock(), limit=2, after=after)
        found += [image.id.removeprefix("id-") for image in images]
        if after is None:
            return found


class AlbumSuite:
    async def test_forty_at_once_make_one_album(self, catalog: Catalog, other: Catalog):
        names = ("Holiday 2026", "HOLIDAY 2026")
        asked = [
            one.albums.named(new_album(f"id{n}{place}", names[n % 2]))
            for n in range(20)
            for place, one in enumerate((catalog, other))
        ]
        found = await asyncio.gather(*asked)
        assert len({album.number for album, _ in found}) == 1
        assert sum(made for _, made in found) == 1
        assert await catalog.albums.named(new_album("another", api_key="other")) == (
            await catalog.albums.by_id("another", NOON),
            True,
        )

    async def test_albums_of_guests_may_have_one_name(self, catalog: Catalog):
        made = [await catalog.albums.make(new_album(f"id{n}", edit_token_hash=bytes([n]) * 32)) for n in range(2)]
        assert made[0].number != made[1].number
        await catalog.albums.make(new_album("own"))
        with pytest.raises(AlbumNameTaken):
            await catalog.albums.make(new_album("own-too", "holiday"))
        with pytest.raises(KeyTaken):
            await catalog.albums.make(new_album("own", "Other"))

    async def test_a_deleted_album_answers_gone_and_its_id_is_never_used_again(self, catalog: Catalog, lease: str):
        album = await catalog.albums.make(new_album("once"))
        row = await catalog.images.reserve(new_image("in", album=album.number), lease=lease)
        image = await catalog.images.publish(row, lease=lease)
        with pytest.raises(NotFound):
            await catalog.albums.by_id("never", NOON)
        await catalog.albums.delete([album.number])
        with pytest.raises(AlbumGone):
            await catalog.albums.by_id("once", NOON)
        with pytest.raises(KeyTaken):
            await catalog.albums.make(new_album("once"))
        assert await catalog.published.by_id(image.id, NOON) == image
        assert await catalog.album_pictures.latest_of(image, NOON) is None
        row = await catalog.images.reserve(new_image("late", album=album.number), lease=lease)
        await catalog.images.publish(row, lease=lease)

    async def test_an_ended_album_makes_room_for_its_name(self, catalog: Catalog, clock: Clock):
        ended = await catalog.albums.make(new_album("ended", expires=NOON + MINUTE))
        assert (await catalog.albums.named(new_album("same")))[0] == ended
        clock.forward(MINUTE)
        with pytest.raises(AlbumGone):
            await catalog.albums.by_id("ended", clock())
        fresh, made = await catalog.albums.named(new_album("fresh", created=clock()))
        assert (fresh.id, made) == ("fresh", True)
        with pytest.raises(AlbumGone):
            await catalog.albums.by_id("ended", NOON)
        await catalog.albums.change(fresh.number, lambda album: replace(album, expires=clock()))
        assert [await catalog.albums.delete_ended(clock(), limit=9) for _ in range(2)] == [1, 0]

    async def test_a_change_keeps_names_apart(self, catalog: Catalog, lease: str):
        first, second = [await catalog.albums.make(new_album(name, name)) for name in ("one", "two")]
        image = await published(catalog, lease, new_image())
        changed = await catalog.albums.change(
            first.number,
            lambda album: replace(album, name="Eins", sort=Sort.NAME, privacy=Privacy.PRIVATE, cover=image.number),
        )
        assert await catalog.albums.by_id("one", NOON) == changed
        assert (changed.name, changed.sort, changed.privacy, changed.cover) == ("Eins", "name", "private", image.number)
        with pytest.raises(AlbumNameTaken):
            await catalog.albums.change(second.number, lambda album: replace(album, name="EINS"))
        await delete(catalog, image.number)
        assert (await catalog.albums.by_id("one", NOON)).cover is None
        await catalog.albums.delete([first.number])
        with pytest.raises(AlbumGone):
            await catalog.albums.change(first.number, lambda album: album)

    async def test_albums_of_a_key_are_listed_newest_first(self, catalog: Catalog):
        for n in range(5):
            await catalog.albums.make(new_album(f"id{n}", str(n), created=NOON + MINUTE * n))
        await catalog.albums.make(new_album("other", api_key="other"))
        await catalog.albums.make(new_album("ended", "ended", expires=NOON))
        page = await catalog.albums.page(api_key="mine", now=NOON, limit=3)
        assert [album.id for album in page] == ["id4", "id3", "id2"]
        last = Cursor(page[-1].created, page[-1].number)
        rest = await catalog.albums.page(api_key="mine", now=NOON, limit=9, older_than=last)
        assert [album.id for album in rest] == ["id1", "id0"]
        assert len(await catalog.albums.page(api_key=None, now=NOON, limit=9)) == 6

    async def test_pages_of_an_album_in_each_order_without_what_is_gone(
        self, catalog: Catalog, lease: str, clock: Clock
    ):
        album = await catalog.albums.make(new_album())
        names = ["c", "a", "d", "b", "pending", "ends", "deleting"]
        rows = {
            name: await catalog.images.reserve(
                new_image(name, album=album.number, expires=NOON + MINUTE if name == "ends" else None), lease=lease
            )
            for name in names
        }
        for name, row in rows.items():
            if name != "pending":
                await catalog.images.publish(row, lease=lease)
        await catalog.deletions.begin(rows["deleting"].number)
        assert await catalog.album_pictures.count(album, clock()) == 5
        clock.forward(MINUTE)
        assert await catalog.album_pictures.count(album, clock()) == 4
        for sort, order in ((Sort.ADDED, "cadb"), (Sort.NEWEST, "bdac"), (Sort.NAME, "abcd")):
            changed = replace(album, sort=sort)
            assert await in_order(catalog, changed, clock) == list(order), sort
        await catalog.album_pictures.remove(album, [rows["a"].number, rows["ends"].number])
        assert await in_order(catalog, album, clock) == list("cdb")
        cover = await catalog.album_pictures.cover(replace(album, cover=rows["b"].number), clock())
        assert cover is not None
        assert cover.id == "id-b"
        gone = await catalog.album_pictures.cover(replace(album, cover=rows["deleting"].number), clock())
        assert gone is not None
        assert gone.id == "id-c"

    async def test_pictures_are_added_once_and_moved_however_often(self, catalog: Catalog, lease: str, clock: Clock):
        album = await catalog.albums.make(new_album())
        rows = {name: await published(catalog, lease, new_image(name)) for name in "abcdef"}
        numbers = {name: row.number for name, row in rows.items()}
        inside = catalog.album_pictures
        added = [
            await inside.add(album, [numbers[name] for name in "edcbaa"], NOON),
            await inside.add(album, [1], NOON),
        ]
        assert added == [5, 0]
        assert await inside.add(album, [numbers["f"], 10**6], NOON + MINUTE) == 1
        assert await in_order(catalog, album, clock) == list("edcbaf")
        assert await inside.move(album, [numbers["f"], numbers["a"]], numbers["e"]) == 2
        assert await in_order(catalog, album, clock) == list("faedcb")
        assert await inside.move(album, [numbers["f"], 10**6], None) == 1
        assert await in_order(catalog, album, clock) == list("aedcbf")
        order = list("aedcbf")
        for turn in range(60):  # the room between two neighbours is used up more than once
            name, before = order[5], order[1 + turn % 2]
            await inside.move(album, [numbers[name]], numbers[before])
            order.remove(name)
            order.insert(order.index(before), name)
            assert await in_order(catalog, album, clock) == order
        late = await published(catalog, lease, new_image("late"))
        await inside.add(album, [late.number], NOON + 2 * MINUTE)
        assert await in_order(catalog, album, clock) == [*order, "late"]

    async def test_a_random_picture_is_any_that_is_shown(self, catalog: Catalog, lease: str):
        album = await catalog.albums.make(new_album())
        assert await catalog.album_pictures.random(album, NOON) is None
        for n in range(4):
            original = replace(stored(f"2014/06/04/{n}.png"), height=900 if n == 3 else 100)
            row = await published(catalog, lease, new_image(str(n), album=album.number, original=original))
            if n == 0:
                await catalog.deletions.begin(row.number)
        seen = [await catalog.album_pictures.random(album, NOON) for _ in range(60)]
        assert {image.id for image in seen if image} == {"id-1", "id-2", "id-3"}
        found = await catalog.album_pictures.random(album, NOON, "portrait")
        assert found is not None
        assert found.id == "id-3"
