"""What the site itself consists of: static files below a digest and without, the icon, the owner's logo."""

import os
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from imges.web.pages.rendering import static_prefix
from tests import drawn
from tests.web.conftest import Server, Start

FOLDER = Path("templates/static")
FILES = sorted(FOLDER.iterdir())
TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png", ".svg": "image/svg+xml"}
STYLE = f"{static_prefix()}/style.css"
FOR_GOOD = "public, max-age=31536000, immutable"
OLD = format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True)
OUT_OF_BOUNDS = [
    "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
    "Wed, 99999999999999999999 Oct 2015 07:28:00 GMT",
    "Wed, 21 Oct 2015 99999999999999999999:28:00 GMT",
    f"Wed, 21 Oct {'9' * 5000} 07:28:00 GMT",
]


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
async def test_each_file_is_served_as_it_is(imges: Server, file: Path):
    content = file.read_bytes()
    for prefix, caching in ((static_prefix(), FOR_GOOD), ("/static", None)):
        for method, body in (("GET", content), ("HEAD", b"")):
            answer = await imges.request(method, f"{prefix}/{file.name}", headers={"Accept-Encoding": "gzip, br"})
            assert (answer.status, answer.body) == (200, body)
            assert answer.headers["Content-Type"] == TYPES[file.suffix]
            assert answer.headers["Content-Length"] == str(len(content))
            assert answer.headers.get("Cache-Control") == caching
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Content-Encoding" not in answer.headers


async def test_conditions_and_ranges(imges: Server):
    content = (FOLDER / "style.css").read_bytes()
    first = (await imges.get(STYLE)).headers
    etag, modified = first["ETag"], first["Last-Modified"]
    cases: list[tuple[dict[str, str], int]] = [
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f"W/{etag}"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": OLD}, 200),
        ({"If-Match": etag}, 200),
        ({"Range": "bytes=0-3"}, 206),
        ({"Range": "bytes=0-3", "If-Range": etag}, 206),
        ({"Range": "bytes=0-3", "If-Range": OLD}, 200),
    ]
    for headers, status in cases:
        answer = await imges.get(STYLE, headers=headers)
        assert answer.status == status, headers
        assert answer.body == {200: content, 206: content[:4]}.get(status, b""), headers
        assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (etag, FOR_GOOD), headers
        if status == 206:
            assert answer.headers["Content-Range"] == f"bytes 0-3/{len(content)}"


@pytest.mark.parametrize("date", OUT_OF_BOUNDS, ids=["year", "day", "hour", "digits"])
async def test_dates_out_of_bounds_are_ignored(start: Start, tmp_path: Path, date: str):
    logo = tmp_path / "logo.png"
    logo.write_bytes(drawn.png())
    async with start(SITE__LOGO=str(logo)) as server:
        for path in (STYLE, "/static/style.css", "/favicon.ico", "/logo"):
            whole = (await server.get(path)).body
            for headers in (
                {"If-Modified-Since": date},
                {"If-Unmodified-Since": date},
                {"If-Range": date, "Range": "bytes=0-3"},
            ):
                answer = await server.get(path, headers=headers)
                assert (answer.status, answer.body) == (200, whole), (path, headers)


@pytest.mark.parametrize(
    "path",
    [
        "/static",
        "/static/",
        static_prefix(),
        f"{static_prefix()}/",
        f"{static_prefix()}/none.js",
        f"{static_prefix()}/{'a' * 256}",
        f"{static_prefix()}/style.css/",
        "/static/none.js",
        f"/static/{'a' * 256}",
        f"/static/{'a' * 5000}",
        "/static/000000000000/style.css",
        "/static/%00",
        "/static/..%2fstyle.css",
    ],
)
async def test_a_missing_file_is_answered_as_elsewhere(imges: Server, path: str):
    from yarl import URL

    address = str(URL(imges.base + path, encoded=True))
    told = await imges.get(address, headers={"Accept": "application/json"})
    assert told.error == (404, 404)
    assert told.headers["Cache-Control"] == "no-store"
    page = await imges.get(address, headers={"Accept": "text/html"})
    assert (page.status, page.headers["Cache-Control"]) == (404, "no-cache")
    assert 'role="alert"' in page.text


@pytest.mark.parametrize("path", [STYLE, "/favicon.ico"])
async def test_errors_are_not_kept_by_caches(imges: Server, path: str):
    size = len((await imges.get(path)).body)
    for headers in ({"If-Match": '"other"'}, {"If-Unmodified-Since": OLD}):
        failed = await imges.get(path, headers=headers)
        assert (failed.status, failed.body) == (412, b"")
        assert failed.headers["Cache-Control"] == "no-store"
    beyond = await imges.get(path, headers={"Range": "bytes=99999999-"})
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert beyond.headers["Cache-Control"] == "no-store"
    wrong = await imges.post(path)
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET, HEAD")
    assert wrong.headers["Cache-Control"] == "no-store"


async def test_an_error_of_ours_is_not_kept_by_caches(imges: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.web.serving.static_files.static_files", lambda: None)
    failed = await imges.get(STYLE)
    assert failed.status == 500
    assert failed.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("size", [8, 400], ids=["small", "big"])
async def test_the_logo(start: Start, tmp_path: Path, size: int):
    logo = tmp_path / "logo.webp"
    content = drawn.encoded(drawn.noise(size, size), "WEBP", lossless=True)
    logo.write_bytes(content)
    async with start(SITE__LOGO=str(logo)) as server:
        first = await server.get("/logo")
        assert (first.status, first.body) == (200, content)
        assert first.headers["Content-Type"] == "image/webp"
        assert first.headers["Cache-Control"] == "public, max-age=86400"
        assert "sandbox" in first.headers["Content-Security-Policy"]
        head = await server.request("HEAD", "/logo")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(content)))
        etag = {"If-None-Match": first.headers["ETag"]}
        assert (await server.get("/logo", headers=etag)).status == 304
        assert (await server.get("/logo", headers={"Range": "bytes=3-9"})).body == content[3:10]
        assert (await server.get("/logo", headers={"If-Match": '"other"'})).headers["Cache-Control"] == "no-store"
        assert (await server.get("/logo", headers={"Range": "bytes=99999999-"})).headers["Cache-Control"] == "no-store"
        logo.write_bytes(content + b"\0")
        replaced = await server.get("/logo", headers=etag)
        assert (replaced.status, replaced.body) == (200, content + b"\0")


async def test_a_logo_that_is_gone_is_not_found(start: Start, tmp_path: Path):
    logo = tmp_path / "logo.png"
    logo.write_bytes(drawn.png())
    async with start(SITE__LOGO=str(logo)) as server:
        logo.unlink()
        for replace in (lambda: None, lambda: os.mkfifo(logo)):
            replace()
            answer = await server.get("/logo", headers={"Accept": "application/json"})
            assert answer.error == (404, 404)
            assert answer.headers["Cache-Control"] == "no-store"
