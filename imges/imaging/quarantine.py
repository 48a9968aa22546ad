"""Files that kill decoders: after a few times they are refused by their digest, and given to no more."""

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
"""So many workers that died or had to be killed over the same bytes are enough."""
KEPT = 3600.0
"""Seconds that it is remembered."""
MOST = 1000
"""Digests that are remembered."""


class Quarantine:
    """Counts by the digest of the received bytes: a client that just retries stops taking decoders from others."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._deaths: TTLCache[str, int] = TTLCache(MOST, KEPT, timer=clock)

    @asynccontextmanager
    async def over(self, digest: Callable[[], str]) -> AsyncGenerator[None]:
        """For the time that workers have the file of that *digest*, which a thread asks for where it matters: seldom.

        Raises: ProcessingFailed at once where the file has killed enough.
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
