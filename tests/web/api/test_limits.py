"""Which clients are refused, and how: blocks, wrong keys, uploads per address, quotas, the guests' cap, addresses."""

import asyncio
import hashlib
import sqlite3
from contextlib import closing
from datetime import timedelta
from io import BytesIO
from ipaddress import IPv4Address, IPv6Address
from typing import NoReturn

import aiohttp
import pytest

from imges.access.api_keys import KeyRing
from imges.catalog import open_catalog, utc_now
from imges.imaging import Imaging
from imges.imaging.quarantine import DEATHS
from imges.imaging.types import Given
from imges.imaging.workers import Died
from tests import drawn
from tests.web.conftest import Answer, Server, Start

STRANGER = "203.0.113.9"
JSON = {"Accept": "application/json"}


def seen_from(address: str) -> dict[str, str]:
    """The headers by which the trusted proxy of these tests, 127.0.0.1, tells a client's address."""
    return {"X-Forwarded-For": address}


def form(content: bytes | None = None, **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData(fields)
    data.add_field("source", BytesIO(content or drawn.png()), filename="x.png")
    return data


async def by_page(server: Server, content: bytes | None = None, address: str = "127.0.0.1") -> Answer:
    return await server.post("/", data=form(content), headers=JSON | seen_from(address))


# Blocks


async def test_a_blocked_address_uploads_nowhere_and_others_do(imges: Server):
    await imges.pictures.catalog.blocks.add("203.0.113.0/24")
    try:
        for path in ("/api/1/upload", "/sharexapi/1/upload", "/"):
            data = form(key=imges.key)
            refused = await imges.post(path, data=data, headers=JSON | seen_from(STRANGER))
            assert refused.error == (403, 106), path
        page = await imges.post("/", data=form(), headers={"Accept": "text/html"} | seen_from(STRANGER))
        assert (page.status, "Not allowed" in page.text) == (403, True)
        text = await imges.get("/api/1/upload?key=x&format=txt&source=x", headers=seen_from(STRANGER))
        assert (text.status, text.text) == (403, "this site does not take uploads from your address")
        assert (await by_page(imges, address="203.0.114.9")).status == 200
        assert (await imges.get("/", headers=seen_from(STRANGER))).status == 200
    finally:
        await imges.pictures.catalog.blocks.remove("203.0.113.0/24")
    assert (await by_page(imges, address=STRANGER)).status == 200


@pytest.mark.parametrize("fields", [{}, {"width": "20"}], ids=["as-it-is", "resized"])
async def test_a_blocked_picture_is_refused_to_every_client(imges: Server, fields: dict[str, str]):
    content = drawn.png(41, 23)
    image = await imges.uploaded(content)
    files, rows = imges.files(), await imges.rows()
    await imges.pictures.catalog.blocks.add(image["md5"])
    try:
        assert (await imges.upload(content, **fields)).error == (403, 106)
        assert (await by_page(imges, content)).error == (403, 106)
        assert await imges.nothing_beyond(files)
        assert await imges.rows() == rows
        assert (await imges.get(image["url"])).status == 200  # what is there stays
    finally:
        await imges.pictures.catalog.blocks.remove(image["md5"])
    assert (await imges.upload(content)).status == 200


async def test_a_blocked_picture_is_known_whatever_metadata_it_comes_with(each_imges: Server):
    sent = drawn.jpeg()
    image = await each_imges.uploaded(sent)
    assert image["md5"] != hashlib.md5(sent).hexdigest()  # as it is stored, its metadata is off
    stored = (await each_imges.get(image["url"])).body
    await each_imges.pictures.catalog.blocks.add(image["md5"])
    try:
        assert (await each_imges.upload(sent)).error == (403, 106)
        assert (await each_imges.upload(stored)).error == (403, 106)
    finally:
        await each_imges.pictures.catalog.blocks.remove(image["md5"])


# Wrong keys and uploads per address


async def guess(server: Server, number: int, forwarded: str | None) -> Answer:
    """A wrong key, presented in one of the ways that there are."""
    headers = seen_from(forwarded) if forwarded else {}
    key = f"guess {number}"
    match number % 4:
        case 0:
            return await server.post(data=form(key=key), headers=headers)
        case 1:
            return await server.post(data=form(), headers=headers | {"X-API-Key": key})
        case 2:
            return await server.post(data=form(), headers=headers | {"Authorization": f"Bearer {key}"})
        case _:
            return await server.get("/api/1/upload", params={"key": key, "source": "x"}, headers=headers)


async def right_key(server: Server, address: str) -> int:
    return (await server.post(data=form(key=server.key), headers=seen_from(address))).status


async def test_of_150_guesses_few_are_answered_while_the_right_key_works(start: Start):
    async with start(LIMITS__WRONG_KEYS="10/minute") as server:
        answers = [await guess(server, number, STRANGER) for number in range(150)]
        assert [answer.error for answer in answers] == [(401, 100)] * 10 + [(429, 160)] * 140
        assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in answers[10:])
        assert await right_key(server, STRANGER) == 200
        assert (await guess(server, 0, "203.0.113.10")).status == 401
        assert await server.rows() == 1


@pytest.mark.parametrize("proxies", ["[]", "[192.0.2.1/32]"])
async def test_what_a_stranger_claims_of_its_address_is_not_believed(start: Start, proxies: str):
    async with start(
        LIMITS__WRONG_KEYS="3/minute", LIMITS__UPLOADS="6/minute", SERVER__TRUSTED_PROXIES=proxies
    ) as server:
        answers = [await guess(server, number, f"198.51.100.{number}") for number in range(5)]
        assert [answer.status for answer in answers] == [401, 401, 401, 429, 429]
        assert [await right_key(server, f"198.51.100.{number}") for number in range(2)] == [200, 429]


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param([f"198.51.100.{n}, {STRANGER}" for n in range(5)], id="the-client-wrote-the-left"),
        pytest.param([f"{STRANGER}, 127.0.0.{n}" for n in range(1, 6)], id="two-proxies"),
        pytest.param([f"{nonsense}, {STRANGER}" for nonsense in ("", "x", "1.2.3", "::g", "a" * 999)], id="nonsense"),
        pytest.param([f"2001:db8:0:1::{n:x}" for n in range(5)], id="one-64"),
        pytest.param([f"198.51.100.{n}, nonsense" for n in range(5)], id="nothing-that-can-be-read"),
    ],
)
async def test_the_client_is_the_right_most_address_that_no_proxy_has(start: Start, claims: list[str]):
    async with start(LIMITS__WRONG_KEYS="3/minute") as server:
        assert [(await guess(server, 0, claim)).status for claim in claims] == [401, 401, 401, 429, 429]


@pytest.mark.parametrize("path", ["/", "/api/1/upload"])
async def test_uploads_are_limited_per_address(start: Start, path: str):
    async with start(LIMITS__UPLOADS="3/minute") as server:

        async def upload(address: str) -> Answer:
            return await server.post(path, data=form(key=server.key), headers=JSON | seen_from(address))

        answers = await asyncio.gather(*(upload(STRANGER) for _ in range(8)))
        assert sorted(answer.status for answer in answers) == [200] * 3 + [429] * 5
        (refused, *_) = [answer for answer in answers if answer.status == 429]
        assert refused.error == (429, 160)
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert (await upload("203.0.113.10")).status == 200


# Quotas and the guests' cap


async def test_keys_that_are_known_but_may_not_say_so(imges: Server):
    catalog = imges.pictures.catalog
    ring = await KeyRing.open(catalog)
    texts = {
        "off": await ring.add("off"),
        "over": await ring.add("over", expires=utc_now()),
        "few": await ring.add("few", quota_pictures=1),
        "small": await ring.add("small", quota_bytes=100),
    }
    await catalog.keys.set_enabled("off", enabled=False)
    assert (await imges.post(data=form(key=texts["few"]))).status == 200
    for name, text in texts.items():
        assert (await imges.post(data=form(key=text))).error == (403, 105), name
    await catalog.keys.remove("off")
    assert (await imges.post(data=form(key=texts["off"]))).error == (401, 100)


@pytest.mark.parametrize("duplicates", ["allow", "reuse"])
async def test_a_key_that_another_process_revokes_or_disables_uploads_no_more_at_once(start: Start, duplicates: str):
    async with start(IMAGES__DUPLICATES=duplicates) as server, open_catalog(catalog_of(server)) as elsewhere:
        text = await (await KeyRing.open(elsewhere)).add("shop")
        assert (await server.post(data=form(key=text))).status == 200
        for change, error in (
            (lambda: elsewhere.keys.set_enabled("shop", enabled=False), (403, 105)),
            (lambda: elsewhere.keys.set_enabled("shop", enabled=True), None),
            (lambda: elsewhere.keys.remove("shop"), (401, 100)),
        ):
            await change()
            answer = await server.post(data=form(key=text))
            assert answer.status == 200 if error is None else answer.error == error
        assert await server.rows() == (2 if duplicates == "allow" else 1)
        assert len(server.backing.objects()) == 2 * await server.rows()


def catalog_of(server: Server) -> str:
    return f"sqlite:///{server.data_dir / 'imges.db'}"


async def test_guests_together_never_pass_their_cap(start: Start):
    cap = 300_000
    async with start(LIMITS__GUEST_BYTES=str(cap)) as server:
        sent = [drawn.encoded(drawn.noise(30, 30, seed), "PNG") for seed in range(16)]
        ways = [by_page(server, content) for content in sent[:8]] + [server.upload(content) for content in sent[8:]]
        answers = await asyncio.gather(*ways)
        stored = [answer.json["image"] for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status != 200]
        held = sum(image["size"] + image["thumb"]["size"] for image in stored)
        assert stored
        assert held <= cap
        assert {answer.error for answer in refused} == {(403, 105)}
        assert "guests" in refused[0].text
        assert sum(len(server.backing.read(key)) for key in server.backing.objects()) == held
        text = await (await KeyRing.open(server.pictures.catalog)).add("owner")
        assert (await server.post(data=form(key=text))).status == 200  # others have their own room


# Addresses


def stored_addresses(server: Server) -> list[object]:
    with closing(sqlite3.connect(server.data_dir / "imges.db")) as database:
        return [address for (address,) in database.execute("SELECT address FROM images ORDER BY number")]


def grow_older(server: Server, time: timedelta) -> None:
    """What is stored was uploaded that much earlier."""
    with closing(sqlite3.connect(server.data_dir / "imges.db")) as database, database:
        database.execute("UPDATE images SET created = created - ?", [time // timedelta(microseconds=1)])


async def test_addresses_are_kept_for_as_long_as_the_setting_says(start: Start):
    async with start(PRIVACY__KEEP_ADDRESSES="100 s") as server:
        assert (await by_page(server, address=STRANGER)).status == 200
        await asyncio.to_thread(grow_older, server, timedelta(seconds=101))
        assert (await by_page(server, address=STRANGER)).status == 200
        await server.pictures.sweeping.forget_addresses()
        first, second = await asyncio.to_thread(stored_addresses, server)
        assert first is None
        assert second == IPv6Address(f"::ffff:{STRANGER}").packed


async def test_addresses_are_never_stored_where_the_setting_is_0(start: Start):
    async with start(PRIVACY__KEEP_ADDRESSES="0", LIMITS__UPLOADS="9/minute", LIMITS__WRONG_KEYS="9/minute") as server:
        assert (await by_page(server, address=STRANGER)).status == 200
        assert (await guess(server, 0, STRANGER)).status == 401
        assert await asyncio.to_thread(stored_addresses, server) == [None]
        written = b"".join(file.read_bytes() for file in server.data_dir.glob("imges.db*"))
        assert STRANGER.encode() not in written
        assert IPv4Address(STRANGER).packed not in written


# Files that kill decoders


async def test_bytes_that_killed_three_decoders_are_given_to_no_more(start: Start, monkeypatch: pytest.MonkeyPatch):
    tried: list[int] = []

    async def take(_: Imaging, file: Given, *_others: object, client: str | None) -> NoReturn:
        tried.append(file.size)
        raise Died

    async with start() as server:
        with monkeypatch.context() as patched:
            patched.setattr(Imaging, "take", take)
            answers = [await server.upload(drawn.png()) for _ in range(5)]
            answers.append(await server.upload(drawn.png(9)))
        assert [answer.error for answer in answers] == [(422, 320)] * 6
        assert len(tried) == DEATHS + 1
        assert (await server.upload(drawn.png())).status == 422
        assert (await server.upload(drawn.png(10))).status == 200


# The disk


async def test_what_the_disk_has_no_room_for_is_refused_before_it_is_read(
    start: Start, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("imges.access.disk.free_bytes", lambda _: 9 * 2**20)
    async with start(LIMITS__DISK_RESERVE="1 MB") as server:
        assert (await server.upload(drawn.png())).status == 200
        assert b" 507 " in await server.status_line(
            b"POST /api/1/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 15000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
