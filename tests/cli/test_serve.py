"""`imges serve` as a process: how it starts, stops, and is killed, and what is there afterwards."""

import os
import pty
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests import drawn
from tests.crash.stored import spooled
from tests.served import IMGES, Served, free_port, multipart, serving


def test_the_first_start_makes_a_key_and_says_where_it_is(tmp_path: Path):
    with serving(tmp_path) as served:
        key_file = tmp_path / "data/api.key"
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        assert len(served.key) >= 32
        assert f"http://127.0.0.1:{served.port}" in served.log
        assert "data/api.key" in served.log
        assert served.key not in served.log
        served.upload(drawn.png())
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o711
    key, log = served.key, served.log
    with serving(tmp_path) as again:
        assert again.key == key
        assert "api.key" not in again.log.removeprefix(log)


def test_sigterm_finishes_what_runs_and_exits_0(tmp_path: Path):
    big = drawn.encoded(drawn.noise(1500, 1500), "PNG")
    with serving(tmp_path, SERVER__DRAIN="0 s") as served, ThreadPoolExecutor(4) as clients:
        running = [clients.submit(served.upload, big) for _ in range(4)]
        while not (spooled(tmp_path) or any(each.done() for each in running)):
            time.sleep(0.02)
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


def test_a_port_in_use_is_named(tmp_path: Path):
    with serving(tmp_path) as served:
        env = os.environ | {"IMGES__SERVER__PORT": str(served.port), "IMGES__DATA_DIR": str(tmp_path / "other")}
        second = subprocess.run([*IMGES, "serve"], env=env, capture_output=True, text=True, timeout=20, check=False)
        assert second.returncode == 2
        assert re.search(rf"server.port is {served.port}: .*in use", second.stderr)


def test_the_server_listens_on_a_unix_socket(tmp_path: Path):
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


def test_expired_pictures_answer_410_and_are_swept(tmp_path: Path):
    with serving(tmp_path) as served:
        image = served.upload(drawn.png(), "short-lived.png")
        kept = served.upload(drawn.png(), "kept.png")
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
        served.upload(drawn.png())
        key = served.key
    assert "/api/1/upload" in served.log
    assert key not in served.log


def allowed(task: Path) -> str:
    """Returns the CPUs that a thread or process may run on, as the kernel writes them."""
    return next(line for line in (task / "status").read_text().splitlines() if line.startswith("Cpus_allowed_list"))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="takes two CPUs")
def test_the_server_keeps_to_one_cpu_and_leaves_all_to_its_decoders(tmp_path: Path):
    with serving(tmp_path) as served:
        served.upload(drawn.png())
        threads = {allowed(task) for task in Path(f"/proc/{served.process.pid}/task").iterdir()}
        assert len(threads) == 1
        assert threads != {allowed(Path("/proc/self"))}
        server = psutil.Process(served.process.pid)
        decoders = [each for each in server.children(recursive=True) if each.nice() > server.nice()]
        assert {allowed(Path(f"/proc/{each.pid}")) for each in decoders} == {allowed(Path("/proc/self"))}


def test_a_data_folder_that_vanishes_is_503_and_no_404(tmp_path: Path):
    with serving(tmp_path) as served:
        image = served.upload(drawn.png())
        key = served.key
        (tmp_path / "data").rename(tmp_path / "away")
        for address in (image["url"], image["thumb"]["url"], image["url_viewer"]):
            status, body = served.get(address)
            assert (status, b"out of reach" in body) == (503, True), body
        headers = {"Content-Type": "multipart/form-data; boundary=x", "X-API-Key": key}
        status, body = served.request("POST", "/api/1/upload", multipart(drawn.png()), **headers)
        assert (status, b'"message"' in body) == (503, True), body
        status, body = served.request("GET", "/readyz")
        assert (status, b'"reasons"' in body) == (503, True)
        assert served.get(image["url_viewer"])[0] == 503  # also if somebody has made an empty folder in its place


def test_on_a_terminal_a_line_to_paste_follows_each_start(tmp_path: Path):
    for _ in range(2):
        said = _on_a_terminal(tmp_path)
        assert "is in data/api.key" in said
        (line,) = re.findall(r"curl .*", said)
        assert "$(cat data/api.key)" in line


def _on_a_terminal(folder: Path) -> str:
    """Starts and stops a server whose output is a terminal, tries the line that it prints, and returns its output."""
    ours, theirs = pty.openpty()
    port = free_port()
    environ = os.environ | {"IMGES__SERVER__PORT": str(port), "IMGES__LIMITS__DISK_RESERVE": "1 MB"}
    process = subprocess.Popen([*IMGES, "serve"], cwd=folder, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    said = b""
    try:
        while b"curl " not in said or not said.endswith(b"\n"):
            said += os.read(ours, 4096)
        (folder / "screenshot.png").write_bytes(drawn.png())
        (line,) = re.findall(rb"curl .*", said)
        done = subprocess.run(["sh", "-c", line.strip()], cwd=folder, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"http://127.0.0.1:{port}/images/")
    finally:
        process.terminate()
        process.wait(60)
        os.close(ours)
    return said.decode()
