"""Names as clients send them, hostile ones included: a picture gets a safe address, and it works."""

import asyncio
import hashlib
import re
from io import BytesIO
from urllib.parse import unquote, urlsplit

import aiohttp
import pytest

from tests import drawn
from tests.web.conftest import Server, Start

NAMES = [
    pytest.param("example.png", "example", id="plain"),
    pytest.param("Mein Bild (1).PNG", "Mein-Bild-1", id="spaces-and-brackets"),
    pytest.param("Übergröße.png", "Übergröße", id="umlauts"),
    pytest.param("U\u0308ber.png", "Über", id="nfd"),
    pytest.param("截图.png", "截图", id="chinese"),
    pytest.param("لقطة شاشة.png", "لقطة-شاشة", id="arabic"),
    pytest.param("../../etc/passwd.png", "passwd", id="traversal"),
    pytest.param("..\\..\\windows\\win.png", "win", id="backslashes"),
    pytest.param("C:\\Users\\me\\shot.png", "shot", id="windows-path"),
    pytest.param("photo.th.png", "photo", id="claims-to-be-a-thumb"),
    pytest.param("photo.md.th.png", "photo", id="claims-to-be-both"),
    pytest.param("<script>alert(1)</script>.png", None, id="script"),
    pytest.param('a"b\r\nX: y.png', None, id="header-injection"),
    pytest.param("\u202egnp.exe.png", None, id="bidi-override"),
    pytest.param(".htaccess", None, id="htaccess"),
    pytest.param("...", None, id="dots"),
    pytest.param("😀😀.png", None, id="emoji"),
    pytest.param("a" * 300 + ".png", "a" * 193, id="long"),
    pytest.param("ñ" * 300 + ".png", "ñ" * 96, id="long-non-ascii"),
    pytest.param("CON.png", None, id="reserved"),
    pytest.param("a%2fb%00.png", None, id="escapes"),
    pytest.param("", None, id="empty"),
]


@pytest.mark.parametrize(("sent", "stem"), NAMES)
async def test_names(imges: Server, sent: str, stem: str | None):
    form = aiohttp.FormData({"key": imges.key}, quote_fields=False)
    form.add_field("source", BytesIO(drawn.png()), filename=sent.replace("\r\n", "%0D%0A").replace('"', "%22"))
    answer = await imges.post(data=form)
    assert answer.status == 200, answer.text
    image = answer.json["image"]
    if stem is not None:  # with a random suffix where another test had that name
        assert re.fullmatch(re.escape(stem[:90]) + f"({re.escape(stem[90:])}|.*-\\w+)", image["name"])
    path = urlsplit(image["url"]).path
    assert path.isascii()
    assert unquote(path).endswith("/" + image["filename"])
    assert not image["filename"].startswith(".")
    for part in ("thumb", "image"):
        assert len(image[part]["filename"].encode()) <= 200
    for address in (image["url"], image["thumb"]["url"], image["url_viewer"]):
        assert (await imges.get(address)).status == 200


async def test_a_name_in_two_charsets(imges: Server):
    """.NET sends a plain name that is mangled, and the real one beside it (RFC 5987)."""
    disposition = "form-data; name=source; filename=\"=?utf-8?B?4oKs?=\"; filename*=utf-8''%E2%82%ACuro%20f%C3%BCr.png"
    body = f"--x\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + drawn.png() + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x", "X-API-Key": imges.key}
    answer = await imges.post(data=body, headers=headers)
    assert answer.json["image"]["original_filename"] == "€uro für.png"


@pytest.mark.parametrize(
    "name", ["f\xfcr.png".encode("latin-1"), b"\xed\xa0\x80.png", b"a\x00b.png"], ids=["latin-1", "surrogate", "nul"]
)
async def test_names_that_are_no_utf8(imges: Server, name: bytes):
    body = b'--x\r\nContent-Disposition: form-data; name="source"; filename="' + name + b'"\r\n\r\n' + drawn.png()
    headers = {"Content-Type": "multipart/form-data; boundary=x", "X-API-Key": imges.key}
    answer = await imges.post(data=body + b"\r\n--x--\r\n", headers=headers)
    assert answer.status in {200, 400}
    if answer.status == 200:
        image = answer.json["image"]
        assert (await imges.get(image["url_viewer"])).status == 200
        assert (await imges.get(image["url"])).body == drawn.png()


async def test_forty_of_one_name_at_once(imges: Server):
    sent = [drawn.encoded(drawn.noise(20, 20, seed), "PNG") for seed in range(40)]
    images = await asyncio.gather(*(imges.uploaded(content, "same.png") for content in sent))
    assert len({image["url"] for image in images}) == 40
    assert len({image["id_encoded"] for image in images}) == 40
    served = await asyncio.gather(*(imges.get(image["url"]) for image in images))
    assert [hashlib.md5(answer.body).hexdigest() for answer in served] == [hashlib.md5(c).hexdigest() for c in sent]


async def test_a_deleted_name_is_never_given_again(imges: Server):
    first = await imges.uploaded(drawn.png(), "gone.png")
    assert (await imges.post(first["delete_url"])).status == 200
    second = await imges.uploaded(drawn.png(9, 9), "gone.png")
    assert second["url"] != first["url"]
    assert (await imges.get(first["url"])).status == 410
    assert (await imges.get(first["url_viewer"])).status == 410


@pytest.mark.parametrize(("rule", "pattern"), [("random", r"\w{6,}"), ("mixed", r"shot-\w{4,}"), ("original", "shot")])
async def test_naming_by_setting(start: Start, rule: str, pattern: str):
    async with start(IMAGES__NAMING=rule) as server:
        image = await server.uploaded(drawn.png(), "shot.png")
        assert re.fullmatch(pattern, image["name"])
        assert image["original_filename"] == "shot.png"


async def test_short_ids_by_setting(start: Start):
    async with start(IMAGES__IDS="short") as server:
        ids = [(await server.uploaded(drawn.png()))["id_encoded"] for _ in range(5)]
        assert len(set(ids)) == 5
        assert all(len(each) == 1 for each in ids)
        assert (await server.get(f"/image/{ids[0]}")).status == 200


async def test_an_object_that_the_catalog_does_not_know_stays(imges: Server):
    """A catalog older than the files, as after a restore: what lies there is another's."""
    probe = await imges.uploaded(drawn.png(), "probe.png")
    folder = unquote(urlsplit(probe["url"]).path).removeprefix("/images/").rpartition("/")[0]
    others = [f"{folder}/foreign.png", f"{folder}/strange.th.png"]
    for key in others:
        imges.backing.write(key, b"another's")
    rows = await imges.rows()
    images = [await imges.uploaded(drawn.png(), name) for name in ("foreign.png", "strange.png")]
    assert all(image["name"].startswith(("foreign-", "strange-")) for image in images)
    assert [imges.backing.read(key) for key in others] == [b"another's"] * 2
    assert await imges.rows() == rows + 2
    for image in images:
        assert (await imges.get(image["url"])).body == drawn.png()
