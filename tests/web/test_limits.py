"""Who is refused, and how it is told: blocks, wrong keys, uploads per address, quotas, the guests' cap, addresses."""

import hashlib
from io import BytesIO

import aiohttp
import pytest

from tests import pictures
from tests.web.conftest import Answer, Server

STRANGER = "203.0.113.9"
JSON = {"Accept": "application/json"}


def seen_from(address: str) -> dict[str, str]:
    """The headers by which the trusted proxy of these tests, 127.0.0.1, tells a client's address."""
    return {"X-Forwarded-For": address}


def form(content: bytes | None = None, **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData(fields)
    data.add_field("source", BytesIO(content or pictures.png()), filename="x.png")
    return data


async def by_page(server: Server, content: bytes | None = None, address: str = "127.0.0.1") -> Answer:
    return await server.post("/", data=form(content), headers=JSON | seen_from(address))


# Blocks


async def test_a_blocked_address_uploads_nowhere_and_others_do(imges: Server):
    await imges.service.catalog.add_block("203.0.113.0/24")
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
        await imges.service.catalog.remove_block("203.0.113.0/24")
    assert (await by_page(imges, address=STRANGER)).status == 200


@pytest.mark.parametrize("fields", [{}, {"width": "20"}], ids=["as-it-is", "resized"])
async def test_a_blocked_picture_is_taken_from_nobody(imges: Server, fields: dict[str, str]):
    content = pictures.png(41, 23)
    image = await imges.uploaded(content)
    files, rows = imges.files(), await imges.rows()
    await imges.service.catalog.add_block(image["md5"])
    try:
        assert (await imges.upload(content, **fields)).error == (403, 106)
        assert (await by_page(imges, content)).error == (403, 106)
        assert (imges.files(), await imges.rows()) == (files, rows)
        assert (await imges.get(image["url"])).status == 200  # what is there stays
    finally:
        await imges.service.catalog.remove_block(image["md5"])
    assert (await imges.upload(content)).status == 200


async def test_a_blocked_picture_is_known_whatever_metadata_it_comes_with(each_imges: Server):
    sent = pictures.jpeg()
    image = await each_imges.uploaded(sent)
    assert image["md5"] != hashlib.md5(sent).hexdigest()  # as it is stored, its metadata is off
    stored = (await each_imges.get(image["url"])).body
    await each_imges.service.catalog.add_block(image["md5"])
    try:
        assert (await each_imges.upload(sent)).error == (403, 106)
        assert (await each_imges.upload(stored)).error == (403, 106)
    finally:
        await each_imges.service.catalog.remove_block(image["md5"])
