"""Each row of the table of errors, and what is left behind: nothing."""

import asyncio
import base64
import gzip
import shutil
import struct
import zlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests import drawn
from tests.web.conftest import Answer, Server, Start

PNG = drawn.png()
BASE64 = base64.b64encode(PNG).decode()
BEHIND = str(int((datetime(9999, 12, 31, 23, tzinfo=UTC) - datetime.now(UTC)).total_seconds()))
LARGE = BytesIO(b"source=" + b"A" * (105 * 2**20))
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
BOUND = {"Content-Type": "multipart/form-data; boundary=x"}


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def part(content: bytes, disposition: str = 'form-data; name="source"; filename="x.png"', more: str = "") -> bytes:
    return f"--x\r\nContent-Disposition: {disposition}\r\n{more}\r\n".encode() + content + b"\r\n--x--\r\n"


SOURCES = [
    pytest.param(b"", 400, 130, id="empty"),
    pytest.param(b"x", 415, 311, id="one-byte"),
    pytest.param(b"\x89PNG\r\n\x1a\n", 415, 311, id="magic-only"),
    pytest.param(b"<!doctype html><p>hello", 415, 311, id="html"),
    pytest.param(PNG[:-20], 415, 311, id="truncated-png"),
    pytest.param(drawn.jpeg()[:-200], 415, 311, id="truncated-jpeg"),
    pytest.param(b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", 415, 314, id="svg"),
    pytest.param(b"%PDF-1.7\n", 415, 314, id="pdf"),
    pytest.param(drawn.encoded(drawn.gradient(9, 9), "TIFF"), 415, 314, id="format-off"),
    pytest.param(png_header(30000, 30000), 413, 315, id="sides"),
    pytest.param(png_header(16000, 16000), 413, 315, id="pixels"),
    pytest.param(b"\xff\xd8\xff\xe0" + bytes(51 * 2**20), 413, 313, id="too-large"),
]


@pytest.mark.parametrize(("content", "status", "code"), SOURCES)
async def test_a_refused_file_leaves_nothing(each_imges: Server, content: bytes, status: int, code: int):
    files, rows = each_imges.files(), await each_imges.rows()
    answer = await each_imges.upload(content)
    assert answer.error == (status, code)
    assert_error(answer)
    assert await each_imges.nothing_beyond(files)
    assert await each_imges.rows() == rows


def assert_error(answer: Answer) -> None:
    """The shape of an error, with nothing of our insides in it."""
    told = answer.json
    assert list(told) == ["status_code", "error", "status_txt"]
    assert list(told["error"]) == ["message", "code", "context", "details"]
    assert told["status_code"] == answer.status
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert not any(word in answer.text for word in ("/tmp", "Traceback", ".py", "spool"))


FORMS: list[Any] = [
    pytest.param({"data": {}}, 400, 130, id="no-source"),
    pytest.param({"data": {"source": "  "}}, 400, 130, id="blank-source"),
    pytest.param({"data": {"source": "!!!"}}, 400, 120, id="not-base64"),
    pytest.param({"data": {"source": "data:image/png,%89PNG"}}, 400, 120, id="data-uri-not-base64"),
    pytest.param({"data": {"source": base64.b64encode(b"hello world").decode()}}, 415, 311, id="base64-of-text"),
    pytest.param({"data": {"source": "ftp://example.org/a.png"}}, 400, 122, id="ftp"),
    pytest.param({"data": {"source": "file:///etc/passwd"}}, 400, 122, id="file-url"),
    pytest.param({"data": {"source": "php://input"}}, 400, 122, id="php"),
    pytest.param({"data": {"source": "http://10.0.0.1/x.png"}}, 400, 122, id="private"),
    pytest.param({"data": {"source": "http://169.254.169.254/"}}, 400, 122, id="metadata-service"),
    pytest.param({"data": {"source": BASE64, "width": "0"}}, 400, 150, id="width-0"),
    pytest.param({"data": {"source": BASE64, "width": "wide"}}, 400, 150, id="width-text"),
    pytest.param({"data": {"source": BASE64, "width": "-5"}}, 400, 150, id="width-negative"),
    pytest.param({"data": {"source": BASE64, "expiration": "PT59S"}}, 400, 150, id="expiration-too-short"),
    pytest.param({"data": {"source": BASE64, "expiration": "soon"}}, 400, 150, id="expiration-text"),
    pytest.param({"data": {"source": BASE64, "expiration": "P"}}, 400, 150, id="expiration-empty-duration"),
    pytest.param({"data": {"source": BASE64, "expiration": "P999999999Y"}}, 400, 150, id="expiration-never"),
    pytest.param({"data": {"source": BASE64, "expiration": BEHIND}}, 400, 150, id="expiration-in-the-last-year"),
    pytest.param({"data": {"source": BASE64, "nsfw": "maybe"}}, 400, 150, id="nsfw"),
    pytest.param({"data": {"source": BASE64, "title": "x" * 301}}, 400, 150, id="title-too-long"),
    pytest.param({"data": b"x", "headers": {"Content-Type": "text/plain"}}, 400, 130, id="no-form"),
    pytest.param({"data": b"x" * 99, "headers": BOUND}, 400, 140, id="no-boundary-in-body"),
    pytest.param({"data": part(PNG)[:-9], "headers": BOUND}, 400, 140, id="unterminated"),
    pytest.param({"data": b"x" * 99, "headers": {"Content-Type": "multipart/form-data"}}, 400, 140, id="no-boundary"),
    pytest.param(
        {"data": part(PNG, more="X: " + "y" * 100_000 + "\r\n"), "headers": BOUND}, 400, 140, id="part-header"
    ),
    pytest.param({"data": part(b"y" * 10, "inline"), "headers": BOUND}, 400, 130, id="no-disposition"),
    pytest.param(
        {
            "data": part(b"\xff\xfe", 'form-data; name="title"', "Content-Type: text/plain; charset=utf-16\r\n"),
            "headers": BOUND,
        },
        400,
        140,
        id="part-charset",
    ),
    pytest.param(
        {"data": b"title=%ff", "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=idna"}},
        400,
        140,
        id="charset",
    ),
    pytest.param({"data": {f"f{n}": "" for n in range(300)}}, 400, 140, id="many-fields"),
    pytest.param({"data": {"title": "x" * 100_000, "source": BASE64}}, 400, 140, id="long-field"),
    pytest.param(
        {
            "data": b"title=%ff&source=" + BASE64.encode(),
            "headers": URLENCODED,
        },
        400,
        140,
        id="not-utf-8",
    ),
    pytest.param(
        {"data": gzip.compress(part(PNG)), "headers": BOUND | {"Content-Encoding": "gzip"}}, 415, 141, id="gzip"
    ),
    pytest.param({"data": b"x", "headers": BOUND | {"Content-Encoding": "br"}}, 415, 141, id="br"),
    pytest.param({"data": LARGE, "headers": URLENCODED}, 413, 313, id="base64-too-large"),
]


@pytest.mark.parametrize(("options", "status", "code"), FORMS)
async def test_a_refused_form_leaves_nothing(imges: Server, options: dict[str, Any], status: int, code: int):
    files, rows = imges.files(), await imges.rows()
    options = options | {"headers": options.get("headers", {}) | {"X-API-Key": imges.key}}
    LARGE.seek(0)  # each backing sends it
    answer = await imges.post(**options)
    assert answer.error == (status, code), answer.text
    assert_error(answer)
    assert await imges.nothing_beyond(files)
    assert await imges.rows() == rows
    assert (await imges.upload(PNG)).status == 200


async def test_two_files_are_one_too_many(imges: Server):
    form = aiohttp.FormData({"key": imges.key})
    form.add_field("files[]", BytesIO(PNG), filename="1.png")
    form.add_field("files[]", BytesIO(PNG), filename="2.png")
    assert (await imges.post(data=form)).error == (400, 140)


@pytest.mark.parametrize("key", ["", "wrong", "abc #de", "abc # def", "x" * 5000, "\0", "é", "key[]"])
async def test_a_wrong_key(imges: Server, key: str):
    answer = await imges.post(data={"key": key, "source": BASE64})
    assert answer.error == (401, 100)
    assert_error(answer)


async def test_no_key(imges: Server):
    assert (await imges.post(data={"source": BASE64})).error == (401, 100)


async def test_base64_by_get(imges: Server):
    assert (await imges.get("/api/1/upload", params={"key": imges.key, "source": BASE64})).error == (400, 130)


@pytest.mark.parametrize(
    ("path", "code"),
    [("/api/1/nothing", 120), ("/sharexapi/1/", 120), ("/api/1", 120), ("/api/2/upload", 110), ("/api/x/y/z", 110)],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_unknown_actions_and_versions(imges: Server, method: str, path: str, code: int):
    answer = await imges.request(method, path)
    assert answer.error == (404, code)
    assert_error(answer)


@pytest.mark.parametrize("format", ["txt", "redirect"])
async def test_errors_as_text(imges: Server, format: str):
    for answer in (
        await imges.upload(b"x", format=format),
        await imges.post(f"/api/1/upload?format={format}", data={"key": "wrong", "source": BASE64}),
        await imges.get(f"/api/1/nothing?format={format}"),
    ):
        assert answer.status in {401, 404, 415}
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert "{" not in answer.text
        assert answer.text == answer.text.strip() != ""


async def test_too_many_uploads(start: Start):
    async with start(LIMITS__UPLOADS="2/minute") as server:
        assert [(await server.upload(PNG)).status for _ in range(3)] == [200, 200, 429]
        answer = await server.upload(PNG)
        assert answer.error == (429, 160)
        assert 1 <= int(answer.headers["Retry-After"]) <= 60


async def test_too_many_wrong_keys(start: Start):
    async with start(LIMITS__WRONG_KEYS="2/minute") as server:
        wrong = [await server.post(data={"key": "wrong", "source": BASE64}) for _ in range(3)]
        assert [answer.error for answer in wrong] == [(401, 100), (401, 100), (429, 160)]
        assert int(wrong[2].headers["Retry-After"]) >= 1
        assert (await server.upload(PNG)).status == 200


async def test_disk_reserve(start: Start):
    async with start(LIMITS__DISK_RESERVE="900 TB") as server:
        assert (await server.upload(PNG)).error == (507, 507)
        assert await server.nothing_beyond(set())


def bytes_in(files: Iterable[Path]) -> int:
    """A file that is deleted meanwhile has none."""
    total = 0
    for file in files:
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


async def test_a_body_without_a_length_is_held_to_the_limit_as_a_whole(start: Start):
    """The limit holds whatever pieces it comes in. Otherwise one request without a key could fill the disk."""
    async with start(IMAGES__MAX_SIZE="1 MB") as server:
        spool = server.data_dir / "spool"
        most, sent = 0, 0

        async def body() -> AsyncGenerator[bytes]:
            nonlocal most, sent
            for _ in range(30):
                yield b'--x\r\nContent-Disposition: form-data; name="source"\r\n\r\n'
                for _ in range(15):
                    yield b"A" * 2**16
                    sent += 2**16
                    most = max(most, bytes_in(spool.glob("*/upload-*/*")))
                    await asyncio.sleep(0)
                yield b"\r\n"
            yield b"--x--\r\n"

        answer = await server.post(data=body(), headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert answer.error == (413, 313)
        assert most < 4 * 2**20
        assert sent < 10 * 2**20


async def test_a_storage_that_cannot_be_written(start: Start):
    async with start() as server:
        kept = await server.uploaded(PNG)
        images = server.data_dir / "images"
        (images / ".staging").rmdir()
        (images / ".staging").touch()
        answer = await server.upload(PNG)
        assert answer.error == (503, 500)
        assert int(answer.headers["Retry-After"]) > 0
        assert (await server.get("/readyz")).status == 503
        assert (await server.get(kept["url"])).body == PNG
        (images / ".staging").unlink()
        (images / ".staging").mkdir(0o700)
        await server.pictures.sweeping.sweep()  # what could not be taken back while the disk was away
        assert await server.rows() == 1
        assert (await server.upload(PNG)).status == 200
        assert (await server.get("/readyz")).status == 200


@pytest.mark.parametrize("what", ["all in it", "itself"])
async def test_a_spool_that_was_taken_away_is_made_again(start: Start, what: str):
    async with start() as server:
        await server.uploaded(PNG)
        spool = server.data_dir / "spool"
        for folder in spool.iterdir() if what == "all in it" else [spool]:
            shutil.rmtree(folder, ignore_errors=True)  # what an upload had is being renamed
        answers = [(await server.upload(PNG)).status for _ in range(50)]
        assert set(answers) <= {200, 503}  # whose folder had been there already has bad luck
        assert answers[-30:] == [200] * 30
        assert (await server.get("/readyz")).status == 200


async def test_duplicates_by_setting(start: Start):
    async with start(IMAGES__DUPLICATES="reject") as server:
        await server.uploaded(PNG)
        assert (await server.upload(PNG, "other.png")).error == (409, 101)


async def test_duplicates_are_answered_with_what_is_there(start: Start):
    async with start(IMAGES__DUPLICATES="reuse") as server:
        first = await server.uploaded(PNG)
        second = await server.uploaded(PNG, "other.png")
        assert "delete_url" not in second
        assert {key: value for key, value in first.items() if key != "delete_url"} == second
        assert await server.rows() == 1


async def test_a_body_that_stops_coming(imges: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.web.api.body.WINDOW", 0.3)
    assert b" 408 " in await imges.status_line(
        b"POST /api/1/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )


async def test_a_client_that_goes_away_leaves_nothing(imges: Server):
    files, rows = imges.files(), await imges.rows()
    _, writer = await imges.connect()
    body = part(drawn.encoded(drawn.noise(900, 900), "PNG"))  # half of it is enough to reach the spool
    head = f"POST /api/1/upload HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nX-API-Key: {imges.key}\r\n"
    writer.write(head.encode() + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + body[: len(body) // 2])
    await writer.drain()
    async with asyncio.timeout(5):
        while imges.files() == files:
            await asyncio.sleep(0.02)
    writer.transport.abort()
    async with asyncio.timeout(5):
        while imges.files() != files:
            await asyncio.sleep(0.02)
    assert await imges.rows() == rows
