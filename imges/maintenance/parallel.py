"""Many things at a time, but not all."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def each(items: AsyncIterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """*work* on every one of *items*, *at_once* of them at a time; no more are asked for than are being worked on.

    The first error ends it: the others are cancelled, and it is raised.
    """
    free = asyncio.Semaphore(at_once)

    async def one(item: T) -> None:
        try:
            await work(item)
        finally:
            free.release()

    try:
        async with asyncio.TaskGroup() as group:
            async for item in items:
                await free.acquire()
                group.create_task(one(item))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
