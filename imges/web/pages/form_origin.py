"""Whether a form comes from our own pages."""

from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from imges.errors import ForeignForm
from imges.web.app_keys import SETTINGS
from imges.web.connection.proxies import DEFAULT_PORTS, base_url


class Origin(NamedTuple):
    """An origin as browsers compare them (RFC 6454): the *host* in lower case, the *port* also if it is the default."""

    scheme: str
    host: str
    port: int | None


def check_own(request: web.Request) -> None:
    """Checks that *request* comes from our own pages, by headers that other sites cannot forge.

    Raises `ForeignForm`. If a proxy that hides our name or port is the likely cause, its message says so.
    """
    fetched_by = request.headers.get("Sec-Fetch-Site")
    if fetched_by is not None:
        if fetched_by.strip().lower() in {"same-origin", "none"}:
            return
        raise ForeignForm
    sent = request.headers.get("Origin")
    if sent is None:
        return
    base = base_url(request)
    theirs, ours = origin_of(sent), origin_of(base)
    if theirs is None or theirs != ours:
        public_url = request.app[SETTINGS].server.public_url
        if (
            theirs
            and ours
            and (theirs.host == ours.host or (public_url is None and _is_inside(ours) > _is_inside(theirs)))
        ):
            raise ForeignForm(_advice(sent, base))
        raise ForeignForm


def origin_of(address: str) -> Origin | None:
    """Returns the origin of *address*; `None` if it has none (`null`, a malformed address)."""
    try:
        parts = urlsplit(address)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            return None
        return Origin(parts.scheme, parts.hostname.rstrip("."), parts.port or DEFAULT_PORTS[parts.scheme])
    except ValueError:  # brackets around something that is no address, or a port that is none
        return None


def _is_inside(origin: Origin) -> bool:
    """Whether *origin* names a machine of the proxy's own network: what we see if it does not pass the name on."""
    try:
        return ip_address(origin.host).is_private
    except ValueError:
        return "." not in origin.host


def _advice(sent: str, base: str) -> str:
    return (
        f"this form was sent from {sent}, but the server sees itself as {base}; if both are this site, the proxy "
        "should pass on the name, port and scheme (nginx: proxy_set_header Host $http_host; "
        "proxy_set_header X-Forwarded-Proto $scheme;), or the settings should have server.public_url"
    )
