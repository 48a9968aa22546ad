"""Requests whose end servers understand differently. They are refused, or are the last of their connection.

A proxy in front of us may see another end of the body than we do. The bytes after it would then be answered as the next
client's request.
"""

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_exceptions import BadHttpMessage

from imges.web.connection.aiohttp_connection import Headers

UNKNOWN_EXPECTATION = "Expect-Unmet"
"""A header of our own, see `rename_unknown_expectation`."""


def rename_unknown_expectation(headers: Headers) -> Headers:
    """Returns *headers*, with an `Expect` that we do not know under a name of our own, which `check_framing` refuses.

    aiohttp would refuse the request before any of our code sees it, and quote the expectation.
    """
    if "Expect" not in headers:
        return headers
    expected = ",".join(headers.getall("Expect"))
    if expected.strip().lower() == "100-continue":
        return headers
    renamed = headers.copy()
    renamed.popall("Expect")
    renamed[UNKNOWN_EXPECTATION] = expected
    return type(headers)(renamed)


def check_framing(request: web.Request) -> None:
    """Raises `BadHttpMessage` if a proxy may see another end of *request* than we do."""
    if UNKNOWN_EXPECTATION in request.headers:
        raise BadHttpMessage("an expectation that is not known")
    if request.method == "CONNECT":  # its body is none to us; to some proxies it is one, and no further request
        raise BadHttpMessage("a tunnel is asked for")
    codings = request.headers.getall("Transfer-Encoding", ())
    if request.version != HttpVersion11 and (codings or request.version != HttpVersion10):
        raise BadHttpMessage("not of this version of HTTP")
    if codings and ([coding.lower() for coding in codings] != ["chunked"] or "Content-Length" in request.headers):
        raise BadHttpMessage("another coding than chunked")


def is_last(request: web.Request) -> bool:
    """Whether the connection ends with *request*: its body comes in chunks, whose end servers agree on least."""
    return "Transfer-Encoding" in request.headers
