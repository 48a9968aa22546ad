"""Lsky Pro's API v1, and the API of the versions before it.

A user's name is the name of the API key there, and the password is the key. So is the token. Every answer of v1 is 200,
with `status` saying how it went; only a wrong token is 401.
"""

from html import escape
from typing import Any

from aiohttp import web

from imges.catalog.types import Image
from imges.errors import ImgesError, KeyWrong
from imges.web.api.dialects.speaking import (
    KEY_IN_PATH,
    begin,
    delete_own,
    delete_url,
    fields_of,
    identify,
    key_text,
    take,
    told_url,
)
from imges.web.api.upload_form import UploadForm
from imges.web.api.uploads import site
from imges.web.api_errors import error_message
from imges.web.app_keys import FINDING, SETTINGS


def routes() -> list[web.RouteDef]:
    """The old API's upload is at `/api/upload`; see `speaking.zipline_or_old_lsky`."""
    found = [web.post("/api/token", token_old)]
    for base in ("/api/v1", f"/lsky/{{{KEY_IN_PATH}}}/api/v1"):
        found += [
            web.post(f"{base}/upload", upload),
            web.post(f"{base}/tokens", token),
            web.delete(f"{base}/tokens", no_token),
            web.get(f"{base}/strategies", strategies),
            web.get(f"{base}/profile", profile),
            web.delete(f"{base}/images/{{id}}", delete),
        ]
    return found


async def upload(request: web.Request) -> web.StreamResponse:
    begin(request, _error)
    uploaded = await take(request, UploadForm.of_query(request))
    described = _described(request, uploaded.image)
    described["links"]["delete_url"] = delete_url(request, uploaded)
    return _told("uploaded", described)


async def token(request: web.Request) -> web.StreamResponse:
    begin(request, _error)
    return _told("success", {"token": await _token(request)})


async def no_token(request: web.Request) -> web.StreamResponse:
    """Answers that tokens are gone. The key stays: only its owner can revoke it."""
    begin(request, _error)
    await identify(request, key_text(request, UploadForm.of_query(request)))
    return _told("success", {})


async def strategies(request: web.Request) -> web.StreamResponse:
    begin(request, _error)
    return _told("success", {"strategies": [{"id": 1, "name": request.app[SETTINGS].storage}]})


async def profile(request: web.Request) -> web.StreamResponse:
    begin(request, _error)
    key = await identify(request, key_text(request, UploadForm.of_query(request)))
    sizes = {"capacity": (key.quota_bytes or 0) / 1024, "used_capacity": key.bytes / 1024}
    return _told("success", {"name": key.name, "username": key.name, "image_num": key.pictures, **sizes})


async def delete(request: web.Request) -> web.StreamResponse:
    begin(request, _error)
    key = await identify(request, key_text(request, UploadForm.of_query(request)))
    await delete_own(request, request.match_info["id"], key)
    return _told("deleted", {})


def _described(request: web.Request, image: Image) -> dict[str, Any]:
    original, url, name = image.original, told_url(request, image), image.original_filename
    key = original.key
    thumb, viewer = site(request).object(image.thumb.key), site(request).viewer(image)
    return {
        "key": image.id,
        "name": key.rpartition("/")[2],
        "pathname": key,
        "origin_name": name,
        "size": original.size / 1024,
        "mimetype": image.media_type,
        "extension": image.extension,
        "md5": original.md5,
        "sha1": "",  # it would cost another reading of the file, and no client reads it
        "links": {
            "url": url,
            "html": escape(f'<img src="{url}" alt="{escape(name)}" title="{escape(name)}" />'),
            "bbcode": f"[img]{url}[/img]",
            "markdown": f"![{name}]({url})",
            "markdown_with_link": f"[![{name}]({url})]({viewer})",
            "thumbnail_url": thumb,
        },
    }


async def _token(request: web.Request) -> str:
    """Returns the API key that came as the password. Raises what `identify` raises."""
    text = (await fields_of(request)).get("password", "")
    await identify(request, text)
    return text


def _told(message: str, data: Any, *, good: bool = True) -> web.Response:
    return web.json_response({"status": good, "message": message, "data": data})


def _error(_: web.Request, error: ImgesError) -> web.Response:
    if isinstance(error, KeyWrong):
        return web.json_response({"status": False, "message": "Unauthenticated.", "data": {}}, status=401)
    if error.status in {429, 503}:
        return web.json_response({"status": False, "message": error_message(error), "data": {}}, status=error.status)
    return _told(error_message(error), {}, good=False)


# The API before v1: uPic, and PicList's "V1"


async def token_old(request: web.Request) -> web.StreamResponse:
    begin(request, _error_old)
    return web.json_response({"code": 200, "msg": "success", "data": {"token": await _token(request)}})


async def upload_old(request: web.Request) -> web.StreamResponse:
    begin(request, _error_old)
    image = (await take(request, UploadForm.of_query(request), "token")).image
    described = {
        "name": image.original_filename,
        "url": told_url(request, image),
        "size": image.original.size,
        "mime": image.media_type,
        "sha1": "",
        "md5": image.original.md5,
        "id": image.id,
        "storage": request.app[FINDING].storage_type(image),
    }
    return web.json_response({"code": 200, "msg": "success", "data": described})


def _error_old(_: web.Request, error: ImgesError) -> web.Response:
    code, status = (401, 401) if isinstance(error, KeyWrong) else (500, 200)
    return web.json_response({"code": code, "msg": error_message(error), "data": []}, status=status)
