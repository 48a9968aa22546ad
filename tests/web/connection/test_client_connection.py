"""What happens below the handlers: malformed HTTP, and clients that send no request."""

import asyncio
import json
import logging
from contextlib import suppress

import pytest

from imges.web.connection.client_connection import read_ahead
from tests.web.conftest import Server, Start


async def say(server: Server, data: bytes, *, within: float = 5) -> bytes:
    """What the server answers to *data* until it closes the connection."""
    reader, writer = await server.connect()
    writer.write(data)
    try:
        async with asyncio.timeout(within):
            return await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


MALFORMED = [
    pytest.param(
        b"GET /api/1/upload?key=SECRET&source=" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="long-line"
    ),
    pytest.param(b"POST /api/1/upload?key=SECRET HTTP/1.1\r\nHost: x\r\nContent-Length: SECRET\r\n\r\n", id="length"),
    pytest.param(b"GET /?key=SECRET HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n", id="long-header"),
    pytest.param(b"GET /?key=SECRET HTTP/1.1\r\n\r\n", id="no-host"),
    pytest.param(b"\x16\x03\x01SECRET\r\n\r\n", id="tls"),
    pytest.param(
        b"POST /api/1/upload?key=SECRET HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        id="smuggling",
    ),
]


@pytest.mark.parametrize("data", MALFORMED)
async def test_malformed_http_is_refused_in_json_and_not_quoted(
    imges: Server, data: bytes, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    head, _, body = (await say(imges, data)).partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    told = json.loads(body)
    assert (told["status_code"], told["error"]["code"]) == (400, 140)
    assert b"SECRET" not in body
    assert "SECRET" not in caplog.text


def test_the_more_connections_there_are_the_less_each_reads_ahead():
    assert read_ahead(0) == read_ahead(50) == 256 * 1024
    assert read_ahead(1000) == 64 * 1024
    assert sum(map(read_ahead, range(1000))) < 96 * 2**20


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST /api/1/upload"])
async def test_a_client_that_sends_no_request_is_cut_off(imges: Server, data: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.web.connection.client_connection.HEADERS_WITHIN", 0.3)
    assert await say(imges, data, within=3) == b""


@pytest.mark.parametrize("expected", [b"foo", b"\xff", b"100-continue\r\nExpect: foo"])
@pytest.mark.parametrize("coding", [b"identity", b"chunked", b"gzip, chunked"])
async def test_an_unknown_expectation_is_refused_and_ends_the_connection(imges: Server, expected: bytes, coding: bytes):
    head = b"POST /api/1/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + coding + b"\r\nExpect: " + expected
    behind = b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n"
    told = await say(imges, head + b"\r\n\r\n0\r\n\r\n" + behind)
    assert b" 400 " in told.splitlines()[0]
    assert json.loads(told.partition(b"\r\n\r\n")[2])["status_code"] == 400  # and nothing behind it


@pytest.mark.parametrize("target", [b"/", b"x:443", b"http://x/"])
async def test_a_tunnel_is_refused_and_what_comes_with_it_is_not_answered(imges: Server, target: bytes):
    behind = b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"CONNECT " + target + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(behind)
    told = await say(imges, head + behind)
    assert b" 400 " in told.splitlines()[0]
    assert json.loads(told.partition(b"\r\n\r\n")[2])["status_code"] == 400


async def test_a_client_that_expects_100_continue_gets_it(imges: Server):
    head = (
        b"POST /api/1/upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-Continue\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9\r\n\r\n"
    )
    assert (await say(imges, head + b"--x--\r\n\r\n")).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 4")


async def test_a_client_that_has_sent_a_request_is_not_cut_off(imges: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.web.connection.client_connection.HEADERS_WITHIN", 1.0)
    reader, writer = await imges.connect()
    for _ in range(2):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in await reader.readuntil(b"ok\n")
        await asyncio.sleep(1.2)
    writer.close()
    await writer.wait_closed()


ENDLESS = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
"""A chunk of a body that never ends."""


WITHOUT_END = {
    "an unknown route": (b"/nowhere", b"text/plain", 404),
    "a delete link": (b"/image/a/delete/b", b"text/plain", 404),
    "signing in": (b"/admin/sign-in", b"application/x-www-form-urlencoded", 413),
    "signing in, before any part": (b"/admin/sign-in", b"multipart/form-data; boundary=b", 413),
    "an upload, before any part": (b"/api/1/upload", b"multipart/form-data; boundary=b", 413),
    "the upload page, before any part": (b"/", b"multipart/form-data; boundary=b", 413),
}


async def test_a_body_without_an_end_is_answered_and_cut_off(start: Start):
    async with start(IMAGES__MAX_SIZE='"1 MB"') as server:
        for name, (path, kind, status) in WITHOUT_END.items():
            head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: " + kind
            sent, answered = await sent_and_answered(server, head + b"\r\n\r\n")
            assert sent < 16 * 2**20, name  # what may come, what is dropped, and what the system holds on its way
            assert answered in (b"%d" % status, b""), name  # the answer may be lost with the rest


async def sent_and_answered(server: Server, head: bytes) -> tuple[int, bytes]:
    """How many bytes of an endless body behind *head* could be sent, and the status of the answer."""
    reader, writer = await server.connect()
    writer.write(head)
    sent, line = 0, b""
    with suppress(ConnectionError):
        while sent < 64 * 2**20:
            writer.write(ENDLESS)
            await writer.drain()
            sent += len(ENDLESS)
    with suppress(ConnectionError):
        line = await reader.readline()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return sent, b"".join(line.split()[1:2])


async def test_a_form_of_an_owner_is_counted_before_it_is_parsed(imges: Server):
    """What stands before the first part is counted too, whatever length the form announces."""
    told = await imges.post("/admin/sign-in", data={"key": "a" * 70_000}, headers={"Accept": "application/json"})
    assert told.error == (413, 313)
    told = await imges.post("/admin/sign-in", data={"key": "a" * 60_000}, headers={"Accept": "text/html"})
    assert told.status == 401
