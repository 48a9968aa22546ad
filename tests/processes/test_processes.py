"""`server.workers`: several processes serve one data folder as if they were one."""

import json
import os
import re
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests import drawn
from tests.served import Served, multipart, serving

DOT = drawn.png()


@pytest.fixture
def served(tmp_path: Path) -> Generator[Served]:
    with serving(tmp_path, SERVER__WORKERS="2", API__GUEST_UPLOADS="true") as served:
        wait_until(lambda: "imges serves on" in served.log)
        yield served


def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(served: Served) -> list[psutil.Process]:
    """Returns the serving processes."""
    found = psutil.Process(served.process.pid).children()
    return [each for each in found if is_alive(each) and "spawn_main" in " ".join(each.cmdline())]


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_all_processes_start_once_and_end_together(served: Served):
    assert len(children(served)) == 2
    told = [line for line in served.log.splitlines() if " INFO " not in line]
    assert len(told) == 2
    assert told[0].endswith("data/api.key")
    assert f"http://127.0.0.1:{served.port}" in told[1]
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(90) == 0
    with pytest.raises(ConnectionRefusedError):
        served.request("GET", "/healthz")


def test_40_uploads_of_one_name_get_40_addresses(served: Served):
    contents = [drawn.encoded(drawn.noise(40, 40, seed), "PNG") for seed in range(40)]
    with ThreadPoolExecutor(40) as clients:
        urls = [image["url"] for image in clients.map(served.upload, contents)]
    assert len(set(urls)) == 40
    assert [served.get(url) for url in urls] == [(200, content) for content in contents]


def test_a_deleted_picture_is_gone_from_all_processes_in_a_moment(tmp_path: Path):
    with serving(tmp_path, SERVER__WORKERS="2") as served:
        wait_until(lambda: "imges serves on" in served.log)
        image = served.upload(DOT)
        urls = [image["url"]] * 100
        with ThreadPoolExecutor(16) as clients:  # at the same time, so that all processes have looked it up
            assert {status for status, _ in clients.map(served.get, urls)} == {200}
            assert served.request("POST", "/" + image["delete_url"].split("/", 3)[3])[0] == 200
            wait_until(lambda: {status for status, _ in clients.map(served.get, urls)} == {410}, seconds=5)


def test_a_process_that_dies_is_replaced_and_costs_its_own_requests_alone(served: Served):
    urls = [served.upload(DOT)["url"] for _ in range(10)]
    victim, *others = children(served)
    victim.kill()
    wait_until(lambda: victim not in (now := children(served)) and len(now) == 2)
    assert set(others) < set(children(served))
    assert {served.get(url)[0] for url in urls} == {200}
    assert "another takes its place" in served.log
    wait_until(lambda: len((served.folder / "data/lock").read_text().splitlines()) == 3)  # its holder, and two leases
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(90) == 0


def test_the_uploads_of_a_dead_process_are_taken_back(served: Served):
    with closing(sqlite3.connect(served.folder / "data/imges.db")) as db:
        leases = {lease for (lease,) in db.execute("SELECT id FROM leases")}
    assert len(leases) == 2
    children(served)[0].kill()

    def given_back() -> bool:
        with closing(sqlite3.connect(served.folder / "data/imges.db")) as db:
            return len(leases & {lease for (lease,) in db.execute("SELECT id FROM leases")}) == 1

    wait_until(given_back)


def test_when_the_parent_is_killed_all_end_and_the_folder_is_free(served: Served):
    url = served.upload(DOT)["url"]
    orphans = children(served)
    served.process.kill()
    served.process.wait()
    with serving(served.folder, SERVER__WORKERS="2") as again:
        assert again.get(url)[0] == 200
    wait_until(lambda: not any(is_alive(each) for each in orphans))


@pytest.mark.parametrize("to", [os.kill, os.killpg])
def test_a_running_upload_is_finished_whichever_process_gets_the_signal(
    tmp_path: Path, to: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
):
    """systemd and terminals send the signal to all processes, `kill` to the parent alone."""
    with serving(tmp_path, SERVER__WORKERS="2") as served:
        body = multipart(drawn.encoded(drawn.noise(900, 900), "PNG"))
        half = len(body) // 2  # more than is gathered before it goes to the spool
        head = (
            f"POST /api/1/upload HTTP/1.1\r\nHost: x\r\nX-API-Key: {served.key}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        wait_until(lambda: "imges serves on" in served.log)
        with socket.create_connection(("127.0.0.1", served.port), 30) as client:
            client.sendall(head.encode() + body[:half])
            wait_until(lambda: [*(tmp_path / "data/spool").glob("*/upload-*/*")])
            to(served.process.pid, signal.SIGTERM)
            time.sleep(0.5)
            client.sendall(body[half:])
            with client.makefile("rb") as answer:
                content = answer.read()
        assert b" 200 " in content.splitlines()[0]
        assert served.process.wait(90) == 0


def test_limits_apply_to_all_processes_together(tmp_path: Path):
    with serving(tmp_path, SERVER__WORKERS="2", IMAGES__TIMEOUT="60 s", LIMITS__UPLOADS="5/minute") as served:
        wait_until(lambda: "imges serves on" in served.log)
        headers = {"Content-Type": "multipart/form-data; boundary=x", "X-API-Key": served.key}
        with ThreadPoolExecutor(12) as clients:
            asked = [
                clients.submit(served.request, "POST", "/api/1/upload", multipart(DOT), **headers) for _ in range(12)
            ]
        answers = [each.result() for each in asked]
        assert sorted(status for status, _ in answers) == [200] * 5 + [429] * 7
        refused = next(json.loads(body) for status, body in answers if status == 429)
        assert re.search("try again in [0-9]+ s", refused["error"]["message"])


@pytest.mark.parametrize(
    ("environ", "told"),
    [({"CATALOG__URL": "sqlite:////proc/nowhere.db"}, "catalog.url"), ({"SERVER__HOST": "192.0.2.1"}, "server.host")],
)
def test_what_stops_the_start_is_reported_once(tmp_path: Path, environ: dict[str, str], told: str):
    served = Served(tmp_path, SERVER__WORKERS="2", **environ)
    assert served.process.wait(90) == 2
    assert served.log.count(told) == 1
    assert "Traceback" not in served.log
