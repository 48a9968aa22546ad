"""Albums as visitors and owners use them, with and without script."""

import pytest
from playwright.async_api import expect

from tests import drawn
from tests.browser.conftest import Visitor


@pytest.mark.parametrize("script", [True, False])
async def test_the_owner_arranges_an_album_and_a_visitor_sees_it(visitor: Visitor, script: bool):
    first = await visitor.server.uploaded(drawn.png(60, 40), "first.png", album="Holiday")
    album = first["album"]
    fields = {"album_id": album["id_encoded"], "album_token": album["edit_token"]}
    second = await visitor.server.uploaded(drawn.png(40, 60), "second.png", **fields)
    ids = [first["id_encoded"], second["id_encoded"]]
    async with visitor.page(f"/album/{album['id_encoded']}", java_script_enabled=script) as page:

        async def order() -> list[str | None]:
            return [await one.get_attribute("data-picture") for one in await page.locator("[data-picture]").all()]

        assert await order() == ids
        await page.click("a:has-text('Edit')")
        await page.fill("#secret", album["edit_token"])
        await page.click("main button")
        await page.click(f"[data-picture='{ids[1]}'] >> text=To the front")
        assert await order() == ids[::-1]
        await page.fill("#name", "Renamed")
        await page.fill("#password", "swordfish")
        await page.select_option("#privacy", "password")
        await page.click("text=Save")
        await page.click(f"[data-picture='{ids[0]}'] >> [data-action=delete]")
        await page.click("text=To the album")
        await expect(page.locator("h1")).to_have_text("Renamed")
        assert await order() == [ids[1]]
    async with visitor.page("/offline", java_script_enabled=script) as page:
        refused = await page.goto(f"{visitor.server.base}/album/{album['id_encoded']}")
        assert refused is not None
        await page.fill("#password", "swordfish")
        await page.click("main button")
        await expect(page.locator("[data-picture] img")).to_be_visible()
        await page.click("summary")
        await page.select_option("main select", "markdown-full")
        await page.click("text=Show")
        await expect(page.locator(".codes-of-all")).to_contain_text(second["url"])
