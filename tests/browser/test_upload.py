"""The upload page as people use it."""

import asyncio
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Browser, Page, expect

from tests import drawn
from tests.browser.conftest import PHONE, Visitor
from tests.web.conftest import Start

HOSTILE = """"><img src=x onerror=alert(1)>'[]\\ & {{ 7 * 7 }}"""


def picture(name: str = "shot.png", content: bytes | None = None) -> Any:
    return {"name": name, "mimeType": "image/png", "buffer": content or drawn.png(600, 40)}


async def clipboard(page: Page) -> str:
    return await page.evaluate("navigator.clipboard.readText()")


async def give(page: Page, kind: str, files: list[Any], text: str = "", selector: str = "body") -> None:
    """Dispatch a `drop` or `paste` that carries *files* or *text*."""
    contents = [{"name": file["name"], "type": file["mimeType"], "bytes": list(file["buffer"])} for file in files]
    await page.evaluate(
        """([kind, files, text, selector]) => {
          const transfer = new DataTransfer();
          for (const { name, type, bytes } of files) {
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
          }
          if (text) transfer.setData("text/plain", text);
          const common = { bubbles: true, cancelable: true };
          const target = document.querySelector(selector);
          target.dispatchEvent(
            kind === "paste"
              ? new ClipboardEvent("paste", { ...common, clipboardData: transfer })
              : new DragEvent(kind, { ...common, dataTransfer: transfer })
          );
        }""",
        [kind, contents, text, selector],
    )


async def test_chosen_pictures_become_links(visitor: Visitor):
    async with visitor.page() as page:
        await page.set_input_files("#source", [picture("one.png"), picture("two.png")])
        await expect(page.locator(".item.done")).to_have_count(2)
        links = [await field.input_value() for field in await page.locator(".outcome input").all()]
        for link, name in zip(links, ("one", "two"), strict=True):
            assert re.search(rf"/images/.*{name}.*\.png$", link)
            assert (await visitor.server.get(link)).body == drawn.png(600, 40)
        await page.keyboard.press("c")
        await expect(page.locator("#notice")).to_have_text("2 copied")
        assert (await clipboard(page)).split("\n") == links


async def test_the_format_is_chosen_once_and_remembered(visitor: Visitor):
    async with visitor.page() as page:
        await page.set_input_files("#source", picture())
        await expect(page.locator(".item.done")).to_have_count(1)
        await page.select_option("#format", "markdown-thumb")
        assert (await page.input_value(".outcome input")).startswith("[![shot.png](")
        await page.reload()
        assert await page.input_value("#format") == "markdown-thumb"


async def test_codes_are_those_of_the_server(visitor: Visitor):
    async with visitor.page() as page:
        await page.click("summary")
        await page.fill("#title", HOSTILE)
        await page.set_input_files("#source", picture())
        await expect(page.locator(".item.done")).to_have_count(1)
        made: dict[str, str] = {}
        for value in await page.locator("#format option").evaluate_all("all => all.map((one) => one.value)"):
            await page.select_option("#format", value)
            made[value] = await page.input_value(".outcome input")
        await page.click(".tools a >> nth=0")
        await expect(page.locator("#viewer h1")).to_contain_text("onerror=alert(1)")
        served = await page.locator("[data-code]").evaluate_all(
            "all => all.map((one) => [one.dataset.code, one.value])"
        )
        assert dict(served) == made
        assert len(made) == 13


async def test_pictures_may_be_dropped_anywhere(visitor: Visitor):
    async with visitor.page() as page:
        await give(page, "dragenter", [picture()], selector="footer, h1")
        await expect(page.locator("#overlay")).to_be_visible()
        await give(page, "drop", [picture("dropped.png")], selector="header")
        await expect(page.locator("#overlay")).to_be_hidden()
        await expect(page.locator(".item.done .name")).to_have_text("dropped.png")


async def test_a_pasted_picture_is_a_link_on_the_clipboard(visitor: Visitor):
    async with visitor.page() as page:
        await give(page, "paste", [picture("image.png")])
        await expect(page.locator("#notice")).to_have_text("Copied")
        link = await clipboard(page)
        assert (await visitor.server.get(link)).body == drawn.png(600, 40)


async def test_a_pasted_address_is_fetched_but_not_while_typing(visitor: Visitor):
    there = await visitor.server.uploaded(drawn.png(), "there.png")
    async with visitor.page() as page:
        await give(page, "paste", [], there["url"], selector="#url")
        await expect(page.locator(".item")).to_have_count(0)
        await give(page, "paste", [], there["url"])
        await expect(page.locator(".item.done")).to_have_count(1)


async def test_from_an_address(visitor: Visitor):
    there = await visitor.server.uploaded(drawn.png(), "there.png")
    async with visitor.page() as page:
        await page.fill("#url", there["url"])
        await page.keyboard.press("Enter")
        await expect(page.locator(".item.done")).to_have_count(1)
        await page.fill("#url", "http://10.0.0.1/x.png")
        await page.click("text=Fetch")
        await expect(page.get_by_role("alert")).to_contain_text("This address is not fetched")


async def test_the_plain_form_needs_no_script(visitor: Visitor):
    async with visitor.page(java_script_enabled=False) as page:
        await page.set_input_files("#source", picture("plain.png"))
        await page.click("button:has-text('Upload')")
        await expect(page.locator("h1")).to_have_text("Uploaded")
        direct = await page.get_attribute("[data-code=direct]", "value")
        assert (await visitor.server.get(direct or "")).status == 200
        await page.click("a[href*='/delete/']")
        await page.click("text=Delete for good")
        await expect(page.locator("h1")).to_have_text("Deleted")
        assert (await visitor.server.get(direct or "")).status == 410


async def test_what_is_no_picture_is_refused_before_it_is_sent(visitor: Visitor):
    sent: list[str] = []
    async with visitor.page() as page:
        page.on("request", lambda request: sent.append(request.method))
        tiff = drawn.encoded(drawn.gradient(9, 9), "TIFF")
        await page.set_input_files("#source", [picture("notes.png", b"hello"), picture("scan.png", tiff)])
        await expect(page.locator(".item.failed")).to_have_count(2)
        await expect(page.locator(".item.failed .state").nth(0)).to_contain_text("not an image, or it is damaged")
        await expect(page.locator(".item.failed .state").nth(1)).to_contain_text("does not take TIFF images")
        await expect(page.get_by_role("alert")).to_contain_text("2 pictures were not uploaded")
        assert "POST" not in sent


async def test_a_refused_upload_shows_the_servers_words_and_can_be_tried_again(visitor: Visitor):
    async with visitor.page() as page:
        await page.set_input_files("#source", picture("damaged.png", drawn.png(300, 300)[:-50]))
        await expect(page.get_by_role("alert")).to_contain_text("The PNG is damaged or incomplete.")
        await page.route("**/", lambda route: route.fulfill(status=413, body="<html>nginx</html>"))
        await page.set_input_files("#source", picture("large.png"))
        await expect(page.locator(".item.failed .state").nth(1)).to_contain_text("A proxy in front of this site")
        await page.unroute("**/")
        await page.click("#retry-failed")
        await expect(page.locator(".item.done")).to_have_count(1)


async def test_an_upload_is_cancelled_and_leaves_nothing(visitor: Visitor):
    files = visitor.server.files()
    async with visitor.page() as page:
        devtools = await page.context.new_cdp_session(page)
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
        await devtools.send("Network.enable")
        await devtools.send("Network.emulateNetworkConditions", slow)
        noise = drawn.encoded(drawn.noise(900, 900), "PNG")
        await page.set_input_files("#source", picture("large.png", noise))
        await page.click("text=Cancel >> nth=0")
        await expect(page.locator(".item.cancelled")).to_have_count(1)
    assert await visitor.server.nothing_beyond(files)


async def test_twenty_pictures_at_once(visitor: Visitor):
    async with visitor.page() as page:
        await page.set_input_files("#source", [picture(f"{n}.png", drawn.png(20 + n, 20)) for n in range(20)])
        await expect(page.locator(".item.done")).to_have_count(20, timeout=20_000)
        await expect(page.locator("#progress")).to_have_text("20 of 20 ready")
        await page.click("#copy-all")
        await expect(page.locator("#notice")).to_have_text("20 copied")
        assert len(set((await clipboard(page)).split("\n"))) == 20


async def test_options_go_along_are_marked_and_remembered(visitor: Visitor):
    async with visitor.page() as page:
        await page.click("summary")
        await page.fill("#width", "100")
        await page.select_option("#expiration", "P1D")
        await page.check("#nsfw")
        mark = "deleted after 1 day, 100 pixels wide, not safe for work"
        await expect(page.locator("#options-mark")).to_have_text(mark)
        await page.reload()
        await expect(page.locator("#options-mark")).to_have_text(mark)
        await page.set_input_files("#source", picture())
        await expect(page.locator(".item.done")).to_have_count(1)
        link = await page.input_value(".outcome input")
        assert Image.open(BytesIO((await visitor.server.get(link)).body)).width == 100
        await page.click(".tools a >> nth=0")
        await expect(page.locator("text=Deletes itself in")).to_be_visible()
        await expect(page.locator("text=Not safe for work: show it")).to_be_visible()


async def test_by_keyboard_alone(visitor: Visitor, tmp_path: Path):
    file = tmp_path / "keys.png"
    file.write_bytes(drawn.png())
    async with visitor.page() as page:
        async with page.expect_file_chooser() as chosen:  # from early on: playwright needs a moment to listen
            for _ in range(10):
                await page.keyboard.press("Tab")
                if await page.evaluate("document.activeElement.id") == "source":
                    break
            await page.keyboard.press("Enter")
        await (await chosen.value).set_files(file)
        await expect(page.locator(".item.done")).to_have_count(1)
        await page.keyboard.press("c")
        await expect(page.locator("#notice")).to_have_text("Copied")
        assert "keys" in await clipboard(page)


async def test_a_site_without_guests_asks_for_the_key(start: Start, browser: Browser):
    async with start(API__GUEST_UPLOADS="false") as server:
        visitor = Visitor(server, browser)
        async with visitor.page() as page:
            await page.set_input_files("#source", picture())
            await expect(page.get_by_role("alert")).to_contain_text("Enter your API key first")
            await page.fill("#key", "wrong")
            await page.set_input_files("#source", picture())
            await expect(page.get_by_role("alert")).to_contain_text("is wrong")
            await page.fill("#key", server.key)
            await page.click("#retry-failed")
            await expect(page.locator(".item.done")).to_have_count(1)
            assert server.key not in await page.evaluate("JSON.stringify(localStorage)")
            await page.check("#keep-key")
            await page.reload()
            assert await page.input_value("#key") == server.key
        async with visitor.page(java_script_enabled=False) as page:
            await page.fill("#key", server.key)
            await page.set_input_files("#source", picture())
            await page.click("button:has-text('Upload')")
            await expect(page.locator("#viewer h1")).to_have_text("shot.png")


async def test_shared_by_a_phone_while_the_page_was_closed(visitor: Visitor):
    async with visitor.page("/history") as page:
        await page.evaluate("navigator.serviceWorker.ready")
        await page.reload()
        content = list(drawn.png())
        await page.evaluate(
            """async (content) => {
              const form = new FormData();
              for (const name of ["a.png", "b.png"]) {
                form.append("source", new File([new Uint8Array(content)], name, { type: "image/png" }));
              }
              await fetch("/?shared", { method: "POST", body: form, redirect: "manual" });
            }""",
            content,
        )
        await page.goto("/?shared")
        await expect(page.locator("#shared-list li")).to_have_text(["a.png", "b.png"])
        assert page.url == visitor.server.base + "/"
        await expect(page.locator("[data-upload], .item")).to_have_count(0)
        await page.click("#upload-shared")
        await expect(page.locator(".item.done")).to_have_count(2)
        await expect(page.locator("#shared")).to_be_hidden()


async def test_what_another_site_shares_is_not_uploaded_without_a_click(visitor: Visitor):
    async with visitor.page("/history") as page:
        await page.evaluate("navigator.serviceWorker.ready")
        before = await visitor.server.rows()
        evil = """<form method="post" action="BASE/?shared" enctype="multipart/form-data">
            <input name="shared_url" value="BASE/static/logo.png"></form><script>document.forms[0].submit()</script>"""
        await page.route(
            "http://evil.example/",
            lambda route: route.fulfill(content_type="text/html", body=evil.replace("BASE", visitor.server.base)),
        )
        await page.goto("http://evil.example/")
        await page.wait_for_url(visitor.server.base + "/")
        await expect(page.locator("#shared-list li")).to_have_count(1)
        await expect(page.locator(".item")).to_have_count(0)
        await page.click("#discard-shared")
        await expect(page.locator("#shared")).to_be_hidden()
        assert await visitor.server.rows() == before
        assert set(visitor.watched.foreign) == {"http://evil.example/"}
        visitor.watched.foreign.clear()


async def test_the_manifest_makes_it_installable(visitor: Visitor):
    manifest = json.loads((await visitor.server.get("/manifest.webmanifest")).body)
    assert manifest["share_target"]["action"] == "/?shared"
    for icon in manifest["icons"]:
        served = await visitor.server.get(icon["src"])
        assert f"{Image.open(BytesIO(served.body)).width}x" in icon["sizes"]


async def test_a_server_that_is_gone_is_said_to_be(start: Start, browser: Browser):
    async with start() as server:
        visitor = Visitor(server, browser)
        context = await browser.new_context(base_url=server.base)
        page = await context.new_page()
        await page.goto("/")
        await page.evaluate("navigator.serviceWorker.ready")
    assert visitor.server is server
    await page.goto("/history")
    await expect(page.locator("h1")).to_have_text("You are offline")
    await context.close()


async def test_what_is_pasted_is_copied_however_long_it_takes(visitor: Visitor):
    """The browser lets a page copy at once or not at all: the clipboard waits for the link."""
    async with visitor.page() as page:

        async def slowly(route: Any) -> None:
            await asyncio.sleep(0.7)
            await route.continue_()

        await page.route("**/", slowly)
        await give(page, "paste", [picture("slow.png")])
        await expect(page.locator("#notice")).to_have_text("Copied")
        assert "slow" in await clipboard(page)


async def test_a_slow_network_shows_progress_and_warns_before_leaving(visitor: Visitor):
    async with visitor.page() as page:
        devtools = await page.context.new_cdp_session(page)
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000}
        await devtools.send("Network.enable")
        await devtools.send("Network.emulateNetworkConditions", slow)
        noise = drawn.encoded(drawn.noise(500, 400), "PNG")
        files = [picture(f"{number}.png", noise) for number in range(5)]
        await page.set_input_files("#source", files)
        await expect(page.locator(".item.sending")).to_have_count(3)
        await expect(page.locator(".item.sending .outcome").first).to_have_text(re.compile(r"[1-9]\d? %"))
        assert await page.evaluate(LEAVING)
        await page.click("#cancel-all")
        await expect(page.locator(".item.cancelled")).to_have_count(5)
        assert not await page.evaluate(LEAVING)


LEAVING = """() => {
  const event = new Event("beforeunload", { cancelable: true });
  dispatchEvent(event);
  return event.defaultPrevented;
}"""


async def test_an_upload_while_offline_is_tried_again_later(visitor: Visitor):
    async with visitor.page() as page:
        await page.context.set_offline(True)
        await page.set_input_files("#source", picture("later.png"))
        await expect(page.get_by_role("alert")).to_contain_text("The connection failed. Check it and try again.")
        await page.context.set_offline(False)
        await page.click("#retry-failed")
        await expect(page.locator(".item.done")).to_have_count(1)
        await expect(page.get_by_role("alert")).to_be_hidden()


async def test_a_phone_has_a_camera_button_and_no_keys(visitor: Visitor):
    async with visitor.page(**PHONE) as page:
        await expect(page.get_by_text("Camera", exact=True)).to_be_visible()
        assert await page.get_attribute("#camera", "capture") == "environment"
        await expect(page.locator(".lead")).to_be_hidden()
        await page.set_input_files("#camera", picture("taken.png"))
        await expect(page.locator(".item.done")).to_have_count(1)
        await expect(page.locator("#copy-all kbd")).to_be_hidden()
        await page.tap("#copy-all")
        await expect(page.locator("#notice")).to_have_text("Copied")


async def test_scripts_speak_german_too(visitor: Visitor):
    async with visitor.page(locale="de-DE") as page:
        await expect(page.locator("h1")).to_have_text("Bilder hochladen")
        noise = drawn.encoded(drawn.noise(70, 50), "PNG")
        await page.set_input_files("#source", [picture("a.png", noise), picture("b.png"), picture("c.png", b"x")])
        await expect(page.locator("#progress")).to_have_text("2 von 3 fertig, 1 fehlgeschlagen")
        await expect(page.get_by_role("alert")).to_contain_text("c.png wurde nicht hochgeladen.")
        await expect(page.get_by_role("alert")).to_contain_text("Speichern Sie es als JPEG oder PNG")
        await expect(page.locator(".item .about .quiet").first).to_contain_text(re.compile(r"10,\d KB"))
        await page.keyboard.press("c")
        await expect(page.locator("#notice")).to_have_text("2 kopiert")
        await expect(page.locator("#copy-all-text")).to_have_text("Alle 2 kopieren")
        await page.goto("/history")
        await expect(page.locator(".tile .quiet").first).to_contain_text(re.compile(r"\d\d\.\d\d\.\d{4}"))
