"""Under which names guests may upload on the page, if the site has no `server.public_url`.

A page of another site can let its own name lead to our address (DNS rebinding). The browser then takes our form for
one of that site, and lets its scripts send it. So a name counts only if no stranger can let it lead to us: an address,
a name of this network, or one of `server.hosts`.
"""

from ipaddress import ip_address

from aiohttp import web

from imges.errors import RequestError
from imges.settings import Settings
from imges.web.app_keys import SETTINGS
from imges.web.connection.proxies import came_by_proxy

INSIDE = (".local", ".localhost", ".lan", ".internal", ".home.arpa", ".fritz.box")
"""Endings of names that no public name server answers."""

BY_PROXY = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded")
"""Headers that show that a proxy has passed the request on. The proxy decides which names lead to us."""


class ForeignName(RequestError):
    """The page's form came by a name that is not known to be the site's."""

    status = code = 421

    def __init__(self, name: str) -> None:
        super().__init__(
            f"this site is not known to be {name}; the owner can set server.public_url, or add the name to server.hosts"
        )


def check_name(request: web.Request) -> None:
    """Raises `ForeignName` if the form of the page came straight from a client, by a name that is not ours."""
    settings = request.app[SETTINGS]
    if settings.server.public_url is not None:
        return
    if came_by_proxy(request) and any(header in request.headers for header in BY_PROXY):
        return
    host = request.headers.get("Host", "")
    if not is_own(host, settings):
        raise ForeignName(host[:253] or "a site without a name")


def is_own(host: str, settings: Settings) -> bool:
    """Returns whether the header *host*, with or without a port, is an address, a name of this network, or ours."""
    name = host.lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") <= 1:
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    try:
        ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(INSIDE) or name in settings.server.hosts
    return True
