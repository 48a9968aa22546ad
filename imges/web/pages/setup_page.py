"""The set-up page `/api`: how each client is pointed at this server, and the reference of API v1."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import web

from imges.catalog.types import Image, State, StoredFile
from imges.errors import KeyWrong
from imges.settings import Settings
from imges.web.api import picture_json
from imges.web.api.uploads import site
from imges.web.api_errors import error_object
from imges.web.app_keys import FINDING, SETTINGS
from imges.web.connection.proxies import base_url
from imges.web.pages import client_files
from imges.web.pages.rendering import render


def routes() -> list[web.RouteDef]:
    return [
        web.get("/api", setup),
        web.get("/imges.sxcu", sxcu),
        web.get("/imges.iscu", iscu),
    ]


async def setup(request: web.Request) -> web.StreamResponse:
    where = site(request)
    return render(
        request,
        "setup.html",
        base=where.base,
        host=urlsplit(where.base).netloc,
        endpoint=_endpoint(request),
        key=client_files.PLACEHOLDER,
        example=_shown(_example(request, where)),
        error=_shown(error_object(KeyWrong())),
    )


def _shown(answer: dict[str, Any]) -> str:
    return json.dumps(answer, indent=2, ensure_ascii=False)


async def sxcu(request: web.Request) -> web.StreamResponse:
    return _file(request, client_files.sxcu, "sxcu")


async def iscu(request: web.Request) -> web.StreamResponse:
    return _file(request, client_files.iscu, "iscu")


def _file(request: web.Request, make: Callable[[str, str], dict[str, Any]], extension: str) -> web.Response:
    name = request.app[SETTINGS].site.name
    text = json.dumps(make(_endpoint(request), name), indent=2, ensure_ascii=False) + "\n"
    disposition = f"attachment; filename=\"imges.{extension}\"; filename*=UTF-8''{quote(name, safe='')}.{extension}"
    headers = {"Content-Disposition": disposition, "Cache-Control": "no-cache"}
    return web.Response(text=text, content_type="application/json", headers=headers)


def _endpoint(request: web.Request) -> str:
    return endpoint(base_url(request), request.app[SETTINGS])


def endpoint(base: str, settings: Settings) -> str:
    """Returns the address of uploads, with the prefix that reads best."""
    prefixes = settings.api.prefixes
    return f"{base}/{'api' if 'api' in prefixes else prefixes[0]}/1/upload"


def _example(request: web.Request, where: picture_json.SiteAddresses) -> dict[str, Any]:
    """Returns an answer of this server to an upload, made by the same code, about a picture that does not exist."""
    settings = request.app[SETTINGS]
    image = _example_image(settings)
    kind = request.app[FINDING].storage_type(image)
    return picture_json.answer(
        image, where, kind=kind, token="T" * 32, now=image.created, imgbb=False, removed=("position", "camera")
    )


def _example_image(settings: Settings) -> Image:
    created, images = datetime.now(UTC), settings.images
    stem = f"{created.astimezone(settings.site.time_zone):%Y/%m/%d}/screenshot"

    def file(suffix: str, size: int, width: int, height: int) -> StoredFile:
        return StoredFile(f"{stem}{suffix}.png", "image/png", size, "0123456789abcdef" * 2, width, height, 8, None)

    width, height = images.medium.width, round(images.medium.width * 800 / 1280)
    expire = images.expire.default or images.expire.max
    return Image(
        number=1,
        id="a1B2c3D4e5F",
        state=State.PUBLISHED,
        place=settings.storage,
        version=1,
        created=created,
        original_filename="screenshot.png",
        original=file("", 53_237, 1280, 800),
        thumb=file(".th", 17_848, images.thumb.width, images.thumb.height),
        medium=file(".md", 104_448, width, height),
        medium_key=f"{stem}.md.png",
        views=0,
        api_key="guest",
        address=None,
        delete_token_hash=b"",
        title=None,
        description=None,
        tags=(),
        nsfw=False,
        exif=None,
        expires=created + expire if isinstance(expire, timedelta) else None,
    )
