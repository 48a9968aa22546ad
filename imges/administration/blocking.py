"""What the owner refuses: digests of pictures, and addresses or networks of uploaders."""

from collections.abc import Sequence

from imges.catalog import Block, Catalog, block_text
from imges.errors import BadParameter


class Blocking:
    """Lists, adds and removes blocks."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def all(self) -> list[Block]:
        """Returns all blocks, the newest first."""
        return await self._catalog.blocks.all()

    async def add(self, texts: Sequence[str]) -> int:
        """Blocks digests, addresses or networks, and returns how many were not blocked before.

        Raises `BadParameter` if one of *texts* is none of these.
        """
        try:
            whats = [block_text(text) for text in dict.fromkeys(texts)]
        except ValueError as error:
            raise BadParameter(
                "what to block should be an MD5 digest (32 hex digits), an address or a network such as 192.0.2.0/24"
            ) from error
        return sum([await self._catalog.blocks.add(what) for what in whats])

    async def remove(self, what: str) -> bool:
        """Removes the block of *what*; returns False if it was not blocked."""
        return await self._catalog.blocks.remove(what)
