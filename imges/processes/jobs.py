"""What runs by itself while `serve` runs: the lease, expiry and the sweep, view counts.

Every process does its own jobs. The jobs for all are done by one process of all machines, the keeper.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from imges.errors import ImgesError
from imges.pictures.sweeping import LEASE_LIFE, Sweeping
from imges.pictures.views import Views

log = logging.getLogger(__name__)

LOOK_EVERY = 15.0
"""Seconds until a process that is not the keeper checks whether it has become the keeper."""

STALE_STAGING = timedelta(minutes=2)
"""Older staged files of a storage are left-overs, unless the largest picture may take longer."""


@asynccontextmanager
async def running_jobs(sweeping: Sweeping, views: Views) -> AsyncGenerator[None]:
    """Runs all jobs as tasks. On leaving they end, and the views counted since the last time are added."""

    async def sweep_storages() -> None:
        await sweeping.sweep_storages(max(STALE_STAGING, 2 * sweeping.longest_put))

    own: list[tuple[float, Callable[[], Awaitable[object]]]] = [
        (LEASE_LIFE.total_seconds() / 3, sweeping.renew_lease),
        (30, views.flush),
        (60, sweeping.undo_the_rest),
    ]
    for_all: list[tuple[float, Callable[[], Awaitable[object]]]] = [
        (60, sweeping.sweep),
        (60, sweep_storages),
        (60, sweeping.forget_addresses),
        (600, sweeping.forget_upload_ids),
    ]
    tasks = [asyncio.create_task(_every(seconds, job)) for seconds, job in own]
    tasks += [asyncio.create_task(_every(seconds, job, sweeping.is_keeper)) for seconds, job in for_all]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _quietly(views.flush)


async def _yes() -> bool:
    return True


async def _every(
    seconds: float, job: Callable[[], Awaitable[object]], ours: Callable[[], Awaitable[bool]] = _yes
) -> None:
    """Runs *job* now and every *seconds*, if it is *ours*. A failure is logged, and the next run tries again."""
    while True:
        did = await _quietly(job, ours)
        await asyncio.sleep(seconds if did else LOOK_EVERY)


async def _quietly(job: Callable[[], Awaitable[object]], ours: Callable[[], Awaitable[bool]] = _yes) -> bool:
    """Runs *job* if it is *ours*, and returns whether it is."""
    try:
        if not await ours():
            return False
        await job()
    except ImgesError as error:
        log.warning("%s: %s", getattr(job, "__name__", job), error)
    except Exception:
        log.exception("%s", getattr(job, "__name__", job))
    return True
