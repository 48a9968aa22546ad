"""Albums by the API: made by an upload's `album`, listed, arranged, kept from others."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from tests import drawn
from tests.web.api.keys import new_key
from tests.web.conftest import Server, Start


@pytest_asyncio.fixture(loop_scope="session")
async def key(imges: Server) -> str:
    """A key of its own for each test."""
    return await new_key(imges, f"key-{uuid4().hex[:8]}")


async def pictures(imges: Server, album: str, key: str, **fields: str) -> list[str]:
    answer = await imges.get(f"/api/1/albums/{album}", params={"key": key} | fields)
    assert answer.status == 200, answer.text
    return [image["id_encoded"] for image in answer.json["images"]]


async def test_a_name_makes_an_album_and_the_next_upload_finds_it(imges: Server, key: str):
    first = await imges.uploaded(drawn.png(), key=key, album="  Holiday \t 2026 ")
    second = await imges.uploaded(drawn.png(), key=key, album="holiday 2026")
    album = first["album"]
    assert album == second["album"] | {"image_count": 1}
    assert (album["name"], album["privacy"], album["url"]) == (
        "Holiday 2026",
        "unlisted",
        f"{imges.base}/album/{album['id_encoded']}",
    )
    assert "edit_token" not in album
    assert await pictures(imges, album["id_encoded"], key) == [first["id_encoded"], second["id_encoded"]]
    by_id = await imges.uploaded(drawn.png(), key=key, album_id=album["id_encoded"], album="Another")
    assert by_id["album"]["image_count"] == 3
    assert "album" not in await imges.uploaded(drawn.png(), key=key, album="", album_id="undefined")
    text = await imges.upload(drawn.png(), key=key, album="Holiday 2026", format="album")
    assert text.text == album["url"]
    seen = (await imges.get(f"/api/1/image/{first['id_encoded']}")).json["image"]
    assert seen["album"]["id_encoded"] == album["id_encoded"]


async def test_forty_uploads_at_once_into_a_new_name_make_one_album(imges: Server, key: str):
    answers = await asyncio.gather(
        *(imges.upload(drawn.png(), f"{n}.png", key=key, album="At once") for n in range(40))
    )
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["image"]["album"]["id_encoded"] for answer in answers}) == 1
    listed = (await imges.get("/api/1/albums", params={"key": key})).json["albums"]
    assert [(album["name"], album["image_count"]) for album in listed] == [("At once", 40)]


async def test_a_guest_gets_a_new_album_and_its_token(imges: Server):
    first, other = [(await imges.uploaded(drawn.png(), album="Ours"))["album"] for _ in range(2)]
    assert first["id_encoded"] != other["id_encoded"]
    token, album = first["edit_token"], first["id_encoded"]
    further = await imges.uploaded(drawn.png(), album_id=album, album_token=token)
    assert further["album"]["image_count"] == 2
    assert "edit_token" not in further["album"]
    for wrong in ({}, {"album_token": other["edit_token"]}):
        refused = await imges.upload(drawn.png(), album_id=album, **wrong)
        assert refused.error == (400, 150)
        assert "album_token" in refused.json["error"]["message"]
    edited = await imges.post(f"/api/1/albums/{album}", data={"edit_token": token, "name": "Yours"})
    assert edited.json["album"]["name"] == "Yours"
    assert (await imges.get("/api/1/albums", params={"key": imges.key})).error == (403, 105)
    mine = await imges.uploaded(drawn.png())
    delete_token = mine["delete_url"].rpartition("/")[2]
    sent = {"edit_token": token, "add": mine["id_encoded"]}
    assert (await imges.post(f"/api/1/albums/{album}/pictures", data=sent)).error == (403, 105)
    added = await imges.post(f"/api/1/albums/{album}/pictures", data=sent | {"delete_tokens": delete_token})
    assert (added.json["added"], added.json["album"]["image_count"]) == (1, 3)


@pytest.mark.parametrize("fields", [{"album_id": "none"}, {"album": "x" * 101}, {"album": "\u200b"}])
async def test_a_wrong_album_refuses_the_upload(imges: Server, key: str, fields: dict[str, str]):
    files = imges.files()
    assert (await imges.upload(drawn.png(), key=key, **fields)).error == (400, 150)
    assert await imges.nothing_beyond(files)


async def test_a_refused_upload_leaves_no_album(imges: Server, key: str):
    assert (await imges.upload(b"no picture", key=key, album="Nothing")).status == 415
    assert (await imges.get("/api/1/albums", params={"key": key})).json["albums"] == []


async def test_a_duplicate_that_is_answered_is_in_the_album_too(start: Start):
    async with start(IMAGES__DUPLICATES="reuse") as server:
        mine = await new_key(server, "mine")
        first = await server.uploaded(drawn.png(), key=mine)
        again = await server.uploaded(drawn.png(), key=mine, album="Twice")
        assert (again["id_encoded"], again["album"]["image_count"]) == (first["id_encoded"], 1)


@pytest.mark.parametrize("guest", [True, False])
async def test_a_repeated_answer_has_the_album_of_the_first(imges: Server, key: str, guest: bool):
    fields = {"upload_id": uuid4().hex, "album": "Repeated", "key": imges.key if guest else key}
    first, again = [await imges.uploaded(drawn.png(), **fields) for _ in range(2)]
    assert again == first
    assert ("edit_token" in first["album"]) is guest


async def test_albums_are_made_listed_edited_and_deleted(imges: Server, key: str):
    made = await imges.post("/api/1/albums", json={"key": key, "name": "One", "description": "D", "sort": "newest"})
    album = made.json["album"]
    assert (album["name"], album["description"], album["sort"], album["image_count"]) == ("One", "D", "newest", 0)
    taken = await imges.post("/api/1/albums", data={"key": key, "name": "ONE"})
    assert taken.error == (409, 101)
    assert (await imges.post("/api/1/albums", data={"key": key})).error == (400, 150)
    await imges.post("/api/1/albums", data={"key": key, "name": "Two"})
    listed = (await imges.get("/api/1/albums", params={"key": key})).json
    assert ([each["name"] for each in listed["albums"]], listed["next"]) == (["Two", "One"], None)
    named = (await imges.get("/api/1/albums", params={"key": key, "name": "oNe"})).json["albums"]
    assert [each["id_encoded"] for each in named] == [album["id_encoded"]]
    image = await imges.uploaded(drawn.png(), key=key, album="One")
    path = f"/api/1/albums/{album['id_encoded']}"
    fields = {"key": key, "name": "Eins", "description": "", "sort": "added", "cover": image["id_encoded"]}
    edited = (await imges.post(path, data=fields | {"expiration": "P1D"})).json["album"]
    assert (edited["name"], edited["description"], edited["sort"]) == ("Eins", None, "added")
    assert edited["expiration_date_gmt"] is not None
    for wrong in ({"sort": "size"}, {"privacy": "password"}, {"cover": "none"}, {"expiration": "PT1S"}, {"name": " "}):
        assert (await imges.post(path, data={"key": key} | wrong)).error == (400, 150), wrong
    assert (await imges.request("DELETE", path, headers={"X-API-Key": key})).status == 200
    assert (await imges.get(path)).error == (410, 410)
    assert (await imges.get(image["url"])).status == 200


async def test_an_album_is_deleted_with_its_pictures_if_that_is_asked_for(imges: Server, key: str):
    image = await imges.uploaded(drawn.png(), key=key, album="All")
    path = f"/api/1/albums/{image['album']['id_encoded']}/delete"
    assert (await imges.post(path, data={"key": key, "pictures": "yes"})).error == (400, 150)
    assert (await imges.post(path, data={"key": key, "pictures": "delete"})).status == 200
    assert (await imges.get(image["url"])).status == 410


async def test_pictures_are_arranged(imges: Server, key: str):
    a, b, c = [(await imges.uploaded(drawn.png(), key=key, album="Order"))["id_encoded"] for _ in range(3)]
    one = await imges.uploaded(drawn.png(), key=key)
    album = (await imges.get("/api/1/albums", params={"key": key})).json["albums"][0]["id_encoded"]
    path = f"/api/1/albums/{album}/pictures"
    answer = await imges.post(path, json={"key": key, "move": [c, "none"], "before": a, "add": [one["id_encoded"]]})
    assert [answer.json[name] for name in ("added", "removed", "moved")] == [1, 0, 1]
    assert await pictures(imges, album, key) == [c, a, b, one["id_encoded"]]
    answer = await imges.post(path, data={"key": key, "remove": f"{a},{b}", "move": c})
    assert [answer.json[name] for name in ("added", "removed", "moved")] == [0, 2, 1]
    assert await pictures(imges, album, key) == [one["id_encoded"], c]
    assert (await imges.post(path, data={"key": key, "move": c, "before": a})).error == (400, 150)
    assert (await imges.post(path, data={"key": key, "add": ",".join("x" * 1001)})).error == (400, 150)
    foreign = await imges.uploaded(drawn.png())
    assert (await imges.post(path, data={"key": key, "add": foreign["id_encoded"]})).error == (403, 105)


async def test_others_see_what_the_privacy_allows_and_change_nothing(imges: Server, key: str):
    image = await imges.uploaded(drawn.png(), key=key, album="Mine")
    path = f"/api/1/albums/{image['album']['id_encoded']}"
    other = await new_key(imges, f"other-{uuid4().hex[:8]}")
    admin = await new_key(imges, f"admin-{uuid4().hex[:8]}")
    changes: Any = {
        "unlisted": ({}, 200, 403),
        "password": ({"password": "swordfish"}, 401, 403),
        "private": ({"privacy": "private"}, 404, 404),
    }
    for change, seen, edited in changes.values():
        if change:
            assert (await imges.post(path, data={"key": key} | change)).status == 200
        assert (await imges.get(path)).status == seen
        assert (await imges.get(path, headers={"X-API-Key": other})).status == seen
        for ending in ("", "/pictures", "/delete"):
            assert (await imges.post(path + ending, data={"key": other, "name": "x"})).status == edited
            assert (await imges.post(path + ending, data={"key": imges.key, "name": "x"})).status == edited
        assert (await imges.get(path, headers={"X-API-Key": admin})).status == 200
    told = (await imges.get(f"/api/1/image/{image['id_encoded']}")).json["image"]
    assert "album" not in told
    without = await imges.post(path, data={"key": key, "password": "", "privacy": "unlisted"})
    assert without.json["album"]["privacy"] == "unlisted"


async def test_a_long_album_and_a_long_list_come_in_pages(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.web.api.album_routes.PAGE", 2)
    async with start() as server:
        mine = await new_key(server, "mine")
        for n in range(5):
            await server.uploaded(drawn.png(), f"{4 - n}.png", key=mine, album="Long")
            await server.post("/api/1/albums", data={"key": mine, "name": str(n)})
        found = (await server.get("/api/1/albums", params={"key": mine, "name": "long"})).json["albums"][0]
        for sort in ("added", "newest", "name"):
            path = f"/api/1/albums/{found['id_encoded']}"
            await server.post(path, data={"key": mine, "sort": sort})
            names, after = [], ""
            while after is not None:
                page = (await server.get(path, params={"after": after})).json
                names += [image["original_filename"][0] for image in page["images"]]
                after = page["next"]
            assert names == sorted(names, reverse=sort == "added")
        assert (await server.get(path, params={"after": "WyJuZXdlc3QiXQ"})).error == (400, 150)
        albums, after = [], ""
        while after is not None:
            page = (await server.get("/api/1/albums", params={"key": mine, "after": after})).json
            albums += [album["name"] for album in page["albums"]]
            after = page["next"]
        assert albums == ["4", "3", "2", "1", "0", "Long"]
