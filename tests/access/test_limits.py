"""Limits per client address."""

import asyncio
import os
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from imges.access.hits import LocalHits
from imges.access.limits import Pseudonyms
from imges.catalog import GUEST
from imges.errors import (
    KeyWrong,
    TooManyRequests,
)
from imges.settings.units import Rate
from tests.access.opening import HOME, KEY, Clocks, Open, outcome


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


async def test_a_clock_that_is_set_back_locks_no_client_out(
    open_access: Open, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_access(uploads=Rate(1, timedelta(minutes=1))) as access:
        await access.admit_upload(HOME)
        clocks.today -= timedelta(hours=1)
        monkeypatch.setattr("imges.access.hits.time.time", lambda: 0.0)
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
async def test_an_ipv6_address_is_counted_as_its_64(open_access: Open, first: str, second: str, *, same: bool) -> None:
    async with open_access(uploads=Rate(1, timedelta(minutes=1))) as access:
        await access.admit_upload(ip_address(first))
        assert await outcome(access.admit_upload(ip_address(second))) == ((429, 160) if same else (200, 200))


async def test_pseudonyms_reveal_no_address_and_change_each_day(clocks: Clocks) -> None:
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
    count = LocalHits.acquire_entry

    async def acquire_entry(self: LocalHits, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        counted.append(key)
        return await count(self, key, limit, expiry, amount)

    monkeypatch.setattr(LocalHits, "acquire_entry", acquire_entry)
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


async def test_a_limit_that_is_off_refuses_nothing(open_access: Open) -> None:
    async with open_access() as access:
        assert {await outcome(access.identify("wrong", HOME)) for _ in range(50)} == {(401, 100)}


async def test_guessing_is_refused_while_a_right_key_works(open_access: Open, clocks: Clocks) -> None:
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


async def test_each_of_many_uploads_at_once_is_counted(open_access: Open) -> None:
    async with open_access(uploads=Rate(5, timedelta(minutes=1))) as access:
        answers = await asyncio.gather(*(outcome(access.admit_upload(HOME)) for _ in range(40)))
    assert answers.count((200, 200)) == 5


async def test_many_addresses_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalHits, "ADDRESSES", 10)
    counts = LocalHits(lambda: 0.0)
    for number in range(100):
        assert await counts.acquire_entry(str(number), 1, 60)
    assert not await counts.acquire_entry("99", 1, 60)
    assert await counts.acquire_entry("0", 1, 60)  # the oldest were forgotten


async def test_an_upload_that_took_a_decoders_whole_time_counts_tenfold(open_access: Open) -> None:
    async with open_access(uploads=Rate(12, timedelta(minutes=1))) as access:
        await access.admit_upload(HOME)
        await access.charge_upload(HOME)
        for _ in range(2):
            await access.admit_upload(HOME)
        assert await outcome(access.admit_upload(HOME)) == (429, 160)
        await access.charge_upload(HOME)  # beyond the limit there is nothing to count
        await access.charge_upload(None)
