"""Who the client is and which address it used, seen through trusted proxies only.

`X-Forwarded-For`, `-Proto` and `-Host` count only if the peer is in `server.trusted_proxies` or came by a unix socket.
The client is the right-most forwarded address that is not itself trusted.
"""

import logging
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web
from cachetools import TTLCache

from imges.errors import MalformedBody
from imges.settings import Settings
from imges.web.app_keys import SETTINGS

log = logging.getLogger(__name__)

IPAddress = IPv4Address | IPv6Address

DEFAULT_PORTS = {"http": 80, "https": 443}

MOST_HOPS = 32
"""Forwarded values of one header line that count, from the right. A stranger wrote what stands before them."""
LOGGED_EVERY = 3600.0
"""Seconds between two lines in the log about a proxy whose forwarded addresses cannot be read."""
UNREADABLE = ip_address(0)
"""0.0.0.0, for a client whose forwarded address cannot be read (`unknown`, garbage). It is a stranger, whatever is
trusted, and all such clients are counted together.
"""

_V4_AND_PORT = re.compile(r"([0-9.]{7,15}):[0-9]{1,5}")
_V6_AND_PORT = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?")
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[(?P<v6>[0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?")


def client_address(request: web.Request) -> IPAddress | None:
    """Returns the client's address. `None`: the peer came by the unix socket and named no client."""
    peer = _address(request.remote)
    if not came_by_proxy(request):
        return peer
    for hop in reversed(_listed(request, "X-Forwarded-For")):
        address = _hop(hop)
        if address is None:
            _unreadable(request.remote)
            return UNREADABLE
        peer = address
        if not _trusted(request.app[SETTINGS], address):
            break
    return peer


def came_by_proxy(request: web.Request) -> bool:
    """Whether the peer is a trusted proxy, whose `X-Forwarded-*` count."""
    return is_trusted(request.app[SETTINGS], request.remote)


def client_is_trusted(request: web.Request) -> bool:
    """Whether the client itself, seen through trusted proxies, is one of them: the operator's own machines."""
    return _trusted(request.app[SETTINGS], client_address(request))


def is_trusted(settings: Settings, peer: str | None) -> bool:
    """Whether *peer* is a trusted proxy. `None` is the peer of a unix socket, which is trusted."""
    return _trusted(settings, _address(peer))


def base_url(request: web.Request) -> str:
    """Returns the base of every generated address, without a slash at its end.

    Raises `MalformedBody` if no public address is set and the request names no valid host.
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
    return f"{scheme}://{_without_default_port(host)}"


def _without_default_port(host: str) -> str:
    """Returns *host* in lower case, as links have it: some proxies write `:443` or `:80` behind every name."""
    name, _, port = host.lower().rpartition(":")
    return name if name and port.isdigit() and int(port) in DEFAULT_PORTS.values() else host.lower()


def _is_host(text: str) -> bool:
    """Whether *text* is a host, or a host and a port, as in an address."""
    found = _HOST.fullmatch(text)
    return found is not None and (found["v6"] is None or isinstance(_parsed(found["v6"]), IPv6Address))


def _listed(request: web.Request, name: str) -> list[str]:
    return [item.strip() for line in request.headers.getall(name, []) for item in line.rsplit(",", MOST_HOPS)]


def _hop(text: str) -> IPAddress | None:
    """Returns a forwarded address, which may have a port (`192.0.2.1:1234`, `[2001:db8::1]:1234`)."""
    found = _V4_AND_PORT.fullmatch(text) or _V6_AND_PORT.fullmatch(text)
    return _address(found[1] if found else text)


_logged = TTLCache[str, bool](64, LOGGED_EVERY)


def _unreadable(proxy: str | None) -> None:
    """Logs, once an hour, that *proxy* forwards what is no address."""
    name = proxy or "the unix socket"
    if name not in _logged:
        _logged[name] = True
        log.warning(
            "the proxy %s forwards something else than an address in X-Forwarded-For; its clients are strangers, and "
            "limited together. It has to set the header to the address of its client alone",
            name,
        )


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
    if address is UNREADABLE:
        return False
    return any(address in network for network in settings.server.trusted_proxies)
