"""What `imges serve` says to systemd and takes from it. The test takes the place of systemd."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.served import IMGES, serving

Told = Generator[socket.socket]


@contextmanager
def listening(path: Path) -> Told:
    """The socket where the messages of sd_notify arrive."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(path))
        told.settimeout(30)
        yield told


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_server_reports_its_start_its_watchdog_and_its_stop(
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


def test_a_systemd_that_reads_nothing_does_not_block_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with listening(tmp_path / "notify"):
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2000")  # so many messages a second as the kernel never keeps
        with serving(tmp_path) as served:
            time.sleep(1)
            assert served.request("GET", "/healthz")[0] == 200
            served.process.send_signal(signal.SIGTERM)
            assert served.process.wait(30) == 0


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_the_server_accepts_from_the_passed_socket(tmp_path: Path, family: socket.AddressFamily):
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
