"""What the owner refuses: digests of pictures, and addresses or networks of uploaders."""

from collections.abc import Sequence

from imges.administration.trail import OwnersTrail
from imges.catalog import Block, Catalog, Deed, block_text
from imges.errors import BadParameter


class Blocking:
    """Lists, adds and removes blocks. *by* is the name of the key that the owner is signed in with."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._trail = OwnersTrail(catalog)

    async def all(self) -> list[Block]:
        """Returns all blocks, the newest first."""
        return await self._catalog.blocks.all()

    async def add(self, texts: Sequence[str], *, by: str) -> int:
        """Blocks digests, addresses or networks, and returns how many were not blocked before.

        Raises `BadParameter` if one of *texts* is none of these.
        """
        try:
            whats = [block_text(text) for text in dict.fromkeys(texts)]
        except ValueError as error:
            raise BadParameter(
                "what to block should be an MD5 digest (32 hex digits), an address or a network such as 192.0.2.0/24"
            ) from error
        added = [what for what in whats if await self._catalog.blocks.add(what)]
        if added:
            await self._trail.note(by, Deed.BLOCK, ", ".join(added), len(added))
        return len(added)

    async def remove(self, what: str, *, by: str) -> bool:
        """Removes the block of *what*; returns False if it was not blocked."""
        removed = await self._catalog.blocks.remove(what)
        if removed:
            await self._trail.note(by, Deed.UNBLOCK, what)
        return removed
