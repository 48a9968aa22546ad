"""How many connections there may be, in all and from one client address."""

import resource
from collections import Counter
from ipaddress import ip_address
from typing import Protocol

from imges.access.limits import Network, client_network

SPARE_FILES = 256
"""Open files that are kept for everything but connections: uploads, the catalog, pictures that are being sent."""


class LimitedConnection(Protocol):
    """A connection that counts."""

    @property
    def waits(self) -> bool:
        """Whether no request is on its way: if the connection is closed, nobody loses anything."""
        ...

    def force_close(self) -> None: ...


class ConnectionLimits:
    """All open connections: at most *most*, and *each* from one client address. Of IPv6, the /64 is the address.

    Clients in a network of *exempt*, the trusted proxies, and those of a unix socket are limited by *most* alone.
    """

    def __init__(self, most: int, each: int | None, exempt: tuple[Network, ...]) -> None:
        self._most = min(most, max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES))
        self._each = each
        self._exempt = exempt
        self._open: dict[LimitedConnection, str | None] = {}
        self._of_client: Counter[str] = Counter()

    def admit(self, connection: LimitedConnection, peer: str | None) -> bool:
        """Count *connection* from *peer*. Returns whether there is room for it.

        If there are too many, the connection that has waited longest without a request is closed.
        """
        client = self._client(peer)
        if client is not None and self._each is not None and self._of_client[client] >= self._each:
            return False
        if len(self._open) >= self._most and not self._make_room():
            return False
        self._open[connection] = client
        if client is not None:
            self._of_client[client] += 1
        return True

    def __len__(self) -> int:
        return len(self._open)

    def remove(self, connection: LimitedConnection) -> None:
        client = self._open.pop(connection, None)
        if client is not None:
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]

    def _make_room(self) -> bool:
        longest = next((each for each in self._open if each.waits), None)
        if longest is None:
            return False
        self.remove(longest)
        longest.force_close()
        return True

    def _client(self, peer: str | None) -> str | None:
        """Returns the client that the connections from *peer* are counted for; `None` if *peer* is exempt."""
        try:
            address = ip_address((peer or "").partition("%")[0])
        except ValueError:
            return None
        address = getattr(address, "ipv4_mapped", None) or address
        return None if any(address in network for network in self._exempt) else client_network(address)
