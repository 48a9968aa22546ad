"""Debian's chromium, driven by playwright, before a real server; every page is watched for what must never happen."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Playwright, Request, async_playwright

from tests.web.conftest import Server, Start, running

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
HARMLESS = ("Failed to load resource",)
"""What chromium itself says about an answer of 4xx, which tests ask for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for the tests of this folder, since they share a browser and servers."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and isinstance(item, pytest.Function) and iscoroutinefunction(item.obj):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def chromium() -> str:
    """The path of chromium. Without it the tests fail; they are not skipped."""
    found = shutil.which("chromium")
    assert found, "chromium is not installed: `make tools`"
    return found


@asynccontextmanager
async def open_browser() -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        yield await launch(playwright)


async def launch(playwright: Playwright) -> Browser:
    return await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)


@dataclass
class Watched:
    """What a page did that no page of ours does."""

    foreign: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])

    async def watch(self, page: Page, base: str) -> None:
        own = urlsplit(base).netloc

        def on_request(request: Request) -> None:
            if request.url.startswith("http") and urlsplit(request.url).netloc != own:
                self.foreign.append(request.url)

        page.on("request", on_request)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._on_console)
        await page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.violatedDirective))"
        )

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(HARMLESS):
            self.complaints.append(message.text)


@dataclass
class Visitor:
    """A browser of one person: own storage, own clipboard."""

    server: Server
    browser: Browser
    watched: Watched = field(default_factory=Watched)

    @asynccontextmanager
    async def page(self, path: str = "/", **options: Any) -> AsyncGenerator[Page]:
        """A page open at *path*; *options* of the browser context. Afterwards nothing may have gone wrong."""
        options.setdefault("viewport", {"width": 1280, "height": 800})
        context = await self.browser.new_context(base_url=self.server.base, **options)
        context.set_default_timeout(8000)
        await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.server.base)
        try:
            page = await context.new_page()
            await self.watched.watch(page, self.server.base)
            await page.goto(path)
            yield page
        finally:
            await context.close()
        assert not self.watched.foreign, self.watched.foreign
        assert not self.watched.complaints, self.watched.complaints


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncGenerator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def imges(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    async with running(tmp_path_factory.mktemp("browser") / "data", URLS__ALLOW_PRIVATE="[127.0.0.1/32]") as server:
        yield server


@pytest.fixture
def visitor(imges: Server, browser: Browser) -> Visitor:
    return Visitor(imges, browser)


@pytest.fixture
def start(tmp_path: Path) -> Start:
    return lambda **environ: running(tmp_path / "data", **environ)
