"""A limit of bytes per second for all readers together."""

import asyncio
from collections.abc import AsyncIterator


class Bandwidth:
    """*limit*: bytes per second of all readers that share this object; `None`: no limit."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._free = 0.0
        """When the next chunk may be read, by the loop's clock."""

    async def limited(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yields *chunks*, each after the time that it takes at this bandwidth."""
        async for chunk in chunks:
            if self._limit is not None:
                now = asyncio.get_running_loop().time()
                self._free = max(self._free, now) + len(chunk) / self._limit
                await asyncio.sleep(self._free - now)
            yield chunk
