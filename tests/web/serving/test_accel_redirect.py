"""`server.accel_redirect`: nginx sends the files, and an answer looks as if imges had sent it itself."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import aiohttp
import pytest_asyncio

from tests import drawn
from tests.servers import free_ports, running_nginx
from tests.web.conftest import Server, running

CONFIGURATION = """
pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass {imges}; proxy_set_header Host $http_host; }}
        location /protected/disk/ {{
            internal;
            alias {images}/;
            etag off;
            add_header ETag $upstream_http_etag;
            add_header Content-Security-Policy $upstream_http_content_security_policy;
            add_header Access-Control-Allow-Origin $upstream_http_access_control_allow_origin;
            add_header X-Content-Type-Options $upstream_http_x_content_type_options;
        }}
    }}
}}
"""
NAME = "ein bïld & 100%.png"
CONTENT = drawn.encoded(drawn.noise(400, 400), "PNG")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def behind_nginx(tmp_path_factory) -> AsyncGenerator[tuple[Server, Server]]:
    """The same imges, through nginx and directly."""
    folder: Path = tmp_path_factory.mktemp("nginx")
    (port,) = free_ports(1)
    async with running(folder / "data", SERVER__ACCEL_REDIRECT="/protected") as imges:
        text = CONFIGURATION.format(folder=folder, port=port, imges=imges.base, images=folder / "data/images")
        base = f"http://127.0.0.1:{port}"
        with running_nginx(folder, text, f"{base}/protected/disk/none"):
            async with aiohttp.ClientSession() as session:
                yield Server(base, imges.data_dir, session, imges.pictures, imges.backing), imges


async def test_a_file_is_handed_over(behind_nginx: tuple[Server, Server]):
    nginx, imges = behind_nginx
    path = (await imges.uploaded(CONTENT, NAME))["url"].removeprefix(imges.base)
    direct, proxied = await imges.get(path), await nginx.get(path)
    assert direct.headers["X-Accel-Redirect"] == path.replace("/images/", "/protected/disk/", 1)
    assert direct.body == b""
    assert (proxied.status, proxied.body) == (200, CONTENT)
    assert "X-Accel-Redirect" not in proxied.headers
    same = {
        "Content-Type", "Cache-Control", "ETag", "Last-Modified", "Accept-Ranges", "Content-Security-Policy",
        "X-Content-Type-Options", "Access-Control-Allow-Origin",
    }  # fmt: skip
    assert {name: proxied.headers[name] for name in same} == {name: direct.headers[name] for name in same}
    assert (await nginx.request("HEAD", path)).headers["Content-Length"] == str(len(CONTENT))


async def test_conditions_and_ranges(behind_nginx: tuple[Server, Server]):
    nginx, imges = behind_nginx
    path = (await imges.uploaded(CONTENT, "conditions.png"))["url"].removeprefix(imges.base)
    etag = (await nginx.get(path)).headers["ETag"]
    old = format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True)
    cases: list[tuple[dict[str, str], int, bytes]] = [
        ({"If-None-Match": etag}, 304, b""),
        ({"If-None-Match": '"other"'}, 200, CONTENT),
        ({"If-Modified-Since": old}, 200, CONTENT),
        ({"If-Match": etag}, 200, CONTENT),
        ({"If-Match": '"other"'}, 412, b""),
        ({"Range": "bytes=3-9"}, 206, CONTENT[3:10]),
        ({"Range": "bytes=3-9", "If-Range": etag}, 206, CONTENT[3:10]),
        ({"Range": "bytes=3-9", "If-Range": '"other"'}, 200, CONTENT),
    ]
    for headers, status, body in cases:
        answer = await nginx.get(path, headers=headers)
        assert (answer.status, answer.body) == (status, body), headers
        assert answer.headers["ETag"] == etag, headers


async def test_imges_answers_for_a_missing_picture(behind_nginx: tuple[Server, Server]):
    nginx, imges = behind_nginx
    image = await imges.uploaded(CONTENT, "lost.png")
    path = image["url"].removeprefix(imges.base)
    (imges.data_dir / path.lstrip("/")).unlink()
    assert (await nginx.get(path, headers={"Accept": "application/json"})).error == (404, 404)
    assert (await nginx.get("/protected/disk/imges.db")).status == 404
    row = await imges.pictures.finding.by_id(image["id_encoded"])
    await imges.pictures.deleting.delete(row)
    assert (await nginx.get(path)).status == 410
