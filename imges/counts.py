"""Hits of client addresses, counted in Redis for all nodes together (`limits.redis_url`)."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, Self, TypeVar, cast

from limits.aio.storage import MemoryStorage, Storage
from limits.aio.storage.redis import RedisStorage

from imges.errors import SettingsError

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds that Redis may take for an answer; nobody's upload waits for longer because of its limit."""

LEFT_ALONE = 5.0
"""Seconds until Redis is asked again when it did not answer."""


class Windows(Protocol):
    """Moving windows, as the library's storages have them."""

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool: ...

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]: ...


class RedisCounts(MemoryStorage):
    """Moving windows in Redis, or in *local* ones while Redis is out of reach."""

    def __init__(self, redis: Windows, local: Windows, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._redis = redis
        self._local = local
        self._clock = clock
        self._left_alone_until: float | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, local: Storage) -> AsyncGenerator[Self]:
        """Counts in the Redis at *url*, be it there now or later. Raises: SettingsError."""
        try:
            from redis.asyncio import ConnectionPool
        except ImportError as error:
            raise SettingsError(
                "limits.redis_url is given, but the driver of Redis is not installed: pip install 'imges[redis]'"
            ) from error
        try:
            pool = cast("Any", ConnectionPool).from_url(
                url.replace("redis+unix://", "unix://", 1), socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE
            )
        except ValueError as error:  # its text may show a password
            raise SettingsError(
                "limits.redis_url should be an address such as redis://:PASSWORD@HOST:6379/0"
            ) from error
        storage = RedisStorage("async+redis://", implementation="redispy", key_prefix="imges", connection_pool=pool)
        try:
            yield cls(storage, cast("Windows", local))
        finally:
            await pool.aclose()

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        return await self._asked(lambda windows: windows.acquire_entry(key, limit, expiry, amount))

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        return await self._asked(lambda windows: windows.get_moving_window(key, limit, expiry))

    async def _asked(self, question: Callable[[Windows], Awaitable[T]]) -> T:
        if self._left_alone_until is not None and self._clock() < self._left_alone_until:
            return await question(self._local)
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(PATIENCE):
                answer = await question(self._redis)
        except (RedisError, OSError) as error:  # a timeout is an OSError
            if self._left_alone_until is None:
                log.warning("limits are counted by each process for itself: Redis is out of reach (%s)", _told(error))
            self._left_alone_until = self._clock() + LEFT_ALONE
            return await question(self._local)
        if self._left_alone_until is not None:
            log.warning("limits are counted in Redis again")
            self._left_alone_until = None
        return answer


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
