"""Blocks: digests of pictures that nobody may upload, and networks that may upload nothing.

Every process keeps the whole list in memory for some seconds, so that an upload costs no query.
"""

import re
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from sqlalchemy import delete, func, select

from imges.catalog.database import Database
from imges.catalog.dialects import insert_or_skip
from imges.catalog.statements import count_changed
from imges.catalog.tables import blocks
from imges.catalog.types import Block

REFRESH_EVERY = 5.0
"""Seconds after which a process reads what other processes have blocked."""

_VERSION = select(func.count(), func.max(blocks.c.number))
_ALL = select(blocks.c.what, blocks.c.created).order_by(blocks.c.number.desc())


def block_text(text: str) -> str:
    """Return *text* as blocks are stored: an MD5 digest in lower case, or a network such as 192.0.2.7/32.

    Raises `ValueError` if it is neither.
    """
    text = text.strip().lower()
    if re.fullmatch("[0-9a-f]{32}", text):
        return text
    network = ip_network(text.partition("%")[0], strict=False)
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network[0].ipv4_mapped is not None:
        network = ip_network((int(network[0].ipv4_mapped), network.prefixlen - 96))
    return str(network)


class BlockList:
    """Blocks in memory. A network is looked up by its first bits, once for each prefix length in use."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._digests: set[str] = set()
        self._networks: dict[tuple[int, int], set[int]] = {}
        for text in texts:
            if "/" in text:
                network = ip_network(text)
                beginning = int(network[0]) >> (network.max_prefixlen - network.prefixlen)
                self._networks.setdefault((network.version, network.prefixlen), set()).add(beginning)
            else:
                self._digests.add(text)

    def has_digest(self, md5: str) -> bool:
        return md5 in self._digests

    def has_address(self, address: IPv4Address | IPv6Address) -> bool:
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        address = mapped or address
        return any(
            version == address.version and int(address) >> (address.max_prefixlen - length) in beginnings
            for (version, length), beginnings in self._networks.items()
        )


class Blocks:
    """Adds and removes blocks, and says what is blocked."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._known = BlockList()
        self._version: tuple[int, int | None] = (0, None)
        self._read_at: float | None = None
        """When the list was last compared with the catalog, by `time.monotonic`; `None`: it has to be."""

    async def add(self, what: str) -> bool:
        """Block *what*, written as `block_text` returns it. Returns false if it was blocked already."""
        row = {"what": what, "created": self._now()}
        added = await self._database.write(
            lambda connection: connection.execute(insert_or_skip(connection, blocks), row).first()
        )
        self._read_at = None
        return added is not None

    async def remove(self, what: str) -> bool:
        """Stop blocking *what*. Returns false if it was not blocked."""
        removed = await self._database.write(count_changed(delete(blocks).where(blocks.c.what == what)))
        self._read_at = None
        return removed > 0

    async def all(self) -> list[Block]:
        """Return all blocks, the newest first."""
        rows = await self._database.read(lambda connection: connection.execute(_ALL).all())
        return [Block(*row) for row in rows]

    async def has(self, *, address: str | None = None, md5: str | None = None) -> bool:
        """Return whether the *address* is blocked, or the *md5* of a stored original.

        Knows blocks of other processes after `REFRESH_EVERY` at the latest.
        """
        if self._read_at is None or time.monotonic() - self._read_at >= REFRESH_EVERY:
            await self._refresh()
        by_address = address is not None and self._known.has_address(ip_address(address))
        return by_address or (md5 is not None and self._known.has_digest(md5))

    async def _refresh(self) -> None:
        """Read the list if it has changed. Highest number and count together show that: no number is used twice."""
        started = time.monotonic()
        row = await self._database.read(lambda connection: connection.execute(_VERSION).one())
        version = (row[0], row[1])
        if version != self._version:
            self._known = BlockList(block.what for block in await self.all())
            self._version = version
        self._read_at = started
