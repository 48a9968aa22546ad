"""The quarantine: a file that has killed a few decoders is refused by its digest, and no further decoder gets it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from time import monotonic

from cachetools import TTLCache

from imges.errors import ProcessingFailed
from imges.imaging.workers import Died, OutOfTime

log = logging.getLogger(__name__)

DEATHS = 3
"""Workers that died, or had to be killed, over the same bytes before these are refused."""
KEPT = 3600.0
"""Seconds for which deaths are remembered."""
MOST = 1000
"""Most digests that are remembered."""


class Quarantine:
    """Counts deaths by the digest of the received bytes, so that a client that only retries takes no more decoders."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._deaths: TTLCache[str, int] = TTLCache(MOST, KEPT, timer=clock)

    @asynccontextmanager
    async def over(self, digest: Callable[[], str]) -> AsyncGenerator[None]:
        """Count a death of a worker inside the block against the file.

        *digest* computes the file's digest. A thread calls it, and only if some file has killed a worker lately.
        Raises `ProcessingFailed` at once if the file has killed `DEATHS` workers.
        """
        if self._deaths and self._deaths.get(await asyncio.to_thread(digest), 0) >= DEATHS:
            raise ProcessingFailed
        try:
            yield
        except (Died, OutOfTime):
            self._count(await asyncio.to_thread(digest))
            raise

    def _count(self, digest: str) -> None:
        deaths = self._deaths[digest] = self._deaths.get(digest, 0) + 1
        if deaths == DEATHS:
            log.error("the file with MD5 %s killed %d decoders; it is refused for an hour", digest, DEATHS)
