"""S1 to S7 and A2: a whole internet in a network namespace, in which every inside address is a canary.

`python -m tests.hostile.world FOLDER TIMEOUT`, by root, below `unshare --net --mount`. The program adds inside and
outside addresses, a name server, canaries on many ports and an origin on the outside addresses. Then it lets a real
server fetch, and prints the results as JSON.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tests import drawn
from tests.hostile import addresses, names
from tests.hostile.addresses import INSIDE, OUTSIDE
from tests.hostile.watch import settled, watched
from tests.hostile.wire import connecting, request, say, urlencoded
from tests.served import Served, serving

CANARY_PORTS = (22, 80, 81, 443, 6379, 8081)
PICTURE = drawn.encoded(drawn.noise(64, 64), "PNG")
AT_ONCE = 6
"""Fewer than the server fetches at the same time."""
HUNG = 30


@dataclass
class Outcome:
    """The result of one request: *row* in the list of threats, the canaries that were *touched* meanwhile."""

    row: str
    name: str
    status: int
    code: int
    seconds: float


@dataclass
class Report:
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    touched: list[str] = field(default_factory=list[str])
    """Canaries that were reached."""
    reachable: int = 0
    """Canaries that the control reached beforehand."""
    asked: list[str] = field(default_factory=list[str])
    """Heads of the requests that the origin received."""
    key: str = ""
    log: str = ""
    while_hung: list[float] = field(default_factory=list[float])
    """Seconds that good uploads took meanwhile."""
    hung: dict[int, int] = field(default_factory=dict[int, int])
    """How often each status came."""


# The world


def build(folder: Path) -> None:
    """Adds the addresses to the loopback, and puts our name server in the place of the machine's."""
    run = ["ip", "link", "set", "lo", "up"]
    subprocess.run(run, check=True)
    for address in (*INSIDE, *OUTSIDE):
        length = 128 if ":" in address else 32
        more = ["nodad"] if ":" in address else []
        subprocess.run(
            ["ip", "addr", "add", f"{address}/{length}", "dev", "lo", *more], check=True, capture_output=True
        )
    servers = folder / "resolv.conf"
    servers.write_text("nameserver 127.0.0.53\n")
    subprocess.run(["mount", "--bind", servers, "/etc/resolv.conf"], check=True)


class World:
    """Listens on all addresses. On port 80 of `OUTSIDE` answers the origin, everywhere else a canary."""

    def __init__(self) -> None:
        self.touched: list[str] = []
        self.asked: list[str] = []
        for port in CANARY_PORTS:
            listening = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=200)
            threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            sock, _ = listening.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        host, port = sock.getsockname()[:2]
        address = ip_address(host.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        with suppress(OSError), sock:
            if str(address) not in OUTSIDE or port != 80:
                self.touched.append(f"{address}:{port}")
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE)
                return
            head = b""
            while b"\r\n\r\n" not in head and (block := sock.recv(65536)):
                head += block
            self.asked.append(head.decode("latin-1"))
            path = head.split(b" ")[1].decode("latin-1") if b" " in head else "/"
            origin(sock, path)

    def can_be_reached(self) -> int:
        """Returns how many addresses of canaries answer us, and forgets those visits."""
        for address in ("127.0.0.1", "::1", *INSIDE):
            scope = 0 if not address.startswith("fe80") else socket.if_nametoindex("lo")
            where: Any = (address, 80, 0, scope) if ":" in address else (address, 80)
            with socket.create_connection(where[:2], timeout=5) if not scope else _linked(where) as sock:
                sock.recv(100)
        count = len(set(self.touched))
        self.touched.clear()
        return count


def _linked(where: Any) -> socket.socket:
    sock = socket.socket(socket.AF_INET6)
    sock.connect(where)
    return sock


def origin(sock: socket.socket, path: str) -> None:
    """A server outside. The path says how friendly it is."""
    if path.startswith("/to/"):
        _, _, status, target = path.split("/", 3)
        return sock.sendall(
            b"HTTP/1.1 %s Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
            % (status.encode(), unquote(target).encode())
        )
    if path.startswith("/hops/"):
        left = int(path.split("/")[2])
        target = f"/hops/{left - 1}" if left > 1 else "/a.png"
        return sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % target.encode())
    behaviour = BEHAVIOURS.get(path.split("?", maxsplit=1)[0].rpartition("/")[2], _picture)
    return behaviour(sock)


def _picture(sock: socket.socket) -> None:
    sock.sendall(_head(len(PICTURE)) + PICTURE)


def _head(length: int, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: image/png", f"Content-Length: {length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _says(data: bytes) -> Callable[[socket.socket], None]:
    return lambda sock: sock.sendall(data)


def _slowly(first: bytes, drop: bytes) -> Callable[[socket.socket], None]:
    def serve(sock: socket.socket) -> None:
        sock.sendall(first)
        while True:
            time.sleep(0.3)
            sock.sendall(drop)

    return serve


def _hang(sock: socket.socket) -> None:
    sock.recv(1)


def _endless(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        sock.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def _slow_hops(sock: socket.socket) -> None:
    time.sleep(2.5)
    sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: /slow-hops\r\nContent-Length: 0\r\n\r\n")


BEHAVIOURS: dict[str, Callable[[socket.socket], None]] = {
    "slow-bytes": _slowly(_head(100_000), b"x"),
    "slow-headers": _slowly(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "slow-line": _slowly(b"H", b"T"),
    "hang": _hang,
    "slow-hops": _slow_hops,
    "endless": _endless,
    "ten-gb": _slowly(_head(10 * 2**30), b"x" * 1000),
    "gzip-bomb": _says(_head(100, "Content-Encoding: gzip") + bytes(100)),
    "headers": _says(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 4 * 2**20 + b"\r\n\r\n"),
    "many-headers": _says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 700_000 + b"\r\n"),
    "garbage": _says(bytes(range(256)) * 100),
    "tls": _says(b"\x15\x03\x03\x00\x02\x02\x28"),
    "nothing": _says(b""),
    "html": _says(_head(30) + b"<html><script></script></html>"),
    "svg": _says(_head(11) + b"<svg></svg>"),
    "lied-type": _says(_head(len(PICTURE)).replace(b"image/png", b"text/html") + PICTURE),
    "401": _says(_head(len(PICTURE), 'WWW-Authenticate: Basic realm="x"', status="401 No") + PICTURE),
    "404": _says(_head(len(PICTURE), status="404 No") + PICTURE),
    "500": _says(_head(len(PICTURE), status="500 No") + PICTURE),
    "206": _says(_head(len(PICTURE), status="206 Part") + PICTURE),
    "cut": _says(_head(len(PICTURE)) + PICTURE[:-100]),
    "cut-chunk": _says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nx"),
    "bad-chunk": _says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx"),
    "two-lengths": _says(_head(10, "Content-Length: 20") + bytes(20)),
    "no-location": _says(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
    "empty-location": _says(b"HTTP/1.1 302 Found\r\nLocation:\r\nContent-Length: 0\r\n\r\n"),
    "itself": _says(b"HTTP/1.1 302 Found\r\nLocation: /itself\r\nContent-Length: 0\r\n\r\n"),
    "switch": _says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    "continues": _says(b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000),
    "cookie": _says(_head(len(PICTURE), "Set-Cookie: a=b; Domain=test", "Refresh: 0; url=http://127.0.0.1/") + PICTURE),
}
TAKES_ITS_TIME = {"slow-bytes", "slow-headers", "slow-line", "hang", "slow-hops", "ten-gb"}


# The requests


def asks(served: Served, row: str, url: str) -> Outcome:
    body = b"source=" + quote(url.encode("utf-8", "surrogatepass"), safe="").encode()
    began = time.monotonic()
    said = say(connecting(served.port), urlencoded(served.key.encode(), body))
    return outcome(row, url, said.raw and said.answers[0], time.monotonic() - began)


def outcome(row: str, name: str, answer: Any, seconds: float) -> Outcome:
    if not answer:
        return Outcome(row, name, 0, 0, seconds)
    told = answer.json
    return Outcome(row, name, answer.status, told.get("error", {}).get("code", 0), seconds)


def hung(served: Served, report: Report) -> None:
    """S6: many fetches that hang, and good uploads beside them."""
    with ThreadPoolExecutor(HUNG + 1) as pool:
        waiting = [pool.submit(asks, served, "S6", f"http://out.test/hang?{n}") for n in range(HUNG)]
        time.sleep(0.3)
        while any(not each.done() for each in waiting):
            began = time.monotonic()
            served.upload(drawn.png())
            report.while_hung.append(time.monotonic() - began)
            time.sleep(0.2)
        report.hung = dict(Counter(each.result().status for each in waiting))
        assert max(each.result().seconds for each in waiting) < 10


def with_the_key(served: Served) -> None:
    """A2: the key in all its places, beside a URL to fetch."""
    key = quote(served.key).encode()
    source = b"source=" + quote("http://out.test/a.png?x=1", safe="").encode()
    for data in (
        request(b"GET", b"/api/1/upload?key=" + key + b"&" + source, None, b"Referer: http://img.test/?key=" + key),
        request(b"POST", b"/api/1/upload?key=" + key, source, b"Content-Type: application/x-www-form-urlencoded"),
        urlencoded(
            served.key.encode(), source + b"&key=" + key, b"Cookie: key=" + key, b"Authorization: Bearer " + key
        ),
    ):
        assert say(connecting(served.port), data).status == 200


def main(folder: Path, timeout: str) -> Report:
    build(folder)
    threading.Thread(target=names.serve, args=("127.0.0.53",), daemon=True).start()
    world, report = World(), Report()
    report.reachable = world.can_be_reached()
    with serving(folder, URLS__TIMEOUT=timeout, LOG__LEVEL="debug") as served:
        settled(served)
        report.key = served.key
        with watched(served), ThreadPoolExecutor(AT_ONCE) as pool:
            table = addresses.table(served.port, list(BEHAVIOURS))
            slow = [(row, url) for row, url in table if url.rpartition("/")[2] in TAKES_ITS_TIME or "hang." in url]
            for some in (slow, [each for each in table if each not in slow]):
                report.outcomes += pool.map(lambda each: asks(served, *each), some)
            hung(served, report)
            with_the_key(served)
        report.log = served.log
    report.touched, report.asked = world.touched, world.asked
    return report


# From outside

NAMESPACE = ("unshare", "--net", "--mount", "--fork", "--kill-child")


def can_be() -> bool:
    """Returns whether this process may make a world: root, if the kernel or container allows it."""
    return os.geteuid() == 0 and not subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode


def visited(folder: Path, timeout: str) -> Report:
    """Returns the results of all requests, with *timeout* for fetches. Raises `AssertionError`."""
    command = [*NAMESPACE, sys.executable, "-m", "tests.hostile.world", str(folder), timeout]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout)
    return Report(**told | {"outcomes": [Outcome(**each) for each in told["outcomes"]]})


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(main(Path(sys.argv[1]), sys.argv[2]))))
