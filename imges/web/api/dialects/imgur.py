"""Imgur's API v3, in JSON and, where the path ends in `.xml`, in XML.

ksnip sends the picture as the body, under the type of a form; Greenshot sends a form with base64. In both the host can
be changed and the client id cannot, so their key stands in the address: `https://HOST/imgur/KEY` (ksnip),
`…/imgur/KEY/3` (Greenshot).
"""

from contextlib import suppress
from typing import Any, cast
from xml.sax.saxutils import escape

from aiohttp import web

from imges.catalog.types import Image
from imges.errors import Gone, ImgesError
from imges.web.api.dialects.speaking import (
    KEY_IN_PATH,
    begin,
    delete_by_handle,
    delete_handle,
    shown_path,
    take,
    told_url,
)
from imges.web.api.upload_form import UploadForm
from imges.web.api_errors import error_message
from imges.web.app_keys import FINDING

XML = ".xml"


def routes() -> list[web.RouteDef]:
    found: list[web.RouteDef] = []
    for base in ("/3", f"/imgur/{{{KEY_IN_PATH}}}/3"):
        for ending in ("", XML):
            found += [web.post(f"{base}/{name}{ending}", upload) for name in ("image", "upload")]
        found += [web.get(f"{base}/image/{{id}}", look), web.delete(f"{base}/image/{{id}}", delete)]
    return found


async def upload(request: web.Request) -> web.StreamResponse:
    begin(request, _error)
    uploaded = await take(request, UploadForm.of_query(request))
    return _answer(request, _described(request, uploaded.image) | {"deletehash": delete_handle(uploaded)})


async def look(request: web.Request) -> web.StreamResponse:
    """Answers what is known about a picture. Greenshot asks for those in its history."""
    begin(request, _error)
    return _answer(request, _described(request, await request.app[FINDING].by_id(_named(request))))


async def delete(request: web.Request) -> web.StreamResponse:
    """Deletes a picture by its `deletehash`. One that is gone already is deleted."""
    begin(request, _error)
    with suppress(Gone):
        await delete_by_handle(request, _named(request))
    return _answer(request, None)


def _named(request: web.Request) -> str:
    return request.match_info["id"].removesuffix(XML)


ALWAYS = {
    "bandwidth": 0,
    "vote": None,
    "favorite": False,
    "section": None,
    "account_url": None,
    "account_id": 0,
    "is_ad": False,
    "in_most_viral": False,
    "ad_type": 0,
    "ad_url": "",
    "in_gallery": False,
}
"""What Imgur says about a picture and imges has no counterpart for."""


def _described(request: web.Request, image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "title": image.title,
        "description": image.description,
        "datetime": int(image.created.timestamp()),
        "type": image.media_type,
        "animated": image.frames > 1,
        "width": image.original.width,
        "height": image.original.height,
        "size": image.original.size,
        "views": image.views,
        "nsfw": image.nsfw,
        "tags": list(image.tags),
        "name": image.original_filename,
        "link": told_url(request, image),
        **ALWAYS,
    }


def _answer(request: web.Request, data: dict[str, Any] | None, status: int = 200) -> web.Response:
    """Answers with *data*; `None`: it was done."""
    if not request.path.endswith(XML):
        return web.json_response(
            {"data": True if data is None else data, "success": status == 200, "status": status}, status=status
        )
    inside = "1" if data is None else "".join(map(_element, data.items()))
    root = f'<data type="array" success="{int(status == 200)}" status="{status}">{inside}</data>'
    text = f'<?xml version="1.0" encoding="utf-8"?>\n{root}'
    return web.Response(text=text, status=status, content_type="application/xml", charset="utf-8")


def _element(item: tuple[str, Any]) -> str:
    name, value = item
    return f"<{name}>{_text(value)}</{name}>" if value not in (None, "", []) else f"<{name}/>"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(f"<item>{_text(each)}</item>" for each in cast("list[Any]", value))
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return escape("".join(char for char in shown if char.isprintable() or char in "\n\t"))


def _error(request: web.Request, error: ImgesError) -> web.Response:
    """A key that may not upload is 401 as well: for 403 ksnip asks for another token and shows no message."""
    status = 401 if error.status == 403 else error.status
    told = {"error": error_message(error), "request": shown_path(request), "method": request.method}
    return _answer(request, told, status)
