"""Many things at a time, but not all."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def each(items: AsyncIterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """*work* on every one of *items*, *at_once* of them at a time; no more are asked for than are being worked on.

    The first error ends it: what is being worked on is finished, no more is begun, and the error is raised.
    """
    free = asyncio.Semaphore(at_once)
    errors: list[Exception] = []

    async def one(item: T) -> None:
        try:
            await work(item)
        except Exception as error:  # noqa: BLE001  (raised below, when the others have ended)
            errors.append(error)
        finally:
            free.release()

    try:
        async with asyncio.TaskGroup() as group:
            async for item in items:
                await free.acquire()
                if errors:
                    break
                group.create_task(one(item))
    except BaseExceptionGroup as broken:
        raise broken.exceptions[0] from None
    if errors:
        raise errors[0]
