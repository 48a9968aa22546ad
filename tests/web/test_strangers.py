"""What strangers try: claims about the host, guessed ids, guessed and borrowed delete links."""

import secrets
import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from imges import ids
from imges.errors import NotFound
from tests import drawn
from tests.web.conftest import Server, Start

EVIL = "evil.example"
CLAIMS = {
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Server": EVIL,
    "X-Forwarded-Prefix": f"//{EVIL}",
    "X-Host": EVIL,
    "X-Original-URL": f"//{EVIL}/",
    "X-Rewrite-URL": f"//{EVIL}/",
    "Forwarded": f"for={EVIL};host={EVIL};proto=https",
    "Origin": f"https://{EVIL}",
    "Referer": f"https://{EVIL}/",
}


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_nothing_that_a_request_claims_gets_into_an_answer(start: Start, accept: str):
    async with start(SERVER__PUBLIC_URL="https://img.example.org") as server:
        image = await server.uploaded(drawn.png())
        paths = [
            "/",
            "/api",
            "/history",
            "/admin",
            "/imges.sxcu",
            "/openapi.json",
            "/robots.txt",
            "/manifest.webmanifest",
        ]
        paths += [urlsplit(image[name]).path for name in ("url", "url_viewer", "delete_url")]
        paths += [f"/oembed?url={image['url_viewer']}", "/image/nothing", "/api/1/nothing", "//evil/"]
        for path in paths:
            answer = await server.get(path, headers=CLAIMS | {"Host": EVIL, "Accept": accept})
            assert answer.status < 500, path
            told = answer.body + str(dict(answer.headers)).encode()
            assert b"evil.example" not in told, path
            assert b"gopher" not in told, path
        for wanted in ("json", "txt", "redirect"):
            data = {"key": server.key, "source": "R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=", "format": wanted}
            data |= {"next": f"//{EVIL}", "redirect_url": f"https://{EVIL}", "return": f"/\\{EVIL}"}
            answer = await server.post(data=data, headers=CLAIMS | {"Host": EVIL})
            assert answer.status in {200, 302}
            told = answer.text + answer.headers.get("Location", "")
            assert EVIL not in told
            assert "https://img.example.org/" in told


async def test_a_stranger_is_not_believed_without_a_public_url_either(start: Start):
    async with start(SERVER__TRUSTED_PROXIES="[]") as server:
        image = (
            await server.post(
                data={"key": server.key, "source": "R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="}, headers=CLAIMS
            )
        ).json
        assert image["image"]["url"].startswith(server.base)
        for host in ("evil.example/path", "evil.example@x", 'x"><script>', "a b", "", "[::1", "x" * 300):
            answer = await server.get("/api", headers={"Host": host, "Accept": "text/html"})
            assert answer.status in {200, 400}, host
            assert b"<script>" not in answer.body.replace(b"<script type", b"")


async def test_ids_near_to_one_and_far_from_it_lead_to_nothing(imges: Server):
    known = [(await imges.uploaded(drawn.png()))["id_encoded"] for _ in range(3)]
    near = {
        known[0][:place] + letter + known[0][place + 1 :] for place in range(len(known[0])) for letter in ids.ALPHABET
    } - {known[0]}
    for guess in [*near, *(ids.random_id() for _ in range(2000)), known[0][:-1], known[0] + "0", known[0].swapcase()]:
        with pytest.raises(NotFound):
            await imges.pictures.finding.by_id(guess)
    assert 62 ** len(known[0]) > 2**64


async def test_a_delete_link_is_for_its_picture_alone(imges: Server):
    mine, other = [await imges.uploaded(drawn.png()) for _ in range(2)]
    token = urlsplit(mine["delete_url"]).path.rpartition("/")[2]
    borrowed = urlsplit(other["delete_url"]).path.rpartition("/")[2]
    assert len(token) * 6 >= 128
    wrong = [
        borrowed,
        token[:-1],
        token + "A",
        token.swapcase(),
        "0",
        "%00",
        token[:-1] + "%C3%A4",
        secrets.token_urlsafe(24),
    ]
    for guess in wrong:
        for method in ("GET", "POST"):
            answer = await imges.request(method, f"/image/{mine['id_encoded']}/delete/{guess}")
            assert answer.status == 404, guess
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        await imges.request(method, mine["delete_url"])
    assert (await imges.get(mine["url"])).status == 200
    assert (await imges.post(mine["delete_url"])).status == 200
    assert (await imges.get(mine["url"])).status == 410
    assert (await imges.get(other["url"])).status == 200


async def test_a_reader_of_the_catalog_can_delete_nothing(start: Start):
    async with start() as server:
        image = await server.uploaded(drawn.png())
        token = urlsplit(image["delete_url"]).path.rpartition("/")[2]
        with closing(sqlite3.connect(server.data_dir / "imges.db")) as database:
            stored = "\n".join(database.iterdump())
        assert image["id_encoded"] in stored
        assert token not in stored
        assert token.encode().hex() not in stored.lower()
        assert server.key not in stored
