"""So many bytes a second, however many read."""

import asyncio
from collections.abc import AsyncIterator


class Bandwidth:
    """*limit* in bytes a second over all who share this; `None`: no limit."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._free = 0.0
        """When the next byte may go, by the loop's clock."""

    async def limited(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """*chunks*, held up."""
        async for chunk in chunks:
            if self._limit is not None:
                now = asyncio.get_running_loop().time()
                self._free = max(self._free, now) + len(chunk) / self._limit
                await asyncio.sleep(self._free - now)
            yield chunk
