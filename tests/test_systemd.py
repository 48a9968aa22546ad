"""What systemd sees of `imges serve`, with this test in its place."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from imges.cli.reload import reload
from imges.settings import load_settings
from tests.served import IMGES, Served, serving

Told = Generator[socket.socket]


@contextmanager
def listening(path: Path) -> Told:
    """Where sd_notify's messages arrive."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(path))
        told.settimeout(30)
        yield told


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_tells_when_it_serves_that_it_lives_and_when_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
):
    with listening(tmp_path / "notify") as told:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        with serving(tmp_path, SERVER__WORKERS=workers) as served:
            messages: list[bytes] = []
            while messages.count(b"WATCHDOG=1") < 2 or not any(each.startswith(b"READY=1\n") for each in messages):
                messages.append(told.recv(1000))
            served.process.send_signal(signal.SIGTERM)
            while told.recv(1000) != b"STOPPING=1":
                pass
            assert served.process.wait(30) == 0


def test_who_reads_none_of_it_does_not_hold_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with listening(tmp_path / "notify"):
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2000")  # so many messages a second as the kernel never keeps
        with serving(tmp_path) as served:
            time.sleep(1)
            assert served.request("GET", "/healthz")[0] == 200
            served.process.send_signal(signal.SIGTERM)
            assert served.process.wait(30) == 0


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_it_accepts_from_the_socket_that_it_is_given(tmp_path: Path, family: socket.AddressFamily):
    with socket.socket(family) as given:
        given.bind(str(tmp_path / "s") if family == socket.AF_UNIX else ("127.0.0.1", 0))
        given.listen()
        shell = f"LISTEN_FDS=1 LISTEN_PID=$$ exec {' '.join(IMGES)} serve 3<&{given.fileno()}"
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                ["/bin/bash", "-c", shell], cwd=tmp_path, pass_fds=[given.fileno()], stdout=log, stderr=log,
                env=os.environ | {"IMGES__SERVER__PORT": "1"},
            )  # fmt: skip
        try:
            with socket.socket(family) as client:
                client.settimeout(30)
                client.connect(given.getsockname())  # before it serves: systemd has been listening all along
                client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                assert b" 200 " in client.recv(100), (tmp_path / "log").read_text()
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_hangup_reloads_what_it_can_and_names_what_it_cannot(tmp_path: Path, workers: str):
    file = tmp_path / "settings.yaml"
    file.write_text("site: {name: Before}\n")
    with serving(tmp_path, SERVER__WORKERS=workers) as served:
        assert shown(served, b"Before")
        file.write_text("site: {name: After}\nimages: {max_size: 1 KB, timeout: 3 s}\nlimits: {wrong_keys: 1/minute}\n")
        served.process.send_signal(signal.SIGHUP)
        assert shown(served, b"After")
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-API-Key": served.key}
        body = b"source=" + b"A" * 9000
        assert served.request("POST", "/api/1/upload", body, **headers)[0] == 413
        assert "changed: images.max_size, limits.wrong_keys, site.name" in served.log
        assert "with a restart only: images.timeout" in served.log
        file.write_text("site: {name: 5}\nnonsense: 1\n")
        served.process.send_signal(signal.SIGHUP)
        wait_for_line(served, "settings are not reloaded: nonsense")
        assert "Traceback" not in served.log
        assert shown(served, b"After")


def test_a_hangup_while_the_application_starts_is_heeded(tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text("site: {name: Before}\n")
    settings = load_settings(file, {})
    file.write_text("site: {name: After}\n")
    reload(web.Application(), settings, file)
    assert settings.site.name == "After"


def test_hangups_while_processes_start_end_nobody(tmp_path: Path):
    with serving(tmp_path, SERVER__WORKERS="3") as served:
        while "with 3 processes" not in served.log:
            served.process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        assert "takes its place" not in served.log
        assert "Traceback" not in served.log


def shown(served: Served, name: bytes) -> bool:
    """Whether the page comes to show *name*, whichever process answers."""
    deadline, good = time.monotonic() + 20, 0
    while time.monotonic() < deadline and good < 8:
        good = good + 1 if name in served.request("GET", "/")[1] else 0
    return good == 8


def wait_for_line(served: Served, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in served.log:
        assert time.monotonic() < deadline, served.log
        time.sleep(0.05)
