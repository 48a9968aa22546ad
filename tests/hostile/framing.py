"""I16: requests whose end two servers may see at different places (smuggling), and bytes that are not HTTP.

Each of `PAIRS` and `LENGTHS` ends in a tail, which a server that believes the wrong header takes for a request.
"""

from tests.hostile.cases import REFUSED, Case
from tests.hostile.wire import Said, request

BAD = frozenset({400})
OPEN = b"POST /api/1/upload HTTP/1.1\r\nHost: img.test\r\nContent-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST = b"0\r\n\r\n"


def tail(number: int) -> bytes:
    return b"GET /smuggled/%d HTTP/1.1\r\nHost: img.test\r\n\r\n" % number


def _both(encoding: bytes, length: bytes = b"Content-Length: 6\r\n") -> bytes:
    """Requests with a length of so many bytes, and an encoding that contradicts it."""
    return OPEN + length + encoding + b"\r\n" + LAST


PAIRS: list[tuple[str, bytes]] = [
    ("CL.TE", _both(CHUNKED)),
    ("TE.CL", OPEN + CHUNKED + b"Content-Length: 4\r\n\r\n1d\r\nsource=aaaaaaaaaaaaaaaaaaaaaa\r\n" + LAST),
    ("CL.CL, differing", OPEN + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n"),
    ("CL.CL, alike", OPEN + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
    ("CL list", OPEN + b"Content-Length: 0, 0\r\n\r\n"),
    ("TE with a space before the colon", _both(b"Transfer-Encoding : chunked\r\n")),
    ("TE: xchunked", _both(b"Transfer-Encoding: xchunked\r\n")),
    ("TE: chunked, identity", _both(b"Transfer-Encoding: chunked, identity\r\n")),
    ("TE: identity, chunked", _both(b"Transfer-Encoding: identity, chunked\r\n")),
    ("TE twice", _both(CHUNKED + b"Transfer-Encoding: x\r\n")),
    ("TE with a vertical tab", _both(b"Transfer-Encoding:\x0bchunked\r\n")),
    ("TE on a folded line", _both(b"Transfer-Encoding:\r\n chunked\r\n")),
    ("TE behind a bare line feed", _both(b"X: x\nTransfer-Encoding: chunked\r\n")),
    ("TE in a header that begins with a space", _both(b" Transfer-Encoding: chunked\r\n")),
    ('TE: "chunked"', _both(b'Transfer-Encoding: "chunked"\r\n')),
    ("TE with a NUL", _both(b"Transfer-Encoding: chunked\0\r\n")),
    ("TE behind a bare carriage return", _both(b"X: x\rTransfer-Encoding: chunked\r\n")),
    ("TE: chunked;q=1", _both(b"Transfer-Encoding: chunked;q=1\r\n")),
    ("TE: gzip, chunked", OPEN + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + LAST),
    ("TE of HTTP/1.0", OPEN.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n" + CHUNKED + b"\r\n" + LAST),
    ("TE: chunked, chunked", OPEN + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + LAST),
    ("empty TE", OPEN + b"Transfer-Encoding:\r\n\r\n" + LAST),
]


def _length(value: bytes) -> bytes:
    return OPEN + b"Content-Length: " + value + b"\r\n\r\n"


def _chunk(body: bytes) -> bytes:
    return OPEN + CHUNKED + b"\r\n" + body


LENGTHS: list[tuple[str, bytes]] = [
    *((f"length {value!r}", _length(value)) for value in (
        b"-1", b"+1", b"0x1", b"1a", b"1 1", b"", b"1e1", b"1.0", b"18446744073709551616", b"9" * 40,
        b"\xef\xbc\x95", b"1;", b"\t-0", b"_1", b"1_0",
    )),
    *((f"chunk of {size!r}", _chunk(size + b"\r\nx\r\n" + LAST)) for size in (
        b"g", b"-1", b"+1", b"0x1", b"", b" 1", b"1 1", b"10000000000000001", b"1_0",
        b"\xef\xbc\x91", b"1\x00",
    )),
    ("chunk without its end", _chunk(b"1\r\nxyz\r\n" + LAST)),
    ("chunk that ends in a line feed", _chunk(b"1\r\nx\n" + LAST)),
    ("size that ends in a line feed", _chunk(b"1\nx\r\n" + LAST)),
    ("size that ends in a carriage return", _chunk(b"1\rx\r\n" + LAST)),
    ("extension with a line feed", _chunk(b"1;a\nb\r\nx\r\n" + LAST)),
    ("trailer that is no header", _chunk(b"1\r\nx\r\n0\r\nno header\r\n\r\n")),
    ("trailers without end", _chunk(b"0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n")),
    ("last chunk that ends in a line feed", _chunk(b"0\n\n")),
]  # fmt: skip


def _get(line: bytes = b"GET /healthz HTTP/1.1", headers: bytes = b"Host: img.test\r\n") -> bytes:
    return line + b"\r\n" + headers + b"\r\n"


ODDITIES: list[tuple[str, bytes, set[int]]] = [
    ("HTTP/0.9", b"GET /healthz\r\n\r\n", {400}),
    ("HTTP/1.2", _get(b"GET /healthz HTTP/1.2"), {400, 505}),
    ("HTTP/2.0", _get(b"GET /healthz HTTP/2.0"), {400, 505}),
    ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), {400, 505}),
    ("HTTP/9.9", _get(b"GET /healthz HTTP/9.9"), {400, 505}),
    ("http/1.1", _get(b"GET /healthz http/1.1"), {400}),
    ("HTTP/1.1x", _get(b"GET /healthz HTTP/1.1x"), {400}),
    ("HTTP/11", _get(b"GET /healthz HTTP/11"), {400}),
    ("no target", _get(b"GET HTTP/1.1"), {400}),
    ("no method", _get(b" /healthz HTTP/1.1"), {400}),
    ("tabs for spaces", _get(b"GET\t/healthz\tHTTP/1.1"), {400}),
    ("a space in the target", _get(b"GET /heal thz HTTP/1.1"), {400}),
    ("a method in small letters", _get(b"get /healthz HTTP/1.1"), {400, 405, 501}),
    ("a method of 10 KB", _get(b"G" * 10_000 + b" /healthz HTTP/1.1"), {400, 405, 501}),
    ("a method with odd letters", _get(b"G{}T /healthz HTTP/1.1"), {400, 405, 501}),
    ("CONNECT", _get(b"CONNECT 127.0.0.1:80 HTTP/1.1"), {400, 404, 405, 501}),
    ("TRACE", _get(b"TRACE /healthz HTTP/1.1", b"Host: x\r\nX-Secret: 1\r\n"), {400, 404, 405, 501}),
    ("OPTIONS *", _get(b"OPTIONS * HTTP/1.1"), {200, 204, 400, 404, 405}),
    ("GET *", _get(b"GET * HTTP/1.1"), {400, 404}),
    ("another site's address", _get(b"GET http://evil.test/healthz HTTP/1.1"), {200, 400, 404, 421}),
    ("another scheme", _get(b"GET gopher://evil.test/ HTTP/1.1"), {200, 400, 404, 421}),
    ("an address with a bad host", _get(b"GET http://[::1/healthz HTTP/1.1"), {400}),
    ("an address with a bad port", _get(b"GET http://x:99999999/healthz HTTP/1.1"), {200, 400}),
    ("two slashes", _get(b"GET //evil.test/healthz HTTP/1.1"), {400, 404}),
    ("three slashes", _get(b"GET ///healthz HTTP/1.1"), {400, 404}),
    ("a bad host behind two slashes", _get(b"GET //[ HTTP/1.1"), {400, 404}),
    ("a fragment", _get(b"GET /healthz#x HTTP/1.1"), {200, 400}),
    ("bytes in the target", _get(b"GET /\xff\xfe\x80 HTTP/1.1"), {400, 404}),
    ("a control character in the target", _get(b"GET /\x01\x7f HTTP/1.1"), {400, 404}),
    ("a NUL in the target", _get(b"GET /a\0b HTTP/1.1"), {400}),
    ("escapes that are none", _get(b"GET /%zz%%%4 HTTP/1.1"), {400, 404}),
    ("bytes in the query", _get(b"GET /healthz?\xff=%ff&%u1234 HTTP/1.1"), {200, 400}),
    ("a target of 100 KB", _get(b"GET /" + b"a" * 100_000 + b" HTTP/1.1"), {400, 414}),
    ("no host", _get(headers=b""), {400}),
    ("two hosts", _get(headers=b"Host: img.test\r\nHost: evil.test\r\n"), {400}),
    ("an empty host", _get(headers=b"Host:\r\n"), {200, 400}),
    ("a host with a path", _get(headers=b"Host: img.test/evil\r\n"), {200, 400}),
    ("a host with a user", _get(headers=b"Host: a@img.test\r\n"), {200, 400}),
    ("a host of bytes", _get(headers=b"Host: \xff\xfe\r\n"), {200, 400}),
    ("a host with a bracket", _get(b"GET / HTTP/1.1", b"Host: [::\r\n"), {200, 400}),
    ("a host with a bad port", _get(b"GET /api HTTP/1.1", b"Host: a:99999999\r\n"), {200, 400}),
    ("a header without colon", _get(headers=b"Host: x\r\nno colon\r\n"), {400}),
    ("a header without name", _get(headers=b"Host: x\r\n: y\r\n"), {400}),
    ("a space before the colon", _get(headers=b"Host: x\r\nX : y\r\n"), {400}),
    ("a folded header", _get(headers=b"Host: x\r\nX: y\r\n z\r\n"), {400}),
    ("a header that begins with a space", _get(headers=b" Host: x\r\n"), {400}),
    ("a NUL in a header", _get(headers=b"Host: x\r\nX: a\0b\r\n"), {400}),
    ("a NUL in a header's name", _get(headers=b"Host: x\r\nX\0: a\r\n"), {400}),
    ("bytes in a header's name", _get(headers=b"Host: x\r\nX\xff: a\r\n"), {400}),
    ("bytes in a header", _get(headers=b"Host: x\r\nX: \xff\x80\r\n"), {200, 400}),
    ("a carriage return in a header", _get(headers=b"Host: x\r\nX: a\rb\r\n"), {400}),
    ("a header of 100 KB", _get(headers=b"Host: x\r\nX: " + b"y" * 100_000 + b"\r\n"), {400, 431}),
    ("a header's name of 100 KB", _get(headers=b"Host: x\r\n" + b"y" * 100_000 + b": z\r\n"), {400, 431}),
    ("20,000 headers", _get(headers=b"Host: x\r\n" + b"X: y\r\n" * 20_000), {400, 431}),
    ("line feeds alone", b"GET /healthz HTTP/1.1\nHost: x\n\n", {200, 400}),
    ("empty lines before", b"\r\n\r\n" + request(), {200, 400}),
    ("10,000 empty lines", b"\r\n" * 10_000 + request(), {0, 200, 400}),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300), {400}),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", {400}),
    ("random bytes", bytes(range(256)) * 20, {400}),
    ("a proxy's line", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + request(), {400}),
    ("h2c", request(b"GET", b"/healthz", None, b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"), {200, 400}),
    ("a WebSocket",
    _get(headers=b"Host: x\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                         b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"), {200, 400}),
    ("an unknown expectation", request(b"POST", b"/api/1/upload", b"", b"Expect: the-spanish-inquisition"), {400, 417}),
    ("a cookie of rubbish", request(b"GET", b"/admin", None, b'Cookie: =;;a="\xff;\x80=x; a=b=c; $Version=1'),
     {200, 302, 303, 401, 403}),
    ("Content-Length on GET", request(b"GET", b"/healthz", b"x" * 100), {200, 400}),
    ("odd Connection", _get(headers=b"Host: x\r\nConnection: close, X-API-Key, \xff, ,,\r\n"), {200, 400}),
    ("odd Keep-Alive", request(b"GET", b"/healthz", None, b"Keep-Alive: timeout=-1, max=99999999999999999999"), {200}),
]  # fmt: skip


SOUND: list[tuple[str, bytes]] = [
    ("chunks", _chunk(b"1\r\nx\r\n" + LAST)),
    ("an extension of 100 KB", _chunk(b"1;" + b"a" * 100_000 + b"\r\nx\r\n" + LAST)),
    ("a trailer", _chunk(b"0\r\nX: y\r\n\r\n")),
    ("zeros before", _chunk(b"0" * 15 + b"1\r\nx\r\n" + LAST)),
]
"""Valid framing: the server refuses the request because the key is missing, and does not answer the tail."""


def alone(said: Said) -> None:
    """The server closes the connection and does not answer the tail."""
    assert said.closed
    assert len(said.answers) == 1


def cases() -> list[Case]:
    pairs = [Case(name, data + tail(number), BAD, alone) for number, (name, data) in enumerate([*PAIRS, *LENGTHS])]
    pairs += [Case(name, data + tail(100 + number), REFUSED, alone) for number, (name, data) in enumerate(SOUND)]
    return pairs + [Case(name, _closing(data), frozenset(expect) | {400}) for name, data, expect in ODDITIES]


def _closing(data: bytes) -> bytes:
    """Sends *data* as the last request of the connection, where a good answer is allowed."""
    if data.endswith(b"\r\n\r\n") and b"\r\nConnection:" not in data and b"\nHost" in data:
        return data[:-2] + b"Connection: close\r\n\r\n"
    return data
