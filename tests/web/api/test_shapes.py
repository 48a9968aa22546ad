"""A picture that cannot be mistaken for anything else is taken, in whatever shape a client sends it."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests import drawn
from tests.web.conftest import Server

PNG = drawn.encoded(drawn.noise(30, 20), "PNG")
MD5 = hashlib.md5(PNG).hexdigest()
TEXT = base64.b64encode(PNG).decode()
FILE = 'form-data; name="source"; filename="x.png"'
URLENCODED = "application/x-www-form-urlencoded"


def part(content: bytes, disposition: str = FILE, *more: str) -> bytes:
    head = "\r\n".join((f"Content-Disposition: {disposition}", *more))
    return b"--x\r\n" + head.encode("latin-1") + b"\r\n\r\n" + content + b"\r\n"


END = b"--x--\r\n"
BOUND = "multipart/form-data; boundary=x"
LATIN = "Content-Type: text/plain; charset=ISO-8859-1"

SHAPES: dict[str, tuple[bytes, str | None]] = {
    "form in Latin-1, as Apache HttpClient 4": (part(PNG) + END, f"{BOUND}; charset=ISO-8859-1"),
    "parts in Latin-1, as JMeter": (
        part(b"Gr\xfc\xdfe", 'form-data; name="title"', LATIN, "Content-Transfer-Encoding: 8bit") + part(PNG) + END,
        BOUND,
    ),
    "file in Latin-1": (part(PNG, FILE, "Content-Type: image/png; charset=ISO-8859-1") + END, BOUND),
    "file in a charset that nobody knows": (part(PNG, FILE, "Content-Type: image/png; charset=binary") + END, BOUND),
    "urlencoded in windows-1252": (
        b"title=Gr%FC%DFe&source=" + quote(TEXT, "").encode(),
        URLENCODED + "; charset=windows-1252",
    ),
    "UTF-8 that claims to be Latin-1": (
        b"title=%E2%82%AC&source=" + quote(TEXT, "").encode(),
        URLENCODED + "; charset=ISO-8859-1",
    ),
    "only file by another name": (part(PNG, 'form-data; name="photo"; filename="x.png"') + END, BOUND),
    "only picture, without a file's name": (
        part(PNG, 'form-data; name="photo"', "Content-Type: image/png") + END,
        BOUND,
    ),
    "bytes in a text part": (part(PNG, 'form-data; name="source"') + END, BOUND),
    "bytes in an urlencoded form": (b"source=" + quote(PNG, "").encode(), URLENCODED),
    "raw, as curl --data-binary says": (PNG, URLENCODED),
    "raw, by its own type": (PNG, "image/png"),
    "raw, of no type": (PNG, None),
    "raw, as text": (PNG, "text/plain; charset=utf-8"),
    "raw JPEG": (drawn.jpeg(), "application/octet-stream"),
    "JSON": (
        json.dumps(
            {"source": TEXT, "title": 'A "title" \u20ac', "nsfw": 1, "tags": ["a", "b"], "width": None}
        ).encode(),
        "application/json",
    ),
    "JSON with an address of data": (
        json.dumps({"image": f"data:image/png;base64,{TEXT}"}, indent=2).encode(),
        "application/json; charset=utf-8",
    ),
    "JSON that PHP has escaped": (json.dumps({"source": TEXT}).replace("/", "\\/").encode(), "application/json"),
    "JSON, as curl -d says": (json.dumps({"source": TEXT}).encode(), URLENCODED),
    "lost boundary": (part(PNG) + END, "multipart/form-data"),
    "lost semicolon": (part(PNG) + END, "multipart/form-data boundary=x"),
    "empty boundary": (part(PNG) + END, "multipart/form-data; boundary="),
    "another boundary than it says": (part(PNG) + END, "multipart/form-data; boundary=----WebKitFormBoundary"),
    "multipart that claims to be JSON": (part(PNG) + END, "application/json"),
    "multipart of no type": (part(PNG) + END, None),
    "empty source beside a full image": (
        part(b"", 'form-data; name="source"') + part(TEXT.encode(), 'form-data; name="image"') + END,
        BOUND,
    ),
    "no file chosen beside a full image": (
        part(b"", FILE) + part(PNG, 'form-data; name="image"; filename="x.png"') + END,
        BOUND,
    ),
    "a part without a length": (part(PNG, FILE, "Content-Length: -1") + END, BOUND),
    "a part of another length": (part(PNG, FILE, "Content-Length: 7") + END, BOUND),
    "an attachment": (part(PNG, 'attachment; name="source"; filename="x.png"') + END, BOUND),
    "a part that only says that it is a picture": (
        b"--x\r\nContent-Type: image/png\r\n\r\n" + PNG + b"\r\n" + END,
        BOUND,
    ),
    "multipart/mixed": (part(PNG) + END, "multipart/mixed; boundary=x"),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_each_shape_is_taken(imges: Server, shape: str):
    body, kind = SHAPES[shape]
    headers = {"X-API-Key": imges.key} | ({"Content-Type": kind} if kind else {})
    answer = await imges.post(data=body, headers=headers, skip_auto_headers=() if kind else ("Content-Type",))
    assert answer.status == 200, answer.text
    image: dict[str, Any] = answer.json.get("image") or answer.json["data"]
    assert image["md5"] == MD5 or image["mime"] == "image/jpeg"
    if b"title" in body:
        assert image["title"] in {"Grüße", "€", 'A "title" €'}
    if b'"tags"' in body:
        assert (image["tags"], image["nsfw"]) == (["a", "b"], "1")


@pytest.mark.parametrize("encoding", ["utf-8", "binary", "none", "Identity", ""])
async def test_an_encoding_that_compresses_nothing(imges: Server, encoding: str):
    headers = {"X-API-Key": imges.key, "Content-Type": BOUND, "Content-Encoding": encoding}
    assert (await imges.post(data=part(PNG) + END, headers=headers)).status == 200


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Mein%20Foto.png", "Mein Foto.png"),
        ("%D0%A4%D0%BE%D1%82%D0%BE.png", "Фото.png"),
        ("100%.png", "100%.png"),
        ("100%25.png", "100%.png"),
        ("%FF.png", "%FF.png"),
        ("a b%20c.png", "a b%20c.png"),
        ("..%2F..%2Fx.png", "x.png"),
    ],
)
async def test_names_that_clients_percent_encode(imges: Server, sent: str, kept: str):
    body = part(PNG, f'form-data; name="source"; filename="{sent}"') + END
    answer = await imges.post(data=body, headers={"X-API-Key": imges.key, "Content-Type": BOUND})
    assert answer.json["image"]["original_filename"] == kept


async def test_two_files_by_other_names_are_one_too_many(imges: Server):
    body = part(PNG, 'form-data; name="a"; filename="x.png"') + part(PNG, 'form-data; name="b"; filename="y.png"') + END
    answer = await imges.post(data=body, headers={"X-API-Key": imges.key, "Content-Type": BOUND})
    assert answer.error == (400, 140)


async def test_a_text_in_no_known_charset(imges: Server):
    body = part(b"Gr\xfc\xdfe", 'form-data; name="title"', "Content-Type: text/plain; charset=gbk") + part(PNG) + END
    answer = await imges.post(data=body, headers={"X-API-Key": imges.key, "Content-Type": BOUND})
    assert answer.error == (400, 140)
