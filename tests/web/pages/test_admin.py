"""The owner's pages over HTTP: who gets in, what a forged form achieves, what is found and what goes."""

import asyncio
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio

from imges.access.api_keys import KeyRing
from imges.catalog import Deed, Scope, Search, utc_now
from imges.errors import CatalogUnavailable
from imges.web.app_keys import ADMINISTRATION
from tests import drawn
from tests.web.api.test_limits import by_page, seen_from
from tests.web.conftest import Answer, Server, Start

HTML = {"Accept": "text/html"}
NETWORK = "198.51.100"


@dataclass
class Owner:
    """Who is signed in: the cookie, and the token of the forms."""

    server: Server
    key: str
    cookie: str = ""
    token: str = ""

    async def sign_in(self, **headers: str) -> Answer:
        answer = await self.server.post("/admin/sign-in", data={"key": self.key, "then": "/admin"}, headers=headers)
        if answer.status == 303:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
            page = await self.get("/admin/keys")
            found = re.search(r'name="token" value="(\w+)"', page.text)
            assert found, page.text
            self.token = found[1]
        return answer

    async def get(self, path: str) -> Answer:
        return await self.server.get(path, headers=HTML | {"Cookie": self.cookie})

    async def post(self, path: str, *fields: tuple[str, str], **more: str) -> Answer:
        data = [("token", self.token), *fields, *more.items()]
        return await self.server.post(path, data=data, headers=HTML | {"Cookie": self.cookie})

    async def names(self, query: str) -> list[str]:
        """The names that a search shows, in its order."""
        page = await self.get(f"/admin?{query}")
        assert page.status == 200, page.text
        return names(page)


def names(page: Answer) -> list[str]:
    return [unescape(name) for name in re.findall(r'class="name" title="([^"]*)"', page.text)]


async def owner_of(server: Server, name: str = "owner", **key: Any) -> Owner:
    owner = Owner(server, await (await KeyRing.open(server.pictures.catalog)).add(name, Scope.ADMIN, **key))
    assert (await owner.sign_in()).status == 303
    return owner


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def owner(imges: Server) -> Owner:
    return await owner_of(imges)


# Who gets in


async def test_without_a_key_there_is_only_the_page_to_sign_in_on(imges: Server):
    for path in (
        "/admin",
        "/admin/",
        "/admin/overview",
        "/admin/keys",
        "/admin/blocks",
        "/admin/trail",
        "/admin/deleting?total=1",
    ):
        page = await imges.get(path, headers=HTML)
        assert (page.status, 'action="/admin/sign-in"' in page.text) == (200, True), path
        assert "token" not in page.text
    for path in ("/admin/pictures", "/admin/keys", "/admin/blocks", "/admin/sign-out"):
        answer = await imges.post(path, data={"token": "", "action": "add", "what": "192.0.2.1", "name": "mallory"})
        assert (answer.status, answer.headers["Location"]) == (303, "/admin")
    assert not await imges.pictures.catalog.blocks.has(address="192.0.2.1")


@pytest.mark.parametrize(
    ("headers", "secure"),
    [({}, False), ({"X-Forwarded-Proto": "https"}, True), ({"X-Forwarded-Proto": "http"}, False)],
)
async def test_the_cookie_is_for_this_site_alone(imges: Server, owner: Owner, headers: dict[str, str], secure: bool):
    answer = await imges.post("/admin/sign-in", data={"key": owner.key}, headers=headers)
    cookie = answer.headers["Set-Cookie"]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/admin", "max-age=43200"} <= attributes
    assert cookie.startswith("__Secure-imges_admin=" if secure else "imges_admin=")
    assert ("secure" in attributes) is secure
    assert owner.key not in cookie
    ticket = {"Cookie": cookie.partition(";")[0]}
    assert "Sign out" in (await imges.get("/admin", headers=HTML | headers | ticket)).text
    assert (await owner.get("/admin")).headers["Cache-Control"] == "no-store"


async def test_keys_that_may_not_administer_do_not_get_in(imges: Server):
    ring = await KeyRing.open(imges.pictures.catalog)
    for key, status in {
        imges.key: 403,
        await ring.add("uploader"): 403,
        await ring.add("ended", Scope.ADMIN, expires=utc_now()): 403,
        "wrong": 401,
        "": 401,
        "\0\ud83d" * 99: 401,
    }.items():
        data = "key=" + "".join(f"%{byte:02x}" for byte in key.encode("utf-8", "surrogatepass"))
        answer = await imges.post(
            "/admin/sign-in", data=data, headers=HTML | {"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert (answer.status, "Set-Cookie" in answer.headers) == (status, False)
        assert 'role="alert"' in answer.text


async def test_a_full_quota_keeps_no_owner_out(imges: Server):
    await owner_of(imges, "full", quota_pictures=0)


async def test_guessing_at_the_door_is_limited_and_counts_with_the_api(start: Start):
    async with start(LIMITS__WRONG_KEYS="5/minute") as server:
        owner = await owner_of(server)

        async def guess(number: int) -> Answer:
            data = {"key": f"guess {number}"}
            return await server.post("/admin/sign-in", data=data, headers=HTML | seen_from("203.0.113.9"))

        answers = [await guess(number) for number in range(8)]
        assert [answer.status for answer in answers] == [401] * 5 + [429] * 3
        assert int(answers[-1].headers["Retry-After"]) > 0
        api = await server.post(data={"key": "guess", "source": "x"}, headers=seen_from("203.0.113.9"))
        assert api.status == 429
        assert (await Owner(server, owner.key).sign_in(**seen_from("203.0.113.9"))).status == 303


@pytest.mark.parametrize("end", ["revoked", "disabled", "replaced"])
async def test_a_session_ends_with_its_key(imges: Server, end: str):
    owner = await owner_of(imges, f"owner-{end}")
    catalog = imges.pictures.catalog
    if end == "disabled":
        await catalog.keys.set_enabled(f"owner-{end}", enabled=False)
    else:
        await catalog.keys.remove(f"owner-{end}")
    if end == "replaced":
        await (await KeyRing.open(catalog)).add(f"owner-{end}", Scope.ADMIN)
    assert 'action="/admin/sign-in"' in (await owner.get("/admin")).text
    assert (await owner.post("/admin/blocks", action="add", what="192.0.2.99")).status == 303
    assert not await catalog.blocks.has(address="192.0.2.99")


async def test_a_session_ends_after_half_a_day(imges: Server, monkeypatch: pytest.MonkeyPatch):
    sessions = imges.app[ADMINISTRATION].sessions
    user = await owner_of(imges, "all-day")
    for half_hours in range(1, 24):
        monkeypatch.setattr(sessions, "_now", lambda passed=half_hours / 2: utc_now() + timedelta(hours=passed))
        page = await user.get("/admin")
        assert "Sign out" in page.text
        user.cookie = page.headers["Set-Cookie"].partition(";")[0]
    monkeypatch.setattr(sessions, "_now", lambda: utc_now() + timedelta(hours=12, minutes=1))
    assert "Sign out" not in (await user.get("/admin")).text


async def test_a_session_ends_after_an_hour_without_use(imges: Server, monkeypatch: pytest.MonkeyPatch):
    sessions, idle = imges.app[ADMINISTRATION].sessions, await owner_of(imges, "idle")
    assert "Set-Cookie" not in (await idle.get("/admin")).headers, "just signed in"
    monkeypatch.setattr(sessions, "_now", lambda: utc_now() + timedelta(minutes=59))
    assert "Sign out" in (await idle.get("/admin")).text
    monkeypatch.setattr(sessions, "_now", lambda: utc_now() + timedelta(minutes=61))
    assert "Sign out" not in (await idle.get("/admin")).text


async def test_a_ticket_cannot_be_made_up_or_changed(imges: Server, owner: Owner):
    name, _, ticket = owner.cookie.partition("=")
    other = "B" if ticket[5] == "A" else "A"
    for forged in ("", "x", "é", ticket[:-8], ticket[:5] + other + ticket[6:], ticket + "AAAA", "A" * len(ticket)):
        page = await imges.get("/admin", headers=HTML | {"Cookie": f"{name}={forged}"})
        assert 'action="/admin/sign-in"' in page.text, forged


async def test_a_ticket_cannot_be_made_younger(imges: Server, owner: Owner):
    name, _, ticket = owner.cookie.partition("=")
    raw = bytearray(urlsafe_b64decode(ticket + "=="))
    raw[32 + 7] ^= 1  # the last byte of its time: a second more or less
    page = await imges.get("/admin", headers=HTML | {"Cookie": f"{name}={urlsafe_b64encode(raw).decode().rstrip('=')}"})
    assert 'action="/admin/sign-in"' in page.text


async def test_signing_out_ends_this_session_alone(imges: Server):
    leaver = await owner_of(imges, "leaver")
    stays = Owner(imges, leaver.key)
    await stays.sign_in()
    answer = await leaver.post("/admin/sign-out")
    assert (answer.status, "Max-Age=0" in answer.headers["Set-Cookie"]) == (303, True)
    assert "Sign out" not in (await leaver.get("/admin")).text, "a copy of the cookie is worth nothing"
    assert "Sign out" in (await stays.get("/admin")).text


async def test_attempts_to_sign_in_are_counted(imges: Server, owner: Owner):
    async def counted(result: str) -> float:
        found = re.search(rf'imges_sign_ins_total{{result="{result}"}} (\S+)', (await imges.get("/metrics")).text)
        return float(found[1]) if found else 0.0

    before = await counted("good"), await counted("KeyWrong")
    await Owner(imges, owner.key).sign_in()
    await Owner(imges, "wrong").sign_in()
    assert (await counted("good"), await counted("KeyWrong")) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize(
    ("then", "location"),
    [
        ("/admin?q=a&older=5~7", "/admin?q=a&older=5~7"),
        ("/admin/keys", "/admin/keys"),
        ("//evil.example", "/admin"),
        ("/\\evil.example", "/admin"),
        ("https://evil.example/admin", "/admin"),
        ("/admin.evil.example", "/admin"),
        ("/admin/../image/x", "/admin"),
        ("/admin?\r\nX: y", "/admin"),
    ],
)
async def test_signing_in_leads_to_pages_of_the_owner_alone(imges: Server, owner: Owner, then: str, location: str):
    answer = await imges.post("/admin/sign-in", data={"key": owner.key, "then": then})
    assert (answer.status, answer.headers["Location"]) == (303, location)


# Forged forms


@pytest.mark.parametrize("token", [None, "", "0" * 64, "another's"])
async def test_a_form_without_the_token_of_its_session_does_nothing(imges: Server, owner: Owner, token: str | None):
    image = await imges.uploaded(drawn.png())
    if token == "another's":
        token = (await owner_of(imges, "other-owner")).token
        await imges.pictures.catalog.keys.remove("other-owner")
    forged: dict[str, dict[str, str]] = {
        "/admin/pictures": {"action": "delete-now", "id": image["id_encoded"]},
        "/admin/keys": {"action": "add", "name": "mallory", "scope": "admin"},
        "/admin/blocks": {"action": "add", "what": "192.0.2.66"},
        "/admin/sign-out": {},
    }
    for path, fields in forged.items():
        data = fields if token is None else fields | {"token": token}
        answer = await imges.post(path, data=data, headers=HTML | {"Cookie": owner.cookie})
        assert (answer.status, "Set-Cookie" in answer.headers) == (403, False), path
    assert (await imges.get(image["url"])).status == 200
    assert "mallory" not in [key.name for key in await imges.pictures.catalog.keys.all()]
    assert not await imges.pictures.catalog.blocks.has(address="192.0.2.66")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_no_other_site_can_sign_the_owner_in(imges: Server, owner: Owner, headers: dict[str, str]):
    answer = await imges.post("/admin/sign-in", data={"key": owner.key}, headers=headers)
    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


async def test_odd_forms_are_refused_in_words(imges: Server, owner: Owner):
    many = "&".join(["token=" + owner.token, *(f"id={n}" for n in range(300))])
    urlencoded = HTML | {"Cookie": owner.cookie, "Content-Type": "application/x-www-form-urlencoded"}
    assert (await imges.post("/admin/pictures", data=many, headers=urlencoded)).status == 400
    assert (await imges.post("/admin/pictures", data="token=" + "x" * 70_000, headers=urlencoded)).status == 413
    charset = urlencoded | {"Content-Type": "application/x-www-form-urlencoded; charset=utf-16"}
    assert (await imges.post("/admin/pictures", data="a=b", headers=charset)).status == 400
    assert (await owner.post("/admin/pictures", action="explode")).status == 400
    for place in ("x", "-99999999999999999~1", "-62135596800000001~1"):
        assert (
            (await owner.get(f"/admin?older={place}")).status
            == (await owner.get(f"/admin?newer={place}")).status
            == 400
        )
    assert (
        await owner.post("/admin/keys", action="add", name="x", quota="8388608 TB", own_key=owner.key)
    ).status == 400
    assert (await owner.get("/admin/deleting?total=x")).status == 400
    for query in ("address=everywhere", "digest=1", "from=yesterday", "to=2014-02-31", "least=much", "from=0001-01-01"):
        page = await owner.get(f"/admin?{query}")
        assert (page.status, 'role="alert"' in page.text, query.partition("=")[2] in page.text) == (400, True, True)


# What is found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shelf(imges: Server, owner: Owner) -> dict[str, dict[str, Any]]:
    """Some pictures by name, of different keys, addresses and sizes; the youngest is `shelf-c.png`."""
    shelf: dict[str, dict[str, Any]] = {}
    text = await (await KeyRing.open(imges.pictures.catalog)).add("shelf")
    for name, content, address in (
        ("shelf-a.png", drawn.png(10, 10), f"{NETWORK}.1"),
        ("Shelf-ÄB.png", drawn.png(11, 10), f"{NETWORK}.2"),
        ("shelf-c.png", drawn.encoded(drawn.noise(150, 150), "PNG"), "2001:db8:5::7"),
    ):
        answer = await upload_from(imges, content, name, text, address)
        shelf[name] = answer.json["image"]
    return shelf


async def upload_from(server: Server, content: bytes, name: str, key: str, address: str) -> Answer:
    data = aiohttp.FormData({"key": key}, quote_fields=False)
    data.add_field("source", content, filename=name)
    return await server.post(data=data, headers=seen_from(address))


A, B, C = "shelf-a.png", "Shelf-ÄB.png", "shelf-c.png"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=shelf", [C, B, A]),
        ("q=SHELF-C", [C]),
        ("q=%C3%A4b", [B]),
        ("q=A%CC%88B", [B]),
        ("key=shelf&q=100%25", []),
        ("key=shelf&q=shelf_c", []),
        ("key=shelf", [C, B, A]),
        ("key=nobody", []),
        (f"address={NETWORK}.1", [A]),
        (f"address={NETWORK}.0/24", [B, A]),
        ("address=2001:db8:5::/48", [C]),
        ("key=shelf&least=20+KB", [C]),
        ("key=shelf&most=20+KB", [B, A]),
        ("key=shelf&least=1&most=20+KB&q=shelf-a", [A]),
        ("key=shelf&from=2014-01-01", [C, B, A]),
        ("key=shelf&to=2014-01-01", []),
    ],
)
async def test_pictures_are_found(owner: Owner, shelf: dict[str, Any], query: str, found: list[str]):
    assert await owner.names(query) == found


async def test_a_picture_is_found_by_digest_id_and_any_of_its_addresses(owner: Owner, shelf: dict[str, Any]):
    image = shelf[A]
    assert A in await owner.names(f"digest={image['md5'].upper()}")
    for pasted in (image["id_encoded"], image["url"], image["thumb"]["url"], image["url_viewer"], image["delete_url"]):
        assert await owner.names(f"q={pasted}") == [A], pasted
    today = datetime.now().astimezone()
    days = f"from={today - timedelta(days=1):%Y-%m-%d}&to={today + timedelta(days=1):%Y-%m-%d}"
    assert await owner.names(f"key=shelf&{days}") == [C, B, A]


async def test_pages_keep_their_place_and_the_search(start: Start):
    async with start() as server:
        owner = await owner_of(server)
        await asyncio.gather(*(server.uploaded(drawn.png(), f"page-{number:03}.png") for number in range(130)))
        seen: list[str] = []
        path = "/admin?q=page"
        pages: list[str] = []
        while path:
            page = await owner.get(path)
            pages.append(path)
            seen += names(page)
            link = re.search(r'rel="next" href="([^"]+)"', page.text)
            path = unescape(link[1]) if link else ""
        assert len(pages) == 3
        assert sorted(seen) == [f"page-{number:03}.png" for number in range(130)]
        assert all("q=page" in path for path in pages)
        await server.uploaded(drawn.png(), "page-new.png")  # what comes later shifts nothing
        assert names(await owner.get(pages[1])) == seen[60:120]
        last = await owner.get(pages[2])
        assert 'rel="next"' not in last.text
        back = re.search(r'rel="prev" href="([^"]+)"', last.text)
        assert back
        assert names(await owner.get(unescape(back[1]))) == seen[60:120]


# What is done


async def test_several_are_deleted_after_being_asked(imges: Server, owner: Owner):
    images = [await imges.uploaded(drawn.png(), f"go-{number}.png") for number in range(3)]
    ids = [("id", image["id_encoded"]) for image in images[:2]]
    asked = await owner.post("/admin/pictures", *ids, action="delete", back="/admin?q=go-&older=9~9&evil=1")
    assert "Delete 2 pictures?" in asked.text
    assert (await imges.get(images[0]["url"])).status == 200
    done = await owner.post("/admin/pictures", *ids, action="delete-now", back="/admin?q=go-&evil=1")
    assert (done.status, done.headers["Location"]) == (303, "/admin?q=go-&done=deleted&count=2")
    assert [(await imges.get(image["url"])).status for image in images] == [410, 410, 200]
    page = await owner.get(done.headers["Location"])
    assert "2 pictures were deleted." in page.text
    assert names(page) == ["go-2.png"]
    assert not [file for file in imges.files() if "go-0" in file or "go-1" in file]


async def test_all_of_an_uploader_go_and_what_comes_later_stays(start: Start):
    async with start() as server:
        owner = await owner_of(server)
        gone = [(await by_page(server, address="203.0.113.7")).json["image"] for _ in range(7)]
        other = (await by_page(server, address="203.0.113.8")).json["image"]
        asked = await owner.post("/admin/pictures", action="delete-found", address="203.0.113.7")
        assert "Delete 7 pictures?" in asked.text
        later = (await by_page(server, address="203.0.113.7")).json["image"]
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', asked.text)) | {"action": "delete-found-now"}
        del fields["token"]
        for wrong in ({}, {"own_key": "wrong"}, {"own_key": server.key}):
            again = await owner.post("/admin/pictures", **fields | wrong)
            assert (again.status in {401, 403}, "Delete 7 pictures?" in again.text) == (True, True)
            assert 'role="alert"' in again.text
        assert [(await server.get(image["url"])).status for image in gone] == [200] * 7
        begun = await owner.post("/admin/pictures", **fields, own_key=owner.key)
        assert begun.status == 303
        assert [(await server.get(image["url"])).status for image in gone] == [410] * 7, "marked: no restart stops it"
        while "left to delete" in (page := await owner.get(begun.headers["Location"])).text:
            assert page.headers["Refresh"]
            await asyncio.sleep(0.05)
        assert "Everything that was to go is gone" in page.text
        assert [(await server.get(image["url"])).status for image in gone] == [410] * 7
        assert [(await server.get(image["url"])).status for image in (other, later)] == [200, 200]


async def test_a_restart_stops_no_deletion_that_was_begun(start: Start):
    async with start() as server:
        images = [await server.uploaded(drawn.png()) for _ in range(3)]
        await server.pictures.deleting.mark_found(Search(api_key="guest"))  # and there it was ended
        assert {(await server.get(image["url"])).status for image in images} == {410}
        assert server.files()
    async with start() as server:
        deadline = time.monotonic() + 20
        while server.files() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert not server.files()
        assert (await server.get(urlsplit(images[0]["url"]).path)).status == 410


async def test_a_deletion_of_many_waits_for_the_catalog(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.administration.administration.AGAIN", 0.05)
    async with start() as server:
        owner = await owner_of(server)
        image = await server.uploaded(drawn.png())
        found, failures = server.pictures.catalog.search.page, [CatalogUnavailable(), CatalogUnavailable()]

        async def failing_at_first(*arguments: Any, **options: Any) -> Any:
            if failures:
                raise failures.pop()
            return await found(*arguments, **options)

        monkeypatch.setattr(server.pictures.catalog.search, "page", failing_at_first)
        begun = await owner.post(
            "/admin/pictures", action="delete-found-now", key="guest", newest="9", total="1", own_key=owner.key
        )
        assert (begun.status, failures) == (303, [])
        assert (await server.get(image["url"])).status == 410


async def test_pictures_and_their_uploaders_are_blocked_and_freed(imges: Server, owner: Owner):
    content = drawn.png(19, 17)
    image = (await by_page(imges, content, "203.0.113.77")).json["image"]
    chosen = ("id", image["id_encoded"])
    assert (await owner.post("/admin/pictures", chosen, action="block-digest")).status == 303
    assert (await owner.post("/admin/pictures", chosen, action="block-address")).status == 303
    assert (await by_page(imges, content)).error == (403, 106)
    assert (await by_page(imges, drawn.png(20, 20), "203.0.113.77")).error == (403, 106)
    listed = (await owner.get("/admin/blocks")).text
    for what in (image["md5"], "203.0.113.77/32"):
        assert what in listed
        assert (await owner.post("/admin/blocks", action="remove", what=what)).status == 303
    assert (await by_page(imges, content, "203.0.113.77")).status == 200
    wrong = await owner.post("/admin/blocks", action="add", what="<b>everybody")
    assert (wrong.status, "&lt;b&gt;everybody" in wrong.text) == (400, True)


async def test_a_key_lives_from_add_to_revoke(imges: Server, owner: Owner):
    added = await owner.post(
        "/admin/keys",
        action="add",
        name="phone",
        quota="1 GB",
        pictures="2",
        expires="2100-01-01",
        own_key=owner.key,
    )
    found = re.search(r"readonly value=\"(\w{40})\"", added.text)
    assert found
    key = found[1]
    statuses = [(await upload_from(imges, drawn.png(), "x.png", key, "203.0.113.5")).status for _ in range(3)]
    assert statuses == [200, 200, 403]
    await imges.pictures.catalog.keys.touch("phone", utc_now())
    page = (await owner.get("/admin/keys")).text
    assert key not in page
    assert "2 / 2" in page
    await owner.post("/admin/keys", action="disable", name="phone")
    assert "disabled" in (await owner.get("/admin/keys")).text
    await owner.post("/admin/keys", action="enable", name="phone")
    assert "Revoke the key phone?" in (await owner.post("/admin/keys", action="revoke", name="phone")).text
    await owner.post("/admin/keys", action="revoke-now", name="phone")
    assert (await upload_from(imges, drawn.png(), "x.png", key, "203.0.113.5")).status == 401
    for fields in (
        {"name": "a b"},
        {"name": "owner"},
        {"name": "x", "quota": "much"},
        {"name": "x", "pictures": "-1"},
        {"name": "x", "expires": "soon"},
    ):
        assert (await owner.post("/admin/keys", action="add", own_key=owner.key, **fields)).status in {400, 409}
    assert (await owner.post("/admin/keys", action="revoke-now", name="guest")).status == 400
    assert (await owner.post("/admin/keys", action="enable", name="nobody")).status == 404
    assert (await owner.post("/admin/keys", action="", name="guest")).status == 400
    assert (await imges.upload(drawn.png())).status == 200


async def test_a_session_alone_makes_no_key(imges: Server, owner: Owner):
    for wrong, status in {"": 401, "wrong": 401, imges.key: 403}.items():
        refused = await owner.post("/admin/keys", action="add", name="mallory", scope="admin", own_key=wrong)
        assert (refused.status, 'role="alert"' in refused.text) == (status, True)
    assert "mallory" not in [key.name for key in await imges.pictures.catalog.keys.all()]


async def test_the_trail_shows_what_was_done_page_by_page(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imges.administration.trail.PAGE", 3)
    async with start() as server:
        owner = await owner_of(server)
        await server.pictures.catalog.trail.add("<b>root", Deed.REVOKE_KEY, "x")
        for what in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
            await owner.post("/admin/blocks", action="add", what=what)
        page = await owner.get("/admin/trail")
        assert [what in page.text for what in ("192.0.2.3/32", "192.0.2.1/32", "revoked")] == [True, True, False]
        link = re.search(r'rel="next" href="([^"]+)"', page.text)
        assert link
        older = await owner.get(unescape(link[1]))
        assert "&lt;b&gt;root" in older.text
        assert [word in older.text for word in ("revoked an API key", "signed in", "192.0.2.1/32")] == [
            True,
            True,
            False,
        ]
        assert 'rel="next"' not in older.text
        assert (await owner.get("/admin/trail?before=x")).status == 400


async def test_the_overview_counts_places_and_days(start: Start):
    async with start(SITE__TIME_ZONE="Asia/Tokyo") as server:
        owner = await owner_of(server)
        image, *_ = [await server.uploaded(drawn.png()) for _ in range(3)]
        page = (await owner.get("/admin/overview")).text
        assert re.search(r'<th scope="row">disk</th><td>3</td><td>\d', page)
        days = re.findall(r"from=([\d-]+)&amp;to=[\d-]+\">[^<]*</a></th><td>(\d+)</td>", page)
        assert len(days) == 30
        assert days[0] == (image["date"][:10], "3")
        assert sum(int(count) for _, count in days) == 3


async def test_hostile_names_stay_text(imges: Server, owner: Owner):
    title = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'"
    image = await imges.uploaded(drawn.png(), title=title)
    page = await owner.get(f"/admin?q={image['id_encoded']}")
    assert names(page) == [title]
    assert "<script>alert" not in page.text
    assert "onerror=alert(2)>" not in page.text.replace("onerror=alert(2)&gt;", "")
    assert urlsplit(image["url"]).path in page.text.replace(".th.", ".")
