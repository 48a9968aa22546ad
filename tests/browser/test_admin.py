"""The owner in the browser: signs in, searches, selects, deletes, blocks; by mouse, by keys, without script."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # pyright: ignore[reportMissingTypeStubs]  (it has none)
from playwright.async_api import Browser, Page, expect

from imges.access.api_keys import KeyRing
from imges.catalog import Scope
from tests import drawn
from tests.browser.conftest import Visitor
from tests.web.conftest import Server, running
from tests.web.pages.test_admin import upload_from

PAGES = ["/admin", "/admin?key=desk&address=198.51.100.0/24", "/admin/overview", "/admin/keys", "/admin/blocks"]


@dataclass
class House:
    """A site of its own, its owner's key, and a browser."""

    visitor: Visitor
    key: str
    desk: str

    @property
    def server(self) -> Server:
        return self.visitor.server

    async def picture(self, name: str, address: str = "198.51.100.7") -> str:
        """The address of one more picture, sent with the key `desk`."""
        answer = await upload_from(self.server, drawn.png(40, 30), name, self.desk, address)
        return answer.json["image"]["url"]

    @asynccontextmanager
    async def inside(self, path: str = "/admin", **options: object) -> AsyncGenerator[Page]:
        """The page at *path*, signed in."""
        async with self.visitor.page(path, **options) as page:
            await page.fill("#key", self.key)
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
            await page.wait_for_load_state()  # by then its scripts listen
            yield page


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory) -> AsyncGenerator[tuple[Server, str, str]]:
    async with running(tmp_path_factory.mktemp("admin") / "data") as server:
        ring = await KeyRing.open(server.pictures.catalog)
        yield server, await ring.add("owner", Scope.ADMIN), await ring.add("desk")


@pytest_asyncio.fixture(loop_scope="session")
async def house(server: tuple[Server, str, str], browser: Browser) -> House:
    return House(Visitor(server[0], browser), *server[1:])


async def test_signing_in_and_out(house: House):
    async with house.visitor.page("/admin/keys") as page:
        await expect(page.locator("#key")).to_be_focused()
        await page.fill("#key", "wrong")
        await page.click("main button")
        await expect(page.get_by_role("alert")).to_contain_text("missing or wrong")
        await page.fill("#key", house.key)
        await page.click("main button")
        await expect(page.get_by_role("heading", name="API keys")).to_be_visible()  # where it was going to
        (cookie,) = await page.context.cookies(f"{house.server.base}/admin")
        assert {"httpOnly": True, "sameSite": "Strict", "path": "/admin"}.items() <= cookie.items()
        assert await page.evaluate("document.cookie") == ""
        await page.click("text=Sign out")
        await expect(page.locator("#key")).to_be_visible()
        assert await page.context.cookies(f"{house.server.base}/admin") == []
        await page.go_back()
        await expect(page.locator("#key")).to_be_visible()  # nothing was kept of it


async def test_an_uploader_is_looked_up_and_deleted_with_all_pictures(house: House):
    gone = [await house.picture(f"spam-{number}.png", "198.51.100.66") for number in range(3)]
    kept = await house.picture("honest.png")
    async with house.inside() as page:
        await page.fill("#q", "SPAM")
        await page.keyboard.press("Enter")
        await expect(page.locator(".tile")).to_have_count(3)
        await page.locator(".tile").first.get_by_role("link", name="198.51.100.66").click()
        await expect(page.locator("#f-address")).to_have_value("198.51.100.66")
        await page.get_by_role("button", name="Block 198.51.100.66").click()
        await expect(page.locator("table")).to_contain_text("198.51.100.66/32")
        await page.get_by_role("link", name="198.51.100.66/32").click()
        await page.get_by_role("button", name="Delete all that were found").click()
        await expect(page.get_by_role("heading")).to_have_text("Delete 3 pictures?")
        await page.get_by_label("Your own key again").fill(house.key)
        await page.get_by_role("button", name="Delete for good").click()
        await expect(page.get_by_text("Everything that was to go is gone")).to_be_visible()
        await page.goto("/admin/blocks")
        await page.get_by_role("button", name="Remove the block of 198.51.100.66/32").click()
        await expect(page.get_by_text("Nothing is blocked")).to_be_visible()
    assert [(await house.server.get(url)).status for url in [*gone, kept]] == [410, 410, 410, 200]


async def test_a_range_is_selected_with_shift_and_deleted(house: House):
    urls = [await house.picture(f"range-{number}.png") for number in range(6)]
    async with house.inside("/admin?q=range-") as page:
        marks = page.locator(".pick")
        await expect(page.locator("#delete")).to_be_disabled()
        await marks.nth(1).click()
        await marks.nth(4).click(modifiers=["Shift"])
        await expect(page.locator("#selected-count")).to_have_text("4 selected")
        await marks.nth(3).click()
        await expect(page.locator("#selected-count")).to_have_text("3 selected")
        await page.click("#delete")
        await page.get_by_role("link", name="Cancel").click()
        await expect(page.locator(".tile")).to_have_count(6)
        for number in (1, 2, 4):
            await marks.nth(number).click()
        await page.click("#delete")
        await page.get_by_role("button", name="Delete for good").click()
        await expect(page.get_by_role("status").filter(has_text="deleted")).to_have_text("3 pictures were deleted.")
        await expect(page.locator(".tile .name")).to_have_text(["range-5.png", "range-2.png", "range-0.png"])
        await expect(page.locator("#q")).to_have_value("range-")
    assert [(await house.server.get(url)).status for url in urls] == [200, 410, 200, 410, 410, 200]


async def test_by_keyboard_alone(house: House):
    url = await house.picture("typed.png")
    async with house.inside("/admin?q=typed") as page:
        await page.focus("#select-all")
        await page.keyboard.press("Enter")
        await expect(page.locator("#selected-count")).to_have_text("1 selected")
        await page.keyboard.press("a")
        await expect(page.locator("#delete")).to_be_disabled()
        await page.focus(".pick")
        await page.keyboard.press("Space")
        await page.keyboard.press("Delete")
        await expect(page.get_by_role("heading")).to_have_text("Delete 1 picture?")
        await page.keyboard.press("Tab")
        for _ in range(20):
            if await page.evaluate("document.activeElement.textContent") == "Delete for good":
                break
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").filter(has_text="deleted")).to_be_visible()
        await page.fill("#q", "a")
        await page.keyboard.press("Delete")
        await expect(page.locator("#q")).to_have_value("a")  # keys in fields are text
    assert (await house.server.get(url)).status == 410


async def test_without_script(house: House):
    url = await house.picture("plain.png")
    async with house.inside("/admin?q=plain", java_script_enabled=False) as page:
        await expect(page.locator("#select-all")).to_be_hidden()
        await page.check(".pick")
        await page.click("text=Block these pictures")
        await expect(page.get_by_role("status").filter(has_text="block")).to_have_text("1 block was added.")
        await page.check(".pick")
        await page.click("#delete")
        await page.click("text=Delete for good")
        await expect(page.get_by_text("1 picture was deleted.")).to_be_visible()
        await page.goto("/admin/blocks")
        await page.click("text=Remove")
    assert (await house.server.get(url)).status == 410


async def test_a_key_is_added_copied_and_revoked(house: House):
    async with house.inside("/admin/keys") as page:
        await page.fill("#k-name", "camera")
        await page.get_by_label("Your own key again").fill(house.key)
        await page.get_by_role("button", name="Add", exact=True).click()
        await page.get_by_role("button", name="Copy").click()
        await page.wait_for_function("async () => /^[A-Za-z0-9]{40}$/.test(await navigator.clipboard.readText())")
        key = await page.evaluate("navigator.clipboard.readText()")
        assert (await upload_from(house.server, drawn.png(), "x.png", key, "198.51.100.9")).status == 200
        await page.get_by_role("button", name="Disable camera").click()
        assert (await upload_from(house.server, drawn.png(), "x.png", key, "198.51.100.9")).status == 403
        await page.get_by_role("button", name="Revoke camera").click()
        await page.get_by_role("button", name="Revoke").click()
        await expect(page.get_by_role("link", name="camera")).to_have_count(0)
        assert (await upload_from(house.server, drawn.png(), "x.png", key, "198.51.100.9")).status == 401


async def test_axe_finds_no_violation_and_nothing_scrolls_sideways(house: House):
    await house.picture("a-name-so-long-that-no-tile-of-the-grid-has-room-for-it.png", "2001:db8::1")
    async with house.visitor.page("/admin", bypass_csp=True) as page:
        assert not (await Axe().run(page)).violations_count
    async with house.inside(bypass_csp=True) as page:
        for path in PAGES:
            await page.goto(path)
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                found = await Axe().run(page)
                assert not found.violations_count, path + scheme + found.generate_report()
            for width in (320, 1920):
                await page.set_viewport_size({"width": width, "height": 700})
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
