"""What programs read of an album: its archive, its list in JSON, its feed, a picture by chance."""

import hashlib
import json
import logging
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from aiohttp import web

from imges.catalog.types import Album, Image, Privacy, Shape, Sort
from imges.errors import BadParameter, ImgesError, NotFound
from imges.pictures.drafts import MadeAlbum
from imges.web.api.album_json import album_object, place_of, written
from imges.web.api.picture_json import SiteAddresses, gmt
from imges.web.api.uploads import site
from imges.web.app_keys import ALBUMS, ARCHIVING
from imges.web.pages.album_access import keep_from_caches, seen_album
from imges.web.pages.rendering import render_text
from imges.web.serving.conditions import evaluate

log = logging.getLogger(__name__)

PAGE = 100
"""Pictures in one list."""

FEED = 50
"""Pictures in a feed."""

CORS = {"Access-Control-Allow-Origin": "*"}


def routes() -> list[web.RouteDef]:
    return [web.get("/album/{id}/random", random)]


async def send_file(request: web.Request, album: Album, kind: str) -> web.StreamResponse:
    """Answers with the file of *album* that is named `ID.`*kind*."""
    return await {"zip": _archive, "json": _list, "rss": _feed}[kind](request, album)


async def _archive(request: web.Request, album: Album) -> web.StreamResponse:
    """Answers with a ZIP of its true length. If a picture is missing on the way, the connection is broken off.

    Raises `ArchiveTooLarge`, `NotFound` if the site makes none, `Busy`.
    """
    archiving = request.app[ARCHIVING]
    with archiving.turn():
        archive = await archiving.plan(album)
        response = web.StreamResponse(headers=_archive_headers(album, archive.length))
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            async for chunk in archiving.chunks(archive):
                await response.write(chunk)
        except ImgesError as error:
            log.warning("%s was cut off: %s", request.path, error)
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError from error
        await response.write_eof()
    return response


def _archive_headers(album: Album, length: int) -> dict[str, str]:
    name = quote(f"{album.name}.zip", safe="")
    return {
        "Content-Type": "application/zip",
        "Content-Length": str(length),
        "Content-Disposition": f"attachment; filename=\"album.zip\"; filename*=UTF-8''{name}",
        "Cache-Control": "no-store" if album.privacy is Privacy.UNLISTED else "private, no-store",
    }


async def _list(request: web.Request, album: Album) -> web.StreamResponse:
    """Answers with the album and 100 of its pictures, for static sites and picture frames."""
    contents, where = request.app[ALBUMS].contents, site(request)
    images, following = await contents.page(album, limit=PAGE, after=place_of(request.query.get("after", ""), album))
    described = {
        "album": album_object(MadeAlbum(album, count=await contents.count(album)), where),
        "images": [_described(image, where) for image in images],
        "next": written(following, album),
    }
    return _text(request, album, json.dumps(described), "application/json")


def _described(image: Image, where: SiteAddresses) -> dict[str, Any]:
    original = image.original
    return {
        "id": image.id,
        "title": image.title,
        "description": image.description,
        "url": where.object(original.key),
        "url_viewer": where.viewer(image),
        "medium": where.object(image.medium.key) if image.medium else None,
        "thumb": where.object(image.thumb.key),
        "width": original.width,
        "height": original.height,
        "size": original.size,
        "mime": original.media_type,
        "nsfw": image.nsfw,
        "date_gmt": gmt(image.created),
    }


async def _feed(request: web.Request, album: Album) -> web.StreamResponse:
    """Answers with the newest pictures as RSS 2.0."""
    images, _ = await request.app[ALBUMS].contents.page(replace(album, sort=Sort.NEWEST), limit=FEED)
    text = render_text(request, "album.xml", album=album, images=images, site=site(request))
    return _text(request, album, text, "application/rss+xml")


def _text(request: web.Request, album: Album, text: str, media_type: str) -> web.Response:
    """Returns *text*, or 304 if the client has it."""
    body = text.encode()
    etag = hashlib.blake2b(body, digest_size=16).hexdigest()
    span = evaluate(request, etag=etag, modified=album.created, size=len(body))
    headers = {"ETag": f'"{etag}"'} | (CORS if album.privacy is Privacy.UNLISTED else {})
    if span.status in {304, 412}:
        response = web.Response(status=span.status, headers=headers)
    else:
        response = web.Response(body=body, content_type=media_type, charset="utf-8", headers=headers)
    keep_from_caches(response, album)
    return response


async def random(request: web.Request) -> web.StreamResponse:
    """Answers with a picture by chance: a redirect to it, or its address as JSON or text.

    `orientation` is landscape or portrait, `size` is medium or thumb. Raises `NotFound` if there is no such picture.
    """
    album = await seen_album(request, request.match_info["id"])
    shapes: dict[str, Shape | None] = {"": None, "landscape": "landscape", "portrait": "portrait"}
    asked = request.query.get("orientation", "")
    if asked not in shapes:
        raise BadParameter("orientation: landscape or portrait", field="orientation")
    image = await request.app[ALBUMS].contents.random(album, shapes[asked])
    if image is None:
        raise NotFound
    sizes = {"": image.original, "medium": image.medium or image.original, "thumb": image.thumb}
    file = sizes.get(request.query.get("size", ""))
    if file is None:
        raise BadParameter("size: medium or thumb", field="size")
    where, form = site(request), request.query.get("format")
    headers = {"Cache-Control": "no-store"} | (CORS if album.privacy is Privacy.UNLISTED else {})
    if form == "json":
        return web.json_response(_described(image, where), headers=headers)
    if form == "txt":
        return web.Response(text=where.object(file.key), headers=headers)
    return web.Response(status=302, headers=headers | {"Location": where.object(file.key)})
