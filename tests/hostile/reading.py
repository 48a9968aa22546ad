"""A1, A4, A5, A7, A8, A12: clients that only read, guess or make false claims."""

import itertools

from tests import drawn
from tests.hostile.cases import REFUSED, TAKEN_OR_REFUSED, Case
from tests.hostile.wire import END, UPLOAD, Said, part, request, upload

CANARY = b"CANARY-OF-THE-DATA-FOLDER"
"""The content of files beside the pictures. It must never be served."""

NOT_FOUND = frozenset({400, 404})

PATHS = (
    b"/images/", b"/images", b"/images/.", b"/images/..", b"/images/../", b"/images/../canary.txt",
    b"/images/../../canary.txt",
    b"/images/%2e%2e/canary.txt", b"/images/%2e%2e%2fcanary.txt", b"/images/..%2fcanary.txt",
    b"/images/..%5ccanary.txt",
    b"/images/%252e%252e%252fcanary.txt", b"/images/%c0%ae%c0%ae/canary.txt", b"/images/%c0%ae%c0%ae%c0%afcanary.txt",
    b"/images/%e0%80%ae%e0%80%ae/canary.txt", b"/images/..;/canary.txt", b"/images/...//canary.txt",
    b"/images/....//canary.txt",
    b"/images/..%00/canary.txt", b"/images/canary.txt%00.png", b"/images/\\..\\canary.txt", b"/images//../canary.txt",
    b"/images/./../canary.txt",
    b"/images/2014/../../canary.txt", b"/images/2014/06/04/../../../../canary.txt", b"/images/link/canary.txt",
    b"/images/link.png", b"/images/link/",
    b"/images/link/../canary.txt", b"/images/.canary", b"/images/.staging", b"/images/.staging/",
    b"/images/.staging/canary", b"/images/%2estaging/canary",
    b"/images/canary.tmp", b"/images/unknown.png", b"/images/imges.db", b"/images/../imges.db",
    b"/images/..%2fimges.db-wal", b"/images/..%2fapi.key",
    b"/images//etc/passwd", b"/images/%2fetc%2fpasswd", b"/images//proc/self/environ", b"/images/file:///etc/passwd",
    b"/images/C:%5cwindows",
    b"/images/" + b"../" * 200 + b"etc/passwd", b"/images/" + b"a/" * 2000,
    b"/images/" + b"%2e%2e/" * 500 + b"etc/passwd", b"/images/\xe2\x80\xa5/canary.txt",
    b"/images/\xef\xbc\x8e\xef\xbc\x8e/canary.txt", b"/../canary.txt", b"/data/canary.txt", b"/canary.txt",
    b"/api.key", b"/imges.db", b"/.git/config", b"/.env",
    b"/settings.yaml", b"/static/../../canary.txt", b"/static/%2e%2e/%2e%2e/canary.txt", b"/static//etc/passwd",
    b"/static/", b"/static", b"/static/..%2fbase.html",
    b"/templates/base.html", b"/spool/", b"/data/spool/", b"/image/../images/../canary.txt",
    b"/image/%2e%2e%2fcanary", b"/image/x/delete/../../canary",
    b"/protected/disk/canary.txt", b"/metrics/../canary.txt", b"/images/?key=../canary.txt", b"/images/..?",
    b"/images/..#", b"/wp-login.php", b"/cgi-bin/sh",
)  # fmt: skip

RANGES = (
    b"bytes=", b"bytes=-", b"bytes=0-0,0-0" + b",0-0" * 1000, b"bytes=0-" + b"9" * 400, b"bytes=" + b"9" * 400 + b"-",
    b"bytes=-" + b"9" * 400,
    b"bytes=-1-1", b"bytes=1-0", b"bytes=a-b", b"bytes=0x0-0x1", b"bytes=\xd9\xa1-\xd9\xa2", b"bytes= 0 - 1 ",
    b"octets=0-1", b"=0-1", b"\xff", b"bytes=0-1;a",
    b"bytes=,,,", b"bytes=" + b"0-," * 2000, b"bytes=9223372036854775807-",
    b"bytes=18446744073709551616-18446744073709551617",
)  # fmt: skip
DATES = (
    b"", b"x", b"0", b"-1", b"9" * 100, b"Thu, 01 Jan 1970 00:00:00 GMT", b"Thu, 99 Foo 9999 99:99:99 GMT",
    b"Fri, 31 Dec 99999 23:59:59 GMT",
    b"Mon, 01 Jan 0000 00:00:00 GMT", b"Mon, 01 Jan 2024 00:00:00 +9999", b"Mon, 01 Jan 2024 00:00:00 " + b"Z" * 2000,
    b"\xff\xfe",
)  # fmt: skip
TAGS = (
    b"",
    b"*",
    b'"',
    b'""',
    b"W/",
    b'W/""',
    b"x",
    b'"x',
    b'"x"' + b', "y"' * 2000,
    b",,,",
    b"\xff",
    b'"\xff"',
    b"*, *",
    b'W/W/"x"',
)
OTHERS = {
    b"Accept": (b"", b";", b"*/*;q=x", b"a" * 8000, b"\xff", b"text/html;q=" + b"9" * 300, b"," * 4000,
    b"text/html" + b",a/b" * 1000),
    b"Accept-Encoding": (b"", b"br;q=\xff", b"*;q=0", b"gzip;q=-1", b"," * 4000, b"identity;q=0", b"x" * 8000),
    b"Accept-Language": (b"", b"*", b"\xff", b"../../etc", b"xx-" + b"a" * 3000, b"de;q=x", b"," * 4000,
    b"fr-FR-x-" + b"a-" * 1000, b"de_DE@euro", b"C", b"zh-Hant;q=1e9"),
    b"Cookie": (b"", b"\xff", b"=" * 4000, b"; " * 2000, b"session=" + b"A" * 7000, b'a="', b"__Host-imges=x.y.z",
    b"$Version=1; a=b", b"imges=%00; imges=x"),
    b"Origin": (b"", b"null", b"http://", b"http://[", b"\xff", b"http://x:99999999", b"javascript:alert(1)", b"//",
    b"http://img.test@evil.test"),
    b"Referer": (b"", b"http://[", b"\xff", b"x" * 8000, b"javascript:alert(1)"),
    b"X-Forwarded-For": (b"", b",", b"\xff", b"1.2.3", b"::1%lo", b"1.2.3.4" + b",1.2.3.4" * 900, b"999.9.9.9",
    b"[::1]:80", b"unknown", b"_x", b"0", b"1.2.3.4:80", b"::ffff:1.2.3.4"),
    b"X-Forwarded-Host": (b"", b",", b"\xff", b"[", b"a/b", b"a@b", b"a:b", b"a:99999999", b"x" * 8000, b"a b",
    b'"><script>', b"[::1", b"evil.test:80:80"),
    b"X-Forwarded-Proto": (b"", b",", b"\xff", b"gopher", b"https, http", b"javascript", b"http" * 1000),
    b"Forwarded": (b"", b"for=", b'for="[', b"for=\xff;host=[", b"=;=;=" * 1000),
    b"X-Request-ID": (b"", b"\xff", b"a" * 8000, b"\t", b"a b", b"<script>", b"%0d%0aX:y"),
    b"Authorization": (b"", b"Bearer", b"Bearer ", b"Basic", b"Basic \xff", b"Bearer \xff\xfe",
    b"Bearer " + b"a" * 7000, b"Digest x", b"Negotiate " + b"A" * 7000, b"\xff"),
    b"X-API-Key": (b"", b" ", b"\xff", b"\xc3\xa9", b"a" * 8000, b"null", b"[]", b"' OR 1=1 --", b"%00"),
    b"Sec-Fetch-Site": (b"", b"x", b"\xff", b"cross-site", b"same-site", b"none", b"same-origin, cross-site"),
    b"Content-Type": (b"\xff", b";", b"multipart/form-data; boundary=\xff"),
    b"Upgrade": (b"h2c", b"websocket", b"TLS/1.2", b"\xff"),
}  # fmt: skip
HOSTS = (b"[", b"[]", b"[::::]", b"[1:2:3]", b"[1.2.3.4]", b"[::1]:99999", b"[::1]x", b"a:b", b"a:", b":80", b"a b",
b"a/b", b"x" * 300, b"-", b"_", b".")  # fmt: skip
METHODS = (
    b"HEAD",
    b"POST",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"PROPFIND",
    b"PURGE",
    b"SEARCH",
    b"LOCK",
)
ROUTES = (
    b"/", b"/api", b"/history", b"/admin", b"/robots.txt", b"/favicon.ico", b"/openapi.json", b"/oembed",
    b"/imges.sxcu", b"/healthz", b"/readyz", b"/metrics",
    b"/api/1/upload", b"/api/1/x", b"/image/x", b"/image/x/delete/y", b"/images/x.png", b"/static/x",
    b"/manifest.webmanifest", b"/nothing",
)  # fmt: skip
QUERIES = (
    b"?url=", b"?url=http://[", b"?url=%ff", b"?url=javascript:alert(1)", b"?url=http://img.test/image/%00",
    b"?url=//evil.test/image/x", b"?format=xml",
    b"?maxwidth=x&url=http://img.test/image/x", b"?maxwidth=-1", b"?maxwidth=" + b"9" * 400, b"?" + b"url=x&" * 1000,
    b"?page=-1", b"?lang=../../x", b"?%",
)  # fmt: skip


def cases(key: bytes, image: bytes, viewer: bytes) -> list[Case]:
    """*image* and *viewer* are the paths of an existing picture."""
    found = _hosts() + [Case(f"path {path[:60]!r}", request(b"GET", path), NOT_FOUND, tells_nothing) for path in PATHS]
    for header, values in {b"Range": RANGES, b"If-Range": (*TAGS, *DATES), b"If-None-Match": TAGS, b"If-Match": TAGS,
                           b"If-Modified-Since": DATES, b"If-Unmodified-Since": DATES}.items():  # fmt: skip
        more = (b"Range: bytes=0-1",) if header == b"If-Range" else ()
        found += [
            Case(f"{header.decode()}: {value[:40]!r}", request(b"GET", image, None, header + b": " + value, *more),
                 frozenset({200, 206, 304, 400, 412, 416}), is_inert)
            for value in values
        ]  # fmt: skip
    for (header, values), path in itertools.product(OTHERS.items(), (b"/", viewer, image, b"/admin")):
        found += [
            Case(f"{header.decode()}: {value[:40]!r} to {path[:20].decode()}",
            request(b"GET", path, None, header + b": " + value),
                 frozenset({200, 302, 303, *REFUSED}))
            for value in values
        ]  # fmt: skip
    for header, values in OTHERS.items():
        found += [
            Case(
                f"upload with {header.decode()}: {value[:40]!r}",
                upload(key, part(b"x") + END, header + b": " + value),
                REFUSED,
            )
            for value in values
        ]
    found += [
        Case(
            f"{method.decode()} {path.decode()}",
            request(method, path, b""),
            frozenset({200, 204, 302, 303, *REFUSED, 501}),
        )
        for method, path in itertools.product(METHODS, (*ROUTES, image, viewer))
    ]
    found += [
        Case(f"{path.decode()}{query[:30]!r}", request(b"GET", path + query), frozenset({200, 302, 303, 501, *REFUSED}))
        for path, query in itertools.product((b"/oembed", b"/admin", b"/", viewer, b"/history"), QUERIES)
    ]
    return found + _ids() + _redirects(key)


def _hosts() -> list[Case]:
    """A4: invalid hosts, in the header itself and in those of a proxy."""
    claims = [(host, b"X-Claim: 1") for host in HOSTS] + [(b"img.test", b"X-Forwarded-Host: " + host) for host in HOSTS]
    paths = (
        b"/",
        b"/api",
        b"/imges.sxcu",
        b"/oembed?url=http://[::1]/image/x",
        b"/robots.txt",
        b"/openapi.json",
        b"/metrics",
        b"/nothing",
    )
    return [
        Case(
            f"{path.decode()} of {host[:20]!r}, {claim[:40]!r}",
            request(method, path, b"", claim, b"Origin: http://[", host=host),
            TAKEN_OR_REFUSED,
        )
        for (host, claim), path, method in itertools.product(claims, paths, (b"GET", b"POST"))
    ]


def _ids() -> list[Case]:
    ids = (
        b"x",
        b"0",
        b"%00",
        b"%ff",
        b"a" * 3000,
        b"..",
        b"%2e%2e",
        b"-1",
        b"9" * 300,
        b"'",
        b"%27%20OR%201=1",
        b"\xff",
        b"a/b",
        b"%F0%9F%92%A9",
        b"%ed%a0%80",
        b"_" * 11,
    )
    found = [Case(f"id {each[:20]!r}", request(b"GET", b"/image/" + each), NOT_FOUND) for each in ids]
    for each, method in itertools.product(ids, (b"GET", b"POST")):
        found.append(
            Case(
                f"{method!r} token {each[:20]!r}", request(method, b"/image/xxxxxxxxxxx/delete/" + each, b""), NOT_FOUND
            )
        )
        found.append(
            Case(
                f"{method!r} token of {each[:20]!r}", request(method, b"/image/" + each + b"/delete/x", b""), NOT_FOUND
            )
        )
    return found


def _redirects(key: bytes) -> list[Case]:
    """A5: every redirect leads to our own viewer."""
    form = part(b"redirect", b'form-data; name="format"') + part(drawn.png()) + END
    targets = (
        b"//evil.test",
        b"/\\evil.test",
        b"https://evil.test",
        b"javascript:alert(1)",
        b"%0d%0aLocation:%20//evil.test",
    )
    return [
        Case(
            f"{name.decode()}={target.decode()}",
            upload(key, form, target=UPLOAD + b"?" + name + b"=" + target),
            frozenset({302}),
            leads_to_us,
        )
        for name, target in itertools.product((b"redirect_url", b"next", b"return", b"url", b"redirect"), targets)
    ]


def leads_to_us(said: Said) -> None:
    assert said.answers[0].headers["location"].startswith("http://img.test/image/")
    assert said.raw.count(b"\r\nLocation:") == 1


def tells_nothing(said: Said) -> None:
    assert CANARY not in said.raw
    assert b"root:" not in said.raw
    assert b"SQLite format" not in said.raw


def is_inert(said: Said) -> None:
    """A7: a picture has exact headers, so that no browser runs it as a page."""
    headers = said.answers[0].headers
    if said.status in {200, 206}:
        assert headers.get("content-type") == "image/png"
        assert headers.get("content-security-policy") == "default-src 'none'; sandbox"
        assert headers.get("cache-control") == "public, max-age=31536000, immutable"
        assert "set-cookie" not in headers
    assert headers.get("x-content-type-options") == "nosniff"
