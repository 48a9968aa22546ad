"""Work on many items, a few of them at a time."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def each(items: AsyncIterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """Calls *work* with each of *items*, *at_once* of them at a time. Takes the next item only when it can begin.

    After an error of *work* no further item is begun. Those that are being worked on end first, then the first error
    is raised.
    """
    free = asyncio.Semaphore(at_once)
    errors: list[Exception] = []
    try:
        async with asyncio.TaskGroup() as group:
            async for item in items:
                await free.acquire()
                if errors:
                    break
                group.create_task(_one(item, work, free, errors))
    except BaseExceptionGroup as broken:
        raise broken.exceptions[0] from None
    if errors:
        raise errors[0]


async def _one(item: T, work: Callable[[T], Awaitable[None]], free: asyncio.Semaphore, errors: list[Exception]) -> None:
    try:
        await work(item)
    except Exception as error:  # noqa: BLE001  (`each` raises it when the others have ended)
        errors.append(error)
    finally:
        free.release()
