"""imges behind nginx, Caddy and haproxy, each with the file that we ship for it."""

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.abc import AbstractResolver, ResolveResult

from tests import drawn
from tests.shipping.proxies import DEPLOY, HOST, PROXIES, running_proxy
from tests.shipping.proxies import Site as Proxy
from tests.web.conftest import Server, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENT = "127.0.0.5"
"""The address that the tests connect from. The proxy connects from another."""
BIG = drawn.encoded(drawn.noise(900, 700), "PNG")


class OurHost(AbstractResolver):
    """Resolves `HOST` to this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        assert host == HOST
        flags = socket.AI_NUMERICHOST
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=flags)]

    async def close(self) -> None:
        pass


def trusting(proxy: Proxy) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(proxy.folder / "fullchain.pem"))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(PROXIES))
async def behind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[tuple[Server, Proxy]]:
    """imges behind the proxy, and the proxy."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    for above in (folder, *folder.parents[:2]):
        above.chmod(0o711)  # nginx reads the pictures as another user
    settings = {"SERVER__ACCEL_REDIRECT": "/protected"} if request.param.startswith("nginx") else {}
    async with running(folder / "data", None, **settings) as imges:
        port = int(imges.base.rpartition(":")[2])
        with running_proxy(request.param, folder / "proxy", port, folder / "data/images") as proxy:
            connector = aiohttp.TCPConnector(resolver=OurHost(), ssl=trusting(proxy), local_addr=(CLIENT, 0))
            async with aiohttp.ClientSession(connector=connector) as session:
                yield Server(proxy.base, imges.data_dir, session, imges.pictures, imges.backing), proxy


async def test_an_upload_is_served_at_the_addresses_of_its_answer(behind: tuple[Server, Proxy]):
    imges, proxy = behind
    image = await imges.uploaded(BIG, "grüße & 100%.png")
    for address in (image["url"], image["medium"]["url"], image["thumb"]["url"], image["url_viewer"]):
        assert address.startswith(f"{proxy.base}/image")
        assert (await imges.get(address)).status == 200
    original = await imges.get(image["url"])
    assert original.body == BIG
    assert original.headers["Content-Type"] == "image/png"
    assert original.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert original.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert original.headers["X-Content-Type-Options"] == "nosniff"
    assert original.headers["Access-Control-Allow-Origin"] == "*"
    again = await imges.get(image["url"], headers={"If-None-Match": original.headers["ETag"]})
    assert again.status == 304
    part = await imges.get(image["url"], headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, BIG[10:20])


async def test_no_secret_gets_into_the_log_of_a_proxy(behind: tuple[Server, Proxy]):
    """Keys in queries and forms, tokens of delete links, also as a Referer, and whole addresses of clients."""
    imges, proxy = behind
    secret = "SECRET-5f2c"
    image = await imges.uploaded(drawn.png())
    token = image["delete_url"].rpartition("/")[2]
    await imges.get(f"/api/1/upload?key={secret}&source=http%3A%2F%2F127.0.0.1%2F")
    await imges.get("/robots.txt", headers={"Referer": image["delete_url"], "X-API-Key": secret})
    await imges.get(f"/image/{image['id_encoded']}/delete/{token}")
    await imges.get(f"/image/{image['id_encoded']}/delete/{token}x?key={secret}")
    logged = "".join([file.read_text(errors="replace") for file in proxy.folder.iterdir() if "log" in file.name])
    for hidden in (secret, token, CLIENT):
        assert hidden not in logged, hidden


async def test_a_deleted_picture_is_gone(behind: tuple[Server, Proxy]):
    imges, _ = behind
    image = await imges.uploaded(drawn.png())
    assert (await imges.get(image["url"])).status == 200
    assert (await imges.post(image["delete_url"], headers={"Accept": "application/json"})).status == 200
    assert (await imges.get(image["url"])).status == 410


async def test_only_pictures_are_sent(behind: tuple[Server, Proxy]):
    imges, _ = behind
    (imges.data_dir / "images/linked.png").symlink_to(imges.data_dir / "imges.db")
    for path in ("linked.png", ".staging/x.png", ".staging/", "", "linked.png/x"):
        answer = await imges.get(f"/images/{path}")
        assert (answer.status, b"SQLite" in answer.body) == (404, False), path


async def test_all_forms_of_an_upload_get_through(behind: tuple[Server, Proxy]):
    imges, proxy = behind
    text = await imges.upload(drawn.jpeg(), format="txt")
    assert text.text.startswith(f"{proxy.base}/images/")
    base64 = await imges.post(
        "/sharexapi/1/upload/", data={"key": imges.key, "source": "R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="}
    )
    assert base64.status == 200
    form = await imges.post(
        "/", data={"source": BytesIO(drawn.png())}, headers={"Origin": proxy.base, "Accept": "application/json"}
    )
    assert form.status == 200
    redirect = await imges.upload(drawn.png(), format="redirect")
    assert redirect.headers["Location"].startswith(f"{proxy.base}/image/")


async def test_a_client_cannot_forge_its_address(behind: tuple[Server, Proxy]):
    imges, _ = behind
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    form = aiohttp.FormData({"key": imges.key})
    form.add_field("source", drawn.png(), filename="a.png")
    answer = await imges.post(data=form, headers=forged)
    assert answer.status == 200
    assert answer.json["image"]["url"].startswith(imges.base)
    row = await imges.pictures.finding.by_id(answer.json["image"]["id_encoded"])
    assert row.address == CLIENT
    assert (await imges.get("/metrics", headers=forged)).status in {200, 403}


async def test_a_client_cannot_set_the_request_id(behind: tuple[Server, Proxy]):
    imges, _ = behind
    ids = [(await imges.get("/healthz", headers={"X-Request-ID": "mine"})).headers["X-Request-ID"] for _ in range(2)]
    assert ids[0] != ids[1]
    assert "mine" not in ids


async def test_imges_itself_refuses_a_file_that_is_too_large(behind: tuple[Server, Proxy]):
    imges, _ = behind
    answer = await imges.upload(bytes(51 * 2**20))
    assert answer.error == (413, 313)
    almost = await imges.upload(bytes(19 * 2**20))
    assert almost.error == (415, 311)


async def test_a_slow_upload_gets_through(behind: tuple[Server, Proxy]):
    imges, proxy = behind
    head = b'--x\r\nContent-Disposition: form-data; name="source"; filename="slow.png"\r\n\r\n'
    body = head + drawn.png() + b"\r\n--x--\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.https, ssl=trusting(proxy), server_hostname=HOST)
    writer.write(
        f"POST /api/1/upload?format=txt HTTP/1.1\r\nHost: {HOST}:{proxy.https}\r\nX-API-Key: {imges.key}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
    )
    step = len(body) // 12 + 1
    for start in range(0, len(body), step):
        await asyncio.sleep(0.25)
        writer.write(body[start : start + step])
        await writer.drain()
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200")
    assert proxy.base.encode() in answer
    writer.close()


async def test_http_2_works_and_http_redirects_to_https(behind: tuple[Server, Proxy], tmp_path: Path):
    imges, proxy = behind
    (tmp_path / "a.png").write_bytes(BIG)
    command = [
        "curl", "--silent", "--show-error", "--http2", "--cacert", proxy.folder / "fullchain.pem",
        "--resolve", f"{HOST}:{proxy.https}:127.0.0.1", "--form", f"source=@{tmp_path}/a.png",
        "--header", f"X-API-Key: {imges.key}", "--write-out", "\n%{http_version}", f"{proxy.base}/api/1/upload",
    ]  # fmt: skip
    said = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    answer, _, version = said.stdout.rpartition("\n")
    assert version == "2", said.stderr
    assert json.loads(answer)["image"]["size"] == len(BIG)
    plain = aiohttp.ClientSession()
    async with (
        plain,
        plain.post(
            f"http://127.0.0.1:{proxy.http}/api/1/upload", headers={"Host": HOST}, allow_redirects=False
        ) as answer,
    ):
        assert answer.status == 308
        assert answer.headers["Location"].startswith(f"https://{HOST}")


@pytest.mark.parametrize(
    ("kind", "name"), [("nginx", "nginx.conf"), ("caddy", "Caddyfile"), ("systemd", "imges.service")]
)
async def test_the_shipped_files_are_those_that_imges_prints(kind: str, name: str, tmp_path: Path):
    settings = (DEPLOY / "settings.yaml").read_text()
    if kind == "caddy":
        settings = settings.replace("accel_redirect", "# accel_redirect")
    (tmp_path / "settings.yaml").write_text(settings)
    command = [sys.executable, "-m", "imges", "check", "--settings", str(tmp_path / "settings.yaml"), "--print", kind]
    said = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert said.stdout == (DEPLOY / name).read_text()
