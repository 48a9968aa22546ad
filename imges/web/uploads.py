"""An upload over HTTP, whichever route it came by: received on the spool, stored, and told as API v1 does."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import web

from imges import metrics
from imges.catalog.types import ApiKey
from imges.errors import ImgesError
from imges.intake import HEAD, Source
from imges.service import Uploaded, Uploader
from imges.web import present
from imges.web.forms import UploadForm
from imges.web.keys import ACCESS, INTAKE, SERVICE, SETTINGS
from imges.web.proxies import base_url, client_address
from imges.web.upload_options import upload_options

FORMAT = web.RequestKey("FORMAT", str)
"""The format that an answer of API v1 is due in, errors included; other routes do not set it."""

Identify = Callable[[UploadForm], Awaitable[ApiKey]]


async def receive(request: web.Request, form: UploadForm, identify: Identify) -> Uploaded:
    """Take in what *request* brings, beyond the query that *form* has of it already.

    Raises what `Access`, `UploadForm`, `Intake` and `Service.upload` raise.
    """
    try:
        uploaded, source = await _receive(request, form, identify)
    except ImgesError as error:
        metrics.upload(type(error).__name__, form.source)
        raise
    except BaseException:
        metrics.upload("aborted", form.source)
        raise
    metrics.upload("duplicate" if uploaded.delete_token is None else "stored", source)
    return uploaded


async def _receive(request: web.Request, form: UploadForm, identify: Identify) -> tuple[Uploaded, Source]:
    access, intake, address = request.app[ACCESS], request.app[INTAKE], client_address(request)
    await access.admit_upload(address)
    async with access.room(_announced(request, intake.limit)) as room, intake.spool.open() as folder:
        if request.method == "POST":
            with metrics.step("receive"):
                await form.read(request, folder, intake.limit, room)
        if FORMAT in request:
            request[FORMAT] = form.format
        key = await identify(form)
        options = upload_options(form.fields, request.app[SETTINGS].images.max_side)
        if form.source == "text":  # what it stands for lies beside it, and a short one may be an address
            await room.extend(room.promised + (intake.limit if room.promised <= HEAD else room.promised))
        with metrics.step("take"):
            received = await form.receive(intake, folder, by_get=request.method == "GET")
        metrics.received(received.source, received.file.size)
        uploader = Uploader(key, str(address) if address else None)
        uploaded = await request.app[SERVICE].upload(received, options, uploader, folder)
        return uploaded, received.source


def _announced(request: web.Request, limit: int) -> int:
    """Bytes that the picture may have at most, judged before any is read."""
    announced = request.content_length if request.method == "POST" else limit
    return limit if announced is None else min(announced, limit)


def site(request: web.Request) -> present.Site:
    return present.Site(base_url(request), request.app[SETTINGS].site.time_zone)


def json_answer(request: web.Request, form: UploadForm, uploaded: Uploaded) -> web.Response:
    """The picture as API v1's JSON."""
    image = uploaded.image
    answer = present.answer(
        image,
        site(request),
        kind=request.app[SERVICE].places[image.place].kind,
        token=uploaded.delete_token,
        now=datetime.now(UTC),
        imgbb=form.is_imgbb,
    )
    return web.json_response(answer)
