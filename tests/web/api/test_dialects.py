"""Clients of other hosts upload here unchanged: their requests, byte for byte as their sources make them."""

import base64
from itertools import count
from typing import Any
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from imges.access.api_keys import KeyRing
from imges.app import PICTURES
from imges.catalog import Scope
from tests import drawn
from tests.web.conftest import Answer, Server, Start

PNG = drawn.png(40, 30)


NAMES = (f"client-{number}" for number in count())


async def key_of(imges: Server, name: str | None = None, **options: Any) -> str:
    ring = await KeyRing.open(imges.app[PICTURES].catalog)
    return await ring.add(name or next(NAMES), **options)


def form(field: str, content: bytes = PNG, filename: str = "shot.png", **fields: str) -> dict[str, Any]:
    data = aiohttp.FormData(fields)
    data.add_field(field, content, filename=filename, content_type="image/png")
    return {"data": data}


async def stored(imges: Server, url: str) -> bytes:
    return (await imges.get(url)).body


def element(answer: Answer, name: str) -> str:
    found = ET.fromstring(answer.body).find(name)
    assert found is not None
    return found.text or ""


# Imgur


async def test_ksnip_sends_the_picture_as_the_body_of_a_form(imges: Server):
    """ImgurWrapper.cpp: the type is a form's, the body is the PNG, and the client id is its own."""
    key = await key_of(imges)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": "Client-ID 16d41e28a3ba71e",
        "User-Agent": "ksnip/1.10.1",
    }
    path = f"/imgur/{key}/3/upload.xml?title=Ksnip%20Screenshot&description=Screenshot"
    answer = await imges.post(path, data=PNG, headers=headers)
    assert answer.status == 200
    root = ET.fromstring(answer.body)
    assert (root.tag, root.attrib["status"], root.attrib["success"]) == ("data", "200", "1")
    link = element(answer, "link")
    assert await stored(imges, link) == PNG
    assert element(answer, "title") == "Ksnip Screenshot"
    looked = await imges.get(f"/imgur/{key}/3/image/{element(answer, 'id')}.xml")
    assert element(looked, "link") == link
    for _ in range(2):
        deleted = await imges.request("DELETE", f"/imgur/{key}/3/image/{element(answer, 'deletehash')}.xml")
        assert deleted.status == 200
    assert (await imges.get(link)).status == 410


async def test_ksnip_strips_the_extension_of_links(imges: Server):
    image = await imges.uploaded(PNG)
    answer = await imges.get(image["url"].removesuffix(".png"))
    assert (answer.status, answer.headers["Location"]) == (302, image["url_viewer"].removeprefix(imges.base))
    assert (await imges.get("/images/2014/06/04/nothing")).status == 404


async def test_greenshot_sends_a_form_with_base64(imges: Server):
    key = await key_of(imges)
    fields = {"image": base64.b64encode(PNG).decode(), "type": "base64", "title": "a & <b>", "name": "shot.png"}
    answer = await imges.post(f"/imgur/{key}/3/image.xml", data=fields)
    assert await stored(imges, element(answer, "link")) == PNG
    assert element(answer, "title") == "a & <b>"


@pytest.mark.parametrize("scheme", ["Client-ID", "Bearer"])
async def test_sharex_and_scripts_speak_imgur_in_json(imges: Server, scheme: str):
    key = await key_of(imges)
    answer = await imges.post("/3/image", **form("image"), headers={"Authorization": f"{scheme} {key}"})
    told = answer.json
    assert (told["success"], told["status"], told["data"]["type"]) == (True, 200, "image/png")
    assert isinstance(told["data"]["datetime"], int)
    assert (told["data"]["width"], told["data"]["height"]) == (40, 30)
    assert await stored(imges, told["data"]["link"]) == PNG
    deleted = await imges.request("DELETE", f"/3/image/{told['data']['deletehash']}")
    assert deleted.json == {"data": True, "success": True, "status": 200}


async def test_imgurs_errors_are_imgurs(imges: Server):
    answer = await imges.post("/3/image", **form("image"), headers={"Authorization": "Client-ID wrong"})
    told = answer.json
    assert (answer.status, told["success"], told["status"]) == (401, False, 401)
    assert (told["data"]["request"], told["data"]["method"]) == ("/3/image", "POST")
    assert told["data"]["error"]
    answer = await imges.post("/imgur/wrong-key/3/upload.xml", data=PNG)
    assert (answer.status, ET.fromstring(answer.body).attrib["success"]) == (401, "0")
    assert b"wrong-key" not in answer.body
    key = await key_of(imges, "disabled later")
    answer = await imges.post(f"/imgur/{key}/3/upload.xml", data=b"no picture")
    assert (answer.status // 100, ET.fromstring(answer.body).attrib["status"]) == (4, str(answer.status))
    await imges.app[PICTURES].catalog.keys.set_enabled("disabled later", enabled=False)
    assert (await imges.post(f"/imgur/{key}/3/upload.xml", data=PNG)).status == 401, "ksnip asks for a token after 403"


async def test_a_key_in_an_address_is_not_an_admins(imges: Server):
    key = await key_of(imges, "boss", scope=Scope.ADMIN)
    answer = await imges.post(f"/imgur/{key}/3/upload", data=PNG)
    assert (answer.status, "scope admin" in answer.text) == (401, True)
    for path in (f"/smms/{key}/api/v2/upload", f"/zipline/{key}/api/upload", f"/plain/{key}/up"):
        assert (await imges.post(path, data=PNG)).status == 403
    assert (await imges.post(f"/lsky/{key}/api/v1/upload", data=PNG)).json["status"] is False
    assert (await imges.post("/3/image", data=PNG, headers={"Authorization": f"Bearer {key}"})).status == 200


# SM.MS


async def test_picgo_speaks_smms_without_a_plugin(imges: Server):
    """smms.ts: the token stands bare, and the word `success` as the message is what it looks for."""
    key = await key_of(imges, "picgo")
    headers = {"Authorization": key, "User-Agent": "PicGo"}
    answer = await imges.post("/api/v2/upload", **form("smfile", ssl="true"), headers=headers)
    told = answer.json
    assert (told["success"], told["code"], told["message"]) == (True, "success", "success")
    assert await stored(imges, told["data"]["url"]) == PNG
    handle = told["data"]["hash"]
    assert (await imges.get(f"/api/v2/delete/{handle}")).status == 401
    deleted = await imges.get(f"/api/v2/delete/{handle}", headers={"Authorization": key})
    assert deleted.json["success"]
    assert (await imges.get(told["data"]["url"])).status == 410
    token = await imges.post("/api/v2/token", data={"username": "ksnip", "password": key})
    assert token.json["data"]["token"] == key
    profile = await imges.post("/api/v2/profile", headers={"Authorization": key})
    assert profile.json["data"]["username"] == "picgo"
    wrong = await imges.post("/api/v2/upload", **form("smfile"), headers={"Authorization": "wrong"})
    assert (wrong.status, wrong.json["success"], wrong.json["code"]) == (401, False, "unauthorized")


async def test_smms_names_the_picture_that_is_here_already(start: Start):
    async with start(IMAGES__DUPLICATES="reuse") as imges:
        key = await key_of(imges)
        first, again = [
            (await imges.post("/api/v2/upload", **form("smfile"), headers={"Authorization": key})).json for _ in "12"
        ]
        assert (again["success"], again["code"], again["images"]) == (False, "image_repeated", first["data"]["url"])


# Lsky Pro


@pytest.mark.parametrize("word", ["Bearer ", ""])
async def test_piclist_speaks_lsky(imges: Server, word: str):
    """lsky.ts: the token stands as it was typed; `strategy_id`, `permission` and `ssl` come along."""
    key = await key_of(imges)
    headers = {"Authorization": f"{word}{key}", "Accept": "application/json"}
    more = {"strategy_id": "1", "permission": "0", "ssl": "true", "album_id": "7"}
    answer = await imges.post("/api/v1/upload", **form("file", PNG, "a & b.png", **more), headers=headers)
    told = answer.json
    assert (answer.status, told["status"]) == (200, True)
    links = told["data"]["links"]
    assert await stored(imges, links["url"]) == PNG
    assert links["html"].startswith("&lt;img src=&quot;http")
    assert (told["data"]["origin_name"], told["data"]["mimetype"]) == ("a & b.png", "image/png")
    assert (await imges.get("/api/v1/profile", headers=headers)).json["data"]["name"].startswith("client-")
    assert (await imges.get("/api/v1/strategies", headers=headers)).json["data"]["strategies"][0]["id"] == 1
    other = await key_of(imges)
    path = f"/api/v1/images/{told['data']['key']}"
    refused = await imges.request("DELETE", path, headers={"Authorization": f"Bearer {other}"})
    assert refused.json["status"] is False
    assert (await imges.request("DELETE", path, headers=headers)).json["status"] is True
    assert (await imges.get(links["url"])).status == 410


async def test_lskys_tokens_are_keys_and_its_errors_are_200(imges: Server):
    key = await key_of(imges)
    for sent in ({"data": {"email": "ksnip", "password": key}}, {"json": {"email": "ksnip", "password": key}}):
        assert (await imges.post("/api/v1/tokens", **sent)).json["data"]["token"] == key
    wrong = await imges.post("/api/v1/tokens", json={"email": "ksnip", "password": "wrong"})
    assert (wrong.status, wrong.json["message"]) == (401, "Unauthenticated.")
    assert (await imges.post("/api/v1/tokens", data=b"{", headers={"Content-Type": "application/json"})).status < 500
    headers = {"Authorization": f"Bearer {key}"}
    answer = await imges.post("/api/v1/upload", **form("file", b"no picture"), headers=headers)
    assert (answer.status, answer.json["status"]) == (200, False)


async def test_upic_speaks_the_old_lsky(imges: Server):
    """LskyProUploader.swift: the token stands in the header `token`, the file in `image`."""
    key = await key_of(imges)
    assert (await imges.post("/api/token", data={"email": "a", "password": key})).json["data"]["token"] == key
    told = (await imges.post("/api/upload", **form("image"), headers={"token": key})).json
    assert (told["code"], told["msg"]) == (200, "success")
    assert await stored(imges, told["data"]["url"]) == PNG
    bad = (await imges.post("/api/upload", **form("image", b"x"), headers={"token": key})).json
    assert bad["code"] == 500
    assert bad["msg"]


# Zipline


async def test_a_sharex_file_of_zipline_goes_on(imges: Server):
    key = await key_of(imges)
    headers = {"authorization": key, "x-zipline-deletes-at": "1d", "x-zipline-format": "random"}
    answer = await imges.post("/api/upload", **form("file"), headers=headers)
    (file,) = answer.json["files"]
    assert await stored(imges, file["url"]) == PNG
    assert (file["type"], "deletesAt" in answer.json) == ("image/png", True)
    plain = await imges.post("/api/upload", **form("file"), headers={"authorization": key, "x-zipline-no-json": "true"})
    assert await stored(imges, plain.text) == PNG
    bad = await imges.post(
        "/api/upload", **form("file"), headers={"authorization": key, "x-zipline-deletes-at": "soon"}
    )
    assert (bad.status, bad.json["statusCode"]) == (400, 400)
    assert "1d" in bad.json["error"]
    nobody = await imges.post("/api/upload", **form("file"))
    assert (nobody.status, nobody.json["statusCode"]) == (401, 401)
    parts = await imges.post("/api/upload/partial", data=b"x", headers={"authorization": key})
    assert "chunked" in parts.json["error"]


# Plain text


async def test_curl_gets_the_address_as_a_line(imges: Server):
    key = await key_of(imges)
    headers = {"X-API-Key": key}
    for answer in (
        await imges.post("/up", **form("file"), headers=headers),
        await imges.request("PUT", "/up/a%20b.png", data=PNG, headers=headers),
        await imges.request("PUT", f"/plain/{key}/up/a%20b.png", data=PNG),
    ):
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
        assert answer.text.endswith(".png\n")
        assert await stored(imges, answer.text.strip()) == PNG
    assert "/a-b" in answer.text
    assert (await imges.post(answer.headers["X-Delete-URL"])).status == 200
    wrong = await imges.request("PUT", "/up/x.png", data=PNG, headers={"X-API-Key": "wrong"})
    assert (wrong.status, wrong.text.count("\n")) == (401, 1)


# Which are spoken


async def test_dialects_that_are_off_do_not_exist(start: Start):
    async with start(API__DIALECTS="[smms]") as imges:
        key = await key_of(imges)
        headers = {"Authorization": f"Bearer {key}", "token": key, "X-API-Key": key}
        for path in ("/3/image", f"/imgur/{key}/3/image", "/1/upload", "/api/upload", "/api/v1/upload", "/up"):
            assert (await imges.post(path, **form("image"), headers=headers)).status == 404, path
        assert (await imges.post("/api/v2/upload", **form("smfile"), headers={"Authorization": key})).status == 200
        told = (await imges.post("/api/1/upload", **form("image"), headers={"X-API-Key": key})).json
        assert "image" in told
        assert "data" not in told, "`image` is answered as API v1"


async def test_with_zipline_alone_its_upload_needs_no_other_header(start: Start):
    async with start(API__DIALECTS="[zipline]") as imges:
        key = await key_of(imges)
        answer = await imges.post("/api/upload", **form("file"), headers={"Authorization": key, "token": "x"})
        assert len(answer.json["files"]) == 1
