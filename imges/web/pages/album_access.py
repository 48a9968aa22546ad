"""Who sees an album in a browser: by its address, by a cookie after its password or edit token, or by an API key."""

from typing import Any

from aiohttp import web

from imges.catalog.types import Album, Privacy
from imges.pictures.album_locks import DAYS, Purpose
from imges.web.api.own_api import asker_of, presents
from imges.web.app_keys import ALBUMS
from imges.web.connection.proxies import base_url
from imges.web.pages.cookies import cookie


def cookie_name(purpose: Purpose, album_id: str) -> str:
    return f"imges_album_{album_id}" if purpose == "see" else f"imges_edit_{album_id}"


async def seen_album(request: web.Request, album_id: str) -> Album:
    """Returns the album if this client may see it. Raises `NotFound`, `AlbumGone`, `PasswordWanted`, `KeyWrong`."""
    asker = await asker_of(request, request.query) if presents(request, request.query, "") else None
    see, edit = (cookie(request, cookie_name(purpose, album_id)) for purpose in DAYS)
    return await request.app[ALBUMS].shown(album_id, asker, see=see, edit=edit)


async def let_in(request: web.Request, response: web.Response, album: Album, purpose: Purpose) -> None:
    """Give the browser a ticket for *album*, with the answer *response*."""
    ticket = await request.app[ALBUMS].locks.ticket(album, purpose)
    options: dict[str, Any] = {
        "max_age": DAYS[purpose] * 86_400,
        "path": "/album/" if purpose == "see" else f"/album/{album.id}",
        "httponly": True,
        "samesite": "Lax" if purpose == "see" else "Strict",
        "secure": base_url(request).startswith("https:"),
    }
    response.set_cookie(cookie_name(purpose, album.id), ticket, **options)


def keep_from_caches(response: web.StreamResponse, album: Album) -> None:
    """Mark the answer as one that no search engine lists, and that no cache keeps if not everybody may see *album*."""
    response.headers["X-Robots-Tag"] = "noindex"
    if album.privacy is Privacy.UNLISTED:
        response.headers.setdefault("Cache-Control", "no-cache")
    else:
        response.headers["Cache-Control"] = "private, no-store"
