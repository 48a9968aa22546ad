"""What is refused whoever sends it, and who is refused whatever they send: digests and networks.

Every process keeps the whole list for some seconds, so that an upload asks nobody.
"""

import re
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from sqlalchemy import delete, func, select

from imges.catalog.database import Database
from imges.catalog.dialects import insert_or_skip
from imges.catalog.statements import Statements
from imges.catalog.tables import blocks
from imges.catalog.types import Block
from imges.catalog.unique_keys import KeyHashes

LOOK_EVERY = 5.0
"""Seconds until a process hears of what another has blocked."""

_VERSION = select(func.count(), func.max(blocks.c.number))
_ALL = select(blocks.c.what, blocks.c.created).order_by(blocks.c.number.desc())


def block_text(text: str) -> str:
    """*text* as blocks are written: an MD5 digest in lower case, or a network such as 192.0.2.7/32.

    Raises: ValueError.
    """
    text = text.strip().lower()
    if re.fullmatch("[0-9a-f]{32}", text):
        return text
    network = ip_network(text.partition("%")[0], strict=False)
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network[0].ipv4_mapped is not None:
        network = ip_network((int(network[0].ipv4_mapped), network.prefixlen - 96))
    return str(network)


class BlockList:
    """Blocks, to be asked quickly: networks are found by their beginning, for each length of it that there is."""

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


class Blocks(Statements):
    def __init__(self, database: Database, hashes: KeyHashes, now: Callable[[], datetime]) -> None:
        super().__init__(database, hashes, now)
        self._block_list = BlockList()
        self._block_version: tuple[int, int | None] = (0, None)
        self._blocks_looked: float | None = None

    async def add_block(self, what: str) -> bool:
        """Block *what* (see `block_text`). False: it was blocked already."""
        row = {"what": what, "created": self._now()}
        added = await self._database.write(
            lambda connection: connection.execute(insert_or_skip(connection, blocks), row).first()
        )
        self._blocks_looked = None
        return added is not None

    async def remove_block(self, what: str) -> bool:
        """Block *what* no longer. False: it was not blocked."""
        removed = await self._rows_changed(delete(blocks).where(blocks.c.what == what))
        self._blocks_looked = None
        return removed > 0

    async def blocks(self) -> list[Block]:
        """All that is blocked, the newest first."""
        rows = await self._database.read(lambda connection: connection.execute(_ALL).all())
        return [Block(*row) for row in rows]

    async def is_blocked(self, *, address: str | None = None, md5: str | None = None) -> bool:
        """Whether the *address*, or the *md5* of a stored original, is blocked; heard some seconds ago at most."""
        if self._blocks_looked is None or time.monotonic() - self._blocks_looked >= LOOK_EVERY:
            await self._look_at_blocks()
        known = self._block_list
        by_address = address is not None and known.has_address(ip_address(address))
        return by_address or (md5 is not None and known.has_digest(md5))

    async def _look_at_blocks(self) -> None:
        """Numbers are never used again, so number and count together tell whether anything has changed."""
        looked = time.monotonic()
        row = await self._database.read(lambda connection: connection.execute(_VERSION).one())
        version = (row[0], row[1])
        if version != self._block_version:
            self._block_list = BlockList(block.what for block in await self.blocks())
            self._block_version = version
        self._blocks_looked = looked
