"""I11: base64 and data: URIs. I13: names of files."""

import base64
import itertools

from tests import drawn
from tests.hostile.cases import TAKEN, TAKEN_OR_REFUSED, Case
from tests.hostile.wire import END, Said, part, picture, upload, urlencoded

PNG = drawn.encoded(drawn.noise(20, 20), "PNG")
TEXT = base64.b64encode(PNG)
NOT_BASE64 = frozenset({400})

GOOD = (
    TEXT, TEXT.rstrip(b"="), base64.urlsafe_b64encode(PNG), base64.encodebytes(PNG),
    base64.encodebytes(PNG).replace(b"\n", b"\r\n"),
    b"\t " + TEXT + b"\n\n", b"data:image/png;base64," + TEXT, b"DATA:IMAGE/PNG;BASE64," + TEXT,
    b"data:;base64," + TEXT,
    b"data:text/html;charset=utf-8;base64," + TEXT, b"data:image/svg+xml;base64," + TEXT,
    b" data:image/png; base64 ," + TEXT,
    b"\n".join(TEXT[n : n + 1] for n in range(len(TEXT))),
)  # fmt: skip

BAD = (
    b"!!!", TEXT[:40] + b"*" + TEXT[40:], TEXT + b"!", TEXT + b"=A", b"=" + TEXT, b"====", b"A",
    TEXT[:40] + b"\0" + TEXT[40:],
    TEXT[:40] + b"\xff" + TEXT[40:], TEXT[:40] + "é".encode() + TEXT[40:], TEXT[:40] + b"====" + TEXT[40:], b"data:",
    b"data:,",
    b"data:image/png," + TEXT, b"data:image/png;base64", b"data:image/png;base64;" + TEXT,
    b"data:image/png;hex," + TEXT,
    b"data:" + b"x" * 100_000 + b";base64," + TEXT, b"../../etc/passwd", b"C:\\windows\\win.ini",
    b"<svg onload=alert(1)>",
    b"data:image/png;base64,data:image/png;base64," + TEXT, b"\xef\xbb\xbf" + TEXT, TEXT.decode().encode("utf-16"),
    b"\0" * 100, b"%" * 50,
)  # fmt: skip

NOT_A_PICTURE = (
    base64.b64encode(b"hello"), b"/etc/passwd", b"AAAA", b"data:image/png;base64,AAAA", b"data:image/png;base64,",
    base64.b64encode(TEXT),
    base64.b64encode(bytes(100_000)), base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), b"-_" * 2000,
    b"A" * 4001,
)  # fmt: skip

ADDRESSES = (
    b"file:///etc/passwd", b"FILE:///etc/passwd", b"ftp://127.0.0.1/x", b"gopher://127.0.0.1/x",
    b"php://filter/resource=x", b"javascript:alert(1)",
    b"http:", b"http://", b"https://[", b"http://127.0.0.1/", b"http://localhost:80/", b"http://[::1]/",
    b"http://169.254.169.254/latest/meta-data/",
    b"http://0x7f.1/", b"http://x@127.0.0.1/", b"http://127.0.0.1:22/", b"http://\xff/", b"http://a\0b/",
    b"http://a b/", b"vips://x", b"msl:/etc/passwd",
    b"ephemeral:/etc/passwd", b"label:@/etc/passwd", b"text:/etc/passwd", b"x:" + b"y" * 100_000,
    b"http://" + b"a." * 3000, b"data\0:x", b"unix:///run/x",
)  # fmt: skip

NAMES = (
    b"../../../../etc/passwd", b"..\\..\\..\\windows\\win.ini", b"/etc/passwd", b"C:\\a.png",
    b"\\\\server\\share\\a.png", b"....//....//a.png", b"..", b".", b"...",
    b"./.././a.png", b".htaccess", b".staging", b".ssh/id_rsa", b"a.php.png", b"a.php", b"a.php%00.png",
    b"a.php\0.png", b"a.svg", b"a.html", b"a.png.html",
    b"\0", b"\0\0\0.png", b"\x01\x02\x1f.png", b"\x7f.png", b"a\tb.png", b"\xe2\x80\xaegnp.exe",
    b"\xe2\x81\xa6x\xe2\x81\xa9.png", b"\xe2\x80\x8b\xe2\x80\x8b.png",
    b"\xef\xbb\xbfa.png", b"a" * 255 + b".png", b"a" * 300, b"." * 300, b"a." * 150, "ñ".encode() * 300,
    "😀".encode() * 200, "👨\u200d👩\u200d👧".encode() * 40,
    "e\u0301".encode() * 200, b"e" + "\u0301".encode() * 2000, "\u1e9e\ufb03\u0130".encode(), "İıſK".encode(), b"CON",
    b"con.png", b"NUL.png", b"COM1", b"LPT9.png", b"aux.",
    b"a:b.png", b"a*b?.png", b"a|b.png", b"<script>alert(1)</script>.png", b"'><img src=x>.png", b"{{7*7}}.png",
    b"${jndi:ldap://x}.png", b"`id`.png", b"$(id).png",
    b"; rm -rf /.png", b"-rf.png", b"--help", b"@/etc/passwd", b"|ls", b"msl:x.png", b"vips:x",
    b"a.png[page=99999999]", b"a.png,b.png", b"%2e%2e%2fa.png", b"%00.png", b"%",
    b"%ff%fe.png", b"\xff\xfe.png", b"\xc0\xae\xc0\xae/a.png", b"\xed\xa0\x80.png", b"\xed\xb2\x80a.png",
    b"\xf4\x90\x80\x80.png", b"\x80.png", b" ", b"   .png", b"a .png ",
    b".png", b"png", b"a.", b"a..png", b"a.th.png", b"a.md.png", b"a.th.md.th.png", b"th.png", b"md", b".th.png",
    b".md", "．．／a.png".encode(), "‥/a".encode(), "﹒﹒∕a".encode(),
    b"a.png/", b"a/b/c/d.png", b"a//b.png", b"a\\b.png", b"~root/.bashrc", b"robots.txt", b"favicon.ico",
    b"index.html", b"a.png;b=c", b"a&b=c.png", b"a=b.png", b"a+b.png",
    b"a#b.png", b"a?b.png", b"\xe2\x80\xa8\xe2\x80\xa9.png", b"0", b"-1.png", b"1e999.png", b"null", b"undefined",
    b"NaN.png", b"true", b"__proto__.png", b"constructor",
)  # fmt: skip
EXTENDED = (
    b"utf-8''../../a.png", b"utf-8''%2e%2e%2fa.png", b"utf-8''%00a.png", b"utf-8''%0d%0aX-Evil:1.png",
    b"utf-8''%ff.png", b"utf-8''%ed%a0%80.png", b"UTF-8'en'%E2%82%AC.png",
    b"iso-8859-1''%80.png", b"utf-16''%ff", b"idna''x", b"utf-8'", b"utf-8''", b"''x.png", b"utf-8''" + b"%41" * 2000,
    b"zlib_codec''%78", b"utf-8''a%", b"utf-8''<script>",
)  # fmt: skip


def cases(key: bytes) -> list[Case]:
    return [*_base64(key), *_names(key)]


def _base64(key: bytes) -> list[Case]:
    found: list[Case] = []
    tables = (
        (GOOD, TAKEN), (BAD, NOT_BASE64), (NOT_A_PICTURE, frozenset({400, 415})),
        (ADDRESSES, frozenset({400, 502, 504}))
    )  # fmt: skip
    for text, expect in ((text, expect) for table, expect in tables for text in table):
        escaped = b"".join(b"%%%02X" % byte for byte in text)
        told = f"{text[:30]!r} of {len(text)}"
        found += [
            Case(f"multipart {told}", upload(key, part(text, b'form-data; name="source"') + END), expect),
            Case(f"urlencoded {told}", urlencoded(key, b"source=" + escaped), expect),
            Case(f"in ImgBB's field {told}", urlencoded(key, b"image=" + escaped), expect),
        ]
    return found


def _names(key: bytes) -> list[Case]:
    found = [
        Case(f"name {name[:40]!r}", picture(key, PNG, name.replace(b'"', b"%22")), TAKEN_OR_REFUSED, is_safe)
        for name in NAMES
    ]
    for name, how in itertools.product(EXTENDED, (b'; filename="x.png"', b"")):
        disposition = b'form-data; name="source"' + how + b"; filename*=" + name
        found.append(
            Case(
                f"filename*={name[:30]!r} {how!r}", upload(key, part(PNG, disposition) + END), TAKEN_OR_REFUSED, is_safe
            )
        )
    for name in NAMES:
        given = part(name, b'form-data; name="name"') + part(PNG) + END
        found.append(Case(f"field name {name[:40]!r}", upload(key, given), TAKEN_OR_REFUSED, is_safe))
    broken = (b'a"b.png', b"a\r\nX-Evil: 1.png", b"a\nb.png", b"a\rb.png", b'\\".png', b"\\")
    return found + [Case(f"raw name {name!r}", picture(key, PNG, name), TAKEN_OR_REFUSED, is_safe) for name in broken]


def is_safe(said: Said) -> None:
    """Checks that any file system and browser accepts the name, and that its extension fits the bytes."""
    if said.status != 200:
        return
    image = said.answers[0].json.get("image") or said.answers[0].json["data"]
    path = image["url"].split("/", 3)[3]
    name = image["filename"]
    assert path.startswith("images/20")
    assert len(path.split("/")) == 5
    assert all(0x21 <= ord(letter) < 0x7F and letter not in "<>\"'`\\|^{}" for letter in path), path
    assert len(name.encode()) <= 255
    assert not name.startswith((".", "-")) or name == "-"
    assert name.endswith(".png")
    assert name.isprintable()
