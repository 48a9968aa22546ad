"""What each page weighs, when it is painted first, and how much it jumps: `make figures` prints it.

In a fresh browser each time (nothing cached), over 1.6 Mbit/s with 150 ms of latency, as on a phone.
"""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser
from rich.console import Console
from rich.table import Table

from tests.browser.conftest import PHONE, open_browser
from tests.browser.screenshots import landscape
from tests.web.conftest import Server, running

SLOW = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 90_000}
FIGURES = """() => new Promise((resolve) => {
  let shift = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => { shift += entry.value; }))
    .observe({ type: "layout-shift", buffered: true });
  const paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
  const all = [performance.getEntriesByType("navigation")[0], ...performance.getEntriesByType("resource")];
  const sum = (kind) => all.filter(({ name }) => kind.test(name)).reduce((sum, one) => sum + one.decodedBodySize, 0);
  setTimeout(() => resolve([sum(/^(?!.*\\/images\\/)/), sum(/\\.js$/), sum(/\\.css/), paint, shift]), 500);
})"""


async def measured(browser: Browser, server: Server, path: str) -> list[float]:
    context = await browser.new_context(base_url=server.base, **PHONE)
    page = await context.new_page()
    devtools = await context.new_cdp_session(page)
    await devtools.send("Network.enable")
    await devtools.send("Network.emulateNetworkConditions", SLOW)
    await page.goto(path, wait_until="networkidle")
    found = await page.evaluate(FIGURES)
    await context.close()
    return found


async def main() -> None:
    table = Table("page", "all but pictures, KB", "script, KB", "style, KB", "first paint, ms", "layout shift")
    with tempfile.TemporaryDirectory() as folder:
        async with open_browser() as browser, running(Path(folder) / "data", IMAGES__TIMEOUT="60 s") as server:
            image = await server.uploaded(landscape(), "evening-hills.png", expiration="P30D")
            viewer = f"/image/{image['id_encoded']}"
            delete = image["delete_url"].removeprefix(server.base)
            for name, path in (
                ("upload", "/"),
                ("viewer", viewer),
                ("history", "/history"),
                ("set-up", "/api"),
                ("delete", delete),
                ("administration", "/admin"),
            ):
                weight, script, style, paint, shift = await measured(browser, server, path)
                table.add_row(
                    name, *(f"{size / 1000:.1f}" for size in (weight, script, style)), f"{paint:.0f}", f"{shift:.3f}"
                )
    Console(width=110).print(table)
    scripts = [*Path("templates/static").glob("*.js"), Path("templates/service-worker.js")]
    Console().print(f"all script together: {sum(file.stat().st_size for file in scripts) / 1000:.1f} KB")


if __name__ == "__main__":
    asyncio.run(main())
