"""The upload page, and the form that it sends."""

from datetime import timedelta

from aiohttp import web

from imges.catalog.types import ApiKey
from imges.errors import FileTooLarge, ForeignForm, FormatRefused, NotAnImage
from imges.settings import Settings
from imges.web.codes import embed_codes
from imges.web.forms import UploadForm
from imges.web.keys import ACCESS, SETTINGS
from imges.web.origins import is_own
from imges.web.pages import render
from imges.web.uploads import json_answer, receive, site

LIFETIMES = {
    "PT5M": timedelta(minutes=5),
    "PT1H": timedelta(hours=1),
    "P1D": timedelta(days=1),
    "P7D": timedelta(days=7),
    "P30D": timedelta(days=30),
    "P365D": timedelta(days=365),
}
"""What the page offers for `expiration`, as far as `images.expire.max` allows."""


def routes() -> list[web.RouteDef]:
    return [web.get("/", index), web.post("/", upload)]


async def index(request: web.Request) -> web.StreamResponse:
    settings = request.app[SETTINGS]
    return render(
        request,
        "upload.html",
        lifetimes=_lifetimes(settings),
        too_large=FileTooLarge(settings.images.max_size).message,
        not_an_image=NotAnImage().message,
        refused=FormatRefused("FORMAT").message,
    )


def _lifetimes(settings: Settings) -> dict[str, timedelta]:
    longest = settings.images.expire.max
    return {value: life for value, life in LIFETIMES.items() if longest is None or life <= longest}


async def upload(request: web.Request) -> web.StreamResponse:
    """The form of the upload page: no key, so only from our own pages."""
    if not is_own(request):
        raise ForeignForm
    form = UploadForm.of_query(request)

    async def guest(_: UploadForm) -> ApiKey:
        return await request.app[ACCESS].guest()

    uploaded = await receive(request, form, guest)
    if "application/json" in request.headers.get("Accept", ""):
        return json_answer(request, form, uploaded)
    where, token = site(request), uploaded.delete_token
    return render(
        request,
        "uploaded.html",
        image=uploaded.image,
        codes=embed_codes(uploaded.image, where),
        deletion=where.deletion(uploaded.image, token) if token else None,
    )
