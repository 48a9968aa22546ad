"""Wiring: settings → storages, catalog, processor, service → the application."""

import math
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import web
from limits.aio.storage import Storage

from imges import __version__, metrics
from imges.access import Access, LocalCounts
from imges.administration import Administration
from imges.catalog import open_catalog
from imges.counts import RedisCounts
from imges.fetch import Fetcher
from imges.imaging import open_imaging
from imges.intake import Intake, Spool
from imges.jobs import running_jobs
from imges.lock import Lock
from imges.places import none_lost, open_places, prove
from imges.service import LEASE_LIFE, Service
from imges.settings import Settings
from imges.siblings import Link, SharedCounts
from imges.web import (
    admin,
    api_v1,
    deletion,
    files,
    health,
    openapi,
    pages,
    setup_page,
    site_files,
    upload_page,
    viewer,
)
from imges.web.ending import ENDING, Ending, last_answer
from imges.web.errors import answer_errors
from imges.web.headers import complete
from imges.web.keys import ACCESS, ADMINISTRATION, INTAKE, LANGUAGES, SERVICE, SETTINGS, TEMPLATES
from imges.web.languages import open_languages
from imges.web.listen import note_request
from imges.web.recent import MEMORY, RECENT, Recent, remember
from imges.web.request_ids import identify_request


@dataclass(frozen=True)
class Member:
    """One of several processes that serve on this machine."""

    link: Link
    number: int


def create_app(
    settings: Settings,
    lock: Lock,
    started: Callable[[Access], None] = lambda _: None,
    member: Member | None = None,
) -> web.Application:
    """The application of a data folder that is held by *lock*; *started* hears when all it stands on is open.

    *member* is this process, where several serve on the folder. What is opened is closed, in reverse, also when the
    start fails half way.
    """
    if member:
        metrics.share(settings.data_dir / "metrics")
    metrics.begin(__version__)
    app = web.Application(middlewares=[note_request, identify_request, answer_errors])
    app[SETTINGS] = settings
    app[ENDING] = Ending()
    app[TEMPLATES] = pages.template_environment()
    app[LANGUAGES] = open_languages(settings.site.language)
    app.add_routes(api_v1.routes(settings.api.prefixes))
    for handlers in (files, upload_page, viewer, deletion, setup_page, site_files, openapi, health, admin):
        app.add_routes(handlers.routes())
    app.on_response_prepare.extend((complete, last_answer, remember))

    async def running_service(app: web.Application) -> AsyncGenerator[None]:
        async with (
            Spool(spool_folder(settings, member)).prepared() as spool,
            open_service(settings, member) as service,
            _counts(settings, member) as counts,
            Access.open(settings, service.catalog, counts=counts) as access,
            Administration.open(service, access) as administration,
            Fetcher(settings.urls) as fetcher,
        ):
            for lease in lock.former_leases:
                await service.catalog.give_lease_back(lease)
            lock.note(service.lease)
            app[SERVICE], app[ACCESS], app[ADMINISTRATION] = service, access, administration
            app[RECENT] = Recent(settings, service, app[ENDING], MEMORY // (settings.server.workers if member else 1))
            app[INTAKE] = Intake(spool, fetcher, settings.images.max_size)
            await service.catalog.check()
            none_lost(service.places, await service.catalog.counts())
            await prove(service.places, settings.storage)
            async with running_jobs(service):
                started(access)
                yield

    app.cleanup_ctx.append(running_service)
    app.cleanup_ctx.append(pages.compiling)
    return app


@asynccontextmanager
async def _counts(settings: Settings, member: Member | None) -> AsyncGenerator[Storage]:
    """Where hits of client addresses are counted: in Redis, if it is set, else for this machine."""
    local = SharedCounts(member.link) if member else LocalCounts(time.monotonic)
    if settings.limits.redis_url is None:
        yield local
        return
    async with RedisCounts.open(settings.limits.redis_url, local) as counts:
        yield counts


@asynccontextmanager
async def open_service(
    settings: Settings, member: Member | None = None, *, spool: Path | None = None
) -> AsyncGenerator[Service]:
    """The service and all that it stands on; of *member*, where several processes serve.

    Decoders work below *spool*; without it in that of uploads, which a server empties when it starts.

    Raises: SettingsError, StorageError, CatalogUnavailable.
    """
    processes = settings.server.workers if member else 1
    async with AsyncExitStack() as stack:
        catalog = await stack.enter_async_context(open_catalog(settings.catalog_url))
        places = await stack.enter_async_context(open_places(settings.storages, settings.storage))
        imaging = await stack.enter_async_context(
            open_imaging(
                settings.images.processor,
                workers=math.ceil(decoders(settings) / processes),
                limit=settings.images.timeout,
                memory=settings.images.memory,
                spool=spool or spool_folder(settings, member),
                budget=member and member.link,
            )
        )
        id_key = await catalog.secret("id_key", lambda: os.urandom(32))
        lease = await catalog.take_lease(LEASE_LIFE)
        stack.push_async_callback(catalog.give_lease_back, lease)
        service = Service(settings, catalog, places, imaging, lease=lease, id_key=id_key)
        stack.push_async_callback(service.finish)
        if member:
            _forget_together(service, member.link)
        yield service


def _forget_together(service: Service, link: Link) -> None:
    """What is deleted by one process of this machine is gone from the others at once, even if its files are not yet.

    The same for API keys that are revoked.
    """

    def forget(keys: list[str]) -> None:
        for key in keys:
            service.look_again(key)

    link.on("forget", forget)
    service.on_gone = partial(link.tell, "forget")
    link.on("forget keys", service.catalog.forget_keys)
    service.catalog.on_keys_changed = partial(link.tell, "forget keys")


def spool_folder(settings: Settings, member: Member | None = None) -> Path:
    """Where uploads of this process are on their way."""
    return settings.data_dir / "spool" / (str(member.number) if member else "")


def decoders(settings: Settings) -> int:
    """How many pictures are decoded at the same time, by all processes of this machine together.

    One more than there are cores: while one hands over what it made, another works.
    """
    return settings.images.workers or (os.cpu_count() or 1) + 1
