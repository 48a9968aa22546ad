"""Each client uploads a picture as its own documentation says, and reads the address out of the answer.

docs/clients.md has them as they are run here.
"""

import http.client
import json
import socket
import subprocess
from collections.abc import Generator
from urllib.parse import urlsplit

import pytest

from tests import drawn
from tests.clients.mapping import Mapping, mapped
from tests.served import Served, serving

PICTURE = drawn.encoded(drawn.noise(50, 40), "PNG")

IMGBB = {
    "aioimgbb": """
import asyncio
from aioimgbb.client import Client
image = asyncio.run(Client(key).upload(path, name="my picture", expiration=600))
assert (image.title, image.expiration) == ("my picture", "600"), image
print(image.url)
""",
    "imgbbpy, a file": """
import asyncio, imgbbpy
async def main():
    client = imgbbpy.AsyncClient(key)
    image = await client.upload(file=path, name="my picture")
    await client.close()
    return image.url
print(asyncio.run(main()))
""",
    "imgbb": """
from imgbb.main import ImgBB
with open(path, "rb") as file:
    answer = ImgBB(key).upload("my picture", image_bin=file)
assert answer["success"], answer
print(answer["url"])
""",
    "imgbb-sdk": """
from imgbb_sdk import imgbb_upload
print(imgbb_upload(key, path, name="my picture", expiration=600)["data"]["url"])
""",
    "simple-imgbb": """
from simpleimgbb import IMGBB
print(IMGBB(key).snapshot(path, exp=600.0))
""",
}

REQUESTS = """
import requests
with open(path, "rb") as file:
    answer = requests.post(url, data={"key": key, "title": "Gr\\u00fc\\u00dfe"}, files={"source": file})
print(answer.json()["image"]["url"])
"""

CURL = {
    "a form": ["-F", "source=@{path}", "-F", "key={key}", "{url}?format=txt"],
    "the bytes alone": ["--data-binary", "@{path}", "-H", "Authorization: Bearer {key}", "{url}?format=txt"],
    "a key from a file": ["-F", "source=@{path}", "-F", "key=<{folder}/key", "{url}?format=txt"],
    "any name": ["-F", "picture=@{path}", "-H", "X-API-Key: {key}", "{url}?format=txt"],
    "from a pipe": ["-F", "source=@-;filename=shot.png", "-H", "X-API-Key: {key}", "{url}?format=txt"],
}
WGET = ["wget", "-qO-", "--post-file={path}", "--header=X-API-Key: {key}", "{url}?format=txt"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("clients")
    (folder / "Mein Foto.png").write_bytes(PICTURE)
    with serving(folder) as server:
        (folder / "key").write_text(server.key + "\n")
        yield server


@pytest.fixture(scope="module")
def mapping(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Generator[Mapping]:
    with mapped(tmp_path_factory.mktemp("mapped"), served.port) as found:
        yield found


def assert_shows_the_picture(served: Served, url: str) -> None:
    status, content = served.request("GET", urlsplit(url).path)
    assert (status, content) == (200, PICTURE), url


@pytest.mark.parametrize("client", IMGBB)
def test_clients_of_imgbb(served: Served, mapping: Mapping, client: str) -> None:
    script = "import sys\nkey, path = sys.argv[1:]\n" + IMGBB[client]
    url = mapping.run(script, served.key, str(served.folder / "Mein Foto.png"))
    assert_shows_the_picture(served, url)


def test_requests(served: Served, mapping: Mapping) -> None:
    script = "import sys\nkey, path, url = sys.argv[1:]\n" + REQUESTS
    address = f"http://127.0.0.1:{served.port}/api/1/upload"
    assert_shows_the_picture(served, mapping.run(script, served.key, str(served.folder / "Mein Foto.png"), address))


@pytest.mark.parametrize("command", [*CURL, "wget"])
def test_commands(served: Served, command: str) -> None:
    told = WGET if command == "wget" else ["curl", "--silent", "--show-error", *CURL[command]]
    values = {
        "path": str(served.folder / "Mein Foto.png"),
        "folder": str(served.folder),
        "key": served.key,
        "url": f"http://127.0.0.1:{served.port}/api/1/upload",
    }
    ran = subprocess.run(
        [word.format(**values) for word in told], input=PICTURE, capture_output=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert_shows_the_picture(served, ran.stdout.decode())


JAVA = {
    "Apache HttpClient 4.5": (
        (
            "Content-Type: multipart/form-data; boundary=bR7k; charset=ISO-8859-1\r\n"
            "User-Agent: Apache-HttpClient/4.5.14 (Java/17.0.15)\r\nAccept-Encoding: gzip,deflate\r\n"
        ),
        "Content-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n",
        "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n",
    ),
    "Apache HttpClient 5": (
        (
            "Content-Type: multipart/form-data; charset=ISO-8859-1; boundary=bR7k\r\n"
            "User-Agent: Apache-HttpClient/5.3 (Java/17.0.15)\r\nAccept-Encoding: gzip, x-gzip, deflate\r\n"
        ),
        "Content-Type: text/plain; charset=ISO-8859-1\r\n",
        "Content-Type: image/png\r\n",
    ),
    "java.net.http": (
        (
            "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
            "Upgrade: h2c\r\nUser-Agent: Java-http-client/17\r\nContent-Type: multipart/form-data; boundary=bR7k\r\n"
        ),
        "",
        "Content-Type: image/png\r\n",
    ),
}
"""The bytes that they send: headers of the request, of a part of text, and of the file's part."""


@pytest.mark.parametrize("client", JAVA)
def test_javas_clients_by_their_bytes(served: Served, client: str) -> None:
    headers, text, file = JAVA[client]
    head = (
        f'--bR7k\r\nContent-Disposition: form-data; name="title"\r\n{text}\r\nGr\xfc\xdfe\r\n'
        f'--bR7k\r\nContent-Disposition: form-data; name="source"; filename="x.png"\r\n{file}\r\n'
    )
    body = head.encode("latin-1" if "8859-1" in text else "utf-8") + PICTURE + b"\r\n--bR7k--\r\n"
    request = (
        f"POST /api/1/upload HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nX-API-Key: {served.key}\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=90) as connection:
        connection.sendall(request.encode() + body)
        answer = http.client.HTTPResponse(connection, method="POST")
        answer.begin()
        told = json.loads(answer.read())
    assert (answer.status, told["image"]["title"]) == (200, "Gr\u00fc\u00dfe"), told
    assert_shows_the_picture(served, told["image"]["url"])


def test_names_that_aiohttp_percent_encodes(served: Served, mapping: Mapping) -> None:
    """Every Python program that uploads with aiohttp sends `Mein%20Foto.png`."""
    script = """
import asyncio, sys, aiohttp
key, path, url = sys.argv[1:]
async def main():
    async with aiohttp.ClientSession() as session:
        with open(path, "rb") as file:
            async with session.post(url, data={"key": key, "source": file}) as answer:
                return await answer.text()
print(asyncio.run(main()))
"""
    address = f"http://127.0.0.1:{served.port}/api/1/upload"
    told = json.loads(mapping.run(script, served.key, str(served.folder / "Mein Foto.png"), address))
    assert told["image"]["original_filename"] == "Mein Foto.png"
