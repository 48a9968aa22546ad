"""`imges serve` as a process: start, stop, being killed, and what is there afterwards."""

import http.client
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests import pictures
from tests.served import IMGES, Served, serving


def test_the_first_start_makes_a_key_and_says_where_it_is(tmp_path: Path):
    with serving(tmp_path) as served:
        key_file = tmp_path / "data/api.key"
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        assert len(served.key) >= 32
        assert f"http://127.0.0.1:{served.port}" in served.log
        assert "data/api.key" in served.log
        assert served.key not in served.log
        served.upload(pictures.png())
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o711
    key, log = served.key, served.log
    with serving(tmp_path) as again:
        assert again.key == key
        assert "api.key" not in again.log.removeprefix(log)


def test_sigterm_finishes_what_runs_and_exits_0(tmp_path: Path):
    big = pictures.encoded(pictures.noise(1500, 1500), "PNG")
    with serving(tmp_path) as served, ThreadPoolExecutor(4) as clients:
        running = [clients.submit(served.upload, big) for _ in range(4)]
        time.sleep(0.3)
        served.process.send_signal(signal.SIGTERM)
        acknowledged = [each.result()["url"] for each in running if not isinstance(each.exception(), OSError)]
        assert served.process.wait(30) == 0
    assert acknowledged
    with serving(tmp_path) as again:
        assert all(again.get(url) == (200, big) for url in acknowledged)


def test_a_second_serve_on_a_data_folder_is_refused(tmp_path: Path):
    with serving(tmp_path):
        second = subprocess.run(
            [*IMGES, "serve"], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False
        )
        assert second.returncode == 2
        assert "data_dir" in second.stderr
        assert "Traceback" not in second.stderr


def test_a_port_in_use_is_said_in_words(tmp_path: Path):
    with serving(tmp_path) as served:
        env = os.environ | {"IMGES__SERVER__PORT": str(served.port), "IMGES__DATA_DIR": str(tmp_path / "other")}
        second = subprocess.run([*IMGES, "serve"], env=env, capture_output=True, text=True, timeout=20, check=False)
        assert second.returncode == 2
        assert re.search(rf"server.port is {served.port}: .*in use", second.stderr)


def test_it_serves_on_a_unix_socket(tmp_path: Path):
    path = tmp_path / "s"
    served = Served(tmp_path, SERVER__UNIX_SOCKET=str(path))
    try:
        deadline = time.monotonic() + 20
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert b" 200 " in client.recv(100)
    finally:
        served.process.kill()
        served.process.wait()


def rows_and_files(folder: Path) -> tuple[int, list[str]]:
    with closing(sqlite3.connect(folder / "data/imges.db")) as db:
        (rows,) = db.execute("SELECT count(*) FROM images").fetchone()
    images = folder / "data/images"
    files = (file.relative_to(images) for file in images.rglob("*.*") if file.is_file())
    return rows, sorted(str(file) for file in files if file.parts[0] != ".staging")  # that is swept after two minutes


def test_killed_under_load_nothing_acknowledged_is_lost_and_nothing_else_stays(tmp_path: Path):
    """Three rounds of `kill -9` while eight clients upload."""
    acknowledged: dict[str, bytes] = {}
    lock, seeds = threading.Lock(), iter(range(10_000))

    def client(served: Served, stop: threading.Event) -> None:
        while not stop.is_set():
            with lock:
                seed = next(seeds)
            content = pictures.encoded(pictures.noise(60, 60, seed), "PNG")
            try:
                url = served.upload(content, f"{seed % 7}.png")["url"]
            except (OSError, http.client.HTTPException):
                continue
            with lock:
                acknowledged[url] = content

    for round_ in range(3):
        with serving(tmp_path) as served, ThreadPoolExecutor(8) as clients:
            stop = threading.Event()
            running = [clients.submit(client, served, stop) for _ in range(8)]
            time.sleep(1.0 + 0.17 * round_)
            served.process.kill()
            served.process.wait()
            stop.set()
            for each in running:
                each.result()
    assert acknowledged
    with serving(tmp_path) as served:
        for url, content in acknowledged.items():
            assert served.get(url.replace(url.split("/")[2], f"127.0.0.1:{served.port}")) == (200, content), url
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # the sweep of the start
            rows, files = rows_and_files(tmp_path)
            if len(files) == 2 * rows:
                break
            time.sleep(0.2)
        rows, files = rows_and_files(tmp_path)
        assert len(files) == 2 * rows
        assert rows >= len(acknowledged)
        assert list((tmp_path / "data/spool").glob("upload-*")) == []


def test_expired_pictures_answer_410_and_are_swept(tmp_path: Path):
    with serving(tmp_path) as served:
        image = served.upload(pictures.png(), "short-lived.png")
        kept = served.upload(pictures.png(), "kept.png")
    with closing(sqlite3.connect(tmp_path / "data/imges.db")) as db, db:
        db.execute("UPDATE images SET expires = created + 60000000 WHERE id = ?", [image["id_encoded"]])
        db.execute(
            "UPDATE images SET created = created - 100000000, expires = expires - 100000000 WHERE expires IS NOT NULL"
        )
    with serving(tmp_path) as served:
        assert served.get(image["url"])[0] == 410
        assert served.get(image["url_viewer"])[0] == 410
        assert served.get(kept["url"])[0] == 200
        deadline = time.monotonic() + 10
        while rows_and_files(tmp_path)[0] > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        rows, files = rows_and_files(tmp_path)
        assert (rows, len(files)) == (1, 2)
        assert served.get(image["url"])[0] == 410


@pytest.mark.parametrize("format", ["text", "json"])
def test_the_key_is_never_in_the_log(tmp_path: Path, format: str):
    with serving(tmp_path, LOG__LEVEL="debug", LOG__FORMAT=format) as served:
        served.request("GET", f"/api/1/upload?key={served.key}&source=x")
        served.request(
            "POST",
            f"/api/1/upload?key={served.key}",
            b"source=x",
            **{"Content-Type": "application/x-www-form-urlencoded"},
        )
        served.upload(pictures.png())
        key = served.key
    assert "/api/1/upload" in served.log
    assert key not in served.log
