"""Who may upload: keys, quotas, limits per address, the disk's reserve."""

import asyncio
import os
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from cachetools import TTLCache

from imges.access import Access, KeyRing, LocalCounts, Pseudonyms, Reserve, free_bytes, key_file
from imges.catalog import GUEST, ApiKey, ApiKeyNameTaken, Catalog, Scope, open_catalog
from imges.errors import (
    Busy,
    CatalogUnavailable,
    DiskReserve,
    GuestsRefused,
    ImgesError,
    KeyUnusable,
    KeyWrong,
    QuotaUsedUp,
    SettingsError,
    TooManyRequests,
)
from imges.options import Rate
from imges.settings import Api, Limits, Settings

HOME = IPv4Address("198.51.100.7")
KEY = "our key"


class Clocks:
    """The time of day and the seconds that pass, both as the test says."""

    def __init__(self) -> None:
        self.today = datetime(2014, 6, 4, 12, tzinfo=UTC)
        self.seconds = 1000.0

    def now(self) -> datetime:
        return self.today

    def clock(self) -> float:
        return self.seconds


Open = Callable[..., AbstractAsyncContextManager[Access]]


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
async def catalog(tmp_path: Path, clocks: Clocks) -> AsyncIterator[Catalog]:
    async with open_catalog(f"sqlite:///{tmp_path / 'imges.db'}", clocks.now) as catalog:
        yield catalog


@pytest.fixture
async def keys(catalog: Catalog) -> KeyRing:
    return await KeyRing.open(catalog)


@pytest.fixture
def open_access(tmp_path: Path, catalog: Catalog, clocks: Clocks) -> Open:
    """Open `Access` with `api.key` and `limits` as given, no limits else."""

    def opened(key: str | None = KEY, *, guest_uploads: bool = True, **limits: Any) -> Any:
        off: dict[str, Any] = {"uploads": None, "wrong_keys": None, "disk_reserve": 0}
        settings = Settings(
            data_dir=tmp_path,
            api=Api(key=key, guest_uploads=guest_uploads),
            limits=Limits(**{**off, **limits}),
        )
        return Access.open(settings, catalog, clocks.now, clocks.clock)

    return opened


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def outcome(attempt: Any) -> tuple[int, int]:
    """HTTP status and API code of what *attempt* ends with."""
    try:
        await attempt
    except ImgesError as error:
        return error.status, error.code
    return 200, 200


# Keys


async def test_the_key_of_the_settings_is_the_guests(open_access: Open) -> None:
    async with open_access() as access:
        assert (await access.identify(KEY, HOME)).name == GUEST
        assert (await access.identify(KEY.encode(), HOME)).name == GUEST
        assert (await access.guest()).name == GUEST


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
async def test_a_key_may_hold_anything(open_access: Open, key: str) -> None:
    async with open_access(key) as access:
        assert (await access.identify(key, HOME)).name == GUEST


async def test_a_named_key_uploads_until_it_is_revoked(open_access: Open, keys: KeyRing, catalog: Catalog) -> None:
    text = await keys.add("shop", Scope.ADMIN)
    async with open_access() as access:
        key = await access.identify(text, HOME)
        assert (key.name, key.scope) == ("shop", Scope.ADMIN)
        await catalog.remove_key("shop")
        assert await outcome(access.identify(text, HOME)) == (401, 100)


async def test_added_keys_differ_and_a_name_is_taken_once(keys: KeyRing) -> None:
    texts = {await keys.add(f"key {number}") for number in range(20)}
    assert len(texts) == 20
    assert all(len(text) == 40 and text.isalnum() and text.isascii() for text in texts)
    with pytest.raises(ApiKeyNameTaken):
        await keys.add("key 0")


async def test_the_catalog_holds_no_text_of_a_key(open_access: Open, keys: KeyRing, tmp_path: Path) -> None:
    texts = [KEY, await keys.add("shop")]
    async with open_access():
        pass
    stored = b"".join(file.read_bytes() for file in files_in(tmp_path) if file.name.startswith("imges.db"))
    assert not [text for text in texts if text.encode() in stored]


async def test_hashes_of_one_catalog_are_nothing_to_another(keys: KeyRing, tmp_path: Path) -> None:
    async with open_catalog(f"sqlite:///{tmp_path / 'other.db'}") as other:
        assert (await KeyRing.open(other)).hash(KEY) != keys.hash(KEY)


async def test_another_api_key_replaces_the_former(open_access: Open) -> None:
    async with open_access("first"):
        pass
    async with open_access("second") as access:
        assert await outcome(access.identify("first", HOME)) == (401, 100)
        assert await outcome(access.identify("second", HOME)) == (200, 200)


async def test_the_guests_key_cannot_be_that_of_another_name(open_access: Open, keys: KeyRing) -> None:
    text = await keys.add("shop")
    with pytest.raises(SettingsError, match=r"api\.key"):
        async with open_access(text):
            pass


# Keys that are known but may not


async def test_a_disabled_key_is_known_but_refused(open_access: Open, keys: KeyRing, catalog: Catalog) -> None:
    text = await keys.add("shop")
    await catalog.set_key_enabled("shop", enabled=False)
    async with open_access() as access:
        with pytest.raises(KeyUnusable, match="disabled"):
            await access.identify(text, HOME)
        await catalog.set_key_enabled("shop", enabled=True)
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


async def test_a_quota_with_room_left_is_no_hindrance(open_access: Open, keys: KeyRing) -> None:
    text = await keys.add("shop", quota_pictures=1, quota_bytes=1)
    async with open_access() as access:
        assert (await access.identify(text, HOME)).quota_bytes == 1


async def test_what_speaks_for_a_key_is_remembered_for_a_moment_and_a_no_is_asked_for(
    open_access: Open, keys: KeyRing, catalog: Catalog, tmp_path: Path
) -> None:
    text = await keys.add("shop")
    async with open_access() as access, open_catalog(f"sqlite:///{tmp_path / 'imges.db'}") as elsewhere:
        for _ in range(2):
            await elsewhere.set_key_enabled("shop", enabled=True)
            assert await outcome(access.identify(text, HOME)) == (200, 200)
            await elsewhere.set_key_enabled("shop", enabled=False)
            began = time.monotonic()
            while await outcome(access.identify(text, HOME)) == (200, 200):  # `reserve` refuses meanwhile
                assert time.monotonic() - began < 20
                await asyncio.sleep(0.05)
        await elsewhere.remove_key("shop")
        assert await outcome(access.identify(text, HOME)) == (401, 100)


async def test_many_keys_that_are_presented_fill_no_memory(
    open_access: Open, keys: KeyRing, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_access() as access:
        for number in range(50):
            await outcome(access.identify(f"guess {number}", HOME))
        assert len(catalog._remembered) == 0
        monkeypatch.setattr(catalog, "_remembered", TTLCache[bytes, ApiKey](10, 60))
        for text in [await keys.add(f"key-{number}") for number in range(20)]:
            await access.identify(text, HOME)
        assert len(catalog._remembered) == 10


# Guests


async def test_guests_may_be_refused_while_their_key_works(open_access: Open) -> None:
    async with open_access(guest_uploads=False) as access:
        with pytest.raises(GuestsRefused):
            await access.guest()
        assert await outcome(access.identify(KEY, HOME)) == (200, 200)


async def test_a_disabled_guest_uploads_nowhere(open_access: Open, catalog: Catalog) -> None:
    async with open_access() as access:
        await catalog.set_key_enabled(GUEST, enabled=False)
        for attempt in (access.guest(), access.identify(KEY, HOME)):
            with pytest.raises(KeyUnusable, match="guests cannot upload"):
                await attempt
    async with open_access() as access:  # a restart changes nothing about it
        assert await outcome(access.guest()) == (403, 105)


async def test_all_guests_share_their_bytes(open_access: Open) -> None:
    async with open_access(guest_bytes=5) as access:
        assert (await access.guest()).quota_bytes == 5
    async with open_access(guest_bytes=0) as access:
        assert await outcome(access.guest()) == (403, 105)
    async with open_access() as access:
        assert (await access.guest()).quota_bytes is None


# The generated key


async def test_a_key_is_made_once_and_kept_in_a_file(open_access: Open, tmp_path: Path) -> None:
    async with open_access(None) as access:
        file = key_file(tmp_path)
        assert access.new_key_file == file == tmp_path / "api.key"
        text = file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert text.endswith("\n")
        assert len(text.strip()) == 40
        assert (await access.identify(text.strip(), HOME)).name == GUEST
    async with open_access(None) as again:
        assert again.new_key_file is None
        assert (await again.identify(text.strip(), HOME)).name == GUEST
    assert [file.name for file in files_in(tmp_path) if "key" in file.name] == ["api.key"]


async def test_a_key_in_the_settings_writes_no_file(open_access: Open, tmp_path: Path) -> None:
    async with open_access(KEY) as access:
        assert access.new_key_file is None
    assert not key_file(tmp_path).exists()


async def test_the_file_of_a_lost_catalog_gives_the_new_one_its_key(open_access: Open, tmp_path: Path) -> None:
    key_file(tmp_path).write_text("from before\n")
    async with open_access(None) as access:
        assert access.new_key_file is None
        assert (await access.identify("from before", HOME)).name == GUEST


@pytest.mark.parametrize("content", [None, b"", b" \n"])
async def test_a_lost_file_is_written_anew_from_the_catalog(
    open_access: Open, tmp_path: Path, content: bytes | None
) -> None:
    file = key_file(tmp_path)
    async with open_access(None):
        text = file.read_text()
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    async with open_access(None) as access:
        assert access.new_key_file == file
    assert file.read_text() == text


async def test_a_changed_file_is_put_right_and_said(
    open_access: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = key_file(tmp_path)
    async with open_access(None):
        text = file.read_text()
    file.write_text("somebody's\n")
    async with open_access(None) as access:
        assert await outcome(access.identify("somebody's", HOME)) == (401, 100)
    assert file.read_text() == text
    assert str(file) in caplog.text
    assert text.strip() not in caplog.text
    assert "somebody's" not in caplog.text


async def test_a_file_that_cannot_be_used_stops_the_start(open_access: Open, tmp_path: Path) -> None:
    key_file(tmp_path).mkdir()
    with pytest.raises(SettingsError, match=r"api\.key"):
        async with open_access(None):
            pass


# The last use


async def test_the_last_use_is_noted_to_the_minute(open_access: Open, catalog: Catalog, clocks: Clocks) -> None:
    async def last_used() -> datetime | None:
        return next(key.last_used for key in await catalog.keys() if key.name == GUEST)

    began = clocks.today
    async with open_access() as access:
        await access.identify(KEY, HOME)
    assert await last_used() == began
    async with open_access() as access:
        clocks.today = began + timedelta(seconds=59)
        await access.identify(KEY, HOME)
        clocks.today = began + timedelta(seconds=61)
        await access.guest()
    assert await last_used() == began + timedelta(seconds=61)


async def test_a_key_is_taken_though_its_use_cannot_be_noted(
    open_access: Open, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing(*_: object) -> None:
        raise CatalogUnavailable

    async with open_access() as access:
        monkeypatch.setattr(catalog, "touch_key", failing)
        assert await outcome(access.identify(KEY, HOME)) == (200, 200)
    assert "guest" in caplog.text
    assert KEY not in caplog.text


# Limits per address


async def test_uploads_are_limited_in_a_moving_window(open_access: Open, clocks: Clocks) -> None:
    async with open_access(uploads=Rate(3, timedelta(minutes=1))) as access:
        for _ in range(3):
            await access.admit_upload(HOME)
            clocks.seconds += 10
        with pytest.raises(TooManyRequests) as refused:  # 30 s after the first
            await access.admit_upload(HOME)
        assert refused.value.retry_after in {30, 31}
        clocks.seconds += 29
        assert await outcome(access.admit_upload(HOME)) == (429, 160)
        clocks.seconds += 1
        await access.admit_upload(HOME)  # the first has left the window
        assert await outcome(access.admit_upload(HOME)) == (429, 160)
        await access.admit_upload(IPv4Address("198.51.100.8"))


async def test_the_time_of_day_set_back_locks_nobody_out(
    open_access: Open, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_access(uploads=Rate(1, timedelta(minutes=1))) as access:
        await access.admit_upload(HOME)
        clocks.today -= timedelta(hours=1)
        monkeypatch.setattr("imges.access.time.time", lambda: 0.0)
        with pytest.raises(TooManyRequests) as refused:
            await access.admit_upload(HOME)
        assert refused.value.retry_after == 60
        clocks.seconds += 60
        await access.admit_upload(HOME)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("198.51.100.7", "198.51.100.7", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("::ffff:198.51.100.7", "::ffff:198.51.100.8", False),
    ],
)
async def test_an_address_of_ipv6_stands_for_its_64(open_access: Open, first: str, second: str, *, same: bool) -> None:
    async with open_access(uploads=Rate(1, timedelta(minutes=1))) as access:
        await access.admit_upload(ip_address(first))
        assert await outcome(access.admit_upload(ip_address(second))) == ((429, 160) if same else (200, 200))


async def test_what_is_counted_tells_no_address_and_nothing_at_all_the_next_day(clocks: Clocks) -> None:
    secret = os.urandom(32)
    names = Pseudonyms(secret, clocks.now)
    today = names.of(HOME)
    assert str(HOME) not in today
    assert names.of(HOME) == Pseudonyms(secret, clocks.now).of(HOME) == today  # on every node
    assert Pseudonyms(os.urandom(32), clocks.now).of(HOME) != today
    clocks.today += timedelta(days=1)
    assert names.of(HOME) != today


async def test_counting_keeps_no_address(open_access: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    count = LocalCounts.acquire_entry

    async def acquire_entry(self: LocalCounts, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        counted.append(key)
        return await count(self, key, limit, expiry, amount)

    monkeypatch.setattr(LocalCounts, "acquire_entry", acquire_entry)
    async with open_access(uploads=Rate(3, timedelta(minutes=1)), wrong_keys=Rate(3, timedelta(minutes=1))) as access:
        await access.admit_upload(HOME)
        await outcome(access.identify("wrong", HOME))
    assert len(counted) == 2
    assert not [key for key in counted if str(HOME) in key]


async def test_a_program_of_this_machine_is_not_limited(open_access: Open) -> None:
    once = Rate(1, timedelta(minutes=1))
    async with open_access(uploads=once, wrong_keys=once) as access:
        for _ in range(3):
            await access.admit_upload(None)
            assert await outcome(access.identify("wrong", None)) == (401, 100)


async def test_a_limit_that_is_off_never_bites(open_access: Open) -> None:
    async with open_access() as access:
        assert {await outcome(access.identify("wrong", HOME)) for _ in range(50)} == {(401, 100)}


async def test_guessing_is_stopped_while_a_right_key_works(open_access: Open, clocks: Clocks) -> None:
    async with open_access(wrong_keys=Rate(10, timedelta(minutes=1))) as access:
        answers = [await outcome(access.identify(f"guess {number}", HOME)) for number in range(150)]
        assert answers == [(401, 100)] * 10 + [(429, 160)] * 140
        with pytest.raises(TooManyRequests) as refused:
            await access.identify(None, HOME)
        assert refused.value.retry_after in {60, 61}
        assert (await access.identify(KEY, HOME)).name == GUEST
        assert await outcome(access.identify("wrong", IPv6Address("2001:db8::1"))) == (401, 100)
        clocks.seconds += 61
        with pytest.raises(KeyWrong):
            await access.identify("wrong", HOME)


async def test_uploads_at_once_are_counted_each(open_access: Open) -> None:
    async with open_access(uploads=Rate(5, timedelta(minutes=1))) as access:
        answers = await asyncio.gather(*(outcome(access.admit_upload(HOME)) for _ in range(40)))
    assert answers.count((200, 200)) == 5


async def test_addresses_beyond_number_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalCounts, "ADDRESSES", 10)
    counts = LocalCounts(lambda: 0.0)
    for number in range(100):
        assert await counts.acquire_entry(str(number), 1, 60)
    assert not await counts.acquire_entry("99", 1, 60)
    assert await counts.acquire_entry("0", 1, 60)  # the oldest were forgotten


# The disk


async def test_uploads_stop_when_the_disk_is_nearly_full(open_access: Open, tmp_path: Path) -> None:
    async with open_access(disk_reserve=free_bytes(tmp_path) * 2) as access:
        with pytest.raises(DiskReserve):
            await access.admit_upload(HOME)
    async with open_access(disk_reserve=2**20) as access:
        await access.admit_upload(HOME)


async def test_the_disk_is_asked_again_after_a_second(
    open_access: Open, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    free = 0

    def free_bytes(folder: Path) -> int:
        asked.append(folder)
        return free

    monkeypatch.setattr("imges.access.free_bytes", free_bytes)
    async with open_access(disk_reserve=100) as access:
        for _ in range(5):
            assert await outcome(access.admit_upload(HOME)) == (507, 507)
        assert [path.name for path in asked] == [asked[0].name, "images"]  # the data folder, and that of the pictures
        free = 100
        clocks.seconds += 1
        await access.admit_upload(HOME)


async def test_the_disk_is_asked_off_the_loop(open_access: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[threading.Thread] = set()

    def free_bytes(_: Path) -> int:
        threads.add(threading.current_thread())
        return 100

    monkeypatch.setattr("imges.access.free_bytes", free_bytes)
    async with open_access(disk_reserve=100) as access:
        await access.admit_upload(HOME)
    assert threads
    assert threading.main_thread() not in threads


def test_a_folder_yet_to_be_made_is_on_the_disk_of_its_parent(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    free = free_bytes(tmp_path / "not" / "yet")
    assert abs(free - disk.f_bavail * disk.f_frsize) < 2**28  # others write meanwhile


async def test_room_is_promised_once_and_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imges.access.free_bytes", lambda _: 1000)
    reserve = Reserve([tmp_path], 200, lambda: 0.0)
    async with reserve.room(300) as room:
        await room.extend(300)
        monkeypatch.setattr(Reserve, "PATIENCE", 0.1)  # the disk has been looked at: who gets room does not wait
        with pytest.raises(Busy):
            async with reserve.room(200):
                pass
        async with reserve.room(100) as rest:
            await rest.extend(100)
            with pytest.raises(Busy):
                await rest.extend(101)
    async with reserve.room(400) as room:
        await room.extend(400)
        with pytest.raises(DiskReserve):
            await room.extend(401)
    with pytest.raises(DiskReserve):
        async with reserve.room(401):
            pass


async def test_who_announces_much_and_sends_little_takes_nobodys_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imges.access.free_bytes", lambda _: 1000)
    reserve = Reserve([tmp_path], 0, lambda: 0.0)
    async with AsyncExitStack() as stack:
        for _ in range(20):
            slow = await stack.enter_async_context(reserve.room(400))
            await slow.extend(5)
        async with reserve.room(400) as room:
            await room.extend(400)
