"""Who the client is and which address it used, seen through trusted proxies only.

`X-Forwarded-For`, `-Proto` and `-Host` count when the peer is in `server.trusted_proxies` or came by a unix socket;
of the forwarded addresses the right-most one that is not itself trusted is the client. Nothing else is believed.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

from imges.errors import MalformedBody
from imges.settings import Settings
from imges.web.keys import SETTINGS

IPAddress = IPv4Address | IPv6Address

_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[(?P<v6>[0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?")


def client_address(request: web.Request) -> IPAddress | None:
    """The client's address; `None` for a client of the unix socket that no proxy speaks for."""
    peer = _address(request.remote)
    if not came_by_proxy(request):
        return peer
    for hop in reversed(_listed(request, "X-Forwarded-For")):
        address = _address(hop)
        if address is None:
            break
        peer = address
        if not _trusted(request.app[SETTINGS], address):
            break
    return peer


def came_by_proxy(request: web.Request) -> bool:
    """Whether the peer is one whose word on the client counts."""
    return is_trusted(request.app[SETTINGS], request.remote)


def client_is_trusted(request: web.Request) -> bool:
    """Whether the client itself, seen through trusted proxies, is one of them: the operator's own machines."""
    return _trusted(request.app[SETTINGS], client_address(request))


def is_trusted(settings: Settings, peer: str | None) -> bool:
    """Whether *peer* is one of the trusted proxies; without an address it is that of a unix socket."""
    return _trusted(settings, _address(peer))


def base_url(request: web.Request) -> str:
    """The base of every generated address, without a slash at its end.

    Raises: MalformedBody, when no public address is set and the request names no sensible host.
    """
    settings = request.app[SETTINGS]
    if settings.server.public_url is not None:
        return settings.server.public_url.rstrip("/")
    scheme, host = request.scheme, request.headers.get("Host", "")
    if came_by_proxy(request):
        scheme = next((s for s in reversed(_listed(request, "X-Forwarded-Proto")) if s in {"http", "https"}), scheme)
        host = next((h for h in reversed(_listed(request, "X-Forwarded-Host")) if _is_host(h)), host)
    if not _is_host(host):
        raise MalformedBody("the Host header is missing or malformed")
    return f"{scheme}://{host}"


def _is_host(text: str) -> bool:
    """Whether it is a host and perhaps a port, as they stand in an address."""
    found = _HOST.fullmatch(text)
    return found is not None and (found["v6"] is None or isinstance(_parsed(found["v6"]), IPv6Address))


def _listed(request: web.Request, name: str) -> list[str]:
    return [item.strip() for line in request.headers.getall(name, []) for item in line.split(",")]


def _address(text: str | None) -> IPAddress | None:
    address = _parsed(text or "")
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(1024)
def _parsed(text: str) -> IPAddress | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _trusted(settings: Settings, address: IPAddress | None) -> bool:
    if address is None:  # the peer of a unix socket
        return True
    return any(address in network for network in settings.server.trusted_proxies)
