"""Pictures on pages of other sites, as Chromium shows them there."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web
from playwright.async_api import Browser

from tests import drawn
from tests.web.conftest import Server

WIDTHS = "Promise.all([...document.images].map((image) => image.decode().then(() => image.naturalWidth, () => 0)))"


@asynccontextmanager
async def forum(*pictures: str) -> AsyncGenerator[str]:
    """A page of another site with these *pictures*, isolated as pages are that use shared memory (COEP).

    Its own picture at /bare.png comes without a header that allows other origins to show it.
    """

    async def page(_: web.Request) -> web.Response:
        body = "".join(f'<img src="{address}">' for address in pictures)
        headers = {"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin"}
        return web.Response(text=f"<!doctype html>{body}", content_type="text/html", headers=headers)

    async def bare(_: web.Request) -> web.Response:
        return web.Response(body=drawn.png(7, 7), content_type="image/png")

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/bare.png", bare)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_page_with_coep_shows_our_pictures(browser: Browser, imges: Server):
    image = await imges.uploaded(drawn.png(600, 300))
    addresses = [image["url"], image["medium"]["url"], image["thumb"]["url"], f"{image['url_viewer']}.png"]
    async with forum(*addresses) as base:
        page = await browser.new_page()
        await page.goto(base)
        assert await page.evaluate("crossOriginIsolated")
        assert await page.evaluate(WIDTHS) == [600, 500, 160, 600]
        await page.close()


async def test_such_a_page_shows_no_picture_without_the_header(browser: Browser):
    """So the test above says something."""
    async with forum() as base:
        page = await browser.new_page()
        await page.goto(base)
        bare = base.replace("localhost", "127.0.0.1") + "/bare.png"
        await page.evaluate("(address) => { document.body.append(Object.assign(new Image(), { src: address })) }", bare)
        assert await page.evaluate(WIDTHS) == [0]
        await page.close()
