"""What this browser has uploaded, which the server does not list."""

import json
from pathlib import Path

from playwright.async_api import FilePayload, Page, expect

from tests import drawn
from tests.browser.conftest import Visitor
from tests.browser.test_upload import clipboard, picture

NAMES = ["alpha.png", "beta.png", "gamma.png"]


async def uploaded(page: Page) -> None:
    """Three pictures of this browser, and its history open."""
    await page.set_input_files("#source", [picture(name, drawn.png(30 + n, 30)) for n, name in enumerate(NAMES)])
    await expect(page.locator(".item.done")).to_have_count(3)
    await page.goto("/history")
    await expect(page.locator(".tile")).to_have_count(3)


async def links(page: Page) -> list[str]:
    return [entry["url"] for entry in json.loads(await page.evaluate("localStorage['imges.history']"))]


async def test_the_history_is_searched_and_copied(visitor: Visitor):
    async with visitor.page() as page:
        await uploaded(page)
        await page.fill("#search", "BET")
        await expect(page.locator(".tile .name")).to_have_text(["beta.png"])
        await page.get_by_role("button", name="Copy: beta.png").click()
        await expect(page.locator("#notice")).to_have_text("Copied")
        assert "/beta" in await clipboard(page)
        await page.fill("#search", "nothing like it")
        await expect(page.locator("#empty")).to_contain_text("Nothing of that name")


async def test_deleting_asks_first(visitor: Visitor):
    async with visitor.page() as page:
        await uploaded(page)
        (gone,) = [url for url in await links(page) if "/beta" in url]
        await page.get_by_role("button", name="Delete: beta.png").click()
        await page.click("#confirm-no")
        assert (await visitor.server.get(gone)).status == 200
        await page.get_by_role("button", name="Delete: beta.png").click()
        await page.click("#confirm-yes")
        await expect(page.locator(".tile")).to_have_count(2)
        assert (await visitor.server.get(gone)).status == 410


async def test_several_are_selected_copied_and_deleted(visitor: Visitor):
    async with visitor.page() as page:
        await uploaded(page)
        await page.click("#select-all")
        await expect(page.locator("#selected-count")).to_have_text("3 selected")
        await page.keyboard.press("c")
        await expect(page.locator("#notice")).to_have_text("3 copied")
        assert (await clipboard(page)).split("\n") == (all_links := await links(page))
        await page.click("#delete-selected")
        await page.click("#confirm-yes")
        await expect(page.locator("#empty")).to_be_visible()
        assert [(await visitor.server.get(link)).status for link in all_links] == [410] * 3


async def test_forgetting_leaves_the_pictures(visitor: Visitor):
    async with visitor.page() as page:
        await uploaded(page)
        kept = await links(page)
        await page.click("#forget-all")
        await page.click("#confirm-yes")
        await expect(page.locator("#empty")).to_be_visible()
        await page.reload()
        await expect(page.locator("#empty")).to_be_visible()
        assert [(await visitor.server.get(link)).status for link in kept] == [200] * 3


async def test_it_moves_to_another_browser_by_export_and_import(visitor: Visitor, tmp_path: Path):
    file = tmp_path / "history.json"
    async with visitor.page() as page:
        await uploaded(page)
        async with page.expect_download() as downloaded:
            await page.click("#export")
        await (await downloaded.value).save_as(file)
    async with visitor.page("/history") as page:
        await page.set_input_files("#import", file)
        await expect(page.locator(".tile")).to_have_count(3)
        await page.get_by_role("button", name="Delete: alpha.png").click()
        await page.click("#confirm-yes")
        await expect(page.locator(".tile")).to_have_count(2)


async def test_an_import_may_hold_anything(visitor: Visitor):
    good = {
        "id": "abc",
        "thumb": {"url": "http://x/t.png"},
        "date": "2026-01-01T00:00:00Z",
        "original_filename": "<img src=x onerror=alert(1)>",
    }
    good |= dict.fromkeys(("url", "url_viewer", "display_url"), "http://x/a.png")
    hostile = [
        None,
        7,
        good | {"id": "../../evil"},
        good | {"id": "b", "url": "javascript:alert(1)"},
        good | {"id": "c", "date": "never"},
        good | {"delete": "https://evil.example/image/abc/delete/x"},
    ]
    async with visitor.page("/history") as page:
        file = FilePayload(name="x.json", mimeType="application/json", buffer=json.dumps(hostile).encode())
        await page.set_input_files("#import", file)
        await expect(page.locator(".tile .name")).to_have_text(["<img src=x onerror=alert(1)>"])
        assert await page.locator(".tile .shot").get_attribute("href") == "/image/abc"
        await expect(page.get_by_role("button", name="Forget: <img src=x onerror=alert(1)>")).to_be_visible()
        await page.set_input_files("#import", {**file, "buffer": b"no json"})
        await expect(page.get_by_role("alert")).to_contain_text("not a history")


async def test_without_script_it_says_why_it_is_empty(visitor: Visitor):
    async with visitor.page("/history", java_script_enabled=False) as page:
        await expect(page.get_by_text("scripts are switched off")).to_be_visible()
