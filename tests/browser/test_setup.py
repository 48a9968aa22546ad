"""The set-up page: what people copy and download from it works."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from playwright.async_api import expect

from tests import drawn
from tests.browser.conftest import Visitor
from tests.web.conftest import Start


async def test_the_typed_key_goes_into_examples_and_files_and_nowhere_else(visitor: Visitor, tmp_path: Path):
    async with visitor.page("/api") as page:
        for name in ("sxcu", "iscu"):
            async with page.expect_download() as downloaded:
                await page.click(f"text=Download imges.{name}")
            file = tmp_path / name
            await (await downloaded.value).save_as(file)
            assert "YOUR-API-KEY" in file.read_text()
        key = 'se"cret $& key'
        await page.fill("#key", key)
        await expect(page.locator("#curl pre")).to_contain_text(f"X-API-Key: {key}")
        for name, header in (("sxcu", "Headers"), ("iscu", "headers")):
            async with page.expect_download() as downloaded:
                await page.click(f"text=Download imges.{name}")
            file = tmp_path / name
            await (await downloaded.value).save_as(file)
            assert json.loads(file.read_text())[header] == {"X-API-Key": key}
        assert "cret" not in await page.evaluate("JSON.stringify(localStorage)")


async def test_a_test_upload_tells_whether_the_key_works(visitor: Visitor):
    rows = await visitor.server.rows()
    async with visitor.page("/api") as page:
        await page.fill("#key", "wrong")
        await page.click("text=Send a test upload")
        await expect(page.locator("#test-state")).to_contain_text("is wrong")
        await page.fill("#key", visitor.server.key)
        await page.click("text=Send a test upload")
        await expect(page.locator("#test-state")).to_contain_text("It works")
        await expect(page.locator("#test-answer")).to_contain_text(f"{visitor.server.base}/images/")
        await page.wait_for_load_state("networkidle")
    assert await visitor.server.rows() == rows


async def test_the_example_is_the_real_answer(visitor: Visitor):
    real = await visitor.server.uploaded(drawn.png(1280, 800))
    async with visitor.page("/api") as page:
        example = json.loads(await page.inner_text("[aria-label='Example of an answer']"))
    assert list(example["image"]) == list(real)
    assert example["image"]["url"].startswith(f"{visitor.server.base}/images/")


async def test_the_command_prints_the_same_file(start: Start, tmp_path: Path):
    async with start(SITE__NAME="Our pictures", SERVER__PUBLIC_URL="https://i.example.org") as server:
        served = (await server.get("/imges.sxcu")).json
    environ = {"IMGES__SITE__NAME": "Our pictures", "IMGES__SERVER__PUBLIC_URL": "https://i.example.org"}
    command = [sys.executable, "-m", "imges", "sharex"]
    printed = await asyncio.to_thread(subprocess.check_output, command, env=environ, cwd=tmp_path)
    assert json.loads(printed) == served
    assert served["RequestURL"] == "https://i.example.org/api/1/upload"
    assert served["Headers"] == {"X-API-Key": "YOUR-API-KEY"}
