"""What chats and other sites are given for a viewer's link: a still of a type that all of them show."""

import re

import pytest

from tests import drawn
from tests.web.conftest import Server

HTML = {"Accept": "text/html"}
TALL = drawn.png(600, 3000)
LARGE = drawn.encoded(drawn.noise(600, 500), "PNG")


async def previewed(
    imges: Server, content: bytes, **fields: str
) -> tuple[str | None, dict[str, str], dict[str, object]]:
    """Which file the page shows to chats, by its name in the answer, with its properties, and the oEmbed answer."""
    image = await imges.uploaded(content, **fields)
    page = (await imges.get(image["url_viewer"], headers=HTML)).text
    properties = dict(re.findall(r'<meta (?:property|name)="((?:og|twitter):[\w:]+)" content="([^"]*)"', page))
    embedded = (await imges.get("/oembed", params={"url": image["url_viewer"] + "/"})).json
    files = {image["url"]: "original", image["thumb"]["url"]: "thumb", image["medium"]["url"]: "medium"}
    assert embedded.get("url") == properties.get("og:image")
    return files.get(properties.get("og:image", "")), properties, embedded


@pytest.mark.parametrize(
    ("content", "file", "kind"),
    [
        (drawn.png(600, 400), "medium", "image/png"),
        (drawn.png(300, 300), "original", "image/png"),
        (TALL, "thumb", "image/png"),
        (LARGE, "thumb", "image/png"),
        (drawn.gif(600, 60, frames=3), "thumb", "image/gif"),
        (drawn.gif(100, 60, frames=3), "thumb", "image/gif"),
        (drawn.webp(), "thumb", "image/webp"),
    ],
    ids=["medium", "small", "strip", "large", "animation", "small-animation", "webp"],
)
async def test_the_preview(imges: Server, content: bytes, file: str, kind: str):
    shown, properties, _ = await previewed(imges, content)
    assert (shown, properties["og:image:type"]) == (file, kind)
    assert properties["twitter:card"] == ("summary" if file == "thumb" else "summary_large_image")


async def test_no_preview_of_avif_nor_of_what_is_not_safe_for_work(imges: Server):
    for content, fields in ((drawn.avif(), {}), (drawn.png(), {"nsfw": "1"})):
        shown, properties, embedded = await previewed(imges, content, **fields)
        assert (shown, "og:image" in properties, embedded["type"]) == (None, False, "link")
        assert "thumbnail_url" not in embedded


async def test_the_site_itself_has_a_preview(imges: Server):
    page = (await imges.get("/", headers=HTML)).text
    found = re.search(r'<meta property="og:image" content="([^"]+)"', page)
    assert found is not None
    icon = await imges.get(found[1])
    assert (icon.status, icon.headers["Content-Type"]) == (200, "image/png")
    assert f'<meta property="og:url" content="{imges.base}/">' in page
