"""The commands as a user runs them, beside a running server."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Generator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests import pictures
from tests.test_serve import IMGES, Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serving(tmp_path_factory.mktemp("cli")) as served:
        yield served


def imges(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | environ
    return subprocess.run(
        [*IMGES, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def uploaded(served: Served, key: str) -> int:
    """The status of an upload with *key*."""
    return served.request(
        "POST", "/api/1/upload", b"source=R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=",
        **{"Content-Type": "application/x-www-form-urlencoded", "X-API-Key": key},
    )[0]  # fmt: skip


def test_a_key_lives_from_add_to_revoke(served: Served):
    added = imges(served.folder, "keys", "add", "laptop")
    key = added.stdout.strip()
    assert re.fullmatch(r"\w{40}", key)
    assert uploaded(served, key) == 200
    assert imges(served.folder, "keys", "disable", "laptop").returncode == 0
    assert uploaded(served, key) == 403
    assert imges(served.folder, "keys", "enable", "laptop").returncode == 0
    assert uploaded(served, key) == 200
    listed = imges(served.folder, "keys", "list").stdout
    assert "laptop" in listed
    assert key not in listed
    assert imges(served.folder, "keys", "revoke", "laptop").returncode == 0
    assert uploaded(served, key) == 401


def test_a_quota_and_an_expiry_end_a_key(served: Served):
    few = imges(served.folder, "keys", "add", "few", "--quota", "1").stdout.strip()
    assert [uploaded(served, few), uploaded(served, few)] == [200, 403]
    little = imges(served.folder, "keys", "add", "little", "--quota", "1 KB").stdout.strip()
    assert {uploaded(served, little) for _ in range(9)} == {200, 403}
    both = ("--quota", "1 GB", "--quota-pictures", "2")
    two = imges(served.folder, "keys", "add", "two", *both).stdout.strip()
    assert [uploaded(served, two) for _ in range(3)] == [200, 200, 403]
    assert "1 GB, 2 pictures" in imges(served.folder, "keys", "list").stdout
    old = imges(served.folder, "keys", "add", "old", "--expires", "2020-01-01").stdout.strip()
    assert uploaded(served, old) == 403


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["keys", "revoke", "guest"], 1),
        (["keys", "revoke", "nobody"], 1),
        (["keys", "add", "guest"], 1),
        (["keys", "add", "x y"], 2),
        (["keys", "add", "x", "--quota", "much"], 2),
        (["keys", "add", "x", "--quota", "5", "--quota-pictures", "5"], 2),
        (["block"], 2),
        (["block", "everybody"], 2),
        (["block", "192.0.2.7", "--list"], 2),
        (["block", "--list", "--remove"], 2),
        (["delete"], 2),
        (["delete", "nothing"], 1),
        (["delete", "--address", "everywhere"], 2),
        (["upload"], 2),
        (["nothing"], 2),
        (["check", "--settings", "missing.yaml"], 2),
    ],
)
def test_what_goes_wrong_is_said_without_a_traceback(served: Served, arguments: list[str], status: int):
    said = imges(served.folder, *arguments)
    assert said.returncode == status
    assert said.stderr.strip()
    assert "Traceback" not in said.stderr


def test_uploads_print_the_links_asked_for_and_go_on_after_a_refusal(served: Served, tmp_path: Path):
    (tmp_path / "a.png").write_bytes(pictures.png())
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "c.webp").write_bytes(pictures.webp())
    server = {"IMGES_SERVER": f"http://127.0.0.1:{served.port}", "IMGES_KEY": served.key}
    said = imges(tmp_path, "upload", "a.png", "b.png", "c.webp", **server)
    assert said.returncode == 1
    assert "b.png: the file is not an image" in said.stderr
    assert [served.get(url)[1] for url in said.stdout.split()] == [pictures.png(), pictures.webp()]
    for form, begins in (("viewer", "http"), ("html", "<a href="), ("markdown", "[![]("), ("bbcode", "[url=")):
        said = imges(tmp_path, "upload", "a.png", "--copy", form, **server)
        assert (said.returncode, said.stdout.startswith(begins)) == (0, True)
    wrong = imges(tmp_path, "upload", "a.png", **(server | {"IMGES_KEY": "wrong"}))
    assert (wrong.returncode, "key" in wrong.stderr) == (1, True)
    nobody = imges(tmp_path, "upload", "a.png", **(server | {"IMGES_SERVER": "http://127.0.0.1:1"}))
    assert (nobody.returncode, "did not answer" in nobody.stderr) == (1, True)


def test_what_is_no_file_is_not_uploaded(served: Served, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "a.png").write_bytes(pictures.png())
    server = {"IMGES_SERVER": f"http://127.0.0.1:{served.port}", "IMGES_KEY": served.key}
    said = imges(tmp_path, "upload", "pipe.png", "a.png", **server)
    assert (said.returncode, said.stdout.count("\n")) == (1, 1)
    assert said.stderr.strip() == "pipe.png: it cannot be read: it is no file"


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"{}"), (502, b""), (200, b'{"image": 1}'), (500, b'{"error": "x"}')]
)
def test_a_server_of_another_kind_is_told_from_a_refusal(tmp_path: Path, status: int, body: bytes):
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read1()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    (tmp_path / "a.png").write_bytes(pictures.png())
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        Thread(target=other.serve_forever).start()
        server = {"IMGES_SERVER": f"http://127.0.0.1:{other.server_port}", "IMGES_KEY": "key"}
        said = imges(tmp_path, "upload", "a.png", **server)
        other.shutdown()
    assert (said.returncode, "did not answer as an API v1 server" in said.stderr) == (1, True)
    assert "Traceback" not in said.stderr


def test_blocks_are_added_listed_and_removed(served: Served):
    content = pictures.png(33, 21)
    image = served.upload(content)
    said = imges(served.folder, "block", image["md5"].upper(), "203.0.113.9", "2001:db8::/32")
    assert (said.returncode, said.stdout.count("is blocked")) == (0, 3)
    listed = imges(served.folder, "block", "--list").stdout
    assert all(what in listed for what in (image["md5"], "203.0.113.9/32", "2001:db8::/32"))
    again = imges(served.folder, "block", image["md5"])
    assert (again.returncode, "already" in again.stdout) == (0, True)
    assert imges(served.folder, "block", "--remove", image["md5"], "203.0.113.9").returncode == 0
    assert imges(served.folder, "block", "203.0.113.9", "--remove").returncode == 1
    assert imges(served.folder, "block", "--list").stdout.startswith("2001:db8::/32")


def test_pictures_are_deleted_by_id_and_by_key(served: Served):
    image = served.upload(pictures.png())
    with closing(sqlite3.connect(served.folder / "data/imges.db")) as db, db:
        lost = served.upload(pictures.png())["id_encoded"]
        db.execute("UPDATE images SET place = 'nowhere' WHERE id = ?", [lost])
    options = {"TYPE": "s3", "BUCKET": "x", "ENDPOINT_URL": "http://127.0.0.1:1", "ACCESS_KEY": "x", "SECRET_KEY": "x"}
    nowhere = {f"IMGES__STORAGES__NOWHERE__{name}": value for name, value in options.items()}
    said = imges(served.folder, "delete", lost, image["id_encoded"], **nowhere)
    assert (said.returncode, said.stdout) == (1, f"deleted {image['id_encoded']}\n")
    assert served.get(image["url_viewer"])[0] == 410
    key = imges(served.folder, "keys", "add", "temporary").stdout.strip()
    assert uploaded(served, key) == 200
    assert imges(served.folder, "delete", "--key", "temporary").stdout == "1 deleted\n"


def test_check_finds_what_is_wrong(tmp_path: Path):
    good = imges(tmp_path, "check", IMGES__LIMITS__DISK_RESERVE="1 MB")
    assert good.returncode == 0, good.stdout + good.stderr
    full = imges(tmp_path, "check", IMGES__LIMITS__DISK_RESERVE="900 TB")
    assert (full.returncode, "limits.disk_reserve" in full.stdout) == (1, True)
    (tmp_path / "data/imges.db").write_bytes(b"no database " * 1000)
    damaged = imges(tmp_path, "check")
    assert (damaged.returncode, "imges.db" in damaged.stdout) == (1, True)


def test_version():
    assert re.fullmatch(r"imges \d+\.\d+\.\d+\n", imges(Path.cwd(), "version").stdout)
