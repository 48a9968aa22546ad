"""Speaks raw HTTP/1.1: the test writes each byte of a request, and nothing is corrected."""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

LONGEST = 10.0
"""Seconds that an answer may take."""
PATIENCE = LONGEST + 5

Connect = Callable[[], socket.socket]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    """By lower-case names."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Said:
    """Everything that came back over one connection."""

    raw: bytes
    answers: list[Answer] = field(default_factory=list[Answer])
    closed: bool = False
    """Whether the server closed the connection."""
    seconds: float = 0.0
    """Seconds until the last byte or the end."""

    @property
    def status(self) -> int:
        """The status of the first answer; 0 if there is none."""
        return self.answers[0].status if self.answers else 0


def connecting(port: int, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, name: str = "") -> Connect:
    def connect() -> socket.socket:
        plain = socket.create_connection((host, port), timeout=PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain if tls is None else tls.wrap_socket(plain, server_hostname=name)

    return connect


GONE = (ConnectionError, ssl.SSLEOFError)
"""Errors if the other side has closed. Over TLS haproxy closes without notice."""


def say(connect: Connect, data: bytes | Iterable[bytes], *, wait: float = PATIENCE, answers: int = 0) -> Said:
    """Sends *data*, in pieces if it is a list.

    Reads until the server closes, *wait* seconds have passed, or *answers* answers are complete.
    """
    began = time.monotonic()
    raw, closed = bytearray(), False
    with connect() as sock:
        with suppress(*GONE, TimeoutError):  # the server may have answered and closed already
            for piece in [data] if isinstance(data, bytes) else data:
                sock.sendall(piece)
        try:
            while (left := began + wait - time.monotonic()) > 0:
                sock.settimeout(left)
                block = sock.recv(65536)
                if not block:
                    closed = True
                    break
                raw += block
                if answers and len(parsed(bytes(raw), complete=True)) >= answers:
                    break
        except TimeoutError:
            pass
        except GONE:
            closed = True
    return Said(bytes(raw), parsed(bytes(raw)), closed, time.monotonic() - began)


def parsed(raw: bytes, *, complete: bool = False) -> list[Answer]:
    """Returns the answers in *raw* without 1xx: only *complete* ones, or also the part of the last one."""
    found: list[Answer] = []
    while raw.startswith(b"HTTP/1."):
        head, end, rest = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        status = int(lines[0].split()[1])
        if not end and complete:
            break
        if 100 <= status < 200:
            raw = rest
            continue
        if headers.get("transfer-encoding") == "chunked":
            body, rest, whole = _chunks(rest)
        else:
            length = 0 if status in {204, 304} else int(headers.get("content-length", len(rest)))
            body, rest, whole = rest[:length], rest[length:], len(rest) >= length
        if complete and not whole:
            break
        found.append(Answer(status, headers, body))
        raw = rest
    return found


def _chunks(raw: bytes) -> tuple[bytes, bytes, bool]:
    """Returns the body, what follows it, and whether the body is complete."""
    body = b""
    while True:
        line, end, rest = raw.partition(b"\r\n")
        if not end:
            return body, b"", False
        size = int(line.split(b";")[0], 16)
        body += rest[:size]
        if len(rest) < size + 2:
            return body, b"", False
        raw = rest[size + 2 :]
        if size == 0:
            return body, raw, True


def request(
    method: bytes = b"GET",
    target: bytes = b"/healthz",
    body: bytes | None = None,
    *headers: bytes,
    host: bytes = b"img.test",
    close: bool = True,
) -> bytes:
    """Returns a well-formed request, except for what its parts contain."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: " + host, *headers]
    if close:
        lines.append(b"Connection: close")
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


BOUNDARY = b"xYzZY"
MULTIPART = b"Content-Type: multipart/form-data; boundary=" + BOUNDARY
URLENCODED = b"Content-Type: application/x-www-form-urlencoded"
UPLOAD = b"/api/1/upload"


def part(content: bytes, disposition: bytes = b'form-data; name="source"; filename="x.png"', *headers: bytes) -> bytes:
    lines = [b"--" + BOUNDARY, b"Content-Disposition: " + disposition, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + content + b"\r\n"


END = b"--" + BOUNDARY + b"--\r\n"


def upload(key: bytes, body: bytes, *headers: bytes, kind: bytes = MULTIPART, target: bytes = UPLOAD) -> bytes:
    return request(b"POST", target, body, b"X-API-Key: " + key, kind, *headers)


def picture(key: bytes, content: bytes, filename: bytes = b"x.png", *headers: bytes) -> bytes:
    """Returns the upload of *content* as a file."""
    disposition = b'form-data; name="source"; filename="' + filename + b'"'
    return upload(key, part(content, disposition) + END, *headers)


def urlencoded(key: bytes, body: bytes, *headers: bytes) -> bytes:
    return upload(key, body, *headers, kind=URLENCODED)
