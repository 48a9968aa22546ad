"""The upload page, and the form that it sends."""

from datetime import timedelta

from aiohttp import web

from imges.catalog.types import ApiKey
from imges.errors import FileTooLarge, FormatRefused, NotAnImage
from imges.settings import Settings
from imges.web.api.upload_form import UploadForm
from imges.web.api.uploads import json_answer, receive, site
from imges.web.app_keys import ACCESS, SETTINGS
from imges.web.connection.proxies import base_url
from imges.web.pages.embed_codes import embed_codes
from imges.web.pages.form_origin import check_own
from imges.web.pages.host_names import check_name
from imges.web.pages.rendering import render

LIFETIMES = {
    "PT5M": timedelta(minutes=5),
    "PT1H": timedelta(hours=1),
    "P1D": timedelta(days=1),
    "P7D": timedelta(days=7),
    "P30D": timedelta(days=30),
    "P365D": timedelta(days=365),
}
"""Values that the page offers for `expiration`, as far as `images.expire.max` allows."""


def routes() -> list[web.RouteDef]:
    return [web.get("/", index), web.post("/", upload)]


async def index(request: web.Request) -> web.StreamResponse:
    settings = request.app[SETTINGS]
    return render(
        request,
        "upload.html",
        base=base_url(request),
        lifetimes=lifetimes(settings),
        too_large=FileTooLarge(settings.images.max_size).message,
        not_an_image=NotAnImage().message,
        refused=FormatRefused("FORMAT").message,
    )


def lifetimes(settings: Settings) -> dict[str, timedelta]:
    """Returns the lives that pages offer, as far as the site allows them."""
    longest = settings.images.expire.max
    return {value: life for value, life in LIFETIMES.items() if longest is None or life <= longest}


async def upload(request: web.Request) -> web.StreamResponse:
    """Takes the form of the upload page. It has no key, so it must come from our own pages."""
    check_name(request)
    check_own(request)
    form = UploadForm.of_query(request)

    async def guest(_: UploadForm) -> ApiKey:
        return await request.app[ACCESS].guest_key()

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
