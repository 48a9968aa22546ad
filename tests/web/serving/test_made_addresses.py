"""Addresses that people and programs make out of ours lead to the picture too."""

import pytest

from tests import drawn
from tests.web.conftest import Server, Start


@pytest.mark.parametrize("ending", [".png", ".PNG", ".jpg", ".Jpeg", ".webp", ".svg"])
async def test_an_extension_behind_an_id_gives_the_picture(imges: Server, ending: str):
    content = drawn.png(600, 30)
    image = await imges.uploaded(content)
    answer = await imges.get(f"/image/{image['id_encoded']}{ending}")
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, content, "image/png")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    again = await imges.get(f"/image/{image['id_encoded']}{ending}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.headers["Cache-Control"]) == (304, "no-cache")
    once_more = await imges.get(f"/image/{image['id_encoded']}{ending}")
    assert once_more.headers["Cache-Control"] == "no-cache"
    head = await imges.request("HEAD", f"/image/{image['id_encoded']}{ending}")
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(content)))


async def test_thumb_and_medium_behind_an_id(imges: Server):
    image = await imges.uploaded(drawn.png(600, 30))
    for size, file in (("th", image["thumb"]), ("md", image["medium"])):
        answer = await imges.get(f"/image/{image['id_encoded']}.{size}.png")
        assert answer.body == (await imges.get(file["url"])).body
    small = await imges.uploaded(drawn.png(20, 20))
    assert (await imges.get(f"/image/{small['id_encoded']}.md.gif")).body == drawn.png(20, 20)


async def test_an_extension_behind_the_id_of_a_deleted_picture(imges: Server):
    image = await imges.uploaded(drawn.png())
    await imges.post(image["delete_url"])
    for path in (f"/image/{image['id_encoded']}.png", f"/image/a.title.{image['id_encoded']}"):
        assert (await imges.get(path)).status == 410


@pytest.mark.parametrize(
    "path", ["/image/nothing.png", "/image/my.png", "/image/png", "/image/a.th.png", "/image/.png"]
)
async def test_nothing_is_sent_on_to_an_address_that_does_not_exist(imges: Server, path: str):
    assert (await imges.get(path)).status == 404


async def test_a_slash_behind_a_viewers_address(imges: Server):
    image = await imges.uploaded(drawn.png())
    answer = await imges.get(f"/image/{image['id_encoded']}/")
    assert (answer.status, answer.headers["Location"]) == (301, f"/image/{image['id_encoded']}")


async def test_a_picture_under_an_extension_in_capitals(imges: Server):
    image = await imges.uploaded(drawn.png())
    answer = await imges.get(image["url"].removesuffix("png") + "PNG")
    assert (answer.status, answer.body) == (200, drawn.png())
    await imges.post(image["delete_url"])
    assert (await imges.get(image["url"].removesuffix("png") + "PNG")).status == 410


@pytest.mark.parametrize("path", ["//api/1/upload", "/api//1/upload", "//api//1//upload//", "///sharexapi/1/upload"])
async def test_slashes_too_many(imges: Server, path: str):
    reader, writer = await imges.connect()
    body = f"key={imges.key.replace(' ', '+').replace('#', '%23')}&source=aGVsbG8=".encode()
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode()
        + body
    )
    told = await reader.read()
    writer.close()
    assert told.startswith(b"HTTP/1.1 415 "), told
    assert b'"code": 311' in told


async def test_slashes_too_many_before_nothing_are_answered_in_json(imges: Server):
    reader, writer = await imges.connect()
    writer.write(b"GET //api/1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    told = await reader.read()
    writer.close()
    assert told.startswith(b"HTTP/1.1 404 ")
    assert b'"code": 120' in told


async def test_a_current_address_over_a_place_that_redirects_is_not_kept(start: Start):
    async with start(SERVER__ACCEL_REDIRECT="/sent") as server:
        image = await server.uploaded(drawn.png())
        answer = await server.get(f"/image/{image['id_encoded']}.png")
        assert answer.headers["X-Accel-Redirect"].startswith("/sent/disk/")
        assert answer.headers["Cache-Control"] == "no-cache"
