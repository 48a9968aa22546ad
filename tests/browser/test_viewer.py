"""The viewer as its visitors and its owner use it."""

import re
from html import unescape
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from tests import drawn
from tests.browser.conftest import PHONE, Visitor
from tests.browser.test_upload import HOSTILE, clipboard, picture
from tests.web.conftest import Start

SHIFT = """new Promise((resolve) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => { sum += entry.value; }))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(sum), 400);
})"""


async def shown(page: Page) -> str:
    return await page.evaluate("document.getElementById('picture').currentSrc")


@pytest.mark.parametrize("size", [(1600, 900), (700, 1400), (40, 30)], ids=["wide", "tall", "tiny"])
@pytest.mark.parametrize(
    "viewport", [{"width": 1280, "height": 800}, {"width": 320, "height": 640}], ids=["desk", "phone"]
)
async def test_nothing_jumps(visitor: Visitor, size: tuple[int, int], viewport: Any):
    image = await visitor.server.uploaded(drawn.png(*size), "steady.png")
    async with visitor.page(f"/image/{image['id_encoded']}", viewport=viewport) as page:
        await page.wait_for_load_state("networkidle")
        assert await page.evaluate(SHIFT) == 0
        box = await page.locator("#picture").bounding_box()
        assert box is not None
        assert box["width"] / box["height"] == pytest.approx(size[0] / size[1], rel=0.02)
        assert box["width"] <= size[0] + 1
        assert box["height"] <= viewport["height"]
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_medium_comes_first_and_a_large_original_on_demand(visitor: Visitor):
    noise = drawn.encoded(drawn.noise(900, 600), "PNG")
    image = await visitor.server.uploaded(noise, "large.png")
    async with visitor.page(f"/image/{image['id_encoded']}") as page:
        await page.wait_for_load_state("networkidle")
        assert await shown(page) == image["medium"]["url"]
        await page.click("#load-original")
        await expect(page.locator("#load-original")).to_be_hidden()
        assert await shown(page) == image["url"]


async def test_a_small_original_follows_its_medium_where_there_is_room(visitor: Visitor):
    image = await visitor.server.uploaded(drawn.png(1200, 700), "small.png")
    async with visitor.page(f"/image/{image['id_encoded']}") as page:
        await expect(page.locator("#load-original")).to_be_hidden()
        assert await shown(page) == image["url"]


async def test_keys(visitor: Visitor):
    image = await visitor.server.uploaded(drawn.png(1600, 1200), "keys.png")

    async def width() -> float:
        return await page.evaluate("document.getElementById('picture').getBoundingClientRect().width")

    async with visitor.page(f"/image/{image['id_encoded']}") as page:
        await page.keyboard.press("c")
        await expect(page.locator("#notice")).to_have_text("Copied")
        assert await clipboard(page) == image["url"]
        fitted = await width()
        await page.keyboard.press("+")
        assert await width() == pytest.approx(fitted * 1.25, rel=0.01)
        await page.keyboard.press("1")
        assert await width() == 1600
        await page.keyboard.press("-")
        assert await width() == pytest.approx(1280, rel=0.01)
        await page.keyboard.press("Escape")
        assert await width() == fitted
        await page.keyboard.press("f")
        await expect(page.locator("#viewer")).to_have_class(re.compile("filled"))
        await page.keyboard.press("Escape")
        await expect(page.locator("#viewer")).not_to_have_class(re.compile("filled"))
        await page.keyboard.press("?")
        await expect(page.locator("#help")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#help")).to_be_hidden()
        async with page.expect_download() as downloaded:
            await page.keyboard.press("d")
        assert (await downloaded.value).suggested_filename == "keys.png"


async def test_keys_in_a_field_belong_to_the_field(visitor: Visitor):
    image = await visitor.server.uploaded(drawn.png(1600, 1200), "field.png")
    async with visitor.page(f"/image/{image['id_encoded']}") as page:
        await page.focus("#format")
        await page.keyboard.press("f")
        await expect(page.locator("#viewer")).not_to_have_class(re.compile("filled"))


async def test_click_and_wheel_zoom(visitor: Visitor):
    image = await visitor.server.uploaded(drawn.png(1600, 1200), "wheel.png")
    async with visitor.page(f"/image/{image['id_encoded']}") as page:
        await page.click("#picture")
        box = await page.locator("#picture").bounding_box()
        assert box is not None
        assert box["width"] == 1600
        await page.mouse.move(300, 300)
        await page.mouse.wheel(0, 200)
        await page.wait_for_function("() => document.getElementById('picture').getBoundingClientRect().width < 1600")


async def test_not_safe_for_work_stays_blurred_without_script(visitor: Visitor):
    image = await visitor.server.uploaded(drawn.png(900, 600), "nsfw.png", nsfw="1")
    for script in (True, False):
        async with visitor.page(f"/image/{image['id_encoded']}", java_script_enabled=script) as page:
            assert "blur" in await page.locator("#picture").evaluate("one => getComputedStyle(one).filter")
            await page.click("text=Not safe for work: show it")
            assert await page.locator("#picture").evaluate("one => getComputedStyle(one).filter") == "none"
    head = (await visitor.server.get(image["url_viewer"], headers={"Accept": "text/html"})).text
    assert "og:image" not in head


async def test_the_owner_may_delete_others_may_not(visitor: Visitor):
    async with visitor.page() as page:
        await page.set_input_files("#source", picture("mine.png"))
        await expect(page.locator(".item.done")).to_have_count(1)
        await page.click(".tools a >> nth=0")
        await page.click("#edit")
        await page.fill("#title", "Renamed")
        await page.click("text=Save")
        await expect(page.locator("#viewer h1")).to_have_text("Renamed")
        await page.select_option("#format", "current")
        await expect(page.locator("#code")).to_have_value(re.compile(r"/image/\w+\.png$"))
        await page.click("#delete")
        await expect(page.locator("h1")).to_have_text("Delete this picture?")
        await page.click("text=Delete for good")
        await expect(page.locator("h1")).to_have_text("Deleted")
        await page.wait_for_load_state()  # which takes it out of the history
        await page.goto("/history")
        await expect(page.locator("#empty")).to_be_visible()
    image = await visitor.server.uploaded(drawn.png())
    async with visitor.page(f"/image/{image['id_encoded']}") as page:
        await expect(page.locator("#delete")).to_be_hidden()
        await expect(page.locator("#edit")).to_be_hidden()


async def test_a_hostile_title_runs_nothing(visitor: Visitor):
    image = await visitor.server.uploaded(
        drawn.png(), f"{HOSTILE}.png", title=HOSTILE, description=HOSTILE, tags=HOSTILE
    )
    async with visitor.page(f"/image/{image['id_encoded']}") as page:
        page.on("dialog", lambda dialog: visitor.watched.complaints.append(dialog.message))
        await expect(page.locator("#viewer h1")).to_have_text(HOSTILE)
        assert await page.locator("img[src=x]").count() == 0
        await page.goto(re.sub(r"^https?://[^/]+", "", image["delete_url"]))
        await expect(page.locator("h1")).to_have_text("Delete this picture?")


async def test_the_qr_code_is_a_picture_of_the_address(visitor: Visitor):
    image = await visitor.server.uploaded(drawn.png())
    async with visitor.page(f"/image/{image['id_encoded']}") as page:
        await page.click("text=QR code")
        await expect(page.locator(".qr")).to_have_js_property("complete", True)
        assert await page.locator(".qr").evaluate("one => one.decode().then(() => one.naturalWidth)") > 50


async def test_what_a_crawler_sees(visitor: Visitor):
    image = await visitor.server.uploaded(drawn.png(1200, 800), "crawled.png", title="Hills & <sea>")
    page = await visitor.server.get(
        image["url_viewer"], headers={"Accept": "text/html", "User-Agent": "Twitterbot/1.0"}
    )
    tags = dict(re.findall(r'<meta (?:property|name)="((?:og|twitter):[\w:]+)" content="([^"]*)">', page.text))
    assert unescape(tags["og:title"]) == "Hills & <sea>"
    assert tags["og:image"] == image["medium"]["url"]
    assert (tags["og:image:width"], tags["twitter:card"]) == ("500", "summary_large_image")
    assert f'<link rel="canonical" href="{image["url_viewer"]}">' in page.text
    discovered = re.search(r'application/json\+oembed" href="([^"]+)"', page.text)
    assert discovered
    told = (await visitor.server.get(unescape(discovered[1]))).json
    assert (told["type"], told["url"], told["width"], told["height"]) == ("photo", image["medium"]["url"], 500, 333)
    small = (await visitor.server.get(unescape(discovered[1]) + "&maxwidth=600")).json
    assert (small["url"], small["width"]) == (image["medium"]["url"], 500)


@pytest.mark.parametrize("asked", ["", "https://evil.example/image/x", "{base}/image/nothing", "{base}/api"])
async def test_oembed_of_what_is_not_ours(visitor: Visitor, asked: str):
    address = asked.format(base=visitor.server.base)
    answer = await visitor.server.get("/oembed", params={"url": address}, headers={"Accept": "application/json"})
    assert answer.error == (404, 404)


async def test_two_fingers_zoom(visitor: Visitor):
    image = await visitor.server.uploaded(drawn.png(1600, 1200), "pinch.png")
    async with visitor.page(f"/image/{image['id_encoded']}", **PHONE) as page:
        fitted = await width_of(page)
        devtools = await page.context.new_cdp_session(page)
        for kind, spread in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80), ("touchEnd", 0)):
            points = [{"x": 180 - spread, "y": 150}, {"x": 180 + spread, "y": 150}] if spread else []
            await devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert await width_of(page) == pytest.approx(fitted * 2, rel=0.05)
        assert await page.evaluate("visualViewport.scale") == 1


async def width_of(page: Page) -> float:
    return await page.evaluate("document.getElementById('picture').getBoundingClientRect().width")


def moving(format: str, width: int = 700) -> bytes:
    frames = [drawn.gradient(width, 90).rotate(turn * 180) for turn in range(3)]
    return drawn.encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=300, loop=0)


@pytest.mark.parametrize(("format", "extension"), [("GIF", "gif"), ("WEBP", "webp"), ("PNG", "png")])
async def test_animated_pictures_play(visitor: Visitor, format: str, extension: str):
    """If the medium is a still, even a narrow phone gets the original."""
    image = await visitor.server.uploaded(moving(format), f"moving.{extension}")
    assert image["is_animated"] == 1
    async with visitor.page(f"/image/{image['id_encoded']}", viewport={"width": 320, "height": 600}) as page:
        await expect(page.locator("text=animated")).to_be_visible()
        await page.wait_for_load_state("networkidle")
        content = (await visitor.server.get(await shown(page))).body
        with Image.open(BytesIO(content)) as there:
            assert getattr(there, "n_frames", 1) == 3


async def test_from_viewer_to_deleted_by_keyboard_alone(visitor: Visitor):
    async with visitor.page() as page:
        await page.set_input_files("#source", picture("mine.png"))
        await expect(page.locator(".item.done")).to_have_count(1)
        await press_on(page, "Open: mine.png")
        await expect(page.locator("#viewer")).to_be_visible()
        await press_on(page, "Delete")
        await expect(page.locator("h1")).to_have_text("Delete this picture?")
        await press_on(page, "Delete for good")
        await expect(page.locator("h1")).to_have_text("Deleted")


async def press_on(page: Page, name: str) -> None:
    """Tab until the control of that *name* has the focus, and press Enter."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        found = await page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()")
        if found == name:
            return await page.keyboard.press("Enter")
    raise AssertionError(f"{name!r} is not reached by Tab")


async def test_the_file_of_a_viewer_is_the_pictures_name(visitor: Visitor):
    async with visitor.page() as page:
        await page.set_input_files("#source", picture("Grüße aus 東京.png"))
        await page.get_by_role("link", name="Open").click()
        await page.wait_for_url("**/image/*")
        async with page.expect_download() as downloaded:
            await page.keyboard.press("d")
        assert (await downloaded.value).suggested_filename == "Grüße aus 東京.png"


async def test_a_phone_shares_by_its_own_menu(visitor: Visitor):
    image = await visitor.server.uploaded(drawn.png(), "shared.png")
    async with visitor.page("/", **PHONE) as page:
        await page.add_init_script("navigator.share = (what) => { window.shared = what; return Promise.resolve(); }")
        await page.goto(f"/image/{image['id_encoded']}")
        await page.tap("#share")
        assert await page.evaluate("window.shared") == {"title": "shared.png", "url": image["url_viewer"]}


async def test_the_setting_decides_whether_search_engines_may_list_a_viewer(visitor: Visitor, start: Start):
    image = await visitor.server.uploaded(drawn.png())
    assert '<meta name="robots" content="noindex">' in (await visitor.server.get(image["url_viewer"])).text
    async with start(SITE__INDEX="true") as server:
        listed = await server.get((await server.uploaded(drawn.png()))["url_viewer"])
        assert "noindex" not in listed.text
        assert "X-Robots-Tag" not in listed.headers
