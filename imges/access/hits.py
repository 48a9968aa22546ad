"""Counts hits of client addresses in the memory of one process."""

import time
from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from cachetools import TLRUCache
from limits.aio.storage import MemoryStorage


class LocalHits(MemoryStorage):
    """Moving windows in the memory of this process.

    The library's own class reads the wall clock, which can be set back, and scans all addresses at each hit. This
    class reads *clock* (seconds that never go back) and keeps at most `ADDRESSES` windows: it drops the least
    recently used one, so that a client with many addresses cannot fill the memory.
    """

    ADDRESSES = 20_000

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._windows: TLRUCache[str, _Window] = TLRUCache(
            self.ADDRESSES, ttu=lambda _key, window, now: now + window.seconds, timer=clock
        )

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        window = self._windows.get(key) or _Window(expiry)
        now = self._clock()
        window.forget_old(now)
        if len(window.hits) + amount > limit:
            return False
        window.hits.extend([now] * amount)
        self._windows[key] = window
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002  (the library's signature)
        window = self._windows.get(key) or _Window(expiry)
        now = self._clock()
        window.forget_old(now)
        age = now - window.hits[0] if window.hits else 0.0
        return time.time() - age, len(window.hits)


@dataclass(slots=True)
class _Window:
    """The times of the hits within the last *seconds*, oldest first."""

    seconds: int
    hits: "array[float]" = field(default_factory=lambda: array("d"))  # a quarter of a list's memory

    def forget_old(self, now: float) -> None:
        del self.hits[: bisect_right(self.hits, now - self.seconds)]
