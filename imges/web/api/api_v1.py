"""Chevereto's API v1: `/{prefix}/1/upload`, by POST and GET; and ImgBB's path, `/1/upload`."""

from aiohttp import web

from imges.catalog.types import ApiKey
from imges.errors import MethodNotAllowed, UnknownAction, UnknownVersion
from imges.pictures.drafts import Uploaded
from imges.web.api.presented_key import presented_key
from imges.web.api.upload_form import UploadForm
from imges.web.api.uploads import json_answer, receive, site
from imges.web.api_errors import FORMAT
from imges.web.app_keys import ACCESS
from imges.web.connection.proxies import client_address

METHODS = "GET, POST, OPTIONS"


def routes(prefixes: tuple[str, ...], *, imgbb: bool) -> list[web.RouteDef]:
    """Uploads with and without a slash at the end. Neither redirects, because a redirected POST loses its body.

    *imgbb*: whether ImgBB's path is answered.
    """
    paths = ("/1/upload", "/1/upload/") if imgbb else ()
    of_imgbb = [web.route("*", path, upload_by_imgbbs_path) for path in paths]
    return of_imgbb + [
        route
        for prefix in prefixes
        for route in (
            web.route("*", f"/{prefix}/1/upload", upload),
            web.route("*", f"/{prefix}/1/upload/", upload),
            # a base with a slash at its end, and a path with one at its beginning
            web.route("*", f"/{prefix}/{{b:/*}}1/{{c:/*}}upload{{d:/*}}", upload),
            web.route("*", f"/{{a:/*}}{prefix}/{{b:/*}}1/{{c:/*}}upload{{d:/*}}", upload),
            web.route("*", f"/{{a:/+}}{prefix}/{{action:.*}}", nothing),
            web.route("*", f"/{prefix}/{{version:[^/]*}}", nothing),
            web.route("*", f"/{prefix}/{{version:[^/]*}}/{{action:.*}}", nothing),
        )
    ]


async def nothing(request: web.Request) -> web.StreamResponse:
    """Answers everything else below a prefix in JSON, because clients cannot read HTML here."""
    request[FORMAT] = UploadForm.of_query(request).format
    if request.match_info.get("version", "1") == "1":
        raise UnknownAction
    raise UnknownVersion


async def upload_by_imgbbs_path(request: web.Request) -> web.StreamResponse:
    """Answers clients in which only the host of ImgBB can be changed."""
    return await _upload(request, UploadForm.of_query(request, by_imgbbs_path=True))


async def upload(request: web.Request) -> web.StreamResponse:
    return await _upload(request, UploadForm.of_query(request))


async def _upload(request: web.Request, form: UploadForm) -> web.StreamResponse:
    request[FORMAT] = form.format
    if request.method == "OPTIONS":
        return web.Response(status=204)
    if request.method not in {"GET", "POST"}:
        raise MethodNotAllowed(METHODS)

    async def identify(form: UploadForm) -> ApiKey:
        key = presented_key(request, form)
        return await request.app[ACCESS].identify(key and key.text, client_address(request))

    return _answer(request, form, await receive(request, form, identify))


def _answer(request: web.Request, form: UploadForm, uploaded: Uploaded) -> web.Response:
    if form.format == "json":
        return json_answer(request, form, uploaded)
    if form.format == "txt":
        url = site(request).object(uploaded.image.original.key)
        return web.Response(text=url)
    if form.format == "album" and uploaded.album:
        return web.Response(text=site(request).album(uploaded.album.album))
    location = site(request).viewer(uploaded.image)
    return web.Response(status=302, headers={"Location": location})
