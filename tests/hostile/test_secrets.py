"""A2, A10: only their owners see API keys and the tokens of delete links."""

import itertools
import os
from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests import drawn
from tests.hostile.wire import (
    END,
    MULTIPART,
    UPLOAD,
    URLENCODED,
    connecting,
    part,
    picture,
    request,
    say,
    upload,
    urlencoded,
)
from tests.served import Served, serving

KEY = "Opensesame/4711+ä=&x"
"""Its letters look different in each encoding."""
SPELLINGS = {KEY, quote(KEY), quote(KEY, safe=""), KEY.encode().decode("latin-1"), ascii(KEY)[1:-1], "Opensesame"}
PAGES = (
    "/", "/api", "/history", "/admin", "/robots.txt", "/openapi.json", "/imges.sxcu", "/metrics", "/readyz", "/nothing",
    "/manifest.webmanifest",
)  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    settings = {"API__KEY": KEY, "LOG__LEVEL": "debug", "LIMITS__WRONG_KEYS": "null"}
    with serving(tmp_path_factory.mktemp("secrets"), **settings) as served:
        yield served


def _asked_with(key: bytes, escaped: bytes) -> Generator[bytes]:
    """Requests with *key* in each place in which a client may send it, and in some wrong places."""
    png = part(drawn.png()) + END
    places: list[tuple[bytes, list[bytes]]] = [
        (b"?key=" + escaped, []),
        (b"", [b"X-API-Key: " + key]),
        (b"", [b"Authorization: Bearer " + key]),
        (b"?key=" + escaped, [b"Referer: http://img.test/?key=" + escaped, b"Cookie: key=" + escaped]),
    ]
    bodies: list[tuple[bytes, bytes]] = [
        (png, MULTIPART),
        (part(b"rubbish") + END, MULTIPART),
        (b"--not a form", MULTIPART),
        (b"source=ftp://x/?key=" + escaped, URLENCODED),
        (b"source=http://127.0.0.1/?key=" + escaped, URLENCODED),
        (b"source=!!!&title=%ff", URLENCODED),
        (b"source=AAAA&width=" + escaped, URLENCODED),
        (b"", URLENCODED),
    ]
    for (query, headers), (body, kind), target in itertools.product(places, bodies, (UPLOAD, b"/sharexapi/1/upload/")):
        yield request(b"POST", target + query, body, kind, *headers)
    for (query, headers), method in itertools.product(places, (b"GET", b"PUT", b"OPTIONS", b"HEAD")):
        yield request(method, UPLOAD + query, None, *headers)
    for path in (b"/", b"/api", b"/admin", b"/api/1/nothing", b"/image/x", b"/images/x", b"/nothing/" + escaped):
        yield request(b"GET", path + b"?key=" + escaped, None, b"Accept: text/html")
    yield picture(key, drawn.png(), escaped)
    yield upload(key, part(key, b'form-data; name="key"') + part(drawn.png()) + END)
    yield urlencoded(key, b"key=" + escaped + b"&source=AAAA")
    yield request(b"POST", b"/admin/sign-in", b"key=" + escaped, URLENCODED)
    # malformed HTTP: a careless server quotes it
    line = b"GET /api/1/upload?key=" + escaped
    yield line + b"\r\n\r\n"
    yield line + b" HTTP/9.9\r\nHost: x\r\n\r\n"
    yield line + b" HTTP/1.1\r\nHost: x\r\nX-API-Key : " + key + b"\r\n\r\n"
    yield line + b" HTTP/1.1\r\nHost: x\r\nX-API-Key: " + key + b"\0\r\n\r\n"
    yield line + b"&x=" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    yield b"POST " + UPLOAD + b"?key=" + escaped + b" HTTP/1.1\r\nHost: x\r\nContent-Length: " + key + b"\r\n\r\n"


def _told(served: Served) -> str:
    """Returns everything that others can see: the log at level debug, pages and metrics."""
    pages = [served.request("GET", path, Accept="text/html")[1] for path in PAGES]
    return served.log + b"\n".join(pages).decode("utf-8", "replace")


def test_a_key_is_in_no_answer_no_page_no_log_and_no_metric(served: Served):
    connect = connecting(served.port)
    name = KEY.encode()
    for data in _asked_with(name, quote(KEY, safe="").encode()):
        said = say(connect, data)
        if b"/nothing/" in data or b"filename=" in data:
            continue  # a client that names a file or a URL so gets the name back
        answer = said.raw.decode("utf-8", "replace")
        assert said.answers, data[:100]
        assert not [spelling for spelling in SPELLINGS if spelling in answer], (data[:200], answer[-500:])
    told = "\n".join(line for line in _told(served).splitlines() if "/nothing/" not in line)
    assert "imges.requests" in told
    assert "imges_uploads" in told or "imges_" in told
    assert not [line for line in told.splitlines() if any(spelling in line for spelling in SPELLINGS)]


def test_a_key_is_not_in_the_data_folder_in_clear(served: Served):
    served.request("POST", "/api/1/upload", b"source=AAAA", **{"X-API-Key": quote(KEY)})
    for folder, _, files in os.walk(served.folder / "data"):
        for file in files:
            assert KEY.encode() not in (Path(folder) / file).read_bytes(), file


def test_the_token_of_a_delete_link_is_shown_once(served: Served):
    said = say(connecting(served.port), picture(KEY.encode(), drawn.png()))
    image = said.answers[0].json["image"]
    path = urlsplit(image["delete_url"]).path
    token = path.rpartition("/")[2]
    for method in ("GET", "HEAD", "PUT", "POST", "POST"):
        _, answer = served.request(method, path, Accept="text/html")
        assert token.encode() not in answer or method == "GET"  # the page that asks contains the address of its form
    for where in (urlsplit(image["url_viewer"]).path, urlsplit(image["url"]).path):
        assert token.encode() not in served.request("GET", where)[1]
    assert token not in _told(served)
