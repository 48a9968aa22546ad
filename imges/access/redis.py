"""Counts hits of client addresses in Redis, for all nodes together (`limits.redis_url`)."""

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
"""Seconds that Redis may take to answer. An upload never waits longer for the check of its limit."""

RETRY_AFTER = 5.0
"""Seconds without a request to Redis after it did not answer."""


class Windows(Protocol):
    """The two methods of the library's storages that count in moving windows."""

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool: ...

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]: ...


class RedisHits(MemoryStorage):
    """Moving windows in Redis. While Redis is out of reach, hits are counted in the *local* windows of the process.

    A broken Redis must neither stop uploads nor lift the limits, so each process then applies the limits alone.
    """

    def __init__(self, redis: Windows, local: Windows, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._redis = redis
        self._local = local
        self._clock = clock
        self._retry_at: float | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, local: Storage) -> AsyncGenerator[Self]:
        """Counts in the Redis at *url*, which need not be reachable yet.

        Raises `SettingsError` if the driver is not installed or *url* is malformed.
        """
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
        except ValueError as error:  # do not show its text, which may contain a password
            raise SettingsError(
                "limits.redis_url should be an address such as redis://:PASSWORD@HOST:6379/0"
            ) from error
        storage = RedisStorage("async+redis://", implementation="redispy", key_prefix="imges", connection_pool=pool)
        try:
            yield cls(storage, cast("Windows", local))
        finally:
            await pool.aclose()

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        return await self._ask(lambda windows: windows.acquire_entry(key, limit, expiry, amount))

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        return await self._ask(lambda windows: windows.get_moving_window(key, limit, expiry))

    async def _ask(self, question: Callable[[Windows], Awaitable[T]]) -> T:
        if self._retry_at is not None and self._clock() < self._retry_at:
            return await question(self._local)
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(PATIENCE):
                answer = await question(self._redis)
        except (RedisError, OSError) as error:  # a timeout is an OSError
            if self._retry_at is None:
                log.warning("limits are counted by each process for itself: Redis is out of reach (%s)", _reason(error))
            self._retry_at = self._clock() + RETRY_AFTER
            return await question(self._local)
        if self._retry_at is not None:
            log.warning("limits are counted in Redis again")
            self._retry_at = None
        return answer


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
