"""Each client uploads a picture as its own documentation says, and reads the address out of the answer.

docs/clients.md has them as they are run here.
"""

import json
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
