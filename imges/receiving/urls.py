"""Parses URLs that strangers name: once, and more strictly than a browser does.

Two parsers that read one URL differently are an attack: one checks a host, the other connects to another. So this is
the only parser: the result is what is checked and what is requested. Each text that another parser might read
differently is refused.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote, urljoin

import idna
from yarl import URL

from imges.errors import UrlRefused

LONGEST = 4096
"""Characters that a URL may have."""
DEFAULT_PORTS = {"http": 80, "https": 443}

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-F:.]{2,45}\]|[^\x00-\x20\x7f/?#@:\\%\[\]]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>[/?][^#]*)?(?:#.*)?",
    re.IGNORECASE | re.ASCII,  # without ASCII, a long s would match the last letter of https
)
_SCHEME = re.compile(r"[A-Z][A-Z0-9+.-]*:", re.IGNORECASE | re.ASCII)
_LABEL = re.compile(r"[A-Z0-9_](?:[A-Z0-9_-]{0,61}[A-Z0-9_])?", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE | re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEPT = "%/?:@!$&'()*+,;=-._~[]"
"""Characters that stay as they are in a path or query: presigned URLs break if more is escaped."""


def parse(text: str) -> URL:
    """Returns the URL that *text* is.

    Raises `UrlRefused` if it has a user, a control character, `%` or a backslash in the host, or a host that some
    parser takes for an IPv4 address though it is not four decimal numbers (`127.1`, `0x7f000001`, `017700000001`).
    """
    match = None if len(text) > LONGEST or _CONTROL.search(text) else _URL.fullmatch(text)
    if match is None:
        raise UrlRefused
    scheme = match["scheme"].lower()
    port = int(match["port"] or DEFAULT_PORTS[scheme])
    target = match["target"] or "/"
    try:
        target = quote(target, safe=_KEPT, errors="surrogateescape")  # a Location may contain bytes that are not UTF-8
        host = _host(match["host"])
    except ValueError as error:
        raise UrlRefused from error
    if not 1 <= port <= 65535:
        raise UrlRefused
    return URL(f"{scheme}://{host}:{port}{target if target[0] == '/' else '/' + target}", encoded=True)


def _host(text: str) -> str:
    """Returns the host as it will be looked up: an IP address or an ASCII name. Raises `ValueError`."""
    if text.startswith("["):
        return f"[{IPv6Address(text[1:-1])}]"
    labels = [label if label.isascii() else idna.alabel(label.lower()).decode() for label in text.split(".")]
    name = ".".join(labels).lower()
    *_, last = labels = name.removesuffix(".").split(".")
    if _NUMBER.fullmatch(last):
        return str(IPv4Address(name))
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(text)
    return name


def redirected(base: str, location: str) -> URL:
    """Returns the URL to which a redirect from *base* leads. Raises `UrlRefused` as `parse` does."""
    try:  # `urljoin` would read `http:x` as a path, so a location with a scheme is parsed by itself
        return parse(location if _SCHEME.match(location) else urljoin(base, location))
    except ValueError as error:
        raise UrlRefused from error


def file_name(text: str) -> str:
    """Returns the last segment of a URL's path, percent-decoded; `""` if there is none."""
    path = re.split(r"[?#]", text.partition("://")[2], maxsplit=1)[0]
    return unquote(path.rpartition("/")[2]) if "/" in path else ""
