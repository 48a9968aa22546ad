"""The one-file binary in an empty root, with nothing but the files of the C library and what the binary brings.

`make test-binary` builds it and runs these tests. `make test` does not: building takes minutes.
"""

import http.client
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import drawn
from tests.servers import S3Server, free_ports, seaweedfs

__all__ = ["seaweedfs"]

pytestmark = pytest.mark.binary

REPOSITORY = Path(__file__).parents[2]
BINARY = REPOSITORY / "dist/imges"
LOADER = Path("/lib64/ld-linux-x86-64.so.2")
LIBRARIES = [
    Path("/lib/x86_64-linux-gnu", f"lib{name}")
    for name in ("c.so.6", "dl.so.2", "m.so.6", "pthread.so.0", "resolv.so.2", "rt.so.1", "z.so.1")
]
LARGEST = 60 * 2**20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root folder with the binary and the C library alone."""
    root = tmp_path / "root"
    (root / "tmp").mkdir(parents=True)
    for file in (LOADER, *LIBRARIES):
        there = root / file.relative_to("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, there)
    shutil.copy(BINARY, root / "imges")
    return root


def command(root: Path, *arguments: str) -> list[str | Path]:
    become_root = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    return [*become_root, "chroot", root, "/imges", *arguments]


def environment(settings: dict[str, str]) -> dict[str, str]:
    given = {"LIMITS__DISK_RESERVE": "1 MB"} | settings
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} | {f"IMGES__{name}": value for name, value in given.items()}


def run(root: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(root, *arguments), env=environment(settings), capture_output=True, text=True, timeout=60, check=False
    )


class Running:
    def __init__(self, root: Path, port: int) -> None:
        self._root = root
        self._port = port

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        path = re.sub("^https?://[^/]+", "", path)
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def upload(self, content: bytes) -> dict[str, Any]:
        head = b'--x\r\nContent-Disposition: form-data; name="source"; filename="a.png"\r\n\r\n'
        key = (self._root / "data/api.key").read_text().strip()
        headers = {"Content-Type": "multipart/form-data; boundary=x", "X-API-Key": key}
        status, answer = self.ask("POST", "/api/1/upload", head + content + b"\r\n--x--\r\n", **headers)
        assert status == 200, answer
        return json.loads(answer)["image"]


def wait_until_it_answers(running: Running, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            assert running.ask("GET", "/healthz")[0] == 200
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return


@contextmanager
def serving(root: Path, plugins: str = "", **settings: str) -> Generator[Running]:
    (port,) = free_ports(1)
    env = environment({"SERVER__PORT": str(port)} | settings) | {"IMGES_PLUGINS": plugins}
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(command(root, "serve"), env=env, stdout=log, stderr=log)
    running = Running(root, port)
    try:
        wait_until_it_answers(running, process, root / "log")
        yield running
    finally:
        process.terminate()
        ended = process.wait(40)
    assert ended == 0, (root / "log").read_text()


def test_the_binary_is_small_and_starts_at_once(root: Path):
    assert BINARY.stat().st_size <= LARGEST
    before = os.times()
    said = run(root, "version")
    after = os.times()
    assert re.fullmatch(r"imges \d+\.\d+\.\d+\S*\n", said.stdout), said.stderr
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    assert cpu < 2  # seconds of CPU time, which other programs on the machine do not lengthen


def test_checksums_bill_of_materials_and_licences_lie_beside_the_binary():
    sums = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=BINARY.parent, check=False, capture_output=True)
    assert sums.returncode == 0, sums.stderr
    inside = {part["name"] for part in json.loads((BINARY.parent / "imges.cdx.json").read_text())["components"]}
    assert {"aiohttp", "pyvips-binary", "pillow", "aiobotocore", "asyncpg"} <= inside
    assert "pytest" not in inside
    licences = (BINARY.parent / "imges-licences.txt").read_text()
    for name in ("Python", "pyvips-binary", "aiohttp", "pillow_heif"):
        assert re.search(rf"^{name}", licences, re.MULTILINE | re.IGNORECASE), name


@pytest.mark.parametrize("processor", ["vips", "pillow"])
def test_upload_view_and_delete(root: Path, processor: str):
    with serving(root, IMAGES__PROCESSOR=processor, IMAGES__FORMATS="[jpg, png, webp, avif, gif, heic]") as running:
        for content in (drawn.png(), drawn.jpeg(), drawn.webp()):
            image = running.upload(content)
            assert running.ask("GET", image["url"])[0] == 200
            assert running.ask("GET", image["thumb"]["url"])[0] == 200
            status, page = running.ask("GET", image["url_viewer"])
            assert (status, image["filename"].encode() in page) == (200, True)
        assert running.ask("POST", image["delete_url"], Accept="application/json")[0] == 200
        assert running.ask("GET", image["url"])[0] == 410
    assert run(root, "check", IMAGES__PROCESSOR=processor).returncode == 0


def test_time_zones_and_certificates_are_brought_along(root: Path):
    with serving(root, SITE__TIME_ZONE="Europe/Berlin", SITE__LANGUAGE="de") as running:
        image = running.upload(drawn.png())
        assert image["date"] != image["date_gmt"]
        assert b'lang="de"' in running.ask("GET", "/", b"", **{"Accept-Language": "de"})[1]


def test_storage_in_s3_and_the_move_there(root: Path, seaweedfs: S3Server):
    s3 = {
        f"STORAGES__S3__{name.upper()}": str(value)
        for name, value in seaweedfs.settings(seaweedfs.new_bucket()).items()
    }
    with serving(root, **s3) as running:
        image = running.upload(drawn.png())
    moved = run(root, "migrate", "--to", "s3", **s3)
    assert moved.returncode == 0, moved.stderr
    with serving(root, STORAGE="s3", **s3) as running:
        assert running.ask("GET", image["url"]) == (200, drawn.png())
        assert not list((root / "data/images").rglob("*.png"))
        again = running.upload(drawn.jpeg())
        assert again["storage"] == "s3"
        assert running.ask("GET", again["url"])[0] == 200


def test_a_backend_of_a_third_party_is_loaded_from_a_folder(root: Path):
    folder = root / "plugins"
    about = folder / "others-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[imges.storages]\nmemory = others:MemoryStorage\n")
    shutil.copy(REPOSITORY / "tests/storage/memory.py", folder / "others.py")
    settings = {"STORAGE": "memory", "STORAGES__MEMORY__TYPE": "memory"}
    with serving(root, plugins="/plugins", **settings) as running:
        image = running.upload(drawn.png())
        assert image["storage"] == "memory"
        assert running.ask("GET", image["url"]) == (200, drawn.png())
