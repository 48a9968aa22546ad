"""Wiring: settings → storages, catalog, processor, pictures → the application."""

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
from imges.access.access import Access
from imges.access.hits import LocalHits
from imges.access.redis import RedisHits
from imges.administration import Administration
from imges.catalog import open_catalog
from imges.imaging import open_imaging
from imges.pictures import Pictures
from imges.pictures.sweeping import LEASE_LIFE
from imges.processes import machine
from imges.processes.hits import SharedHits
from imges.processes.jobs import running_jobs
from imges.processes.link import Link
from imges.processes.lock import Lock
from imges.receiving.fetch import Fetcher
from imges.receiving.intake import Intake
from imges.receiving.spool import Spool
from imges.settings import Settings
from imges.storage.places import none_lost, open_places, prove
from imges.web import health
from imges.web.api import album_routes, api_v1, dialects, openapi, picture_routes
from imges.web.app_keys import (
    ACCESS,
    ADMINISTRATION,
    ALBUMS,
    ARCHIVING,
    CHANGING,
    DELETING,
    FINDING,
    HEALTH,
    INTAKE,
    OLD_ADDRESSES,
    SETTINGS,
    STORING,
    VIEWS,
)
from imges.web.connection.client_connection import ANSWERS_FROM_MEMORY, note_request
from imges.web.connection.request_ids import identify_request
from imges.web.connection.shutdown import SHUTDOWN, Shutdown, close_after_answer
from imges.web.errors import answer_errors
from imges.web.headers import complete
from imges.web.pages import (
    admin,
    album,
    album_edit,
    album_files,
    delete_page,
    edit_page,
    rendering,
    setup_page,
    site_files,
    upload_page,
    viewer,
)
from imges.web.serving import objects, static_files
from imges.web.serving.old_addresses import or_old_address
from imges.web.serving.recent_answers import MEMORY, RECENT_ANSWERS, RecentAnswers, keep_answer

PICTURES = web.AppKey("PICTURES", Pictures)
"""All use cases together, for the wiring and for tests; a handler is given the single ones that it needs."""


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
    """The application that serves the data folder held by *lock*. Calls *started* when all its parts are open.

    *member* is this process if several serve on the folder. At the end the parts are closed in reverse order, also if
    the start fails half way.
    """
    if member:
        metrics.share(settings.data_dir / "metrics")
    metrics.begin(__version__)
    app = web.Application(middlewares=[note_request, identify_request, answer_errors, or_old_address])
    app[SETTINGS] = settings
    app[SHUTDOWN] = Shutdown()
    rendering.set_up_pages(app, settings.site.language)
    app.add_routes(dialects.routes(settings.api.dialects))
    for routes in (album_routes.routes, picture_routes.routes):
        app.add_routes(routes(settings.api.prefixes))
    app.add_routes(api_v1.routes(settings.api.prefixes, imgbb="imgbb" in settings.api.dialects))
    for handlers in (
        objects,
        static_files,
        upload_page,
        viewer,
        delete_page,
        edit_page,
        album,
        album_edit,
        album_files,
        setup_page,
        site_files,
        openapi,
        health,
        admin,
    ):
        app.add_routes(handlers.routes())
    app.on_response_prepare.extend((complete, close_after_answer, keep_answer))

    async def running_parts(app: web.Application) -> AsyncGenerator[None]:
        async with (
            Spool(spool_folder(settings, member)).prepared() as spool,
            open_pictures(settings, member) as pictures,
            _hits(settings, member) as hits,
            Access.open(settings, pictures.catalog, hits=hits) as access,
            Administration.open(settings, pictures.catalog, pictures.deleting, access) as administration,
            Fetcher(settings.urls, site=settings.server.public_url) as fetcher,
        ):
            for lease in lock.former_leases:
                await pictures.catalog.leases.give_back(lease)
            lock.note(pictures.lease)
            app[PICTURES] = pictures
            app[STORING], app[FINDING], app[VIEWS] = pictures.storing, pictures.finding, pictures.views
            app[OLD_ADDRESSES] = pictures.old_addresses
            app[ALBUMS], app[ARCHIVING] = pictures.albums, pictures.archiving
            app[CHANGING], app[DELETING], app[HEALTH] = pictures.changing, pictures.deleting, pictures.health
            app[ACCESS], app[ADMINISTRATION] = access, administration
            memory = MEMORY // (settings.server.workers if member else 1)
            app[RECENT_ANSWERS] = app[ANSWERS_FROM_MEMORY] = RecentAnswers(
                settings, pictures.finding, app[SHUTDOWN], memory
            )
            app[INTAKE] = Intake(spool, fetcher, settings.images.max_size)
            await pictures.catalog.check()
            none_lost(pictures.places, await pictures.catalog.figures.by_place())
            await prove(pictures.places, settings.storage)
            async with running_jobs(pictures.sweeping, pictures.views):
                started(access)
                yield

    app.cleanup_ctx.append(running_parts)
    app.cleanup_ctx.append(rendering.compiling)
    return app


@asynccontextmanager
async def _hits(settings: Settings, member: Member | None) -> AsyncGenerator[Storage]:
    """Where hits of client addresses are counted: in Redis, if it is set, else for this machine."""
    local = SharedHits(member.link) if member else LocalHits(time.monotonic)
    if settings.limits.redis_url is None:
        yield local
        return
    async with RedisHits.open(settings.limits.redis_url, local) as hits:
        yield hits


@asynccontextmanager
async def open_pictures(
    settings: Settings, member: Member | None = None, *, spool: Path | None = None
) -> AsyncGenerator[Pictures]:
    """Opens the use cases of pictures with their catalog, storages and decoders.

    *member* is this process if several serve. Decoders work below *spool*. Without *spool* they work in the spool of
    uploads, which a server empties when it starts.

    Raises `SettingsError`, `StorageError`, `CatalogUnavailable`.
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
                memory=decoders_memory(settings),
                spool=spool or spool_folder(settings, member),
                budget=member and member.link,
                most=settings.images.max_size,
            )
        )
        id_key = await catalog.secret("id_key", lambda: os.urandom(32))
        lease = await catalog.leases.take(LEASE_LIFE)
        stack.push_async_callback(catalog.leases.give_back, lease)
        pictures = Pictures.over(settings, catalog, places, imaging, lease=lease, id_key=id_key)
        stack.push_async_callback(pictures.background.finish)
        if member:
            _forget_together(pictures, member.link)
        yield pictures


def _forget_together(pictures: Pictures, link: Link) -> None:
    """If a process of this machine deletes a picture, the others forget its lookups, even before its files are gone.

    If one changes an API key, the others forget their remembered keys.
    """

    def forget(keys: list[str]) -> None:
        for key in keys:
            pictures.finding.forget_key(key)

    link.on("forget", forget)
    pictures.finding.on_gone = partial(link.tell, "forget")
    link.on("forget keys", pictures.catalog.keys.forget_remembered)
    pictures.catalog.keys.on_change = partial(link.tell, "forget keys")


def spool_folder(settings: Settings, member: Member | None = None) -> Path:
    """Returns the folder of this process's running uploads."""
    return settings.data_dir / "spool" / (str(member.number) if member else "")


def decoders(settings: Settings) -> int:
    """How many pictures are decoded at the same time, by all processes of this machine together.

    One more than there are cores: while one hands over what it made, another works.
    """
    return settings.images.workers or machine.cores() + 1


def decoders_memory(settings: Settings) -> int:
    """The bytes that all decoders of this machine together may take."""
    return settings.images.memory or machine.decoders_memory(machine.memory())
