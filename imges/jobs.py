"""What runs by itself while `serve` runs: the lease, expiry and the sweep, view counts.

Every process looks after what is its own; what is everybody's is done by one of all, on all machines: the keeper.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from imges.errors import ImgesError
from imges.service import LEASE_LIFE, Service

log = logging.getLogger(__name__)

LOOK_EVERY = 15.0
"""Seconds until a process that is not the keeper looks whether it has become it."""

STALE_STAGING = timedelta(minutes=2)
"""Older staged files of a storage are left-overs, unless the largest picture may take longer."""


@asynccontextmanager
async def running_jobs(service: Service) -> AsyncGenerator[None]:
    """All jobs as tasks; on leaving they end, and views counted since the last time are added."""

    async def sweep_storages() -> None:
        await service.sweep_storages(max(STALE_STAGING, 2 * service.longest_put))

    own: list[tuple[float, Callable[[], Awaitable[object]]]] = [
        (LEASE_LIFE.total_seconds() / 3, service.renew_lease),
        (30, service.flush_views),
        (60, service.take_back),
    ]
    everybodys: list[tuple[float, Callable[[], Awaitable[object]]]] = [
        (60, service.sweep),
        (60, sweep_storages),
        (60, service.forget_addresses),
    ]
    tasks = [asyncio.create_task(_every(seconds, job)) for seconds, job in own]
    tasks += [asyncio.create_task(_every(seconds, job, service.is_keeper)) for seconds, job in everybodys]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _quietly(service.flush_views)


async def _yes() -> bool:
    return True


async def _every(
    seconds: float, job: Callable[[], Awaitable[object]], ours: Callable[[], Awaitable[bool]] = _yes
) -> None:
    """*job* now and then each *seconds*, if it is *ours*; what fails is logged and tried again the next time."""
    while True:
        did = await _quietly(job, ours)
        await asyncio.sleep(seconds if did else LOOK_EVERY)


async def _quietly(job: Callable[[], Awaitable[object]], ours: Callable[[], Awaitable[bool]] = _yes) -> bool:
    """Whether it is ours."""
    try:
        if not await ours():
            return False
        await job()
    except ImgesError as error:
        log.warning("%s: %s", getattr(job, "__name__", job), error)
    except Exception:
        log.exception("%s", getattr(job, "__name__", job))
    return True
