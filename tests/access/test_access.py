"""Which API keys may upload, and what guests may."""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cachetools import TTLCache

from imges.access.api_keys import KeyRing
from imges.catalog import GUEST, ApiKey, Catalog, Scope, open_catalog
from imges.errors import CatalogUnavailable, GuestsRefused, KeyUnusable, QuotaUsedUp, SettingsError
from tests.access.opening import HOME, KEY, Clocks, Open, outcome


async def test_the_key_of_the_settings_is_the_guests(open_access: Open) -> None:
    async with open_access() as access:
        assert (await access.identify(KEY, HOME)).name == GUEST
        assert (await access.identify(KEY.encode(), HOME)).name == GUEST
        assert (await access.guest_key()).name == GUEST


@pytest.mark.parametrize(
    "presented",
    [
        None, "", b"", "wrong", KEY + " ", KEY[:-1], KEY.upper(), "\0", KEY + "\0", "\ud800", b"\xff\xfe", "x" * 10**6,
        "ключ", "🔑",
    ],
)  # fmt: skip
async def test_any_other_key_is_wrong(open_access: Open, presented: str | bytes | None) -> None:
    async with open_access() as access:
        assert await outcome(access.identify(presented, HOME)) == (401, 100)


@pytest.mark.parametrize("key", ["0", " ", "a b#?&+%", "x" * 10_000, "ключ", "🔑\0🔑", "a\nb"])
async def test_a_key_may_contain_any_text(open_access: Open, key: str) -> None:
    async with open_access(key) as access:
        assert (await access.identify(key, HOME)).name == GUEST


async def test_a_named_key_uploads_until_it_is_revoked(open_access: Open, keys: KeyRing, catalog: Catalog) -> None:
    text = await keys.add("shop", Scope.ADMIN)
    async with open_access() as access:
        key = await access.identify(text, HOME)
        assert (key.name, key.scope) == ("shop", Scope.ADMIN)
        await catalog.keys.remove("shop")
        assert await outcome(access.identify(text, HOME)) == (401, 100)


async def test_another_api_key_replaces_the_former(open_access: Open) -> None:
    async with open_access("first"):
        pass
    async with open_access("second") as access:
        assert await outcome(access.identify("first", HOME)) == (401, 100)
        assert await outcome(access.identify("second", HOME)) == (200, 200)


async def test_the_guests_key_cannot_have_the_text_of_another_key(open_access: Open, keys: KeyRing) -> None:
    text = await keys.add("shop")
    with pytest.raises(SettingsError, match=r"api\.key"):
        async with open_access(text):
            pass


# Keys that may not upload


async def test_a_disabled_key_is_known_but_refused(open_access: Open, keys: KeyRing, catalog: Catalog) -> None:
    text = await keys.add("shop")
    await catalog.keys.set_enabled("shop", enabled=False)
    async with open_access() as access:
        with pytest.raises(KeyUnusable, match="disabled"):
            await access.identify(text, HOME)
        await catalog.keys.set_enabled("shop", enabled=True)
        assert await outcome(access.identify(text, HOME)) == (200, 200)


async def test_a_key_works_until_the_moment_it_expires(open_access: Open, keys: KeyRing, clocks: Clocks) -> None:
    text = await keys.add("shop", expires=clocks.today + timedelta(days=1))
    async with open_access() as access:
        clocks.today += timedelta(days=1) - timedelta(seconds=1)
        await access.identify(text, HOME)
        clocks.today += timedelta(seconds=1)
        with pytest.raises(KeyUnusable, match="expired"):
            await access.identify(text, HOME)
        assert await outcome(access.identify(text, HOME)) == (403, 105)


@pytest.mark.parametrize(("pictures", "size"), [(0, None), (None, 0)])
async def test_a_used_up_quota_refuses_early(
    open_access: Open, keys: KeyRing, pictures: int | None, size: int | None
) -> None:
    text = await keys.add("shop", quota_pictures=pictures, quota_bytes=size)
    async with open_access() as access:
        with pytest.raises(QuotaUsedUp):
            await access.identify(text, HOME)


async def test_a_quota_with_room_left_refuses_nothing(open_access: Open, keys: KeyRing) -> None:
    text = await keys.add("shop", quota_pictures=1, quota_bytes=1)
    async with open_access() as access:
        assert (await access.identify(text, HOME)).quota_bytes == 1


async def test_a_yes_is_remembered_for_a_moment_and_a_no_is_looked_up(
    open_access: Open, keys: KeyRing, catalog: Catalog, tmp_path: Path
) -> None:
    text = await keys.add("shop")
    async with open_access() as access, open_catalog(f"sqlite:///{tmp_path / 'imges.db'}") as elsewhere:
        for _ in range(2):
            await elsewhere.keys.set_enabled("shop", enabled=True)
            assert await outcome(access.identify(text, HOME)) == (200, 200)
            await elsewhere.keys.set_enabled("shop", enabled=False)
            began = time.monotonic()
            while await outcome(access.identify(text, HOME)) == (200, 200):  # `reserve` refuses meanwhile
                assert time.monotonic() - began < 20
                await asyncio.sleep(0.05)
        await elsewhere.keys.remove("shop")
        assert await outcome(access.identify(text, HOME)) == (401, 100)


async def test_many_presented_keys_do_not_fill_the_memory(
    open_access: Open, keys: KeyRing, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_access() as access:
        for number in range(50):
            await outcome(access.identify(f"guess {number}", HOME))
        assert len(catalog.keys._remembered) == 0
        monkeypatch.setattr(catalog.keys, "_remembered", TTLCache[bytes, ApiKey](10, 60))
        for text in [await keys.add(f"key-{number}") for number in range(20)]:
            await access.identify(text, HOME)
        assert len(catalog.keys._remembered) == 10


# Guests


async def test_guests_may_be_refused_while_their_key_works(open_access: Open) -> None:
    async with open_access(guest_uploads=False) as access:
        with pytest.raises(GuestsRefused):
            await access.guest_key()
        assert await outcome(access.identify(KEY, HOME)) == (200, 200)


async def test_a_disabled_guests_key_is_refused_everywhere(open_access: Open, catalog: Catalog) -> None:
    async with open_access() as access:
        await catalog.keys.set_enabled(GUEST, enabled=False)
        for attempt in (access.guest_key(), access.identify(KEY, HOME)):
            with pytest.raises(KeyUnusable, match="guests cannot upload"):
                await attempt
    async with open_access() as access:  # a restart does not enable it
        assert await outcome(access.guest_key()) == (403, 105)


async def test_all_guests_share_their_bytes(open_access: Open) -> None:
    async with open_access(guest_bytes=5) as access:
        assert (await access.guest_key()).quota_bytes == 5
    async with open_access(guest_bytes=0) as access:
        assert await outcome(access.guest_key()) == (403, 105)
    async with open_access() as access:
        assert (await access.guest_key()).quota_bytes is None


# The last use


async def test_the_last_use_is_stored_to_the_minute(open_access: Open, catalog: Catalog, clocks: Clocks) -> None:
    async def last_used() -> datetime | None:
        return next(key.last_used for key in await catalog.keys.all() if key.name == GUEST)

    began = clocks.today
    async with open_access() as access:
        await access.identify(KEY, HOME)
    assert await last_used() == began
    async with open_access() as access:
        clocks.today = began + timedelta(seconds=59)
        await access.identify(KEY, HOME)
        clocks.today = began + timedelta(seconds=61)
        await access.guest_key()
    assert await last_used() == began + timedelta(seconds=61)


async def test_a_key_is_accepted_although_its_use_cannot_be_stored(
    open_access: Open, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(*_: object) -> None:
        raise CatalogUnavailable

    async with open_access() as access:
        monkeypatch.setattr(catalog.keys, "touch", failing)
        assert await outcome(access.identify(KEY, HOME)) == (200, 200)
    assert "guest" in caplog.text
    assert KEY not in caplog.text
