"""SM.MS's API v2. PicGo speaks it without a plugin, once its setting "backup domain" names our host."""

from typing import Any

from aiohttp import web

from imges.errors import ImgesError
from imges.web.api.dialects.speaking import (
    KEY_IN_PATH,
    begin,
    delete_by_handle,
    delete_handle,
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
from imges.web.connection.request_ids import REQUEST_ID


def routes() -> list[web.RouteDef]:
    return [
        route
        for base in ("/api/v2", f"/smms/{{{KEY_IN_PATH}}}/api/v2")
        for route in (
            web.post(f"{base}/upload", upload),
            web.get(f"{base}/delete/{{hash}}", delete),
            web.post(f"{base}/token", token),
            web.post(f"{base}/profile", profile),
        )
    ]


async def upload(request: web.Request) -> web.StreamResponse:
    begin(request, _error)
    uploaded = await take(request, UploadForm.of_query(request))
    image, url = uploaded.image, told_url(request, uploaded.image)
    if uploaded.delete_token is None:
        return _failed(request, "image_repeated", f"this picture is here already: {url}", images=url)
    described = {
        "file_id": image.number,
        "width": image.original.width,
        "height": image.original.height,
        "filename": image.original_filename,
        "storename": image.original.key.rpartition("/")[2],
        "size": image.original.size,
        "path": f"/images/{image.original.key}",
        "hash": delete_handle(uploaded),
        "url": url,
        "delete": delete_url(request, uploaded),
        "page": site(request).viewer(image),
    }
    return _succeeded(request, described)


async def delete(request: web.Request) -> web.StreamResponse:
    """Deletes a picture by its `hash`. As at SM.MS, that alone is not enough: the key has to be right as well."""
    begin(request, _error)
    await identify(request, key_text(request, UploadForm.of_query(request)))
    await delete_by_handle(request, request.match_info["hash"])
    return _succeeded(request, [])


async def token(request: web.Request) -> web.StreamResponse:
    """Answers a name and a password with a token. The password is the API key, and so is the token."""
    begin(request, _error)
    text = (await fields_of(request)).get("password", "")
    await identify(request, text)
    return _succeeded(request, {"token": text})


async def profile(request: web.Request) -> web.StreamResponse:
    begin(request, _error)
    key = await identify(request, key_text(request, UploadForm.of_query(request)))
    return _succeeded(
        request,
        {
            "username": key.name,
            "role": "user",
            "disk_usage_raw": key.bytes,
            "disk_limit_raw": key.quota_bytes or 0,
            "disk_usage": f"{key.bytes / 2**20:.2f} MB",
            "disk_limit": f"{(key.quota_bytes or 0) / 2**20:.2f} MB",
        },
    )


def _succeeded(request: web.Request, data: Any) -> web.Response:
    """The message is the word that PicGo takes for success."""
    told = {"success": True, "code": "success", "message": "success", "data": data, "RequestId": request[REQUEST_ID]}
    return web.json_response(told)


def _failed(request: web.Request, code: str, message: str, status: int = 200, **further: str) -> web.Response:
    told = {"success": False, "code": code, "message": message, **further, "RequestId": request[REQUEST_ID]}
    return web.json_response(told, status=status)


def _error(request: web.Request, error: ImgesError) -> web.Response:
    code = "unauthorized" if error.status == 401 else "error"
    return _failed(request, code, error_message(error), error.status)
