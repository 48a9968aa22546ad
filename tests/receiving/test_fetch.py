"""The guarded fetch: where it may go, and what an unfriendly server can do to it."""

import asyncio
import gzip
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpServer

import imges
from imges.errors import FetchFailed, FetchTimeout, FileTooLarge, ImgesError, TooManyRequests, UrlRefused
from imges.receiving.fetch import AT_ONCE, HOPS, Fetcher
from imges.settings import Urls
from tests.receiving.refusals import refused

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300
LOCALHOST = ip_network("127.0.0.1/32")
LIMIT = 2**20
SLOW = timedelta(seconds=0.4)

GetAddrInfo = Callable[..., list[tuple[Any, ...]]]

TRUST = ssl.create_default_context()


@pytest.fixture(autouse=True)
def one_trust(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading all certificate authorities takes most of a fetcher's start; only the tests of https need to."""
    if "secure_port" not in request.fixturenames:
        monkeypatch.setattr("imges.receiving.fetch._trust", lambda: TRUST)


async def fetched(
    url: str, *, limit: int = LIMIT, getaddrinfo: Callable[..., Any] = socket.getaddrinfo, **urls: Any
) -> tuple[str, bytes]:
    """Returns name and bytes of *url*. 127.0.0.1 counts as outside unless *urls* say otherwise."""
    defaults: dict[str, Any] = {"allow_private": (LOCALHOST,), "timeout": timedelta(seconds=20)}
    settings = Urls(**{**defaults, **urls})
    async with Fetcher(settings, getaddrinfo) as fetcher, fetcher.fetch(url, limit=limit) as picture:
        return picture.name, b"".join([chunk async for chunk in picture.chunks()])


def resolving(*answers: str | list[str]) -> GetAddrInfo:
    """A name server that gives one of *answers* after another, and the last one for ever."""
    left = list(answers)

    def getaddrinfo(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        found = [answer] if isinstance(answer, str) else answer
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in found]

    return getaddrinfo


class Canary:
    """A server inside, on every address of this machine. No fetch may reach it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.touched = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.touched += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")
        writer.close()


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    canary = Canary(listening.getsockname()[1])
    async with await asyncio.start_server(canary.answer, sock=listening):
        yield canary


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Script], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server that reads the request and then follows a script; gives the URL of a picture on it."""
    async with AsyncExitStack() as stack:

        async def start(script: Script) -> str:
            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await reader.readuntil(b"\r\n\r\n")
                    await script(reader, writer)
                except (ConnectionError, asyncio.IncompleteReadError):
                    pass
                finally:
                    writer.close()

            server = await stack.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0))
            return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.png"

        yield start


def saying(*parts: bytes) -> Script:
    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return script


@pytest.fixture
async def origin(aiohttp_server: AiohttpServer) -> str:
    """The base URL of a friendly server: pictures, redirects, and an echo of the request."""

    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=PICTURE, content_type="image/png")

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=int(request.query["status"]), headers={"Location": request.query["to"]})

    async def hops(request: web.Request) -> web.Response:
        left = int(request.match_info["left"])
        return web.Response(status=302, headers={"Location": f"/hops/{left - 1}" if left > 1 else "/a.png"})

    async def status(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]), text="secret words of the server")

    async def echo(request: web.Request) -> web.Response:
        lines = [f"{name}: {value}" for name, value in request.headers.items()]
        return web.Response(text="\n".join([request.raw_path, *lines]), headers={"Set-Cookie": "a=b"})

    app = web.Application()
    app.router.add_get("/redirect", redirect)
    app.router.add_get("/hops/{left}", hops)
    app.router.add_get("/status/{status}", status)
    app.router.add_get("/echo{rest:.*}", echo)
    app.router.add_get("/{name:.*}", picture)
    server = await aiohttp_server(app)
    return f"http://127.0.0.1:{server.port}"


# Where it may go: the controls, without which the refusals below would prove nothing


async def test_a_picture_is_fetched_with_its_name(origin: str) -> None:
    assert await fetched(f"{origin}/2014/my%20caf%C3%A9.png?size=l#top") == ("my café.png", PICTURE)


async def test_an_open_network_is_reached_by_name_and_on_any_port(origin: str) -> None:
    url = origin.replace("127.0.0.1", "pictures.example") + "/a.png"
    assert await fetched(url, getaddrinfo=resolving("127.0.0.1")) == ("a.png", PICTURE)


async def test_an_international_name_is_looked_up_in_ascii(origin: str) -> None:
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        return resolving("127.0.0.1")(host, port)

    await fetched(origin.replace("127.0.0.1", "Bücher.example") + "/a.png", getaddrinfo=getaddrinfo)
    assert asked == ["xn--bcher-kva.example"]


async def test_the_canary_is_reached_if_its_network_is_open(canary: Canary) -> None:
    opened = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    for host in ("127.0.0.2", "[::1]"):
        assert (await fetched(f"http://{host}:{canary.port}/", allow_private=opened))[1] == b"secret"
    assert canary.touched == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["/b.png", "b.png", "//127.0.0.1:{port}/b.png", "http://127.0.0.1:{port}/b.png"])
async def test_a_redirect_to_outside_is_followed(origin: str, status: int, to: str) -> None:
    target = to.format(port=origin.rpartition(":")[2])
    assert (await fetched(f"{origin}/redirect?status={status}&to={target}"))[1] == PICTURE


async def test_five_redirects_are_followed(origin: str) -> None:
    assert (await fetched(f"{origin}/hops/{HOPS}"))[1] == PICTURE


# Addresses


LOOPBACK = [
    "127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "127.255.255.254", "0", "0.0.0.0", "0x7f000001", "0x7f.1",
    "0X7F.0.0.1", "0x7f.0x0.0x0.0x1", "0177.0.0.1", "0177.1", "017700000001", "0000177.0.0.1", "2130706433",
    "02130706433", "127.0.0.0x1", "127.0.0.01", "127.0.0.1.", "127.0.0.1..", "127..0.0.1", "127.0.0.1%00",
    "127.0.0.1%20", "127%2e0.0.1", "%31%32%37.0.0.1", "127.0.0.1%25.example.com", "localhost", "LOCALHOST",
    "localhost.", "localhost%00.example", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::]", "[::127.0.0.1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1%25lo]",
    "[fe80::1%lo]", "[::1%251]", "[127.0.0.1]", "[::1", "::1", "[v1.a]", "１２７.0.0.1", "127。0。0。1", "127．0．0．1",
    "①②⑦.0.0.1", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ˡocalhost", "localhoſt", "loc\u00adalhost", "user@127.0.0.1", "example.com@127.0.0.1",
    "example.com:80@127.0.0.1", "@127.0.0.1", "127.0.0.1\\@example.com", "example.com\\@127.0.0.1",
    "example.com#@127.0.0.1", "example.com?@127.0.0.1", "127.0.0.1\t", "127.0.0.1\r\n", "\t127.0.0.1",
    "127.0.0.1\0.example.com", " 127.0.0.1", "127.0.0.1 ",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOPBACK)
async def test_no_spelling_of_loopback_reaches_the_canary(canary: Canary, host: str) -> None:
    inside = resolving("127.0.0.1")  # the worst name server: every name is inside
    with refused():
        await fetched(f"http://{host}:{canary.port}/", allow_private=(), ports=(80, canary.port), getaddrinfo=inside)
    assert canary.touched == 0


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.2"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["93.184.215.14", "127.0.0.2"],
        ["127.0.0.1", "10.0.0.1"],
        ["fe80::1%lo"],
    ],
)
async def test_a_name_is_refused_when_any_of_its_addresses_is_inside(canary: Canary, answers: list[str]) -> None:
    with refused():
        await fetched(f"http://x.example:{canary.port}/", ports=(80, canary.port), getaddrinfo=resolving(answers))
    assert canary.touched == 0


async def test_a_rebound_name_is_judged_by_the_address_that_is_connected_to(origin: str, canary: Canary) -> None:
    rebinding = resolving("127.0.0.1", "127.0.0.2")
    port = origin.rpartition(":")[2]
    inside = f"http://x.example:{canary.port}/"
    with refused():
        await fetched(
            f"http://x.example:{port}/redirect?status=302&to={inside}",
            ports=(80, canary.port),
            getaddrinfo=rebinding,
        )
    assert canary.touched == 0


async def test_the_socket_refuses_what_a_resolver_let_through(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unguarded(*_: Any, **__: Any) -> list[dict[str, Any]]:
        return [{"hostname": "x", "host": "127.0.0.2", "port": canary.port, "family": 0, "proto": 0, "flags": 0}]

    monkeypatch.setattr("imges.receiving.guard.Resolver.resolve", unguarded)
    with refused():
        await fetched(f"http://x.example:{canary.port}/", ports=(80, canary.port))
    assert canary.touched == 0


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.2:{port}/", "//127.0.0.2:{port}/", "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/", "http://0x7f000002:{port}/", "http://x@127.0.0.2:{port}/",
        "http:\\\\127.0.0.2:{port}", "http:/\t/127.0.0.2:{port}/", "file:///etc/passwd",
        "gopher://127.0.0.2:{port}/_x", "data:image/png;base64,AAAA", "ftp://127.0.0.2:{port}/a.png",
        "javascript:alert(1)", "http://[", "http://", "http:", "http:b.png", "http:/b.png", "//[",
    ],
)  # fmt: skip
async def test_a_redirect_is_held_to_the_same_rules(origin: str, canary: Canary, status: int, to: str) -> None:
    with refused():
        location = quote(to.format(port=canary.port))
        await fetched(f"{origin}/redirect?status={status}&to={location}", ports=(80, canary.port))
    assert canary.touched == 0


@pytest.mark.parametrize("hops", [HOPS + 1, 30])
async def test_more_redirects_are_not_followed(origin: str, hops: int) -> None:
    with refused(FetchFailed):
        await fetched(f"{origin}/hops/{hops}")


async def test_a_loop_of_redirects_ends(serve: Serve) -> None:
    asked = 0

    async def itself(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /a.png\r\nContent-Length: 0\r\n\r\n")

    with refused(FetchFailed):
        await fetched(await serve(itself))
    assert asked == HOPS + 1


async def test_a_redirect_without_location_is_no_picture(serve: Serve) -> None:
    with refused(FetchFailed):
        await fetched(await serve(saying(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")))


# The text of an address


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("/echo", "/echo"),
        ("/echo?a=b c&d=é", "/echo?a=b%20c&d=%C3%A9"),
        ("/echo/%2F..%2f?sig=a%2Bb+c%3D&x=@:[]", "/echo/%2F..%2f?sig=a%2Bb+c%3D&x=@:[]"),
        ("/echo/日本#part?no", "/echo/%E6%97%A5%E6%9C%AC"),
        ('/echo\\a"b<c>', "/echo%5Ca%22b%3Cc%3E"),
    ],
)
async def test_path_and_query_are_sent_as_they_were_given(origin: str, url: str, asked: str) -> None:
    assert (await fetched(origin + url))[1].decode().splitlines()[0] == asked


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/", ""),
        ("", ""),
        ("/a/", ""),
        ("/a/b.png?x=/c.png", "b.png"),
        ("/a%2Fb.png", "a/b.png"),
        ("/%ff.png", "\ufffd.png"),
    ],
)
async def test_the_name_is_the_last_segment_of_the_path(origin: str, url: str, name: str) -> None:
    assert (await fetched(origin + url))[0] == name


async def test_the_name_comes_from_the_given_url(origin: str) -> None:
    assert (await fetched(f"{origin}/hops/1"))[0] == "1"


async def test_a_request_reveals_only_our_name(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    _, said = await fetched(f"{origin}/echo")
    headers = dict(line.split(": ", 1) for line in said.decode().splitlines()[1:])
    assert headers.pop("Host") == origin.removeprefix("http://")
    assert headers.pop("Accept").startswith("image/*")
    assert headers == {"User-Agent": f"imges/{imges.__version__}", "Accept-Encoding": "identity", "Connection": "close"}


@pytest.mark.parametrize(
    ("urls", "site", "agent"),
    [
        (Urls(), "https://img.example.org", f"imges/{imges.__version__} (+https://img.example.org)"),
        (Urls(user_agent="Mozilla/5.0 (mine)"), "https://img.example.org", "Mozilla/5.0 (mine)"),
    ],
)
async def test_the_name_that_other_servers_see(origin: str, urls: Urls, site: str, agent: str) -> None:
    settings = urls.model_copy(update={"allow_private": (LOCALHOST,)})
    async with Fetcher(settings, site=site) as fetcher, fetcher.fetch(f"{origin}/echo", limit=LIMIT) as answer:
        assert f"User-Agent: {agent}\n".encode() in b"".join([chunk async for chunk in answer.chunks()])


async def test_a_referer_is_the_fetched_hosts_own_address(origin: str) -> None:
    _, said = await fetched(f"{origin}/echo?secret", referer="origin")
    assert f"Referer: {origin}/\n" in said.decode()


async def test_cookies_are_not_kept(origin: str) -> None:
    async with Fetcher(Urls(allow_private=(LOCALHOST,))) as fetcher:
        for _ in range(2):
            async with fetcher.fetch(f"{origin}/echo", limit=LIMIT) as answer:
                assert b"Cookie" not in b"".join([chunk async for chunk in answer.chunks()])


# What an unfriendly server does


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="closes"),
        pytest.param(b"\x00\xff" * 5000, id="garbage"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another-protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", id="cut-body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", id="cut-chunks"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n0\r\n\r\n", id="bad-chunks"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", id="negative-length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", id="two-lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 4 * 2**20 + b"\r\n\r\n", id="header-of-4-MB"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: aaaaaaaaaa\r\n" * 300_000 + b"\r\n", id="headers-of-4-MB"),
        pytest.param(b"HTTP/1.1 200 " + b"a" * 2**20 + b"\r\n\r\n", id="long-reason"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, id="continues"),
    ],
)
async def test_a_broken_answer_is_a_failed_fetch(serve: Serve, answer: bytes) -> None:
    with refused(FetchFailed):
        await fetched(await serve(saying(answer)))


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 407, 429, 500, 503])
async def test_another_status_is_a_failed_fetch(origin: str, status: int) -> None:
    with pytest.raises(FetchFailed, match=f"answered with status {status}") as caught:
        await fetched(f"{origin}/status/{status}")
    assert caught.value.details == {"status": status}


def compressed(kind: str, content: bytes) -> bytes:
    if kind == "gzip":
        return gzip.compress(content)
    raw = zlib.compressobj(wbits=-15 if kind == "raw deflate" else 15)
    return raw.compress(content) + raw.flush()


@pytest.mark.parametrize(
    ("coding", "kind"),
    [("gzip", "gzip"), ("GZIP ", "gzip"), ("x-gzip", "gzip"), ("deflate", "zlib"), ("deflate", "raw deflate")],
)
async def test_an_answer_that_is_compressed_all_the_same(serve: Serve, coding: str, kind: str) -> None:
    body = compressed(kind, PICTURE)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert (await fetched(await serve(saying(head, body))))[1] == PICTURE
    with refused(FetchFailed):
        await fetched(await serve(saying(head.replace(str(len(body)).encode(), b"%d" % (len(body) - 9)), body[:-9])))


@pytest.mark.parametrize("kind", ["gzip", "zlib", "raw deflate"])
async def test_a_bomb_ends_at_the_limit(serve: Serve, kind: str) -> None:
    body = compressed(kind, bytes(20 * 2**20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {'gzip' if kind == 'gzip' else 'deflate'}\r\n\r\n".encode()
    with pytest.raises(FileTooLarge):
        await fetched(await serve(saying(head, body)))


@pytest.mark.parametrize("coding", ["utf-8", "binary", "none", "image/png", "x", ""])
async def test_a_coding_that_is_none_says_nothing(serve: Serve, coding: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(PICTURE)}\r\n\r\n".encode()
    assert (await fetched(await serve(saying(head, PICTURE))))[1] == PICTURE


async def test_a_long_header(serve: Serve) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Security-Policy: " + b"x" * 60_000 + b"\r\n\r\n"
    assert (await fetched(await serve(saying(head, PICTURE))))[1] == PICTURE


async def test_html_is_fetched_unchanged(serve: Serve) -> None:
    page = b"<html>not a picture</html>"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(page)}\r\n\r\n".encode()
    assert (await fetched(await serve(saying(head, page))))[1] == page


async def test_a_body_without_length_ends_with_the_connection(serve: Serve) -> None:
    assert (await fetched(await serve(saying(b"HTTP/1.0 200 OK\r\n\r\n", PICTURE))))[1] == PICTURE


async def test_a_length_over_the_limit_is_refused_before_the_body(serve: Serve) -> None:
    async def promising(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n")
        await reader.read()  # until the client hangs up

    with pytest.raises(FileTooLarge):
        await fetched(await serve(promising))


async def test_endless_chunks_are_cut_at_the_limit(serve: Serve) -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()

    with pytest.raises(FileTooLarge):
        await fetched(await serve(endless))


async def test_a_file_of_exactly_the_limit_is_accepted(origin: str) -> None:
    assert (await fetched(f"{origin}/a.png", limit=len(PICTURE)))[1] == PICTURE
    with pytest.raises(FileTooLarge):
        await fetched(f"{origin}/a.png", limit=len(PICTURE) - 1)


async def _hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _slow_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        writer.write(f"X-{number}: y\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.05)


async def _slow_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _number in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _slow_redirects(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.15)  # each hop alone is within the time
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: /a.png\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("script", [_hang, _slow_headers, _slow_body, _slow_redirects])
async def test_one_deadline_covers_everything(serve: Serve, script: Script) -> None:
    began = time.monotonic()
    with refused(FetchTimeout):
        await fetched(await serve(script), timeout=SLOW)
    assert time.monotonic() - began < 4


async def test_the_deadline_includes_a_name_server_that_hangs() -> None:
    hung = threading.Event()

    def hanging(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        hung.wait(5)
        return []

    began = time.monotonic()
    with refused(FetchTimeout):
        await fetched("http://x.example/a.png", timeout=SLOW, getaddrinfo=hanging)
    assert time.monotonic() - began < 4
    hung.set()


async def test_hanging_name_servers_leave_threads_to_other_work() -> None:
    hung = threading.Event()

    def hanging(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        hung.wait(5)
        return []

    async with Fetcher(Urls(timeout=SLOW), hanging) as fetcher:

        async def fetch() -> None:
            async with fetcher.fetch("http://x.example/a.png", limit=LIMIT):
                pass

        fetches = [asyncio.create_task(fetch()) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(4):
            assert await asyncio.to_thread(lambda: "a thread")
        assert {type(error) for error in await asyncio.gather(*fetches, return_exceptions=True)} == {FetchTimeout}
        hung.set()


@pytest.mark.parametrize(
    ("code", "error"),
    [(socket.EAI_NONAME, UrlRefused), (socket.EAI_NODATA, UrlRefused), (socket.EAI_AGAIN, FetchFailed)],
)
async def test_a_name_that_does_not_exist_is_refused_as_a_forbidden_one(code: int, error: type[ImgesError]) -> None:
    def unknown(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise socket.gaierror(code, "a resolver's words")

    with refused(error):
        await fetched("http://x.example/a.png", getaddrinfo=unknown)


async def test_a_closed_port_is_a_failed_fetch() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with refused(FetchFailed):
        await fetched(f"http://127.0.0.1:{port}/a.png")


async def test_a_ninth_fetch_at_the_same_time_is_refused(serve: Serve) -> None:
    url = await serve(_hang)
    async with Fetcher(Urls(allow_private=(LOCALHOST,), timeout=SLOW)) as fetcher:

        async def fetch() -> None:
            async with fetcher.fetch(url, limit=LIMIT):
                pass

        failed = await asyncio.gather(*(fetch() for _ in range(30)), return_exceptions=True)
        kinds = [type(error) for error in failed]
        assert (kinds.count(FetchTimeout), kinds.count(TooManyRequests)) == (AT_ONCE, 30 - AT_ONCE)
        with refused(FetchTimeout):  # the slots are free again
            await fetch()


async def test_the_setting_switches_it_off(origin: str) -> None:
    with pytest.raises(UrlRefused, match="send the picture itself"):
        await fetched(f"{origin}/a.png", enabled=False)


# https


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, crt = folder / "key.pem", folder / "crt.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=pictures.example",
         "-addext", "subjectAltName=DNS:pictures.example", "-keyout", key, "-out", crt],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, crt


@pytest.fixture
async def secure_port(certificate: tuple[Path, Path], aiohttp_server: AiohttpServer) -> int:
    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    key, crt = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(crt, key)
    app = web.Application()
    app.router.add_get("/a.png", picture)
    server = await aiohttp_server(app, ssl=context)
    assert server.port is not None
    return server.port


async def test_a_trusted_certificate_of_the_name_is_accepted(
    secure_port: int, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
    inside = resolving("127.0.0.1")
    assert (await fetched(f"https://pictures.example:{secure_port}/a.png", getaddrinfo=inside))[1] == PICTURE
    with refused(FetchFailed):
        await fetched(f"https://other.example:{secure_port}/a.png", getaddrinfo=inside)


async def test_an_unknown_certificate_is_a_failed_fetch(secure_port: int) -> None:
    with refused(FetchFailed):
        await fetched(f"https://pictures.example:{secure_port}/a.png", getaddrinfo=resolving("127.0.0.1"))
