"""Counts hits of client addresses in the parent, for all of its processes."""

from limits.aio.storage import MemoryStorage

from imges.processes.link import Link


class SharedHits(MemoryStorage):
    """Moving windows in the memory of the parent, which is asked over *link*."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        return await self._link.ask("hit", key, limit, expiry, amount)

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        began, count = await self._link.ask("window", key, limit, expiry)
        return began, count
