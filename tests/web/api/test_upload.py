"""The main job: a picture posted to API v1 is a link a moment later."""

import base64
import hashlib
import re
from datetime import datetime
from io import BytesIO
from typing import Any
from urllib.parse import quote_plus

import aiohttp
import pytest
from PIL import Image

from tests import drawn
from tests.web.conftest import Server, Start

PATHS = ["/sharexapi/1/upload", "/sharexapi/1/upload/", "/api/1/upload", "/api/1/upload/"]


async def test_the_seeds_example_field_by_field(each_imges: Server):
    sent = drawn.png(1151, 898)
    answer = await each_imges.upload(sent, "example.png")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json
    assert list(told) == ["status_code", "success", "image", "status_txt"]
    assert (told["status_code"], told["status_txt"]) == (200, "OK")
    assert told["success"] == {"message": "image uploaded", "code": 200}

    image = told["image"]
    date = datetime.strptime(image["date"], "%Y-%m-%d %H:%M:%S")
    filename = image["filename"]
    stem = filename.removesuffix(".png")
    folder = f"{each_imges.base}/images/{date:%Y/%m/%d}"
    expected: dict[str, Any] = {
        "name": stem,
        "extension": "png",
        "size": len(sent),
        "width": 1151,
        "height": 898,
        "date": image["date"],
        "date_gmt": image["date"],
        "storage_id": None,
        "description": None,
        "nsfw": "0",
        "md5": hashlib.md5(sent).hexdigest(),
        "storage": "datefolder",
        "original_filename": "example.png",
        "original_exifdata": None,
        "views": "0",
        "id_encoded": image["id_encoded"],
        "filename": filename,
        "ratio": 1.2817371937639,
        "size_formatted": f"{len(sent) / 1024:.1f}".removesuffix(".0") + " KB",
        "mime": "image/png",
        "bits": 8,
        "channels": None,
        "url": f"{folder}/{filename}",
        "url_viewer": f"{each_imges.base}/image/{image['id_encoded']}",
        "thumb": image["thumb"],
        "medium": image["medium"],
        "views_label": "views",
        "display_url": f"{folder}/{stem}.md.png",
        "how_long_ago": "moments ago",
    }
    seeds = list(expected)
    assert list(image)[: len(seeds)] == seeds
    assert {key: image[key] for key in seeds} == expected
    for kind, (width, height, ratio) in {"th": (160, 160, 1), "md": (500, 390, 1.2820512820513)}.items():
        part = image["thumb" if kind == "th" else "medium"]
        served = await each_imges.get(part["url"])
        assert list(part) == (
            [
                "filename",
                "name",
                "width",
                "height",
                "ratio",
                "size",
                "size_formatted",
                "mime",
                "extension",
                "bits",
                "channels",
                "url",
            ]
        )
        assert part == {
            "filename": f"{stem}.{kind}.png",
            "name": f"{stem}.{kind}",
            "width": width,
            "height": height,
            "ratio": ratio,
            "size": len(served.body),
            "size_formatted": part["size_formatted"],
            "mime": "image/png",
            "extension": "png",
            "bits": 8,
            "channels": None,
            "url": f"{folder}/{stem}.{kind}.png",
        }
        assert Image.open(BytesIO(served.body)).size == (width, height)


async def test_the_additions_of_chevereto(imges: Server):
    image = await imges.uploaded(drawn.png(600, 300), title="A <b>", tags="one, two,,one", nsfw="1", description="D")
    added = list(image)[list(image).index("how_long_ago") + 1 :]
    assert added == (
        [
            "title",
            "url_short",
            "display_width",
            "display_height",
            "is_animated",
            "expiration_date_gmt",
            "tags",
            "image",
            "url_current",
            "delete_url",
            "removed",
        ]
    )
    assert (image["title"], image["tags"], image["nsfw"], image["description"]) == ("A <b>", ["one", "two"], "1", "D")
    assert (image["display_width"], image["display_height"], image["is_animated"]) == (500, 250, 0)
    assert image["url_short"] == image["url_viewer"]
    assert list(image["image"]) == ["filename", "name", "mime", "extension", "url", "size"]
    assert re.fullmatch(re.escape(image["url_viewer"]) + r"/delete/[\w-]{32}", image["delete_url"])


async def test_the_answer_says_what_was_taken_out(imges: Server):
    assert (await imges.uploaded(drawn.png()))["removed"] == []
    assert (await imges.uploaded(drawn.jpeg()))["removed"] == ["position", "camera"]


async def test_a_small_picture_has_no_medium_but_its_keys(imges: Server):
    image = await imges.uploaded(drawn.png(500, 20))
    assert set(image["medium"].values()) == {None}
    assert list(image["medium"]) == list(image["thumb"])
    assert image["display_url"] == image["url"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", ["multipart", "urlencoded", "query"])
async def test_every_path_takes_every_kind_of_form(imges: Server, path: str, how: str):
    text = base64.b64encode(drawn.png()).decode()
    if how == "multipart":
        form = aiohttp.FormData({"key": imges.key, "source": BytesIO(drawn.png())})
        answer = await imges.post(path, data=form)
    elif how == "urlencoded":
        answer = await imges.post(path, data={"key": imges.key, "source": text})
    else:
        answer = await imges.post(path, params={"key": imges.key}, data={"source": text})
    assert answer.status == 200, answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "abc #def"},
        {"X-API-Key": "abc #def", "Authorization": "Bearer wrong"},
        {"Authorization": "Bearer abc #def"},
    ],
    ids=["header", "header-wins", "bearer"],
)
async def test_the_key_may_stand_in_a_header_which_wins(imges: Server, headers: dict[str, str]):
    answer = await imges.post(data={"key": "wrong", "source": base64.b64encode(drawn.png()).decode()}, headers=headers)
    assert answer.status == 200, answer.text


async def test_the_key_may_come_after_the_file(imges: Server):
    form = aiohttp.FormData({"source": BytesIO(drawn.png()), "key": imges.key})
    assert (await imges.post(data=form)).status == 200


async def test_the_body_wins_over_the_query(imges: Server):
    answer = await imges.post(
        params={"key": "wrong", "format": "txt", "source": "ftp://x"},
        data={"key": imges.key, "format": "json", "source": base64.b64encode(drawn.png()).decode()},
    )
    assert (answer.status, answer.json["status_code"]) == (200, 200)


SOME = drawn.encoded(drawn.noise(40, 40), "PNG")
TEXT = base64.b64encode(SOME).decode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT, id="plain"),
        pytest.param(TEXT.rstrip("="), id="no-padding"),
        pytest.param(base64.urlsafe_b64encode(SOME).decode(), id="url-safe"),
        pytest.param(base64.encodebytes(SOME).decode(), id="wrapped"),
        pytest.param(base64.encodebytes(SOME).decode().replace("\n", "\r\n  "), id="wrapped-and-indented"),
        pytest.param("data:image/png;base64," + TEXT, id="data-uri"),
        pytest.param("data:text/html;charset=x;base64," + TEXT, id="lying-data-uri"),
        pytest.param(f"  \n{TEXT}\n ", id="surrounded"),
    ],
)
@pytest.mark.parametrize("how", ["urlencoded", "multipart", "plus-not-encoded"])
async def test_base64_in_all_its_dresses(imges: Server, text: str, how: str):
    if how == "multipart":
        form = aiohttp.FormData({"key": imges.key}, default_to_multipart=True)
        form.add_field("source", text)
        answer = await imges.post(data=form)
    else:
        value = quote_plus(text) if how == "urlencoded" else text.replace("%", "%25").replace("&", "%26")
        answer = await imges.post(
            params={"key": imges.key},
            data=f"source={value}".encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
    assert answer.status == 200, answer.text
    assert answer.json["image"]["md5"] == hashlib.md5(SOME).hexdigest()
    assert answer.json["image"]["extension"] == "png"


async def test_a_file_beats_a_text_of_the_same_name(imges: Server):
    form = aiohttp.FormData({"key": imges.key})
    form.add_field("source", "ftp://example.org/x.png")
    form.add_field("source", BytesIO(drawn.jpeg()), filename="x.jpg")
    answer = await imges.post(data=form)
    assert (answer.status, answer.json["image"]["extension"]) == (200, "jpg")


@pytest.mark.parametrize("field", ["source", "source[]", "file", "files[]"])
async def test_other_names_of_the_file_part(imges: Server, field: str):
    form = aiohttp.FormData({"key": imges.key})
    form.add_field(field, BytesIO(drawn.png()), filename="x.png")
    answer = await imges.post(data=form)
    assert list(answer.json) == ["status_code", "success", "image", "status_txt"]


@pytest.mark.parametrize("as_file", [True, False], ids=["file", "base64"])
async def test_imgbbs_form_is_answered_in_imgbbs_shape(imges: Server, as_file: bool):
    form = aiohttp.FormData({"name": "my name", "expiration": "600"})
    if as_file:
        form.add_field("image", BytesIO(drawn.png()), filename="x.png")
    else:
        form.add_field("image", base64.b64encode(drawn.png()).decode())
    answer = await imges.post(params={"key": imges.key}, data=form)
    told = answer.json
    assert (told["success"], told["status"], told["status_code"], told["status_txt"]) == (True, 200, 200, "OK")
    assert told["data"]["id"] == told["data"]["id_encoded"]
    assert (told["data"]["name"].startswith("my-name"), told["data"]["title"]) == (True, "my name")
    assert told["data"]["expiration_date_gmt"]
    assert told["data"]["delete_url"].startswith(imges.base)
    created = datetime.strptime(told["data"]["date_gmt"] + "+0000", "%Y-%m-%d %H:%M:%S%z")
    assert (told["data"]["time"], told["data"]["expiration"]) == (str(int(created.timestamp())), "600")
    assert "medium" not in told["data"]


@pytest.mark.parametrize("path", ["/1/upload", "/1/upload/"])
async def test_imgbbs_path_answers_in_its_shape_whatever_the_field(imges: Server, path: str):
    form = aiohttp.FormData({"source": BytesIO(drawn.png(600, 20)), "key": imges.key})
    data = (await imges.post(path, data=form)).json["data"]
    assert (data["title"], data["expiration"]) == (data["name"], "0")
    assert data["medium"]["url"].endswith(".md.png")


@pytest.mark.parametrize("nothing", ["undefined", "null", "", " null "])
async def test_what_scripts_send_for_no_value(imges: Server, nothing: str):
    fields = dict.fromkeys(("title", "expiration", "width", "nsfw", "tags", "name"), nothing)
    form = aiohttp.FormData({"key": imges.key, **fields})
    form.add_field("source", BytesIO(drawn.png()), filename="a.png")
    image = (await imges.post(data=form)).json["image"]
    assert (image["title"], image["expiration_date_gmt"], image["tags"], image["nsfw"]) == (None, None, [], "0")
    assert image["original_filename"] == "a.png"


async def test_txt_is_the_address_and_nothing_else(imges: Server):
    answer = await imges.upload(drawn.png(), format="txt")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (await imges.get(answer.text)).body == drawn.png()


async def test_redirect_leads_to_the_viewer(imges: Server):
    answer = await imges.upload(drawn.png(), format="redirect", redirect_url="//evil.example")
    assert answer.status == 302
    assert re.fullmatch(re.escape(imges.base) + r"/image/\w{11}", answer.headers["Location"])


@pytest.mark.parametrize("value", ["JSON", "xml", ""])
async def test_json_is_the_answer_to_an_unknown_format(imges: Server, value: str):
    assert (await imges.upload(drawn.png(), format=value)).json["status_code"] == 200


async def test_a_picture_by_its_address(imges: Server):
    there = await imges.uploaded(drawn.jpeg(), "Fötö 1.jpg")
    for answer in (
        await imges.get("/api/1/upload", params={"key": imges.key, "source": there["url"]}),
        await imges.post(data={"key": imges.key, "source": there["url"]}),
    ):
        assert answer.status == 200, answer.text
        assert answer.json["image"]["md5"] == there["md5"]
        assert answer.json["image"]["original_filename"] == there["filename"]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("PT5M", 300),
        ("P3D", 259_200),
        ("p1dt1h", 90_000),
        ("600", 600),
        ("3600.0", 3600),
        ("90.", 90),
        ("P1W", 604_800),
    ],
)
async def test_expiration(imges: Server, asked: str, seconds: int):
    image = await imges.uploaded(drawn.png(), expiration=asked)
    form = "%Y-%m-%d %H:%M:%S"
    ends = datetime.strptime(image["expiration_date_gmt"], form)
    assert (ends - datetime.strptime(image["date_gmt"], form)).total_seconds() == seconds


async def test_width_resizes_the_original(each_imges: Server):
    image = await each_imges.uploaded(drawn.jpeg(640, 480, orientation=6), width="240")
    assert (image["width"], image["height"]) == (240, 320)
    served = await each_imges.get(image["url"])
    assert Image.open(BytesIO(served.body)).size == (240, 320)
    assert hashlib.md5(served.body).hexdigest() == image["md5"]


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_sizes_are_those_that_are_displayed(each_imges: Server, orientation: int):
    image = await each_imges.uploaded(drawn.jpeg(640, 480, orientation))
    assert (image["width"], image["height"]) == ((640, 480) if orientation < 5 else (480, 640))


@pytest.mark.parametrize(
    ("content", "extension", "channels"),
    [
        pytest.param(drawn.jpeg(), "jpg", 3, id="jpeg"),
        pytest.param(drawn.encoded(drawn.gradient(30, 30, "L"), "JPEG"), "jpg", 1, id="grey-jpeg"),
        pytest.param(drawn.encoded(drawn.gradient(30, 30, "CMYK"), "JPEG"), "jpg", 4, id="cmyk-jpeg"),
        pytest.param(drawn.png(), "png", None, id="png"),
        pytest.param(drawn.gif(), "gif", 3, id="gif"),
        pytest.param(drawn.webp(), "webp", None, id="webp"),
        pytest.param(drawn.avif(), "avif", None, id="avif"),
    ],
)
async def test_the_bytes_decide_the_type(each_imges: Server, content: bytes, extension: str, channels: int | None):
    image = await each_imges.uploaded(content, "lie.exe")
    mime = "image/jpeg" if extension == "jpg" else f"image/{extension}"
    assert (image["extension"], image["mime"], image["channels"]) == (extension, mime, channels)
    for url in (image["url"], image["thumb"]["url"]):
        assert url.endswith(f".{extension}")
        served = await each_imges.get(url)
        assert served.headers["Content-Type"] == mime
        Image.open(BytesIO(served.body)).load()


async def test_an_animation_stays_one_in_original_and_medium(each_imges: Server):
    image = await each_imges.uploaded(drawn.gif(600, 60, frames=3))
    assert image["is_animated"] == 1
    for url, frames in ((image["url"], 3), (image["medium"]["url"], 3), (image["thumb"]["url"], 1)):
        served = await each_imges.get(url)
        assert getattr(Image.open(BytesIO(served.body)), "n_frames", 1) == frames


async def test_other_formats_are_converted_where_a_setting_allows_them(start: Start):
    tiff = drawn.encoded(drawn.gradient(30, 20), "TIFF")
    bmp = drawn.encoded(drawn.gradient(30, 20), "BMP")
    async with start(IMAGES__FORMATS="[png, tiff, bmp]") as server:
        assert (await server.uploaded(tiff, "a.tiff"))["filename"] == "a.jpg"
        assert (await server.uploaded(bmp, "b.bmp"))["filename"] == "b.png"
        assert (await server.upload(drawn.jpeg())).error == (415, 314)


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "HEAD"])
async def test_methods(imges: Server, method: str):
    answer = await imges.request(method, "/api/1/upload")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    if method == "OPTIONS":
        assert answer.status == 204
        assert "X-API-Key" in answer.headers["Access-Control-Allow-Headers"] or (
            "*" in answer.headers["Access-Control-Allow-Headers"]
        )
    else:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST, OPTIONS")
