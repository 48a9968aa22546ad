"""What holds for each page: no barrier, no weight, no foreign request, no sideways scrolling, the site's own look."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]  (it has none)
from playwright.async_api import Browser, expect

from imges.web.pages import accent
from tests import drawn
from tests.browser.conftest import PHONE, Visitor
from tests.browser.test_upload import picture
from tests.web.conftest import Start

STATIC = Path("templates/static")
PAGES = ["/", "/history", "/api", "/offline", "viewer", "nsfw", "delete", "edit", "album", "/image/nothing", "/nothing"]


WIDE = "* { letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }"
"""The spacing that text has to bear (WCAG 1.4.12): wider than any font that a visitor may have."""


async def address(visitor: Visitor, page: str) -> str:
    if page.startswith("/"):
        return page
    image = await visitor.server.uploaded(
        drawn.png(900, 600), "page.png", nsfw="1" if page == "nsfw" else "0", expiration="P1D", tags="a,b"
    )
    if page == "album":
        image = await visitor.server.uploaded(drawn.png(900, 600), "page.png", album="Holiday")
        return f"/album/{image['album']['id_encoded']}"
    path = re.sub(r"^https?://[^/]+", "", image["delete_url" if page in {"delete", "edit"} else "url_viewer"])
    return path.replace("/delete/", f"/{page}/")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("locale", ["en", "de"])
async def test_axe_finds_no_violation(visitor: Visitor, path: str, locale: str):
    async with visitor.page(await address(visitor, path), bypass_csp=True, locale=locale) as page:
        if path == "/":
            await page.set_input_files("#source", [picture("a.png"), picture("b.png", b"x")])
            await expect(page.locator(".item.done")).to_have_count(1)
            await page.click("summary")
        if path == "/history":
            await page.goto("/")
            await page.set_input_files("#source", picture())
            await expect(page.locator(".item.done")).to_have_count(1)
            await page.goto("/history")
            await page.click(".pick-label")
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = await Axe().run(page)
            assert not found.violations_count, scheme + found.generate_report()


@pytest.mark.parametrize("path", PAGES)
async def test_what_is_to_be_hit_is_44_px_high(visitor: Visitor, path: str):
    """Buttons and fields; links in the run of a text are exempt (WCAG 2.5.5)."""
    async with visitor.page(await address(visitor, path), **PHONE) as page:
        if path == "/":
            await page.set_input_files("#source", [picture("a.png"), picture("b.png", b"x")])
            await expect(page.locator(".item.failed")).to_have_count(1)
            await expect(page.locator(".item.done")).to_have_count(1)
        for summary in await page.locator("summary").all():
            await summary.click()
        small = await page.evaluate(
            """[...document.querySelectorAll("button, .button, select, summary, nav a, input:not([type=checkbox])")]
              .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height > 1)
              .filter((one) => one.getBoundingClientRect().height < 43.9)
              .map((one) => one.outerHTML.slice(0, 90))"""
        )
        assert not small


@pytest.mark.parametrize("path", PAGES)
async def test_everything_can_be_reached_by_keyboard_and_shows_that_it_is(visitor: Visitor, path: str):
    async with visitor.page(await address(visitor, path)) as page:
        await page.wait_for_load_state("networkidle")  # a picture that has come takes the link to it away
        seen: list[str] = []
        for _ in range(MOST):
            await page.keyboard.press("Tab")
            shown = await page.evaluate(FOCUSED)
            if shown is None or shown[0] in seen:
                break
            assert shown[1], f"no outline: {shown[0]}"
            seen.append(shown[0])
        assert len(seen) > 3
        assert not await page.evaluate(PASSED_OVER)


OUTSIDE = """() => [...document.querySelectorAll("main *")]
  .filter((one) => !one.closest("pre, .table, .hidden, #source, #picture, .nsfw") && one.checkVisibility())
  .filter((one) => one.getBoundingClientRect().left < 0 || one.getBoundingClientRect().right > innerWidth + 0.5)
  .map((one) => one.outerHTML.slice(0, 90))"""


MOST = 300
"""What a page can be stepped through by the keyboard."""
PASSED_OVER = """() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.tabIndex >= 0)
  .filter((one) => !one.disabled && one.type !== "hidden" && !one.dataset.number)
  .map((one) => one.outerHTML.slice(0, 90))"""


FOCUSED = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const outlined = (what) => getComputedStyle(what).outlineStyle !== "none" && what.offsetWidth > 1;
  const shows = (what) => what && outlined(what);
  one.dataset.number ??= String(Math.random());
  const label = one.nextElementSibling;
  return [one.dataset.number, shows(one) || shows(label) || shows(label?.firstElementChild)];
}"""


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("spacing", ["", WIDE], ids=["as-it-is", "wide"])
async def test_no_page_scrolls_sideways(visitor: Visitor, path: str, spacing: str):
    """With a wide font too, whichever fonts are installed here."""
    async with visitor.page(await address(visitor, path), bypass_csp=True) as page:
        if spacing:
            await page.add_style_tag(content=spacing)
        if path == "/":
            await page.set_input_files("#source", [picture("long-" * 30 + ".png"), picture("b.png", b"x")])
            await expect(page.locator(".item.done")).to_have_count(1)
        for width in (320, 700, 1920):
            await page.set_viewport_size({"width": width, "height": 700})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            assert await page.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("path", ["/", "/history", "/api", "viewer"])
async def test_a_page_is_light(visitor: Visitor, path: str):
    """Its bytes on the wire, uncompressed and without pictures, are at most 100 KB."""
    weights: dict[str, int] = {}
    async with visitor.page("/offline") as page:
        page.on("response", lambda answer: weights.update({answer.url: int(answer.headers.get("content-length", 0))}))
        await page.goto(await address(visitor, path))
        await page.wait_for_load_state("networkidle")
    weight = sum(size for url, size in weights.items() if "/images/" not in url)
    assert weight < 100_000


def test_all_script_together_is_small():
    scripts = [file.read_bytes() for file in [*STATIC.glob("*.js"), Path("templates/service-worker.js")]]
    assert sum(map(len, scripts)) < 50_000


async def test_the_sites_own_name_colour_logo_and_links(start: Start, browser: Browser):
    links = '[{name: Imprint, url: "https://example.org/imprint"}]'
    logo = (STATIC / "icon.svg").absolute()
    settings = {
        "SITE__NAME": "Our <b> pictures",
        "SITE__ACCENT": "#ffcc00",
        "SITE__LOGO": str(logo),
        "SITE__LINKS": links,
    }
    async with start(**settings) as server:
        visitor = Visitor(server, browser)
        for scheme in ("light", "dark"):
            async with visitor.page(color_scheme=scheme, bypass_csp=True) as page:
                assert await page.get_by_alt_text("Our <b> pictures").evaluate("one => one.naturalWidth") > 0
                assert await page.get_attribute("footer a", "href") == "https://example.org/imprint"
                colour = await page.locator("label.button >> nth=0").evaluate(
                    "one => getComputedStyle(one).backgroundColor"
                )
                assert (colour == "rgb(255, 204, 0)") == (scheme == "dark")
                assert not (await Axe().run(page)).violations_count
        served = await server.get("/logo")
        assert "sandbox" in served.headers["Content-Security-Policy"]


@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#ffcc00", "#336699", "#ff0000", "#777777"])
def test_every_accent_becomes_readable(colour: str):
    found = re.findall(r"--accent:(#\w{6});--on-accent:(#\w{6})", accent.stylesheet(colour))
    assert len(found) == 2
    for (shown, text), ground in zip(found, (accent.LIGHT, accent.DARK), strict=True):
        pair = [tuple(bytes.fromhex(code[1:])) for code in (shown, text)]
        assert accent.contrast(pair[0], ground) >= 4.5  # type: ignore[arg-type]
        assert accent.contrast(*pair) >= 4.5  # type: ignore[arg-type]


async def test_static_files_may_be_kept_for_good_and_others_not(visitor: Visitor):
    page = (await visitor.server.get("/", headers={"Accept": "text/html"})).text
    style = re.search(r'"(/static/\w+/style\.css)"', page)
    assert style
    assert "immutable" in (await visitor.server.get(style[1])).headers["Cache-Control"]
    assert "immutable" not in (await visitor.server.get("/static/style.css")).headers.get("Cache-Control", "")


@pytest.mark.parametrize(("path", "status", "words"), [("/image/nothing", 404, "There is nothing here")])
async def test_error_pages_use_plain_words(visitor: Visitor, path: str, status: int, words: str):
    answer = await visitor.server.get(path, headers={"Accept": "text/html"})
    assert (answer.status, words in answer.text) == (status, True)


async def test_pages_about_deleted_pictures_and_limits_use_plain_words(start: Start):
    html = {"Accept": "text/html"}
    async with start(LIMITS__UPLOADS="1/minute", IMAGES__MAX_SIZE="1 KB") as server:
        too_large = await server.post("/", data={"source": "A" * 9000}, headers=html)
        assert (too_large.status, "That is too large" in too_large.text) == (413, True)
        too_many = await server.post("/", data={"source": "A"}, headers=html)
        assert (too_many.status, "Slow down a little" in too_many.text) == (429, True)
        assert "Try again in" in too_many.text
    async with start() as server:
        image = await server.uploaded(drawn.png())
        await server.post(image["delete_url"])
        gone = await server.get(image["url_viewer"], headers=html)
        assert (gone.status, "This picture is gone" in gone.text) == (410, True)
