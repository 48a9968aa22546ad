"""Pages and files of albums, as a browser without script and as programs see them."""

import asyncio
import io
import re
import zipfile
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import aiohttp
import pytest
import pytest_asyncio

from tests import drawn
from tests.web.api.keys import new_key
from tests.web.conftest import Server, Start

HTML = {"Accept": "text/html"}


@pytest_asyncio.fixture(loop_scope="session")
async def key(imges: Server) -> str:
    return await new_key(imges, f"key-{uuid4().hex[:8]}")


async def filled(server: Server, key: str, count: int = 3, **fields: str) -> tuple[str, list[dict[str, Any]]]:
    """The path of an album of this key, and its pictures."""
    name = uuid4().hex
    sizes = [(600 + n, 40 if n % 2 == 0 else 900) for n in range(count)]
    images = [
        await server.uploaded(drawn.png(*size), f"ä {n}.png", key=key, album=name) for n, size in enumerate(sizes)
    ]
    album = images[0]["album"]["id_encoded"]
    if fields:
        assert (await server.post(f"/api/1/albums/{album}", data={"key": key} | fields)).status == 200
    return f"/album/{album}", images


def shown(page: str) -> list[str]:
    return re.findall(r'data-picture="(\w+)"', page)


async def test_the_page_shows_the_album(imges: Server, key: str):
    path, images = await filled(imges, key, name="Ho<liday", description="D & d", cover="")
    await imges.post(f"/api/1/albums/{path[7:]}", data={"key": key, "cover": images[1]["id_encoded"]})
    page = await imges.get(path, headers=HTML)
    assert shown(page.text) == [image["id_encoded"] for image in images]
    assert "<h1>Ho&lt;liday</h1>" in page.text
    assert "D &amp; d" in page.text
    assert "3 pictures" in page.text
    assert f'<meta property="og:image" content="{images[1]["medium"]["url"]}"' in page.text
    assert page.headers["Cache-Control"] == "no-cache"
    assert "noindex" in page.headers["X-Robots-Tag"]
    codes = await imges.get(f"{path}?codes=direct", headers=HTML)
    assert "\n".join(image["url"] for image in images) in codes.text


@pytest.mark.parametrize("form", ["/album/{}/", "/a/{}", "/album/Some.title.{}"])
async def test_other_forms_of_the_address_lead_to_it(imges: Server, key: str, form: str):
    path, _ = await filled(imges, key, 1)
    answer = await imges.get(form.format(path[7:]))
    assert (answer.status, answer.headers["Location"]) == (301, path)
    for nothing in ("/album/none", "/album/none.zip", "/album/none.json", "/album/a.none"):
        assert (await imges.get(nothing)).status == 404, nothing


async def test_the_archive_is_of_its_length_and_every_byte_is_there(imges: Server, key: str):
    path, images = await filled(imges, key)
    answer = await imges.get(f"{path}.zip")
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    head = await imges.request("HEAD", f"{path}.zip")
    assert head.headers["Content-Length"] == answer.headers["Content-Length"]
    assert answer.headers["Cache-Control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"00{n + 1} ä {n}.png" for n in range(3)]
        contents = [archive.read(name) for name in archive.namelist()]
    assert contents == [(await imges.get(image["url"])).body for image in images]


async def test_an_archive_without_crc32_in_the_catalog_is_the_same(imges: Server, key: str):
    path, images = await filled(imges, key)
    before = await imges.get(f"{path}.zip")
    catalog = imges.pictures.catalog
    image = await imges.pictures.finding.by_id(images[0]["id_encoded"])
    await catalog._database.write(  # as rows of an earlier program are
        lambda connection: connection.exec_driver_sql(f"UPDATE files SET crc32 = NULL WHERE image = {image.number}")
    )
    assert (await imges.get(f"{path}.zip")).body == before.body
    assert (await imges.pictures.finding.by_id(image.id)).original.crc32 == image.original.crc32


async def test_an_archive_that_lost_a_picture_never_looks_whole(imges: Server, key: str):
    path, images = await filled(imges, key)
    image = await imges.pictures.finding.by_id(images[2]["id_encoded"])
    place = imges.pictures.places[image.place]
    await place.storage.delete(image.original.key)
    with pytest.raises(aiohttp.ClientError):
        await imges.get(f"{path}.zip")


async def test_archives_have_their_limits(start: Start):
    async with start(ALBUMS__ZIP_MAX="1 KB") as server:
        mine = await new_key(server, "mine")
        path, _ = await filled(server, mine, 5)
        assert (await server.get(f"{path}.zip")).status == 413
        archiving = server.pictures.archiving
        with archiving.turn(), archiving.turn():
            assert (await server.get(f"{path}.zip")).headers["Retry-After"]
    async with start(ALBUMS__ZIP_MAX="0") as server:
        assert (await server.get(f"{path}.zip")).status == 404
        assert "ZIP" not in (await server.get(path, headers=HTML)).text


async def test_the_list_for_programs(imges: Server, key: str):
    path, images = await filled(imges, key)
    answer = await imges.get(f"{path}.json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-cache"
    told = answer.json
    assert [image["url"] for image in told["images"]] == [image["url"] for image in images]
    assert (told["album"]["image_count"], told["next"]) == (3, None)
    again = await imges.get(f"{path}.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


async def test_the_feed_is_xml_with_the_newest_first(imges: Server, key: str):
    path, images = await filled(imges, key, name="A & <b>")
    answer = await imges.get(f"{path}.rss")
    assert answer.headers["Content-Type"] == "application/rss+xml; charset=utf-8"
    channel = ET.fromstring(answer.text).find("channel")
    assert channel is not None
    assert channel.findtext("title") == "A & <b>"
    links = [item.findtext("link") for item in channel.findall("item")]
    assert links == [image["url_viewer"] for image in reversed(images)]


async def test_one_at_random(imges: Server, key: str):
    path, images = await filled(imges, key)
    seen = {(await imges.get(f"{path}/random")).headers["Location"] for _ in range(60)}
    assert seen == {image["url"] for image in images}
    tall = await imges.get(f"{path}/random?orientation=portrait&size=thumb&format=txt")
    assert (tall.text, tall.headers["Cache-Control"]) == (images[1]["thumb"]["url"], "no-store")
    assert (await imges.get(f"{path}/random?format=json")).json["id"] in {image["id_encoded"] for image in images}
    assert (await imges.get(f"{path}/random?orientation=square")).status == 400
    empty = (await imges.post("/api/1/albums", data={"key": key, "name": "Empty"})).json["album"]["id_encoded"]
    assert (await imges.get(f"/album/{empty}/random")).status == 404
    assert zipfile.ZipFile(io.BytesIO((await imges.get(f"/album/{empty}.zip")).body)).namelist() == []


async def test_a_password_guards_the_page_and_every_file(start: Start):
    async with start() as server:
        mine = await new_key(server, "mine")
        path, images = await filled(server, mine, password="swordfish")
        for ending in ("", ".zip", ".json", ".rss", "/random"):
            refused = await server.get(path + ending)
            assert refused.error if "json" in refused.headers["Content-Type"] else refused.status == 401, ending
            assert "Access-Control-Allow-Origin" not in refused.headers
        asked = await server.get(path, headers=HTML)
        assert (asked.status, shown(asked.text)) == (401, [])
        assert images[0]["thumb"]["url"] not in asked.text
        assert (await server.post(path, data={"password": "wrong"}, headers=HTML)).status == 401
        let_in = await server.post(path, data={"password": "swordfish"})
        assert (let_in.status, let_in.headers["Location"]) == (303, path)
        ticket = let_in.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Lax", "Max-Age=2592000"} < set(ticket.split("; "))
        cookie = {"Cookie": ticket.partition(";")[0]}
        for ending in ("", ".zip", ".json", ".rss", "/random"):
            seen = await server.get(path + ending, headers=cookie)
            assert seen.status in {200, 302}, ending
            assert "no-store" in seen.headers["Cache-Control"]
            assert "Access-Control-Allow-Origin" not in seen.headers
        assert "og:image" not in (await server.get(path, headers=cookie | HTML)).text
        assert (await server.get(path, headers={"X-API-Key": mine})).status == 200
        await server.post(f"/api/1/albums/{path[7:]}", data={"key": mine, "password": "another"})
        assert (await server.get(path, headers=cookie)).status == 401
        tries = [(await server.post(path, data={"password": str(n)}, headers=HTML)).status for n in range(6)]
        assert tries[-1] == 429
        assert (await server.post(path, data={"password": "another"})).status == 429


async def test_a_private_album_is_for_its_key(imges: Server, key: str):
    path, _ = await filled(imges, key, privacy="private")
    for ending in ("", ".zip", ".json", ".rss", "/random"):
        assert (await imges.get(path + ending)).status == 404, ending
        assert (await imges.get(path + ending, headers={"X-API-Key": key})).status in {200, 302}, ending


async def test_what_expired_or_was_deleted_is_nowhere(imges: Server, key: str):
    path, images = await filled(imges, key)
    await imges.post(images[0]["delete_url"])
    left = [image["id_encoded"] for image in images[1:]]
    assert shown((await imges.get(path, headers=HTML)).text) == left
    assert [image["id"] for image in (await imges.get(f"{path}.json")).json["images"]] == left
    assert len(zipfile.ZipFile(io.BytesIO((await imges.get(f"{path}.zip")).body)).namelist()) == 2


async def test_an_album_that_ended_answers_410_and_its_pictures_stay(imges: Server, key: str):
    path, images = await filled(imges, key, 1)
    await imges.request("DELETE", f"/api/1/albums/{path[7:]}", headers={"X-API-Key": key})
    for ending in ("", ".zip", ".json", "/random", "/edit"):
        assert (await imges.get(path + ending)).status == 410, ending
    assert (await imges.get(images[0]["url"])).status == 200


async def test_the_owner_edits_without_script(imges: Server):
    first = await imges.uploaded(drawn.png(), album="Ours")
    album, token = first["album"]["id_encoded"], first["album"]["edit_token"]
    second = await imges.uploaded(drawn.png(), album_id=album, album_token=token)
    a, b = first["id_encoded"], second["id_encoded"]
    path = f"/album/{album}/edit"
    assert first["album"]["edit_url"] == imges.base + path
    asked = await imges.get(path, headers=HTML)
    assert shown(asked.text) == []
    for wrong in ({"secret": "wrong"}, {"secret": imges.key}, {"action": "delete"}):
        assert (await imges.post(path, data=wrong, headers=HTML)).status == 403
    signed_in = await imges.post(path, data={"secret": token})
    assert "SameSite=Strict" in signed_in.headers["Set-Cookie"]
    cookie = HTML | {"Cookie": signed_in.headers["Set-Cookie"].partition(";")[0]}
    assert shown((await imges.get(path, headers=cookie)).text) == [a, b]

    async def act(**fields: str) -> int:
        return (await imges.post(path, data=fields, headers=cookie)).status

    saved = {"name": "Theirs", "description": "x", "sort": "added", "privacy": "unlisted"}
    assert await act(action="save", password="", expiration="leave", **saved) == 303
    assert await act(action=f"first:{b}") == 303
    assert await act(action=f"cover:{b}") == 303
    page = (await imges.get(f"/album/{album}", headers=HTML)).text
    assert shown(page) == [b, a]
    assert "<h1>Theirs</h1>" in page
    assert await act(action=f"remove:{a}") == 303
    assert await act(action="save", name="") == 400
    assert await act(action="nothing") == 400
    assert shown((await imges.get(f"/album/{album}", headers=HTML)).text) == [b]
    assert await act(action="delete") == 303
    assert (await imges.get(f"/album/{album}")).status == 410


async def test_an_archive_and_changes_at_once(imges: Server, key: str):
    path, images = await filled(imges, key, 4)
    move = {"key": key, "move": images[0]["id_encoded"]}
    answers = await asyncio.gather(
        *(imges.get(f"{path}.json") for _ in range(4)),
        *(imges.post(f"/api/1/albums/{path[7:]}/pictures", data=move) for _ in range(4)),
    )
    assert {answer.status for answer in answers} == {200}
