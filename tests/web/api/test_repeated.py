"""A client that got no answer sends its upload again with the same id, and gets the answer of the first time."""

import asyncio
import http.client
import json
import socket
import uuid
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from imges.access.api_keys import KeyRing
from imges.imaging import Imaging
from tests import drawn
from tests.served import Served, multipart, serving
from tests.web.conftest import Answer, Server

PICTURE = drawn.png(40, 30)


def new_id() -> str:
    return str(uuid.uuid4())


async def send(
    server: Server, upload_id: str, content: bytes = PICTURE, *, key: str | None = None, **fields: str
) -> Answer:
    form = aiohttp.FormData({"key": key or server.key, **fields})
    form.add_field("source", BytesIO(content), filename="dot.png")
    return await server.post(data=form, headers={"Idempotency-Key": upload_id})


async def test_what_was_taken_out_is_said_again(imges: Server):
    upload_id = new_id()
    first, again = [await send(imges, upload_id, drawn.jpeg()) for _ in range(2)]
    assert first.json == again.json
    assert again.json["image"]["removed"] == ["position", "camera"]


async def test_a_repeated_upload_gets_the_same_answer(imges: Server):
    upload_id = new_id()
    first = await send(imges, upload_id, title="A")
    await imges.get(first.json["image"]["url_viewer"])
    await imges.pictures.views.flush()
    rows, files = await imges.rows(), imges.files()
    again = await send(imges, upload_id, title="A")
    assert (again.status, again.json) == (200, first.json)
    assert first.json["image"]["delete_url"]
    by_field = await imges.upload(PICTURE, upload_id=upload_id)
    assert by_field.json == first.json
    as_text = await send(imges, upload_id, format="txt")
    assert as_text.text == first.json["image"]["url"]
    assert (await imges.rows(), imges.files()) == (rows, files)


async def test_the_delete_link_of_a_repeated_answer_deletes(imges: Server):
    upload_id = new_id()
    await send(imges, upload_id)
    image = (await send(imges, upload_id)).json["image"]
    assert (await imges.post(image["delete_url"].removeprefix(imges.base))).status == 200
    assert (await imges.get(image["url"])).status == 410
    refused = await send(imges, upload_id)
    assert refused.error == (410, 410)


async def test_another_picture_under_the_same_id_is_refused(imges: Server):
    upload_id = new_id()
    await send(imges, upload_id)
    rows, files = await imges.rows(), imges.files()
    refused = await send(imges, upload_id, drawn.png(41, 30))
    assert refused.error == (409, 101)
    assert refused.json["error"]["context"] == "UploadIdReused"
    assert refused.json["error"]["message"] == (
        "this Idempotency-Key (or upload_id) came with another picture before; make a new one for each picture"
    )
    assert await imges.rows() == rows
    assert await imges.nothing_beyond(files)


async def test_an_id_belongs_to_one_api_key(imges: Server):
    upload_id = new_id()
    first = await send(imges, upload_id)
    key = await (await KeyRing.open(imges.pictures.catalog)).add("repeats")
    other = await send(imges, upload_id, drawn.png(43, 30), key=key)
    assert other.status == 200
    assert other.json["image"]["id_encoded"] != first.json["image"]["id_encoded"]


async def test_uploads_without_an_id_are_stored_each_time(imges: Server):
    ids = {(await imges.uploaded(PICTURE))["id_encoded"] for _ in range(2)}
    empty = [(await imges.upload(PICTURE, upload_id="undefined")).json["image"]["id_encoded"] for _ in range(2)]
    assert len(ids | set(empty)) == 4


async def test_a_failed_upload_leaves_its_id_free(imges: Server):
    upload_id = new_id()
    assert (await send(imges, upload_id, b"GIF89a, but no picture")).status == 415
    assert (await send(imges, upload_id)).status == 200


@pytest.mark.parametrize("upload_id", ["1", "x" * 21, "x" * 201, "an id of letters with spaces"])
async def test_an_id_that_could_be_guessed_is_refused(imges: Server, upload_id: str):
    for refused in (await send(imges, upload_id), await imges.upload(PICTURE, upload_id=upload_id)):
        assert refused.error == (400, 150)
        assert f"such as a UUID; {len(upload_id)} came" in refused.json["error"]["message"]


async def test_the_same_request_twice_at_once_is_stored_once(imges: Server, monkeypatch: pytest.MonkeyPatch):
    """Both requests are processed before either is stored."""
    both, taken = asyncio.Event(), Imaging.take
    begun = 0

    async def take(*given: Any, **named: Any) -> Any:
        nonlocal begun
        begun += 1
        if begun == 2:
            both.set()
        await both.wait()
        return await taken(*given, **named)

    monkeypatch.setattr(Imaging, "take", take)
    upload_id = new_id()
    first, second = await asyncio.gather(send(imges, upload_id), send(imges, upload_id))
    assert begun == 2
    assert (first.status, second.status) == (200, 200)
    assert first.json == second.json


async def test_a_request_that_comes_again_waits_for_the_first(imges: Server, monkeypatch: pytest.MonkeyPatch):
    storage = imges.pictures.places["disk"].storage
    put_all, putting, may_end = storage.put_all, asyncio.Event(), asyncio.Event()

    async def slow(*given: Any) -> None:
        putting.set()
        await may_end.wait()
        await put_all(*given)

    monkeypatch.setattr(storage, "put_all", slow)
    upload_id = new_id()
    first = asyncio.create_task(send(imges, upload_id))
    await putting.wait()
    second = asyncio.create_task(send(imges, upload_id))
    done, _ = await asyncio.wait([second], timeout=0.5)
    assert not done
    may_end.set()
    assert (await second).json == (await first).json


async def test_no_picture_stays_of_an_id_that_is_waited_for_in_vain(imges: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.pictures.repeating.PATIENCE", 0.0)
    storage = imges.pictures.places["disk"].storage
    put_all, putting, may_end = storage.put_all, asyncio.Event(), asyncio.Event()

    async def slow(*given: Any) -> None:
        putting.set()
        await may_end.wait()
        await put_all(*given)

    monkeypatch.setattr(storage, "put_all", slow)
    upload_id = new_id()
    first = asyncio.create_task(send(imges, upload_id))
    await putting.wait()
    refused = await send(imges, upload_id)
    assert (refused.error, "Retry-After" in refused.headers) == ((503, 161), True)
    may_end.set()
    assert (await first).status == 200


# A server that dies


def post(served: Served, upload_id: str, content: bytes) -> dict[str, Any]:
    headers = {"Content-Type": "multipart/form-data; boundary=x", "X-API-Key": served.key}
    status, answer = served.request(
        "POST", "/api/1/upload", multipart(content), **headers, **{"Idempotency-Key": upload_id}
    )
    assert status == 200, answer
    return json.loads(answer)["image"]


def send_and_hang_up(served: Served, upload_id: str, content: bytes) -> None:
    """Sends an upload and closes the connection without reading the answer."""
    body = multipart(content)
    head = (
        "POST /api/1/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"X-API-Key: {served.key}\r\nIdempotency-Key: {upload_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(head.encode() + body)


def stored(served: Served) -> int:
    return len([*(served.folder / "data/images").rglob("x.png")])


def test_an_answer_that_a_kill_lost_is_given_after_the_restart(tmp_path: Path):
    upload_id, with_public_url = new_id(), {"SERVER__PUBLIC_URL": "https://i.example.org"}
    with serving(tmp_path, **with_public_url) as served:
        first = post(served, upload_id, PICTURE)  # as if it had been lost
    with serving(tmp_path, **with_public_url) as served:  # `serving` ends with `kill -9`
        assert post(served, upload_id, PICTURE) == first
        assert stored(served) == 1


def test_clients_that_hang_up_and_come_again_store_one_picture(tmp_path: Path):
    with serving(tmp_path) as served:
        upload_id = new_id()
        for _ in range(3):
            send_and_hang_up(served, upload_id, PICTURE)
        image = post(served, upload_id, PICTURE)
        assert post(served, upload_id, PICTURE) == image
        with closing(http.client.HTTPConnection("127.0.0.1", served.port)) as connection:
            connection.request("GET", "/" + image["url"].split("/", 3)[3])
            assert connection.getresponse().status == 200
        assert stored(served) == 1
        assert upload_id not in served.log
