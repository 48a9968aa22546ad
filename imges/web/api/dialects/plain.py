"""An upload that is answered with the address and a line feed: for `curl` and scripts."""

from aiohttp import web

from imges.errors import ImgesError
from imges.web.api.dialects.speaking import KEY_IN_PATH, begin, delete_url, take, told_url
from imges.web.api.upload_form import UploadForm
from imges.web.api_errors import error_message


def routes() -> list[web.RouteDef]:
    return [
        route
        for base in ("/up", f"/plain/{{{KEY_IN_PATH}}}/up")
        for route in (web.post(base, upload), web.post(f"{base}/", upload), web.put(f"{base}/{{name}}", upload))
    ]


async def upload(request: web.Request) -> web.StreamResponse:
    """Takes a form (`curl -F file=@x.png`) or the picture itself (`curl -T x.png`), which has its name in the path."""
    begin(request, _error)
    form = UploadForm.of_query(request)
    form.filename = request.match_info.get("name", "")
    uploaded = await take(request, form)
    headers = {"X-Delete-URL": link} if (link := delete_url(request, uploaded)) else {}
    return web.Response(text=f"{told_url(request, uploaded.image)}\n", headers=headers)


def _error(_: web.Request, error: ImgesError) -> web.Response:
    return web.Response(text=f"{error_message(error)}\n", status=error.status)
