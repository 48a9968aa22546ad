"""How many connections there may be, in all and of one address."""

import resource
from collections import Counter
from ipaddress import ip_address
from typing import Protocol

from imges.access import Network, client_network

SPARE_FILES = 256
"""Open files that are kept for everything but connections: uploads, the catalog, pictures that are being sent."""


class Guest(Protocol):
    """A connection, as it is seen from here."""

    @property
    def waits(self) -> bool:
        """Whether it has no request on its way: it can be closed and nobody loses anything."""
        ...

    def force_close(self) -> None: ...


class Crowd:
    """All open connections: at most *most*, and *each* of one client address; of IPv6 the /64 counts.

    Who comes from one of *exempt*, the trusted proxies, or by a unix socket may have as many as there are.
    """

    def __init__(self, most: int, each: int | None, exempt: tuple[Network, ...]) -> None:
        self._most = min(most, max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES))
        self._each = each
        self._exempt = exempt
        self._inside: dict[Guest, str | None] = {}
        self._of: Counter[str] = Counter()

    def enter(self, guest: Guest, peer: str | None) -> bool:
        """Whether there is room for one more from *peer*; who has waited longest without a request makes it."""
        client = self._client(peer)
        if client is not None and self._each is not None and self._of[client] >= self._each:
            return False
        if len(self._inside) >= self._most and not self._make_room():
            return False
        self._inside[guest] = client
        if client is not None:
            self._of[client] += 1
        return True

    def __len__(self) -> int:
        return len(self._inside)

    def leave(self, guest: Guest) -> None:
        client = self._inside.pop(guest, None)
        if client is not None:
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]

    def _make_room(self) -> bool:
        longest = next((guest for guest in self._inside if guest.waits), None)
        if longest is None:
            return False
        self.leave(longest)
        longest.force_close()
        return True

    def _client(self, peer: str | None) -> str | None:
        """For whom *peer* counts; `None` for who is exempt."""
        try:
            address = ip_address((peer or "").partition("%")[0])
        except ValueError:
            return None
        address = getattr(address, "ipv4_mapped", None) or address
        return None if any(address in network for network in self._exempt) else client_network(address)
