"""I12, I14 and I1: bodies that are no form, or a form that no client would send."""

import base64
import gzip
import itertools
import random
import zlib

from tests import drawn
from tests.hostile.cases import REFUSED, TAKEN, TAKEN_OR_REFUSED, Case
from tests.hostile.wire import BOUNDARY, END, MULTIPART, UPLOAD, URLENCODED, part, request, upload, urlencoded

PNG = drawn.png()
TEXT = base64.b64encode(PNG)
FILE = b'form-data; name="source"; filename="x.png"'
CHARSETS = (
    b"utf-16", b"utf-32", b"utf-7", b"idna", b"punycode", b"zlib_codec", b"base64_codec", b"bz2", b"rot13", b"hex",
    b"unicode_escape", b"raw_unicode_escape", b"undefined", b"mbcs", b"x" * 2000, b"../../etc/passwd", b"\xff", b"",
    b"utf-8;charset=utf-16", b"utf-8\0",
)  # fmt: skip

DISPOSITIONS = (
    b"", b";", b"form-data", b"form-data;", b"form-data; name", b"form-data; name=", b'form-data; name="',
    b'form-data; name=""',
    b"form-data; name=source", b"form-data; name='source'; filename='x.png'",
    b'attachment; name="source"; filename="x.png"',
    b"inline", b'FORM-DATA; NAME="source"; FILENAME="x.png"', b'form-data; name="source"; name="key"; filename="x"',
    b'form-data; name="source"; filename="a"; filename="b"', b'form-data; filename="x.png"',
    b'form-data; name="source"; filename',
    b'form-data; name="source"; filename=', b'form-data; name="source"; filename="',
    b'form-data; name="source"; filename="\\"',
    b'form-data; name="source"; filename*=utf-8\'\'%ff', b"form-data; name=\"source\"; filename*=utf-16''%00%61",
    b"form-data; name=\"source\"; filename*=idna''xn--%2e", b"form-data; name=\"source\"; filename*='",
    b'form-data; name="source"; filename*=',
    b'form-data; name="source"; filename*0=a; filename*1=b', b"form-data; name*=utf-8''source; filename=\"x\"",
    b'form-data; name="source[]"; filename="x"', b'form-data; name="source[][]"; filename="x"',
    b'form-data; name="source[a]"; filename="x"',
    b'form-data; name="[]"; filename="x"', b'form-data; name="sou\0rce"; filename="x"',
    b'form-data; name="source\0"; filename="x"',
    b'form-data; name="\xff\xfe"; filename="x"', b'form-data; name="source"; filename="\xff\xfe\0"',
    b'form-data; name="' + b"n" * 5000 + b'"; filename="x"',
    b'form-data; name="source"; filename="' + b"f" * 7000 + b'"', b"form-data" + b"; a=b" * 1000,
    b"form-data" + b";" * 5000,
    b'form-data; name="source"; filename="x' + b'\\"' * 3000 + b'"',
    b'form-data; name="source"; filename==?utf-8?b?eA==?=',
    b'form-data; name="source"; size=99999999999999999999; filename="x"', b'form-data;name="source";filename="x.png"',
    b'form-data ; name = "source" ; filename = "x.png"', b'form-data; name="__proto__"; filename="x"',
    b'form-data; name="_charset_"',
    b'form-data; name="key"; filename="x"', b'form-data; name="format"; filename="x"',
)  # fmt: skip

PART_HEADERS = (
    b"Content-Type: text/html", b"Content-Type: image/svg+xml", b"Content-Type: multipart/mixed; boundary=x",
    b"Content-Type:",
    b"Content-Type: ;;;", b"Content-Type: " + b"a" * 3000, b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: quoted-printable",
    b"Content-Transfer-Encoding: x", b"Content-Encoding: gzip", b"Content-Length: 1", b"Content-Length: -1",
    b"Content-Length: 99999999999", b"Content-Length: x", b"Transfer-Encoding: chunked", b"X", b": x", b" folded",
    b"X: \0", b"X: \xff", b"X\xff: y",
    b'Content-Disposition: form-data; name="key"', b"X: " + b"y" * 100_000,
    b"\r\n".join(b"X-%d: y" % n for n in range(2000)),
)  # fmt: skip

CONTENT_TYPES = (
    b"", b"text/plain", b"application/json", b"application/octet-stream", b"image/png",
    b"multipart/mixed; boundary=xYzZY",
    b"multipart/form-data", b"multipart/form-data;", b"multipart/form-data; boundary",
    b"multipart/form-data; boundary=",
    b'multipart/form-data; boundary=""', b'multipart/form-data; boundary="',
    b"multipart/form-data; boundary=x; boundary=xYzZY",
    b"multipart/form-data; boundary=xYzZY; boundary=x", b"multipart/form-data; boundary=" + b"b" * 2000,
    b"multipart/form-data; boundary=\xff\xfe", b"multipart/form-data; boundary=a\0b",
    b"multipart/form-data; boundary=-",
    b"multipart/form-data; boundary=--xYzZY", b'multipart/form-data; boundary="x y"',
    b'multipart/form-data; boundary="x\\"y"',
    b"multipart/form-data; boundary=\\r\\n", b"multipart/form-data; boundary==?utf-8?q?x?=",
    b"multipart/form-data; boundary*=utf-8''xYzZY",
    b"MULTIPART/FORM-DATA; BOUNDARY=xYzZY", b"multipart/form-data boundary=xYzZY",
    b"multipart/form-data, boundary=xYzZY",
    b"multipart/form-data; boundary=xYzZY, text/plain",
    b"multipart/form-data" + b"; a=b" * 1000 + b"; boundary=xYzZY", b"multipart/", b"/", b";",
    b"\xff\xfe", b"multipart/form-data; boundary='xYzZY'", b"application/x-www-form-urlencoded; boundary=x",
    b"x" * 4000,
)  # fmt: skip

VALUES = (
    b"", b" ", b"\0", b"a\0b", b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xae", b"-1", b"0", b"00",
    b"1e9", b"NaN",
    b"9" * 400, b"\xd9\xa1\xd9\xa2", b"\xef\xbc\x91", b"'; DROP TABLE images; --", b"${7*7}{{7*7}}<%= 7*7 %>",
    b"<script>alert(1)</script>",
    b"\r\nX-Evil: 1", b"\xe2\x80\xae\xe2\x81\xa6gpj", b"%s%n%x%p", b"../../../etc/passwd", b"[]", b'{"a":1}',
    b"x" * 5000, b"x" * 70_000,
    "🏳️\u200d🌈".encode() * 50, b"P" + b"9" * 300 + b"Y", b"PT1H1H", b"P-1D", b"P1.5D", b"\xf0\x9f\x92\xa9",
)  # fmt: skip
FIELDS = (b"title", b"description", b"tags", b"nsfw", b"width", b"expiration", b"name", b"format", b"album_id")

ENCODED_BODIES: list[tuple[bytes, bytes]] = [
    (b"gzip", gzip.compress(part(PNG) + END)),
    (b"gzip", gzip.compress(bytes(50 * 2**20))),
    (b"deflate", zlib.compress(part(PNG) + END)),
    (b"deflate", zlib.compress(bytes(50 * 2**20))),
    *((coding, part(PNG) + END) for coding in (
        b"br", b"zstd", b"compress", b"GZIP", b"x-gzip", b"gzip, gzip", b"identity, gzip", b"gzip;q=0", b"x", b"\xff",
        b"aes128gcm", b"*",
    )),
]  # fmt: skip


def _field(name: bytes, value: bytes) -> bytes:
    return part(value, b'form-data; name="' + name + b'"')


def cases(key: bytes) -> list[Case]:
    return [
        *_files(key), *_dispositions(key), *_headers(key), *_types(key), *_charsets(key), *_values(key), *_many(key),
        *_cut(key), *_urlencoded(key), *_encoded(key), *_queries(key),
    ]  # fmt: skip


def _files(key: bytes) -> list[Case]:
    """I1: bodies with almost nothing in them."""
    chance = random.Random(1)
    magic = (
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"\0\0\0\x1cftypavif",
        b"II*\0",
        b"BM",
    )
    files = [b"", b"\0", b"x", b"\n", b" ", *magic, *(chance.randbytes(n) for n in (1, 2, 7, 100, 10_000, 300_000))]
    files += [start + chance.randbytes(2000) for start in magic] + [start + bytes(2000) for start in magic]
    return [Case(f"file {file[:12]!r} of {len(file)}", upload(key, part(file) + END), REFUSED) for file in files]


def _dispositions(key: bytes) -> list[Case]:
    return [
        Case(f"disposition {each[:50]!r} {kind}", upload(key, part(body, each) + END), TAKEN_OR_REFUSED)
        for each, (kind, body) in itertools.product(DISPOSITIONS, (("png", PNG), ("text", TEXT)))
    ]


def _headers(key: bytes) -> list[Case]:
    return [
        Case(f"part header {each[:40]!r} {kind[:20]!r}", upload(key, part(PNG, kind, each) + END), TAKEN_OR_REFUSED)
        for each, kind in itertools.product(PART_HEADERS, (FILE, b'form-data; name="source"'))
    ] + [Case(f"part's charset {each[:20]!r}",
    upload(key, part(PNG, FILE, b"Content-Type: image/png; charset=" + each) + END),
              TAKEN_OR_REFUSED) for each in CHARSETS]  # fmt: skip


def _types(key: bytes) -> list[Case]:
    found: list[Case] = []
    for each in CONTENT_TYPES:
        for kind, body in (("form", part(PNG) + END), ("urlencoded", b"source=" + TEXT), ("empty", b"")):
            data = upload(key, body, kind=b"Content-Type: " + each)
            found.append(Case(f"type {each[:40]!r} {kind}", data, TAKEN_OR_REFUSED))
    without = request(b"POST", UPLOAD, part(PNG) + END, b"X-API-Key: " + key)
    twice = upload(key, part(PNG) + END, URLENCODED)
    return [*found, Case("no type", without, TAKEN), Case("two types", twice, TAKEN_OR_REFUSED)]


def _charsets(key: bytes) -> list[Case]:
    body = b"source=" + TEXT.replace(b"+", b"%2B")
    return [
        Case(f"charset {each[:20]!r} {kind}", upload(key, data, kind=head + b"; charset=" + each), TAKEN_OR_REFUSED)
        for each in CHARSETS
        for kind, head, data in (("urlencoded", URLENCODED, body), ("multipart", MULTIPART, part(PNG) + END))
    ] + [Case(f"_charset_ {each[:20]!r}", upload(key, _field(b"_charset_", each) + part(PNG) + END), TAKEN_OR_REFUSED)
         for each in CHARSETS]  # fmt: skip


def _values(key: bytes) -> list[Case]:
    return [
        Case(f"{name.decode()} {value[:30]!r}", upload(key, _field(name, value) + part(PNG) + END), TAKEN_OR_REFUSED)
        for name, value in itertools.product(FIELDS, VALUES)
    ]


def _many(key: bytes) -> list[Case]:
    field, again = _field(b"title", b"x"), part(PNG)
    bodies: list[tuple[str, bytes, frozenset[int]]] = [
        ("two files", again + again, REFUSED),
        ("a file and a text", again + _field(b"source", TEXT), TAKEN),
        ("a file under each name", b"".join(part(PNG, b'form-data; name="%s"; filename="x"' % n) for n in (b"source",
        b"image", b"file")), TAKEN),
        ("100 files of other names", b"".join(part(PNG,
        b'form-data; name="f%d"; filename="x"' % n) for n in range(100)) + again, TAKEN_OR_REFUSED),
        ("100 empty files", part(b"", FILE) * 100 + again, TAKEN_OR_REFUSED),
        ("one field again and again", field * 190 + again, TAKEN),
        ("20,000 parts", field * 20_000 + again, REFUSED),
        ("20,000 parts behind the file", again + field * 20_000, REFUSED),
        ("only fields", field * 3, REFUSED),
        ("no part", b"", REFUSED),
        ("a form in the form", part(part(PNG) + END), REFUSED),
        ("a key in the form that differs", _field(b"key", b"wrong") + again, TAKEN),
        ("arrays", _field(b"source[0]", TEXT) + _field(b"source[1]", TEXT), REFUSED),
        ("an array of one", part(PNG, b'form-data; name="source[]"; filename="x"'), TAKEN),
        ("a field of 1 MB", _field(b"title", b"x" * 2**20) + again, REFUSED),
        ("an unknown field of 1 MB", _field(b"x", b"x" * 2**20) + again, REFUSED),
        ("before the first boundary", b"preamble\r\n" + again, TAKEN_OR_REFUSED),
        ("200 KB before the first boundary", b"p" * 200_000 + b"\r\n" + again, TAKEN_OR_REFUSED),
        ("behind the last boundary", again + END + b"epilogue" * 100, TAKEN_OR_REFUSED),
        ("another form behind it", again + END + again, TAKEN_OR_REFUSED),
        ("boundaries alone", (b"--" + BOUNDARY + b"\r\n") * 5000, REFUSED),
        ("nearly boundaries", part((b"\r\n--" + BOUNDARY[:-1]) * 20_000), REFUSED),
        ("line feeds alone", (again + END).replace(b"\r\n", b"\n"), TAKEN_OR_REFUSED),
        ("carriage returns alone", again.replace(b"\r\n", b"\r"), REFUSED),
        ("no header", b"--" + BOUNDARY + b"\r\n\r\n" + PNG + b"\r\n", REFUSED),
        ("no end of the headers", b"--" + BOUNDARY + b"\r\nContent-Disposition: " + FILE + b"\r\n" + PNG, REFUSED),
    ]  # fmt: skip
    found = [Case(name, upload(key, body + END), expect) for name, body, expect in bodies]
    return [
        *found,
        *(Case(f"{name}, chunked", _chunked(key, body + END), expect) for name, body, expect in bodies[::4]),
    ]


def _chunked(key: bytes, body: bytes) -> bytes:
    head = request(b"POST", UPLOAD, None, b"X-API-Key: " + key, MULTIPART, b"Transfer-Encoding: chunked")
    return (
        head
        + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[n : n + 999] for n in range(0, len(body), 999)))
        + b"0\r\n\r\n"
    )


def _cut(key: bytes) -> list[Case]:
    """Complete requests with an incomplete form."""
    whole = part(PNG) + END
    return [
        Case(f"cut at {at}", upload(key, whole[:at]), REFUSED)
        for at in range(0, len(whole) - 4, max(1, len(whole) // 40))
    ]


def _urlencoded(key: bytes) -> list[Case]:
    source = b"source=" + TEXT.replace(b"+", b"%2B")
    bodies: list[tuple[str, bytes, frozenset[int]]] = [
        ("empty", b"", REFUSED), ("an ampersand", b"&", REFUSED), ("an equals sign", b"=", REFUSED),
        ("ampersands", b"&" * 100_000, REFUSED),
        ("equals signs", b"=" * 100_000, REFUSED), ("semicolons", b"a=b;" + source, TAKEN_OR_REFUSED),
        ("no name", b"=x&" + source, TAKEN),
        ("100,000 fields", b"a=b&" * 100_000 + source, REFUSED),
        ("a name of 1 MB", b"a" * 2**20 + b"=x&" + source, REFUSED),
        ("bad escapes", b"title=%&description=%zz&tags=%4&" + source, TAKEN_OR_REFUSED),
        ("escaped bytes", b"title=%ff%fe&" + source, REFUSED),
        ("bytes", b"title=\xff\xfe&" + source, REFUSED), ("NUL", b"title=%00&" + source, TAKEN_OR_REFUSED),
        ("surrogates", b"title=%ed%a0%80&" + source, REFUSED),
        ("%u", b"title=%u0041&" + source, TAKEN_OR_REFUSED), ("a bad name", b"%ff%fe=x&" + source, TAKEN),
        ("twice", source + b"&" + source, TAKEN_OR_REFUSED),
        ("array", source.replace(b"source", b"source%5B%5D"), TAKEN), ("binary", PNG, TAKEN),
        ("JSON", b'{"source": "' + TEXT + b'"}', TAKEN),
        ("XML", b"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>", REFUSED),
    ]  # fmt: skip
    return [Case(f"urlencoded: {name}", urlencoded(key, body), expect) for name, body, expect in bodies]


def _encoded(key: bytes) -> list[Case]:
    """I14: compressed bodies, which are never inflated."""
    only = frozenset({415})
    return [
        Case(f"coding {coding!r} of {len(body)}", upload(key, body, b"Content-Encoding: " + coding), only)
        for coding, body in ENCODED_BODIES
    ]


def _queries(key: bytes) -> list[Case]:
    """The same parameters in the query string, by GET and by POST."""
    found: list[Case] = []
    for name, value in itertools.product((b"source", b"title", b"format", b"width", b"key"), VALUES[:18]):
        query = b"?" + name + b"=" + b"".join(b"%%%02X" % byte for byte in value[:1500])
        get = request(b"GET", UPLOAD + query, None, b"X-API-Key: " + key)
        post = upload(key, part(PNG) + END, target=UPLOAD + query)
        found += [
            Case(f"GET {name!r} {value[:20]!r}", get, REFUSED),
            Case(f"POST {name!r} {value[:20]!r}", post, TAKEN_OR_REFUSED),
        ]
    odd = (
        b"?",
        b"?&&&",
        b"?=",
        b"?key",
        b"?key[]=x",
        b"?" + b"a=b&" * 1000,
        b"?%",
        b"?%zz",
        b"?\xff",
        b"?key=%ed%a0%80",
        b"?format=%00",
    )
    return found + [Case(f"query {each[:20]!r}", request(b"GET", UPLOAD + each), REFUSED) for each in odd]
