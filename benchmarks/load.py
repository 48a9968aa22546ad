"""A client that costs little: blocking sockets in threads, requests made beforehand."""

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from benchmarks.corpus import Picture
from benchmarks.servers import KEY

BOUNDARY = "benchmark-3f1c9a"
MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}
SMALL = 64 * 1024
"""Bytes up to which a request is sent in one piece."""
_numbers = itertools.count()
"""Every upload has a name of its own."""


class Connection:
    """One connection, kept open; `request` sends the given pieces and reads the answer."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def request(self, *pieces: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. A small request goes out in one piece, as HTTP clients send it."""
        for piece in [b"".join(pieces)] if sum(map(len, pieces)) <= SMALL else pieces:
            self._socket.sendall(piece)
        received = bytearray(self._rest)
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._received()
        head, body = bytes(received[:end]).decode("latin-1"), received[end + 4 :]
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
        length = int(fields["content-length"])
        while len(body) < length:
            body += self._received()
        self._rest = bytes(body[length:])
        return int(head.split(" ", 2)[1]), bytes(body[:length])

    def _received(self) -> bytes:
        chunk = self._socket.recv(2**18)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        return chunk

    def get(self, path: str, accept: str = "*/*") -> tuple[int, bytes]:
        return self.request(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode())

    def upload(self, content: bytes, extension: str) -> dict[str, Any]:
        """Returns the `image` of the answer. Raises `RuntimeError` if the upload is refused."""
        name = f"p{next(_numbers):09}.{extension}"
        before = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="key"\r\n\r\n{KEY}\r\n'
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="source"; filename="{name}"\r\n'
            f"Content-Type: {MEDIA_TYPES[extension]}\r\n\r\n"
        ).encode()
        after = f"\r\n--{BOUNDARY}--\r\n".encode()
        head = (
            "POST /api/1/upload HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
            f"Content-Length: {len(before) + len(content) + len(after)}\r\n\r\n"
        ).encode()
        status, body = self.request(head + before, content, after)
        if status != 200:
            raise RuntimeError(f"an upload was answered {status}: {body[:300]!r}")
        return json.loads(body)["image"]


@dataclass
class Uploads:
    """What a run of uploads took: the time of the whole, and of each, in seconds."""

    seconds: float = 0.0
    each: list[float] = field(default_factory=list[float])
    answers: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def contents(pictures: Sequence[Picture]) -> dict[Picture, bytes]:
    return {picture: picture.path.read_bytes() for picture in set(pictures)}


def upload_all(port: int, pictures: Sequence[Picture], connections: int) -> Uploads:
    """Upload *pictures* in this order, over so many *connections* at once."""
    held, taken, done = contents(pictures), iter(pictures), Uploads()
    lock = threading.Lock()

    def client(connection: Connection) -> None:
        while True:
            with lock:
                picture = next(taken, None)
            if picture is None:
                return
            began = time.perf_counter()
            answer = connection.upload(held[picture], picture.extension)
            done.each.append(time.perf_counter() - began)
            done.answers.append(answer)

    open_connections = [Connection(port) for _ in range(connections)]
    began = time.perf_counter()
    in_threads([lambda connection=connection: client(connection) for connection in open_connections])
    done.seconds = time.perf_counter() - began
    for connection in open_connections:
        connection.__exit__()
    return done


def in_threads(works: list[Callable[[], None]]) -> None:
    """Run all *works* at once. Raises the error of the first one that fails."""
    failed: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that waits
            failed.append(error)

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


class Background:
    """Uploads that go on during the block, over so many *connections*."""

    def __init__(self, port: int, pictures: Sequence[Picture], connections: int) -> None:
        self._port, self._pictures, self._connections = port, list(pictures), connections
        self._stop = threading.Event()
        self.failed: BaseException | None = None
        self.count = 0

    def __enter__(self) -> Self:
        held = contents(self._pictures)
        self._threads = [
            threading.Thread(target=self._client, args=[held, self._pictures[start:] + self._pictures[:start]])
            for start in range(self._connections)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def _client(self, held: dict[Picture, bytes], pictures: list[Picture]) -> None:
        try:
            with Connection(self._port) as connection:
                for picture in itertools.cycle(pictures):
                    if self._stop.is_set():
                        return
                    connection.upload(held[picture], picture.extension)
                    self.count += 1
        except BaseException as error:  # noqa: BLE001 - raised at the end of the block
            self.failed = error

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failed:
            raise self.failed
