"""Pages as a browser without script sees them."""

import re
from html import unescape
from io import BytesIO
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests import drawn
from tests.web.conftest import Server, Start

HTML = {"Accept": "text/html,application/xhtml+xml"}
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HOSTILE = """"><script>alert(1)</script><img src=x onerror=alert(1)>' {{ 1234577 * 7 }}"""


def form_of(server: Server, **fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData(fields)
    form.add_field("source", BytesIO(drawn.png(600, 40)), filename="shot.png")
    return form


async def test_the_upload_page_works_as_a_plain_form(imges: Server):
    page = await imges.get("/", headers=HTML)
    assert page.status == 200
    assert page.headers["Content-Security-Policy"] == CSP
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page.headers["Permissions-Policy"] == "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
    assert "Access-Control-Allow-Origin" not in page.headers
    assert 'enctype="multipart/form-data"' in page.text
    answer = await imges.post("/", data=form_of(imges, title="Mine"), headers=HTML | {"Origin": imges.base})
    assert answer.status == 200
    direct = re.search(re.escape(imges.base) + r"/images/[^\"]+/shot[^\"]*\.png", answer.text)
    assert direct is not None
    assert (await imges.get(direct[0])).body == drawn.png(600, 40)
    assert f"{imges.base}/image/" in answer.text
    deletion = re.search(re.escape(imges.base) + r"/image/\w+/delete/[\w-]+", answer.text)
    assert deletion is not None
    assert (await imges.post(deletion[0])).status == 200


OWN_NAMES = (
    *("127.0.0.1", "192.0.2.7:8080", "[2001:db8::7]:8080", "localhost:8080", "nas", "NAS.local.", "images.home.arpa"),
    *("router.fritz.box", "ours.example:8080", "evil-local"),
)
OTHER_NAMES = (
    "rebound.example",
    "rebound.example:8080",
    "127.0.0.1.rebound.example",
    "sub.ours.example",
    "local.example",
)


async def test_guests_upload_only_under_names_that_no_stranger_can_let_lead_here(start: Start):
    """DNS rebinding: for the browser, the other site's name and ours are then one."""
    async with start(SERVER__HOSTS="[ours.example]") as server:
        browser = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
        for host in OWN_NAMES:
            answer = await server.post("/", data=form_of(server), headers=browser | {"Host": host})
            assert answer.status == 200, (host, answer.text)
        for host in OTHER_NAMES:
            answer = await server.post("/", data=form_of(server), headers=browser | {"Host": host})
            assert answer.error == (421, 421), host
            assert "server.hosts" in answer.json["error"]["message"]
        by_proxy = browser | {"Host": "any.example", "X-Forwarded-For": "192.0.2.9"}
        assert (await server.post("/", data=form_of(server), headers=by_proxy)).status == 200
        by_api = await server.post(data=form_of(server, key=server.key), headers={"Host": "any.example"})
        assert by_api.status == 200, "the API has its key"


async def test_with_a_public_address_the_name_does_not_matter(start: Start):
    async with start(SERVER__PUBLIC_URL="https://img.example.org") as server:
        answer = await server.post("/", data=form_of(server), headers=HTML | {"Host": "any.example"})
        assert answer.status == 200


async def test_the_form_answers_scripts_in_json(imges: Server):
    answer = await imges.post("/", data=form_of(imges), headers={"Accept": "application/json"})
    assert answer.json["image"]["url"].startswith(imges.base)
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://proxy.example"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_only_our_own_pages_may_send_the_form(imges: Server, headers: dict[str, str], status: int):
    files = imges.files()
    answer = await imges.post("/", data=form_of(imges), headers=headers | {"Accept": "application/json"})
    assert answer.status == status
    if status == 403:
        assert answer.error == (403, 105)
        assert await imges.nothing_beyond(files)


PROXIED: list[tuple[str, str, str]] = [
    ("nas.local:80", "http://nas.local", "http"),  # nginx's $host:$server_port
    ("NAS.local", "http://nas.local", "http"),
    ("nas.local", "http://nas.local:80", "http"),
    ("nas.local:443", "https://nas.local", "https"),
    ("nas.local:8080", "http://nas.local:8080", "http"),
    ("[fd00::1]:80", "http://[fd00::1]", "http"),
]


@pytest.mark.parametrize(("host", "origin", "scheme"), PROXIED)
async def test_our_own_form_behind_proxies_that_write_the_host_otherwise(
    imges: Server, host: str, origin: str, scheme: str
):
    headers = {"Host": host, "X-Forwarded-Proto": scheme, "Origin": origin, "Accept": "application/json"}
    answer = await imges.post("/", data=form_of(imges), headers=headers)
    assert answer.status == 200, answer.text
    assert answer.json["image"]["url"].startswith(f"{origin.removesuffix(':80')}/images/")


@pytest.mark.parametrize(
    ("host", "origin", "scheme", "teaches"),
    [
        ("nas.local", "http://nas.local:8080", "http", True),  # the proxy drops the port
        ("nas.local", "https://nas.local", "http", True),  # it does not say that it speaks TLS
        ("127.0.0.1:8080", "http://img.example.org", "http", True),  # it does not pass the name on
        ("imges:8080", "http://img.example.org", "http", True),
        ("img.example.org", "http://evil.example", "http", False),
        ("img.example.org", "http://evil.img.example.org", "http", False),
        ("img.example.org", "null", "http", False),
        ("img.example.org", "http://[x", "http", False),
    ],
)
async def test_a_form_of_another_origin(imges: Server, host: str, origin: str, scheme: str, teaches: bool):
    headers = {"Host": host, "X-Forwarded-Proto": scheme, "Origin": origin, "Accept": "application/json"}
    answer = await imges.post("/", data=form_of(imges), headers=headers)
    assert answer.error == (403, 105)
    message = answer.json["error"]["message"]
    assert ("server.public_url" in message, "proxy_set_header Host $http_host" in message) == (teaches, teaches)


async def test_guests_may_be_refused(start: Start):
    async with start(API__GUEST_UPLOADS="false") as server:
        answer = await server.post("/", data=form_of(server), headers={"Accept": "application/json"})
        assert answer.error == (403, 105)
        page = (await server.get("/", headers=HTML)).text
        assert 'action="/sharexapi/1/upload"' in page
        assert 'name="key"' in page
        assert (await server.upload(drawn.png())).status == 200


async def test_errors_are_pages_for_browsers_and_json_for_scripts(imges: Server):
    page = await imges.get("/image/nothing", headers=HTML)
    assert (page.status, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert 'role="alert"' in page.text
    told = await imges.get("/image/nothing", headers={"Accept": "application/json"})
    assert told.error == (404, 404)
    assert (await imges.post("/image/x", headers={"Accept": "application/json"})).error == (405, 405)


async def test_a_viewer_shows_the_picture_and_its_links(imges: Server):
    image = await imges.uploaded(drawn.png(1200, 800), "view.png", title="My title", description="A\nB", tags="x,y")
    page = await imges.get(image["url_viewer"], headers=HTML)
    assert page.status == 200
    text = unescape(page.text)
    for expected in (
        image["url"],
        image["medium"]["url"],
        image["url_viewer"],
        ">My title</h1>",
        f'<meta property="og:image" content="{image["medium"]["url"]}">',
        '<meta property="og:image:width" content="500">',
        "1200 × 800",
        "[url=" + image["url_viewer"],
    ):
        assert expected in text
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert image["delete_url"] not in page.text


async def test_a_viewers_address_as_chevereto_wrote_it_leads_there(imges: Server):
    image = await imges.uploaded(drawn.png())
    path = f"/image/{image['id_encoded']}"
    titled = await imges.get(f"/image/my.holiday.{image['id_encoded']}")
    assert (titled.status, titled.headers["Location"]) == (301, path)
    assert (await imges.get("/image/x.%0d%0aA:b")).status == 404


async def test_a_hostile_title_stays_text(imges: Server):
    image = await imges.uploaded(
        drawn.png(600, 40), "<img src=x onerror=alert(1)>.png", title=HOSTILE, description=HOSTILE, tags="<b>"
    )
    for address in (image["url_viewer"], image["delete_url"]):
        page = await imges.get(address, headers=HTML)
        assert page.status == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "{{ 1234577 * 7 }}" in page.text
        assert "8642039" not in page.text  # what a template would make of it
        assert page.headers["Content-Security-Policy"] == CSP


async def test_views_are_counted_but_bots_are_not(imges: Server):
    image = await imges.uploaded(drawn.png())
    for agent in ("Mozilla/5.0 Firefox", "Mozilla/5.0 Chrome", "Googlebot/2.1", "curl/8"):
        await imges.get(image["url_viewer"], headers=HTML | {"User-Agent": agent})
    await imges.pictures.views.flush()
    assert "2 views" in (await imges.get(image["url_viewer"], headers=HTML)).text


async def test_a_delete_link_asks_and_then_deletes_everything(imges: Server):
    image = await imges.uploaded(drawn.png(600, 40), "delete-me.png")
    files = [image["url"], image["thumb"]["url"], image["medium"]["url"]]
    assert [(await imges.get(url)).status for url in files] == [200] * 3
    asked = await imges.get(image["delete_url"], headers=HTML)
    assert (asked.status, 'method="post"' in asked.text) == (200, True)
    assert [(await imges.get(url)).status for url in files] == [200] * 3
    done = await imges.post(image["delete_url"], headers=HTML)
    assert (done.status, "Deleted" in done.text) == (200, True)
    assert [(await imges.get(url)).status for url in files] == [410] * 3
    assert (await imges.get(image["url_viewer"], headers=HTML)).status == 410
    assert (await imges.post(image["delete_url"])).status == 410
    assert not [key for key in imges.backing.objects() if "delete-me" in key]


@pytest.mark.parametrize("token", ["x", "A" * 32, "%00", "é", "\udcff".encode("utf-8", "surrogatepass").hex()])
async def test_a_wrong_token_deletes_nothing(imges: Server, token: str):
    image = await imges.uploaded(drawn.png())
    for method in ("GET", "POST"):
        answer = await imges.request(method, f"/image/{image['id_encoded']}/delete/{token}")
        assert answer.status == 404
    assert (await imges.get(image["url"])).status == 200


async def test_small_routes(imges: Server):
    assert (await imges.get("/healthz")).status == 200
    assert (await imges.get("/readyz")).json == {"ready": True}
    assert "User-agent: *" in (await imges.get("/robots.txt")).text
    icon = await imges.get("/favicon.ico")
    assert (icon.status, icon.headers["Content-Type"]) == (200, "image/svg+xml")
    style = await imges.get("/static/style.css")
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css")


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "img.example.org"}, "https://img.example.org"),
        ({"X-Forwarded-Host": "a.example, b.example:8443"}, "http://b.example:8443"),
        ({"X-Forwarded-Proto": "javascript", "Host": "img.example.org"}, "http://img.example.org"),
        ({"X-Forwarded-Host": 'evil"><script>', "Host": "img.example.org"}, "http://img.example.org"),
    ],
)
async def test_addresses_behind_a_trusted_proxy(imges: Server, headers: dict[str, str], base: str):
    answer = await imges.post(data=form_of(imges, key=imges.key), headers=headers)
    assert answer.json["image"]["url"].startswith(base + "/images/")


async def test_a_stranger_cannot_say_who_it_is(start: Start):
    async with start(SERVER__TRUSTED_PROXIES="[10.0.0.0/8]") as server:
        spoof = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "10.0.0.1"}
        answer = await server.post(data=form_of(server, key=server.key), headers=spoof)
        assert answer.json["image"]["url"].startswith(server.base)


async def test_the_public_url_is_the_base_of_everything(start: Start):
    async with start(SERVER__PUBLIC_URL="https://i.example.org") as server:
        answer = await server.post(
            data=form_of(server, key=server.key), headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        )
        assert "evil" not in answer.text
        image = answer.json["image"]
        assert image["url"].startswith("https://i.example.org/images/")
        assert image["delete_url"].startswith("https://i.example.org/image/")


async def test_a_host_that_is_none(imges: Server):
    assert (await imges.post(data=form_of(imges, key=imges.key), headers={"Host": 'x"y'})).error == (400, 140)


async def test_no_link_leads_from_a_delete_page_with_its_address(imges: Server):
    """The address is the permission to delete. A site that is linked from there must not see it."""
    image = await imges.uploaded(drawn.png())
    path = urlsplit(image["delete_url"]).path
    for answer in (
        await imges.get(path, headers={"Accept": "text/html"}),
        await imges.get(path + "x", headers={"Accept": "text/html"}),
        await imges.post(path, headers={"Accept": "text/html"}),
    ):
        assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_security_txt_names_the_contact_that_the_owner_has_set(imges: Server, start: Start):
    assert (await imges.get("/.well-known/security.txt")).status == 404
    async with start(SITE__CONTACT="security@example.org") as server:
        lines = (await server.get("/.well-known/security.txt")).text.splitlines()
    assert lines[0] == "Contact: mailto:security@example.org"
    assert re.fullmatch(r"Expires: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines[1])
