"""The owner's use cases, without HTTP."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from datetime import timedelta
from types import SimpleNamespace

import pytest

from imges.administration import Administration, administration
from imges.catalog import Cursor, Deed, NoSuchApiKey, Scope, Search, utc_now
from imges.errors import BadParameter, CatalogUnavailable, Gone
from tests import drawn
from tests.maintenance.collection import Library


@pytest.fixture
async def owner(library: Library) -> AsyncGenerator[Administration]:
    async with Administration.open(
        library.settings, library.pictures.catalog, library.pictures.deleting, library.access
    ) as owner:
        yield owner


async def uploaded(library: Library, count: int) -> list[str]:
    """Stores *count* pictures, and returns their ids, the newest first."""
    return [(await library.upload(drawn.png(8 + n), f"{n}.png")).id for n in range(count)][::-1]


# Finding


async def test_pages_lead_to_each_other(library: Library, owner: Administration, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(administration, "PAGE", 2)
    ids = await uploaded(library, 5)
    pages: list[list[str]] = []
    older: Cursor | None = None
    newer: Cursor | None = None
    for number in range(3):
        page = await owner.page(Search(), older_than=older, newer_than=None)
        pages.append([image.id for image in page.images])
        assert (page.newer is None, page.older is None) == (number == 0, number == 2)
        older, newer = page.older, page.newer
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    back = await owner.page(Search(), older_than=None, newer_than=newer)
    assert [image.id for image in back.images] == ids[2:4]
    assert back.newer
    assert back.older
    first = await owner.page(Search(), older_than=None, newer_than=back.newer)
    assert [image.id for image in first.images] == ids[:2]
    assert (first.newer, first.older is None) == (None, False)


async def test_a_page_of_nothing_leads_nowhere(owner: Administration):
    page = await owner.page(Search(text="nothing"), older_than=Cursor(utc_now(), 1), newer_than=None)
    assert (page.images, page.newer, page.older) == ((), None, None)


async def test_a_pasted_id_or_address_is_its_picture(library: Library, owner: Administration):
    image = await library.upload(drawn.png(), "grüße & so.png")
    base, key = "https://img.example.org", image.original.key
    for text in (
        image.id,
        f" {image.id}\n",
        f"{base}/image/{image.id}",
        f"{base}/image/{image.id}/",
        f"{base}/image/{image.id}/delete/token",
        f"{base}/images/{key}",
        f"/images/{image.thumb.key}?x=1#y",
        f"{base}/images/{key.replace('-', '%2D')}",
    ):
        found = await owner.meant(text)
        assert found, text
        assert found.id == image.id, text
    for text in ("nobody", f"{base}/other/{image.id}", "http://[x/image/y", f"{base}/images/nothing.png", base + "/"):
        assert await owner.meant(text) is None, text
    await library.pictures.deleting.delete(image)
    assert await owner.meant(image.id) is None


async def test_chosen_pictures_are_those_that_exist(library: Library, owner: Administration):
    first, second, _ = await uploaded(library, 3)
    assert {image.id for image in await owner.chosen([first, second, "nobody"])} == {first, second}


async def test_a_search_up_to_now_leaves_out_later_uploads(library: Library, owner: Administration):
    await uploaded(library, 2)
    now = await owner.up_to_now(Search())
    assert await owner.up_to_now(now) is now
    await library.upload(drawn.png(30), "later.png")
    assert (await owner.count(now), await owner.count(Search())) == (2, 3)


# Deleting


async def test_deleted_pictures_are_gone_at_once_and_their_files_soon(library: Library, owner: Administration):
    first, second, kept = await uploaded(library, 3)
    assert await owner.delete([first, second, "nobody"], by="owner") == 2
    for image_id in (first, second):
        with pytest.raises(Gone):
            await library.pictures.finding.by_id(image_id)
    await owner.finish(60)
    assert len(library.files()) == 2
    assert (await library.pictures.finding.by_id(kept)).id == kept


async def test_all_that_a_search_finds_is_deleted(
    library: Library, owner: Administration, monkeypatch: pytest.MonkeyPatch
):
    """The catalog is out of reach for a moment: marking is tried again."""
    monkeypatch.setattr(administration, "AGAIN", 0.01)
    mark, failures = library.pictures.deleting.mark_found, [CatalogUnavailable()]

    async def failing(search: Search) -> None:
        if failures:
            raise failures.pop()
        await mark(search)

    monkeypatch.setattr(library.pictures.deleting, "mark_found", failing)
    await uploaded(library, 3)
    assert await owner.left(Search()) == 3
    await owner.delete_all(Search(), by="owner")
    await owner.finish(60)
    assert (await owner.left(Search()), failures, library.files()) == (0, [], set())


async def test_pictures_that_are_marked_are_still_to_be_deleted(library: Library, owner: Administration):
    first, *_ = await uploaded(library, 3)
    await library.pictures.deleting.mark_all([first])
    assert await owner.left(Search()) == 3
    assert await owner.count(Search()) == 2


async def test_a_long_marking_does_not_keep_the_owner_waiting(
    library: Library, owner: Administration, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(administration, "MARKING", 0.05)
    go_on = asyncio.Event()

    async def slow(search: Search) -> None:
        await go_on.wait()

    monkeypatch.setattr(library.pictures.deleting, "mark_found", slow)
    async with asyncio.timeout(10):
        await owner.delete_all(Search(), by="owner")
        await owner.finish(0.05)
        go_on.set()
        await owner.finish(60)


# Blocks and keys


async def test_blocks_are_counted_when_they_are_new(owner: Administration):
    digest = hashlib.md5(b"x").hexdigest()
    assert await owner.blocks.add([digest, digest.upper(), "192.0.2.7"], by="owner") == 2
    assert await owner.blocks.add(["192.0.2.7", "192.0.2.0/24"], by="owner") == 1
    assert {block.what for block in await owner.blocks.all()} == {digest, "192.0.2.7/32", "192.0.2.0/24"}
    assert [await owner.blocks.remove("192.0.2.7/32", by="owner") for _ in range(2)] == [True, False]
    with pytest.raises(BadParameter, match="what to block"):
        await owner.blocks.add(["everybody"], by="owner")


async def test_a_key_has_what_the_form_says(library: Library, owner: Administration):
    expires = utc_now() + timedelta(days=1)
    text = await owner.keys.add("laptop", admin=True, quota="2 GB", quota_pictures="500", expires=expires, by="owner")
    await owner.keys.add("phone", admin=False, quota="", quota_pictures="", expires=None, by="owner")
    assert text
    keys = {key.name: key for key in await owner.keys.all()}
    laptop, phone = keys["laptop"], keys["phone"]
    assert (laptop.scope, laptop.quota_bytes, laptop.quota_pictures) == (Scope.ADMIN, 2 * 2**30, 500)
    assert laptop.expires == expires
    assert (phone.scope, phone.quota_bytes, phone.quota_pictures, phone.expires) == (Scope.UPLOAD, None, None, None)
    await owner.keys.set_enabled("laptop", enabled=False, by="owner")
    assert not next(key for key in await owner.keys.all() if key.name == "laptop").enabled
    await owner.keys.revoke("laptop", by="owner")
    with pytest.raises(NoSuchApiKey):
        await owner.keys.revoke("laptop", by="owner")


async def test_the_trail_has_who_did_what_to_how_many(library: Library, owner: Administration):
    first, *_ = await uploaded(library, 3)
    await owner.delete([first, "unknown"], by="ann")
    await owner.delete_all(Search(api_key="guest", most=2**20), by="bob")
    await owner.blocks.add(["192.0.2.7", "192.0.2.8"], by="ann")
    await owner.blocks.add(["192.0.2.7"], by="ann")  # was blocked
    await owner.keys.add("phone", admin=True, quota="", quota_pictures="", expires=None, by="bob")
    with pytest.raises(NoSuchApiKey):
        await owner.keys.revoke("laptop", by="bob")
    lines, older = await owner.trail.page(None)
    assert older is None
    assert [(line.actor, line.deed, line.subject, line.count) for line in lines] == [
        ("bob", Deed.ADD_KEY, "phone, scope admin", None),
        ("ann", Deed.BLOCK, "192.0.2.7/32, 192.0.2.8/32", 2),
        ("bob", Deed.DELETE_FOUND, "api_key: guest, most: 1048576", 2),
        ("ann", Deed.DELETE, first, 1),
    ]


@pytest.mark.parametrize(
    ("name", "quota", "pictures", "message"),
    [
        ("x y", "", "", "name"),
        ("x", "much", "", "the quota should be a size"),
        ("x", "", "many", "whole number"),
        ("x", "", "-1", "whole number"),
        ("x", "", "9" * 13, "whole number"),
    ],
)
async def test_a_wrong_key_is_refused(owner: Administration, name: str, quota: str, pictures: str, message: str):
    with pytest.raises(BadParameter, match=message):
        await owner.keys.add(name, admin=False, quota=quota, quota_pictures=pictures, expires=None, by="owner")


async def test_the_most_pictures_of_a_key_have_twelve_digits(owner: Administration):
    await owner.keys.add("x", admin=False, quota="", quota_pictures="9" * 12, expires=None, by="owner")
    assert next(key for key in await owner.keys.all() if key.name == "x").quota_pictures == 10**12 - 1


# Figures


async def test_the_overview_counts_thirty_days_and_is_kept_for_a_minute(
    library: Library, owner: Administration, monkeypatch: pytest.MonkeyPatch
):
    clock = [1000.0]
    # only there: the decoders' processes wait by the real clock
    monkeypatch.setattr(administration, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    await uploaded(library, 2)
    today = utc_now().astimezone(library.settings.site.time_zone).date()
    overview = await owner.overview()
    assert overview.days == [(today - timedelta(days=29 - n), 2 if n == 29 else 0) for n in range(30)]
    assert [(use.place, use.pictures) for use in overview.places] == [("disk", 2)]
    await library.upload(drawn.png(30), "later.png")
    clock[0] += 59.9
    assert await owner.overview() is overview
    clock[0] += 0.1
    assert (await owner.overview()).days[-1] == (today, 3)
