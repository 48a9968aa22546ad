"""A picture by the API: read, edited, deleted, by those whose it is."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests import drawn
from tests.web.api.keys import new_key
from tests.web.conftest import Server, Start


def address(image: dict[str, Any], end: str = "") -> str:
    return f"/api/1/image/{image['id_encoded']}{end}"


def token_of(image: dict[str, Any]) -> str:
    return image["delete_url"].rpartition("/")[2]


async def test_the_current_address_gives_the_picture(imges: Server):
    image = await imges.uploaded(drawn.png(), "now.png")
    assert image["url_current"] == f"{imges.base}/image/{image['id_encoded']}.png"
    found = await imges.get(image["url_current"])
    assert found.headers["Cache-Control"] == "no-cache"
    assert found.headers["ETag"] == f'"{image["md5"]}"'
    assert found.body == (await imges.get(image["url"])).body
    again = await imges.get(image["url_current"], headers={"If-None-Match": found.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


async def test_everybody_reads_it_and_nobody_learns_the_token(imges: Server):
    image = await imges.uploaded(drawn.png(), title="Mine")
    answer = await imges.get(address(image))
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json["image"] == {
        name: value for name, value in image.items() if name not in {"delete_url", "removed"}
    }
    assert (await imges.get("/api/1/image/none")).error == (404, 404)


@pytest.mark.parametrize("form", ["json", "urlencoded"])
async def test_what_is_sent_changes_and_all_else_stays(imges: Server, form: str):
    image = await imges.uploaded(drawn.png(), title="Old", description="Old", tags="a,b", nsfw="1", expiration="P1D")
    fields: dict[str, Any] = {
        "delete_token": token_of(image),
        "title": "Neu \u00e4",
        "tags_add": "c",
        "tags_remove": "A",
    }
    body = {"json": fields | {"description": None}} if form == "json" else {"data": fields}
    edited = (await imges.post(address(image), **body)).json["image"]
    assert (edited["title"], edited["tags"]) == ("Neu \u00e4", ["b", "c"])
    kept = ("description", "nsfw", "expiration_date_gmt", "url", "md5", "date")
    assert [edited[name] for name in kept] == [image[name] for name in kept]
    assert (await imges.get(address(image))).json["image"]["title"] == "Neu \u00e4"


async def test_an_empty_field_clears(imges: Server):
    image = await imges.uploaded(drawn.png(), title="Old", description="Old", tags="a,b", nsfw="1", expiration="P1D")
    fields = dict.fromkeys(("title", "description", "tags", "nsfw", "expiration"), "")
    edited = (await imges.post(address(image), data=fields | {"delete_token": token_of(image)})).json["image"]
    assert [edited[name] for name in ("title", "description", "tags", "nsfw")] == [None, None, [], "0"]
    assert edited["expiration_date_gmt"] is None
    served = await imges.get(image["url"])
    assert "immutable" in served.headers["Cache-Control"]


async def test_an_end_counts_from_now_and_ends_the_picture(imges: Server):
    image = await imges.uploaded(drawn.png())
    await imges.get(image["url"])  # from now on it is remembered
    edited = (await imges.post(address(image), data={"delete_token": token_of(image), "expiration": "P1D"})).json[
        "image"
    ]
    begun, end = (datetime.fromisoformat(edited[name]) for name in ("date_gmt", "expiration_date_gmt"))
    assert timedelta(days=1) <= end - begun < timedelta(days=1, minutes=10)
    caching = (await imges.get(image["url"])).headers["Cache-Control"]
    assert "immutable" not in caching


async def test_keys_own_what_they_sent_and_guests_own_nothing_by_their_key(start: Start):
    async with start() as server:
        mine, other, admin = [await new_key(server, name) for name in ("mine", "other", "admin")]
        image = await server.uploaded(drawn.png(), key=mine)
        by_guest = await server.uploaded(drawn.png())
        for sent, picture, status in (
            ({"key": mine}, image, 200),
            ({"key": admin}, image, 200),
            ({"key": admin}, by_guest, 200),
            ({"key": other}, image, 403),
            ({"key": server.key}, by_guest, 403),
            ({"key": server.key, "delete_token": token_of(by_guest)}, by_guest, 200),
            ({"delete_token": token_of(by_guest)}, image, 403),
            ({"delete_token": "\ud800".encode("utf-8", "replace").decode()}, image, 403),
            ({"key": "wrong"}, image, 401),
            ({}, image, 401),
        ):
            answer = await server.post(address(picture), data=sent | {"title": "x"})
            assert answer.status == status, sent
        for method, end in (("DELETE", ""), ("POST", "/delete")):
            refused = await server.request(method, address(image, end), headers={"X-API-Key": other})
            assert refused.error == (403, 105)
        assert (await server.request("DELETE", address(image), headers={"X-API-Key": mine})).status == 200
        assert (await server.get(image["url"])).status == 410
        gone = await server.post(address(by_guest, "/delete"), data={"delete_token": token_of(by_guest)})
        assert gone.json["success"]["message"] == "image deleted"
        assert (await server.get(address(by_guest))).error == (410, 410)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"nsfw": "maybe"}, 150),
        ({"expiration": "PT1S"}, 150),
        ({"expiration": "soon"}, 150),
        ({"tags_add": ",".join(map(str, range(50)))}, 150),
        ({"source": "http://example.org/x.png"}, 150),
    ],
)
async def test_wrong_values_change_nothing(imges: Server, fields: dict[str, str], code: int):
    image = await imges.uploaded(drawn.png(), title="Old", tags="one")
    answer = await imges.post(address(image), data={"delete_token": token_of(image), "title": "New"} | fields)
    assert answer.error == (400, code)
    assert (await imges.get(address(image))).json["image"]["title"] == "Old"


async def test_a_guest_cannot_keep_a_picture_longer_than_the_site_does(start: Start):
    async with start(IMAGES__EXPIRE__MAX="10 days") as server:
        image = await server.uploaded(drawn.png())
        mine = await new_key(server, "mine")
        owned = await server.uploaded(drawn.png(), key=mine)
        for sent, picture, status in (
            ({"delete_token": token_of(image), "expiration": "P9D"}, image, 200),
            ({"delete_token": token_of(image), "expiration": "P10D"}, image, 400),
            ({"delete_token": token_of(image), "expiration": ""}, image, 400),
            ({"key": mine, "expiration": "P10D"}, owned, 200),
            ({"key": mine, "expiration": "P11D"}, owned, 400),
        ):
            assert (await server.post(address(picture), data=sent)).status == status, sent


async def test_other_methods_are_refused_in_json(imges: Server):
    image = await imges.uploaded(drawn.png())
    answer = await imges.request("PUT", address(image))
    assert (answer.error, answer.headers["Allow"]) == ((405, 405), "GET, POST, DELETE, OPTIONS")
    assert (await imges.request("OPTIONS", address(image))).status == 204


async def test_the_page_edits_by_the_delete_token(imges: Server):
    image = await imges.uploaded(drawn.png(), title="Old", tags="a,b", nsfw="1", expiration="P1D")
    asked = await imges.get(image["delete_url"], headers={"Accept": "text/html"})
    path = f"/image/{image['id_encoded']}/edit/{token_of(image)}"
    assert f'href="{path}"' in asked.text
    page = await imges.get(path, headers={"Accept": "text/html"})
    assert 'value="a, b"' in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer"
    sent = {"title": "<b>", "description": "", "tags": "c", "expiration": "leave"}
    done = await imges.post(path, data=sent)
    assert (done.status, done.headers["Location"]) == (303, f"/image/{image['id_encoded']}")
    edited = (await imges.get(address(image))).json["image"]
    assert [edited[name] for name in ("title", "tags", "nsfw")] == ["<b>", ["c"], "0"]
    assert edited["expiration_date_gmt"] == image["expiration_date_gmt"]
    wrong = await imges.post(path, data={"expiration": "PT1S"}, headers={"Accept": "text/html"})
    assert wrong.status == 400
    assert "one minute at least" in wrong.text
    assert (await imges.post(path + "x", data=sent)).status == 404
