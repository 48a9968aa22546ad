"""Every parser that strangers reach, and what each is fed. Enter a new parser here.

`HEADERS` are fed 8 KB of each of `UNITS`, `BODIES` half a MB. `found` lists the expressions and the slow functions of
libraries in the rooms that read strangers' text; `test_cost.py` fails if one of them is in no entry.
"""

import ast
import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from multidict import CIMultiDict
from yarl import URL

from imges import log, naming
from imges.errors import ImgesError
from imges.receiving import first_bytes, text, urls
from imges.settings import Settings
from imges.storage import object_keys
from imges.web.api import album_routes, body, diagnosis, presented_key, upload_form, upload_options
from imges.web.api.dialects import zipline
from imges.web.api.form_fields import Event, Field
from imges.web.api.picture_json import SiteAddresses
from imges.web.connection import proxies, request_ids
from imges.web.pages import album, cookies, form_origin, host_names, languages, viewer
from imges.web.serving import conditions

UNITS = [
    *(" ", "\t", ",", '"', "'", ";", ":", "=", "-", "+", "/", "\\", ".", "*", "%", "&", "?", "#", "@", "[", "(", "<"),
    *(
        "0",
        "a",
        "é",
        "\u0301",
        "a,",
        "a;",
        "a ",
        " a",
        "; ",
        "=;",
        "a=b;",
        ';a="',
        '\\"',
        "q=0,",
        "a;q=1,",
        "1-",
        "-1,",
    ),
    *(
        '"a",',
        'W/"a",',
        '",',
        "%25",
        "%41",
        "%zz",
        "%2",
        "A===",
        "data:",
        "data:;base64,",
        "http://",
        "a.",
        ".th",
        "/delete/",
    ),
    *(
        "Mon, ",
        "1 GMT ",
        "127.0.0.1,",
        "[::1]:1,",
        "bytes=",
        ";filename*=",
        ";filename*=utf-8'",
        "PT1",
        "\r\n",
        "\r\n--b",
    ),
]
TAILS = ("", "x")
"""Ends that make an expression fail after it has taken all before."""

SEEN = datetime(2026, 1, 1, tzinfo=UTC)


def request(name: str = "", value: str = "") -> Any:
    """A request with one header, as far as our parsers look at it: aiohttp's own takes longer to make than to parse."""
    return SimpleNamespace(method="GET", headers=CIMultiDict({name: value}), remote="127.0.0.1", app=None)


def _conditions(name: str, **more: str) -> Callable[[str], object]:
    def parse(value: str) -> object:
        asked = request(name, value)
        asked.headers.update(more)
        return conditions.evaluate(asked, etag="e" * 32, modified=SEEN, size=1000)

    return parse


def _multipart_header(value: str) -> object:
    """Feeds it as the head of a part: one line of at most 4 KB."""
    line = value[:4000].replace("\r", "").replace("\n", "")
    return fed(body._multipart, f'--b\r\nContent-Disposition: form-data; name="a"{line}\r\n\r\nb\r\n--b--\r\n'.encode())


def _first_bytes(value: str) -> None:
    head = value.encode()[: first_bytes.ENOUGH]
    first_bytes.is_picture(head)
    first_bytes.other_than_picture(head)
    body._LOST_BOUNDARY.match(head)
    body._JSON_OBJECT.match(head)


def _refused(value: str) -> object:
    """Feeds it as a text that was to be the picture: its first bytes say what was meant."""
    form = upload_form.UploadForm(texts={"source": text.Text(Path(), form_encoded=True)})
    form.heads["source"] = value.encode()[: first_bytes.ENOUGH]
    return diagnosis._not_base64(form), diagnosis._local_address(form)


def _origin(value: str) -> None:
    if found := form_origin.origin_of("http://" + value):
        form_origin._is_inside(found)


HEADERS: dict[str, Callable[[str], object]] = {
    "Range": _conditions("Range"),
    "Range, its numbers": lambda value: _conditions("Range")("bytes=" + value),
    "Range, the second": lambda value: _conditions("Range")("bytes=0" + value),
    **{name: _conditions(name) for name in ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")},
    "If-Range": _conditions("If-Range", Range="bytes=0-1"),
    "Cookie": lambda value: cookies.cookie(request("Cookie", value), "imges_admin"),
    "Accept-Language": languages._by_weight,
    "Content-Type": lambda value: body._content_type(request("Content-Type", value)),
    "Content-Type, boundary": lambda value: body._content_type(
        request("Content-Type", "multipart/form-data; boundary=" + value)
    ),
    "file name of a part": body._unescaped,
    "first bytes": _first_bytes,
    "first bytes of a text": _refused,
    "key": lambda value: (presented_key._PLACEHOLDER.fullmatch(value), presented_key._WORD.match(value)),
    "Idempotency-Key": upload_options._UPLOAD_ID.fullmatch,
    "Content-Disposition": _multipart_header,
    "Content-Disposition, extended": lambda value: _multipart_header("; filename*=utf-8'" + value),
    "Content-Disposition, escapes": lambda value: _multipart_header("; filename*=utf-8''" + value),
    "Origin": _origin,
    "Host": proxies._is_host,
    "Host, of the page's form": lambda value: host_names.is_own(value, Settings()),
    "X-Forwarded-For": lambda value: [proxies._hop(hop) for hop in proxies._listed(request("X", value), "X")],
    "X-Forwarded-Host": lambda value: [proxies._is_host(host) for host in proxies._listed(request("X", value), "X")],
    "X-Request-ID": lambda value: request_ids.chosen(value, trusted=True),
    "User-Agent": viewer._BOTS.search,
    "path of a viewer": viewer._TITLED.fullmatch,
    "path of a file": viewer._FILE.fullmatch,
    "path of an album": album._TITLED.fullmatch,
    "path of a file of an album": album._FILE.fullmatch,
    "place in a list of albums": album_routes._cursor,
    "path in the log": lambda value: log._TOKEN.sub("", "/image/a/delete/" + value),
    "path of a dialect in the log": lambda value: log._KEY.sub("", "/imgur/" + value),
    "x-zipline-deletes-at": zipline._seconds,
    "key of an object": object_keys.checked_key,
    "query": lambda value: URL.build(path="/", query_string=value, encoded=True).query,
    "oembed's address": lambda value: viewer._viewed(value, SiteAddresses("http://x", ZoneInfo("UTC"))),
    "expiration": upload_options.duration,
    "tags": lambda value: upload_options._tags({"tags": value}, "tags"),
    "width": lambda value: upload_options._width({"width": value}, 1),
    "source in a query": upload_form._SCHEME.match,
    "address": urls.parse,
    "address, its host": lambda value: urls.parse("http://" + value[:4000]),
    "Location": lambda value: urls.redirected("http://example.org/a", value),
    "file name of an address": lambda value: urls.file_name("http://x/" + value[:4096]),
    "file name": lambda value: naming.clean_stem(naming.base_name(value)),
}


def fed(parser: Callable[..., AsyncIterator[Event]], content: bytes, boundary: str = "b") -> int:
    """Let *parser* read *content* in the pieces in which a connection brings it; returns the number of events."""

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 64 * 1024):
            yield content[at : at + 64 * 1024]

    async def read() -> int:
        arguments = (boundary,) if parser is body._multipart else ()
        return sum([1 async for _ in parser(chunks(), *arguments)])

    return asyncio.run(read())


def _text(value: bytes, folder: Path, *, form_encoded: bool) -> None:
    path = folder / "text"
    path.write_bytes(value)
    source = text.Text(path, form_encoded)
    with suppress(ImgesError):
        source.address()
    source.decode(folder / "decoded", len(value))


def _json(content: bytes) -> int:
    return fed(body._json, content)


BODIES: dict[str, Callable[[bytes, Path], object]] = {
    "urlencoded form": lambda value, _: fed(body._urlencoded, value),
    "urlencoded value": lambda value, _: fed(body._urlencoded, b"source=" + value),
    "multipart, before its parts": lambda value, _: fed(body._multipart, value),
    "multipart, a part": lambda value, _: fed(
        body._multipart, b'--b\r\nContent-Disposition: form-data; name="source"\r\n\r\n' + value
    ),
    "multipart, behind its parts": lambda value, _: fed(body._multipart, b"--b--\r\n" + value),
    "base64 in a form": lambda value, folder: _text(value, folder, form_encoded=True),
    "base64 in a part": lambda value, folder: _text(value, folder, form_encoded=False),
    "base64 behind its beginning": lambda value, folder: _text(b"R0lG" * 1000 + value, folder, form_encoded=True),
    "JSON": lambda value, _: _json(b"{" + value),
    "JSON, a string": lambda value, _: _json(b'{"source": "' + value),
    "text of a field": lambda value, _: upload_form.decoded(
        Field("title", form_encoded=True), value[: upload_form.MAX_TEXT]
    ),
}

ROOMS = ("web", "receiving", "naming.py", "log.py", "ids.py", "storage/object_keys.py", "access/limits.py")
"""Where strangers' text is read, below `imges/`."""
EXPRESSIONS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
SLOW = {
    *("parsedate", "parsedate_to_datetime", "parse_options_header", "urlsplit", "urlparse", "parse_qs", "parse_qsl"),
    *(
        "unquote",
        "unquote_plus",
        "unquote_to_bytes",
        "a2b_qp",
        "b64decode",
        "loads",
        "PushMultipartParser",
        "ip_address",
    ),
}
"""Functions of libraries that parse."""
SLOW_PROPERTIES = {"cookies", "content_type", "charset", "if_match", "if_none_match", "if_range", "http_range", "post"}
"""Properties of aiohttp's requests that parse 8 KB for up to seconds. Nothing may use them."""

ENTERED = {
    "log.py:_TOKEN": "path in the log",
    "log.py:_KEY": "path of a dialect in the log",
    "web/api/dialects/zipline.py:_seconds": "x-zipline-deletes-at",
    "naming.py:_EXTENSION": "file name",
    "naming.py:_OWN_ENDING": "file name",
    "naming.py:_SCRIPT": "file name",
    "naming.py:_RESERVED": "file name",
    "naming.py:_INVISIBLE": "file name",
    "naming.py:_PLAIN": "file name",
    "naming.py:base_name": "file name",
    "storage/object_keys.py:_KEY": "key of an object",
    "receiving/text.py:_SCHEME": "base64 in a form",
    "receiving/text.py:_DATA_URI": "base64 in a form",
    "receiving/text.py:_form_decoded": "base64 in a form",
    "receiving/text.py:_decode": "base64 in a form",
    "receiving/urls.py:_URL": "address",
    "receiving/urls.py:_SCHEME": "Location",
    "receiving/urls.py:_LABEL": "address, its host",
    "receiving/urls.py:_NUMBER": "address, its host",
    "receiving/urls.py:_CONTROL": "address",
    "receiving/urls.py:file_name": "file name of an address",
    "web/api/body.py:_EXTENDED_FILENAME": "Content-Disposition, extended",
    "receiving/first_bytes.py:_OTHER": "first bytes",
    "receiving/first_bytes.py:_PICTURE": "first bytes",
    "web/api/body.py:_ESCAPED": "file name of a part",
    "web/api/body.py:_JSON_OBJECT": "first bytes",
    "web/api/body.py:_LOST_BOUNDARY": "first bytes",
    "web/api/body.py:_content_type": "Content-Type",
    "web/api/body.py:_unescaped": "file name of a part",
    "web/api/diagnosis.py:_BARE_ADDRESS": "first bytes of a text",
    "web/api/diagnosis.py:_FILE_NAME": "first bytes of a text",
    "web/api/diagnosis.py:_LOCAL_ADDRESS": "first bytes of a text",
    "web/api/diagnosis.py:_PRINTED_OBJECT": "first bytes of a text",
    "web/api/diagnosis.py:_source_text": "first bytes of a text",
    "web/api/json_body.py:_HALF_ESCAPE": "JSON",
    "web/api/json_body.py:_INSIDE": "JSON",
    "web/api/json_body.py:_SPACE": "JSON",
    "web/api/presented_key.py:_PLACEHOLDER": "key",
    "web/api/presented_key.py:_WORD": "key",
    "web/pages/form_origin.py:_is_inside": "Origin",
    "web/pages/form_origin.py:origin_of": "Origin",
    "web/pages/viewer.py:_FILE": "path of a file",
    "web/api/upload_form.py:_SCHEME": "source in a query",
    "web/api/upload_options.py:_width": "width",
    "web/api/upload_options.py:_UPLOAD_ID": "Idempotency-Key",
    "web/api/upload_options.py:_DURATION": "expiration",
    "web/api/upload_options.py:duration": "expiration",
    "web/connection/proxies.py:_HOST": "Host",
    "web/connection/proxies.py:_V4_AND_PORT": "X-Forwarded-For",
    "web/connection/proxies.py:_V6_AND_PORT": "X-Forwarded-For",
    "web/connection/proxies.py:_parsed": "X-Forwarded-For",
    "web/connection/request_ids.py:_SENSIBLE": "X-Request-ID",
    "web/pages/host_names.py:is_own": "Host, of the page's form",
    "web/pages/languages.py:_by_weight": "Accept-Language",
    "web/pages/viewer.py:_TITLED": "path of a viewer",
    "web/pages/viewer.py:_BOTS": "User-Agent",
    "web/pages/album.py:_FILE": "path of a file of an album",
    "web/pages/album.py:_TITLED": "path of an album",
    "web/api/album_routes.py:_cursor": "place in a list of albums",
    "web/pages/viewer.py:_viewed": "oembed's address",
    "web/serving/conditions.py:_date": "If-Modified-Since",
}
"""Each parser that `found` finds, and the entry above that feeds it."""

NOT_STRANGERS = {
    "receiving/guard.py": "addresses that a resolver returned",
    "receiving/fetch.py": "answers of other servers, read by aiohttp's client",
    "web/connection/connection_limits.py": "the peer's address",
    "web/pages/admin/pictures.py": "an owner who is signed in",
    "web/pages/setup_page.py": "our own address",
    "web/pages/embed_codes.py": "names that are stored, at most 255 bytes",
    "web/pages/languages.py:Language": "our own catalogs",
    "web/pages/viewer.py:_limit": "bounded by the expression itself",
    "web/pages/admin/trail.py": "an owner who is signed in",
    "web/pages/admin/sign_in.py": "a path of the form, one pass",
    "web/api/openapi.py": "our own description",
    "web/connection/proxies.py:UNREADABLE": "a constant",
}
"""Parsers whose text is not a stranger's, or is fed with another one's entry."""


def found() -> Iterator[str]:
    """Yields `FILE:NAME` for each expression and each slow function in `ROOMS`; *NAME* is assigned or defined there."""
    base = Path(naming.__file__).parent
    for room in ROOMS:
        paths = [base / room] if room.endswith(".py") else sorted((base / room).rglob("*.py"))
        for path in paths:
            for statement in ast.parse(path.read_text()).body:
                name = _name(statement)
                if name and any(map(_parses, ast.walk(statement))):
                    yield f"{path.relative_to(base)}:{name}"


def slow_properties() -> Iterator[str]:
    """Yields `FILE:LINE` for each use of `SLOW_PROPERTIES` of a request."""
    base = Path(naming.__file__).parent / "web"
    for path in sorted(base.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Attribute) or node.attr not in SLOW_PROPERTIES:
                continue
            if isinstance(node.value, ast.Name) and node.value.id == "request":
                yield f"{path.relative_to(base)}:{node.lineno}"


def _name(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return statement.name
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return None


def _parses(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute):
        return isinstance(called.value, ast.Name) and called.value.id == "re" and called.attr in EXPRESSIONS
    return isinstance(called, ast.Name) and called.id in SLOW
