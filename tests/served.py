"""`imges serve` as a process of its own, and what a client does with it."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

IMGES = [sys.executable, "-m", "imges"]
STARTED = 60.0
"""Seconds within which a server answers: it takes one, and twenty on a machine that has much else to do."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def multipart(content: bytes, name: str = "x.png") -> bytes:
    """The body of an upload form; its boundary is `x`."""
    head = f'--x\r\nContent-Disposition: form-data; name="source"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--x--\r\n"


class Served:
    """A running `imges serve` in a folder of its own, with the folder's defaults."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str | Path] = (*IMGES, "serve"),
        pass_fds: Sequence[int] = (),
        /,
        **environ: str,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        given = {"SERVER__PORT": str(self.port), "LIMITS__UPLOADS": "null", "LIMITS__DISK_RESERVE": "1 MB"} | environ
        env = os.environ | {f"IMGES__{name}": value for name, value in given.items()}
        log = (folder / "log").open("ab")
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True, pass_fds=pass_fds
        )
        log.close()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def key(self) -> str:
        return (self.folder / "data/api.key").read_text().strip()

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + STARTED
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.request("GET", "/healthz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        pytest.fail(f"it does not answer: {self.log}")

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def upload(self, content: bytes, name: str = "x.png") -> dict[str, Any]:
        """Returns the uploaded picture. Tries again while the server is busy, as its answer says."""
        headers = {"Content-Type": "multipart/form-data; boundary=x", "X-API-Key": self.key}
        deadline = time.monotonic() + STARTED
        while True:
            status, answer = self.request("POST", "/api/1/upload", multipart(content, name), **headers)
            if status != 503 or b'"Busy"' not in answer or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        assert status == 200, answer
        return json.loads(answer)["image"]

    def get(self, url: str) -> tuple[int, bytes]:
        return self.request("GET", "/" + url.split("/", 3)[3])


@contextmanager
def serving(folder: Path, **environ: str) -> Generator[Served]:
    served = Served(folder, **environ)
    try:
        served.wait_until_it_answers()
        yield served
    finally:
        served.process.kill()
        served.process.wait()
