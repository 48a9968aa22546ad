"""How the server ends: what runs is finished, a proxy sees it in time, and a second signal does not wait."""

import json
import signal
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import drawn
from tests.crash import drain
from tests.served import Served, multipart, serving

PICTURE = drawn.encoded(drawn.noise(900, 900), "PNG")
"""Half of it is more than is gathered before it goes to the spool."""


@contextmanager
def half_sent(served: Served) -> Generator[tuple[socket.socket, bytes]]:
    """An upload whose first half is sent, and the other half."""
    body = multipart(PICTURE)
    head = (
        f"POST /api/1/upload HTTP/1.1\r\nHost: x\r\nX-API-Key: {served.key}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port), 30) as client:
        client.sendall(head.encode() + body[: len(body) // 2])
        while not list((served.folder / "data/spool").glob("upload-*/*")):
            time.sleep(0.02)
        yield client, body[len(body) // 2 :]


def everything(client: socket.socket) -> bytes:
    with client.makefile("rb") as answer:
        return answer.read()


def refused(served: Served) -> bool:
    try:
        served.request("GET", "/healthz")
    except OSError:
        return True
    return False


def stopping(served: Served) -> bool:
    """Whether it has heard that it is to stop."""
    try:
        return served.request("GET", "/readyz")[0] == 503
    except OSError:
        return True


def test_a_body_on_its_way_is_waited_for_while_no_other_client_gets_in(tmp_path: Path):
    with serving(tmp_path) as served, half_sent(served) as (client, rest):
        served.process.send_signal(signal.SIGTERM)
        while not refused(served):
            time.sleep(0.05)
        client.sendall(rest)
        head, _, body = everything(client).partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0]
        assert b"connection: close" in head.lower()
        url = json.loads(body)["image"]["url"]
        assert served.process.wait(30) == 0
    with serving(tmp_path) as again:
        assert again.get(url) == (200, PICTURE)


def test_readiness_goes_before_the_door_is_shut(tmp_path: Path):
    with serving(tmp_path, SERVER__DRAIN="20 s") as served:  # for a busy machine
        assert served.request("GET", "/readyz")[0] == 200
        served.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while (answer := served.request("GET", "/readyz"))[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert answer[0] == 503
        assert "stop" in json.loads(answer[1])["reasons"]["server"]
        assert served.get(served.upload(PICTURE)["url"]) == (200, PICTURE)
        served.process.send_signal(signal.SIGTERM)  # we have seen it
        assert served.process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait_and_leaves_nothing_half(tmp_path: Path, number: signal.Signals):
    with serving(tmp_path, SERVER__DRAIN="20 s") as served, half_sent(served) as (client, _):
        served.process.send_signal(number)
        deadline = time.monotonic() + 15
        while not stopping(served):  # else both signals may come as one
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert served.process.poll() is None
        began = time.monotonic()
        served.process.send_signal(number)
        assert served.process.wait(30) == 0
        assert time.monotonic() - began < 10
        assert everything(client) == b""
        assert list((tmp_path / "data/spool").iterdir()) == []


def test_idle_connections_do_not_delay_the_end(tmp_path: Path):
    with serving(tmp_path) as served, socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(1000)
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(10) == 0


def test_sigterm_under_load_loses_nothing(tmp_path: Path):
    load, _ = drain.rounds(2, tmp_path)
    assert load.acknowledged
