"""What comes back from `/images/…`: exact bytes and types, caching, conditions, ranges."""

import asyncio
import os
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytest_asyncio

from tests import drawn
from tests.web.conftest import Server, Start

BIG = drawn.encoded(drawn.noise(400, 400), "PNG")
"""More than what is sent in one piece."""


@pytest_asyncio.fixture(loop_scope="session", params=["small", "big"])
async def served(request: pytest.FixtureRequest, imges: Server) -> tuple[str, bytes]:
    content = drawn.png() if request.param == "small" else BIG
    return (await imges.uploaded(content))["url"], content


async def test_a_picture_is_served_as_it_is(imges: Server, served: tuple[str, bytes]):
    url, content = served
    answer = await imges.get(url)
    assert (answer.status, answer.body) == (200, content)
    headers = answer.headers
    assert headers["Content-Type"] == "image/png"
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["ETag"].startswith('"')
    assert "Set-Cookie" not in headers
    assert parsedate_to_datetime(headers["Last-Modified"]) <= datetime.now(UTC)


async def test_head_tells_the_same_without_a_body(imges: Server, served: tuple[str, bytes]):
    url, content = served
    get, head = await imges.get(url), await imges.request("HEAD", url)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(content))
    of_each = {"Date", "X-Request-ID"}
    assert {k: v for k, v in head.headers.items() if k not in of_each} == {
        k: v for k, v in get.headers.items() if k not in of_each
    }


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, None),
        ("bytes=-7", -7, None),
        ("bytes=3-9", 3, 10),
        ("bytes=0-99999999", 0, None),
        ("bytes=-99999999", 0, None),
    ],
)
async def test_ranges(imges: Server, served: tuple[str, bytes], asked: str, start: int, stop: int | None):
    url, content = served
    answer = await imges.get(url, headers={"Range": asked})
    part = content[start:stop]
    first = start % len(content)
    assert (answer.status, answer.body) == (206, part)
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(content)}"


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
async def test_ranges_beyond_the_end(imges: Server, served: tuple[str, bytes], asked: str):
    url, content = served
    answer = await imges.get(url, headers={"Range": asked})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(content)}")


@pytest.mark.parametrize(
    "asked", ["bytes=", "bytes=a-b", "bytes=9-3", "lines=1-2", "bytes=0-1,4-5", "bytes=--1", "x", "bytes=٣-"]
)
async def test_what_is_no_single_range_is_answered_with_all(imges: Server, served: tuple[str, bytes], asked: str):
    url, content = served
    answer = await imges.get(url, headers={"Range": asked})
    assert (answer.status, answer.body) == (200, content)


async def test_conditions(imges: Server, served: tuple[str, bytes]):
    url, content = served
    first = await imges.get(url)
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    old = format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True)
    cases: list[tuple[dict[str, str], int]] = [
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f'"other", W/{etag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": '"other"', "If-Modified-Since": modified}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": old}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Match": etag}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Unmodified-Since": old}, 412),
        ({"Range": "bytes=0-3", "If-Range": etag}, 206),
        ({"Range": "bytes=0-3", "If-Range": '"other"'}, 200),
        ({"Range": "bytes=0-3", "If-Range": modified}, 206),
        ({"Range": "bytes=0-3", "If-Range": old}, 200),
        ({"Range": "bytes=0-3", "If-None-Match": etag}, 304),
        ({"Accept": "text/html", "Accept-Encoding": "br;q=nonsense"}, 200),
    ]
    for headers, status in cases:
        answer = await imges.get(url, headers=headers)
        assert answer.status == status, headers
        assert answer.body == {200: content, 206: content[:4]}.get(status, b""), headers
        if status == 304:
            assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (etag, first.headers["Cache-Control"])


@pytest.mark.parametrize(
    "date",
    [
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
        "Wed, 99999999999999999999 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 2015 99999999999999999999:28:00 GMT",
        f"Wed, 21 Oct {'9' * 5000} 07:28:00 GMT",
        "Wed, 31 Feb 2015 07:28:00 GMT",
    ],
    ids=["year", "day", "hour", "digits", "February"],
)
async def test_dates_out_of_bounds_are_ignored(imges: Server, served: tuple[str, bytes], date: str):
    url, content = served
    for headers in (
        {"If-Modified-Since": date},
        {"If-Unmodified-Since": date},
        {"If-Range": date, "Range": "bytes=0-3"},
    ):
        answer = await imges.get(url, headers=headers)
        assert (answer.status, answer.body) == (200, content), headers


CONDITIONS_THAT_FAIL = [({"If-Match": '"other"'}, 412), ({"Range": "bytes=99999999-"}, 416)]


@pytest.mark.parametrize(("headers", "status"), CONDITIONS_THAT_FAIL)
async def test_failed_conditions_are_not_kept_by_caches(
    imges: Server, served: tuple[str, bytes], headers: dict[str, str], status: int
):
    """The next request has other conditions."""
    answer = await imges.get(served[0], headers=headers)
    assert (answer.status, answer.body) == (status, b"")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("headers", "status"), CONDITIONS_THAT_FAIL)
async def test_failed_conditions_are_not_kept_where_nginx_sends_files(
    start: Start, headers: dict[str, str], status: int
):
    async with start(SERVER__ACCEL_REDIRECT="/protected") as server:
        url = (await server.uploaded(drawn.png()))["url"]
        answer = await server.get(url, headers=headers)
        assert answer.status == status
        assert (answer.headers["Cache-Control"], "X-Accel-Redirect" in answer.headers) == ("no-store", False)


async def test_a_browser_may_ask_before_it_fetches(imges: Server):
    url = (await imges.uploaded(drawn.png()))["url"]
    answer = await imges.request("OPTIONS", url, headers={"Origin": "https://other.example"})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")


@pytest.mark.parametrize(
    "path",
    [
        "/images/",
        "/images/nothing.png",
        "/images/../imges.db",
        "/images/..%2fimges.db",
        "/images/%2e%2e/imges.db",
        "/images/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/images//etc/passwd",
        "/images/..%5cimges.db",
        "/images/.staging",
        "/images/.staging/",
        "/images/%00",
        "/images/2014/06/04/x.png%00.jpg",
        "/images/\u202e.png",
        "/images/" + "a/" * 500,
        "/images/" + "a" * 3000,
        "/images/%ff%fe.png",
        "/images/2014",
        "/static/../base.html",
        "/static/%2e%2e/base.html",
        "/static/..%2f..%2fpyproject.toml",
        "/nothing",
    ],
)
async def test_nothing_else_is_served(imges: Server, path: str):
    from yarl import URL

    answer = await imges.get(str(URL(imges.base + path, encoded=True)))
    assert answer.status == 404
    assert b"SQLite" not in answer.body


async def test_a_link_out_of_the_folder_is_not_followed(start: Start, tmp_path: Any):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    async with start() as server:
        image = await server.uploaded(drawn.png(), "a.png")
        path = server.data_dir / "images" / image["url"].partition("/images/")[2]
        path.unlink()
        path.symlink_to(secret)
        answer = await server.get(image["url"])
        assert answer.status == 404
        assert b"secret" not in answer.body


async def test_a_file_of_another_age_of_the_world_is_served(start: Start):
    """File systems know times that the calendar does not; this one does."""
    with TemporaryDirectory(dir="/dev/shm") as root:
        async with start(STORAGES__DISK__ROOT=root) as server:
            image = await server.uploaded(drawn.png(), "a.png")
            path = Path(root, image["url"].partition("/images/")[2])
            os.utime(path, (0, 300_000_000_000))
            assert path.stat().st_mtime == 300_000_000_000
            assert (await server.get(image["url"])).body == drawn.png()


async def test_a_pipe_in_the_place_of_a_picture_does_not_block(start: Start):
    async with start() as server:
        image = await server.uploaded(drawn.png(), "a.png")
        path = server.data_dir / "images" / image["url"].partition("/images/")[2]
        path.unlink()
        os.mkfifo(path)
        async with asyncio.timeout(20):
            assert (await server.get(image["url"])).status == 404


async def test_an_expiring_picture_is_cached_no_longer_than_it_lives(imges: Server):
    image = await imges.uploaded(drawn.png(), expiration="90")
    caching = (await imges.get(image["url"])).headers["Cache-Control"]
    assert caching.startswith("public, max-age=")
    assert 0 < int(caching.partition("max-age=")[2]) <= 90


async def test_a_lost_object_is_not_found_and_does_not_break(imges: Server):
    image = await imges.uploaded(drawn.png(), "lost.png")
    imges.backing.remove(image["url"].partition("/images/")[2])
    assert (await imges.get(image["url"])).status == 404


async def test_many_readers_at_once(imges: Server):
    url = (await imges.uploaded(BIG))["url"]
    answers = await asyncio.gather(*(imges.get(url) for _ in range(30)))
    assert all(answer.body == BIG for answer in answers)
