"""Pictures of every page, light and dark, wide and narrow: `make screenshots` puts them into docs/pictures/.

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

from tests.browser.conftest import open_browser
from tests.web.conftest import Server, running

FOLDER = Path("docs/pictures")
STATIC = Path("templates/static")
SIZES = {"wide": ViewportSize(width=1280, height=860), "narrow": ViewportSize(width=360, height=740)}
SCHEMES = ("light", "dark")


def landscape(width: int = 1600, height: int = 1000, turn: float = 0.0) -> bytes:
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
    file = BytesIO()
    picture.filter(ImageFilter.GaussianBlur(1.2)).save(file, "PNG")
    return file.getvalue()


@cache  # not at import: the server's worker processes import this module too
def pictures() -> list[FilePayload]:
    shapes = {
        "evening-hills": (1600, 1000, 0),
        "holiday-panorama-from-the-summit": (1800, 700, 40),
        "tall": (700, 1300, 90),
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
        picture.quantize(128).save(FOLDER / f"{name}{self.suffix}.png", optimize=True)

    async def visit(self, name: str, path: str) -> None:
        await self.page.goto(path)
        await self.shoot(name)

    async def all_pages(self) -> None:
        await self.visit("upload", "/")
        await self.page.set_input_files("#source", pictures())
        await expect(self.page.locator(".item.done")).to_have_count(3, timeout=20_000)
        await self.page.set_input_files(
            "#source", [{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"hello"}]
        )
        await self.page.wait_for_selector(".item.failed")
        await self.page.evaluate("document.getElementById('results').scrollIntoView()")
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


async def shoot(server: Server, browser: Browser, width: str, scheme: Any) -> None:
    context = await browser.new_context(
        base_url=server.base, viewport=SIZES[width], color_scheme=scheme, has_touch=width == "narrow"
    )
    suffix = "" if (width, scheme) == ("wide", "light") else f"-{width}-{scheme}"
    await Photographer(server, await context.new_page(), suffix).all_pages()
    await context.close()


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
    with tempfile.TemporaryDirectory() as folder:
        async with open_browser() as browser:
            await draw_icons(browser)
            for width in SIZES:
                for scheme in SCHEMES:
                    async with running(
                        Path(folder) / f"{width}-{scheme}",
                        SITE__LINKS="[{name: Imprint, url: 'https://example.org'}, {name: Privacy, url: 'https://example.org'}]",
                    ) as server:
                        await shoot(server, browser, width, scheme)


if __name__ == "__main__":
    asyncio.run(main())
