"""Pictures of every page, light and dark, at three widths: `make screenshots` puts them into build/screenshots/.

The few that README and docs show go into docs/pictures/.

Also draws the PNG icons of the manifest from icon.svg, so that they are one drawing.
"""

import asyncio
import math
import tempfile
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFilter
from playwright.async_api import Browser, FilePayload, Page, ViewportSize, expect

from imges.access.api_keys import KeyRing
from imges.catalog import Scope
from tests.browser.conftest import open_browser
from tests.web.conftest import Server, running

FOLDER = Path("build/screenshots")
SHOWN = Path("docs/pictures")
STATIC = Path("templates/static")
SIZES = {
    "wide": ViewportSize(width=1440, height=900),
    "tablet": ViewportSize(width=768, height=1024),
    "narrow": ViewportSize(width=360, height=740),
}
SCHEMES = ("light", "dark")
BEST = (
    "upload-wide-light",
    "results-wide-light",
    "viewer-wide-light",
    "viewer-wide-dark",
    "setup-wide-light",
    "admin-wide-light",
)
PHONE = ("upload-narrow-light", "results-narrow-light", "viewer-narrow-dark", "history-narrow-light")
ADDRESS = "https://img.example.org"


def landscape(width: int = 1600, height: int = 1000, turn: float = 0.0, hue: int = 0) -> bytes:
    """Hills in the evening, drawn here: a picture that belongs to nobody."""
    sky = Image.linear_gradient("L").resize((width, height))
    picture = Image.merge(
        "RGB",
        [sky.point(lambda v, a=a, b=b: int(a + (b - a) * v / 255)) for a, b in ((40, 250), (60, 170), (120, 110))],
    )
    draw = ImageDraw.Draw(picture)
    draw.ellipse((width * 0.6, height * 0.3, width * 0.72, height * 0.3 + width * 0.12), fill=(255, 236, 190))
    for number, colour in enumerate(((96, 84, 128), (62, 62, 104), (34, 42, 74), (16, 24, 44))):
        hill = [
            (x, height * (0.58 + 0.11 * number + 0.05 * math.sin(x / width * (4 + 2 * number) + 2 * number + turn)))
            for x in range(0, width + 10, 10)
        ]
        draw.polygon([(0, height), *hill, (width, height)], fill=colour)
    h, s, v = picture.filter(ImageFilter.GaussianBlur(1.2)).convert("HSV").split()
    picture = Image.merge("HSV", (h.point([(value + hue) % 256 for value in range(256)]), s, v)).convert("RGB")
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@cache  # not at import: the server's worker processes import this module too
def pictures() -> list[FilePayload]:
    shapes = {
        "evening-hills": (1600, 1000, 0, 0),
        "panorama-from-the-summit": (1800, 700, 40, 120),
        "tall": (700, 1300, 90, 60),
    }
    return [
        FilePayload(name=f"{name}.png", mimeType="image/png", buffer=landscape(*shape))
        for name, shape in shapes.items()
    ]


class Photographer:
    def __init__(self, server: Server, page: Page, suffix: str) -> None:
        self.server, self.page, self.suffix = server, page, suffix

    async def shoot(self, name: str) -> None:
        await self.page.wait_for_load_state("networkidle")
        await self.page.evaluate("document.getElementById('notice').textContent = ''")
        picture = Image.open(BytesIO(await self.page.screenshot())).convert("RGB")
        picture.quantize(160).save(FOLDER / f"{name}{self.suffix}.png", optimize=True)

    async def visit(self, name: str, path: str) -> None:
        await self.page.goto(path.removeprefix(ADDRESS))
        await self.shoot(name)

    async def all_pages(self) -> None:
        await self.visit("upload", "/")
        await self.page.set_input_files("#source", pictures())
        await expect(self.page.locator(".item.done")).to_have_count(3, timeout=20_000)
        await self.page.set_input_files(
            "#source", [{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}]
        )
        await self.page.wait_for_selector(".item.failed")
        await self.shoot("results")
        image = await self.server.uploaded(
            landscape(),
            "evening-hills.png",
            title="Evening hills",
            description="The way home.",
            tags="hills, evening",
            expiration="P30D",
        )
        unsafe = await self.server.uploaded(landscape(900, 600), "unsafe.png", nsfw="1")
        await self.visit("viewer", image["url_viewer"])
        await self.page.keyboard.press("f")
        await self.shoot("viewer-full")
        await self.visit("viewer-nsfw", unsafe["url_viewer"])
        await self.visit("delete", image["delete_url"])
        await self.visit("history", "/history")
        await self.page.click("#select-all")
        await self.shoot("history-selected")
        await self.visit("setup", "/api")
        await self.visit("missing", "/image/nothing")
        await self.visit("offline", "/offline")
        await self.administration()

    async def administration(self) -> None:
        ring = await KeyRing.open(self.server.pictures.catalog)
        for number, name in enumerate(("bay", "dunes", "fjord", "lake", "meadow", "moor", "pass", "ridge", "valley")):
            await self.server.uploaded(landscape(640, 400, number, 28 * number), f"{name}.png")
        key = await ring.add(f"owner{self.suffix}", Scope.ADMIN)
        await self.page.goto("/admin")
        await self.page.fill("#key", key)
        await self.page.keyboard.press("Enter")
        await expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        await self.shoot("admin")
        await self.visit("admin-overview", "/admin/overview")
        await self.visit("admin-keys", "/admin/keys")


async def shoot(server: Server, browser: Browser, width: str, scheme: Any) -> None:
    context = await browser.new_context(
        base_url=server.base, viewport=SIZES[width], color_scheme=scheme, has_touch=width == "narrow"
    )
    await Photographer(server, await context.new_page(), f"-{width}-{scheme}").all_pages()
    await context.close()


def choose() -> None:
    """What README and docs show: the best of the pages, and some of a phone's side by side."""
    SHOWN.mkdir(parents=True, exist_ok=True)
    for name in BEST:
        with Image.open(FOLDER / f"{name}.png") as picture:
            picture.convert("RGB").resize((1080, 675), Image.Resampling.LANCZOS).quantize(128).save(
                SHOWN / f"{name.replace('-wide', '').removesuffix('-light')}.png", optimize=True
            )
    phones = [Image.open(FOLDER / f"{name}.png").convert("RGB") for name in PHONE]
    width, height = phones[0].size
    sheet = Image.new("RGB", (len(phones) * (width + 16) - 16, height), "white")
    for place, phone in enumerate(phones):
        sheet.paste(phone, (place * (width + 16), 0))
    sheet.quantize(128).save(SHOWN / "phone.png", optimize=True)


async def draw_icons(browser: Browser) -> None:
    """The icon fills its square: phones cut their own shape."""
    svg = (STATIC / "icon.svg").read_text().replace('rx="7"', "")
    page = await browser.new_page()
    for side in (192, 512):
        await page.set_viewport_size({"width": side, "height": side})
        await page.set_content(f"<style>body{{margin:0}}svg{{display:block}}</style>{svg}")
        picture = Image.open(BytesIO(await page.screenshot())).convert("RGB")
        picture.quantize(16).save(STATIC / f"icon-{side}.png", optimize=True)


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    links = f"[{{name: Imprint, url: '{ADDRESS}/imprint'}}, {{name: Privacy, url: '{ADDRESS}/privacy'}}]"
    with tempfile.TemporaryDirectory() as folder:
        async with open_browser() as browser:
            await draw_icons(browser)
            for width in SIZES:
                for scheme in SCHEMES:
                    data = Path(folder) / f"{width}-{scheme}"
                    async with running(
                        data, SITE__LINKS=links, SERVER__PUBLIC_URL=ADDRESS, IMAGES__TIMEOUT="60 s"
                    ) as server:
                        await shoot(server, browser, width, scheme)
    choose()


if __name__ == "__main__":
    asyncio.run(main())
