"""Chevereto's API v1: `/{prefix}/1/upload`, by POST and GET."""

from aiohttp import web

from imges.catalog.types import ApiKey
from imges.errors import MethodNotAllowed, UnknownAction, UnknownVersion
from imges.service import Uploaded
from imges.web.forms import UploadForm
from imges.web.keys import ACCESS
from imges.web.proxies import client_address
from imges.web.uploads import FORMAT, json_answer, receive, site

METHODS = "GET, POST, OPTIONS"


def routes(prefixes: tuple[str, ...]) -> list[web.RouteDef]:
    """Upload with and without the slash, neither redirecting: a redirected POST loses its body."""
    return [
        route
        for prefix in prefixes
        for route in (
            web.route("*", f"/{prefix}/1/upload", upload),
            web.route("*", f"/{prefix}/1/upload/", upload),
            web.route("*", f"/{prefix}/{{version:[^/]*}}", nothing),
            web.route("*", f"/{prefix}/{{version:[^/]*}}/{{action:.*}}", nothing),
        )
    ]


async def nothing(request: web.Request) -> web.StreamResponse:
    """Everything else below a prefix: JSON, for a client that gets HTML here breaks."""
    request[FORMAT] = UploadForm.of_query(request).format
    if request.match_info["version"] == "1":
        raise UnknownAction
    raise UnknownVersion


async def upload(request: web.Request) -> web.StreamResponse:
    form = UploadForm.of_query(request)
    request[FORMAT] = form.format
    if request.method == "OPTIONS":
        return web.Response(status=204)
    if request.method not in {"GET", "POST"}:
        raise MethodNotAllowed(METHODS)

    async def identify(form: UploadForm) -> ApiKey:
        return await request.app[ACCESS].identify(_key(request, form), client_address(request))

    return _answer(request, form, await receive(request, form, identify))


def _key(request: web.Request, form: UploadForm) -> str | None:
    """The key: a header wins over a parameter."""
    if header := request.headers.get("X-API-Key"):
        return header
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else form.fields.get("key")


def _answer(request: web.Request, form: UploadForm, uploaded: Uploaded) -> web.Response:
    if form.format == "json":
        return json_answer(request, form, uploaded)
    if form.format == "txt":
        url = site(request).object(uploaded.image.original.key)
        return web.Response(text=url)
    location = site(request).viewer(uploaded.image)
    return web.Response(status=302, headers={"Location": location})
