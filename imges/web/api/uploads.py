"""An upload over HTTP, for each route that takes one: received on the spool, stored, answered as API v1 does."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import web

from imges import metrics
from imges.catalog.types import ApiKey
from imges.errors import ImgesError, ProcessingFailed, RequestError
from imges.pictures.drafts import Uploaded, Uploader
from imges.receiving.intake import Source
from imges.receiving.text import HEAD
from imges.web.api import picture_json
from imges.web.api.album_json import album_object
from imges.web.api.diagnosis import explain
from imges.web.api.upload_form import UploadForm
from imges.web.api.upload_options import upload_options
from imges.web.api_errors import FORMAT
from imges.web.app_keys import ACCESS, FINDING, INTAKE, SETTINGS, STORING
from imges.web.connection.proxies import base_url, client_address

Identify = Callable[[UploadForm], Awaitable[ApiKey]]


async def receive(request: web.Request, form: UploadForm, identify: Identify) -> Uploaded:
    """Store the picture that *request* brings. *form* has its query already, and gets its body.

    Raises what `Access`, `UploadForm`, `Intake` and `Storing.upload` raise.
    """
    try:
        uploaded, source = await _receive(request, form, identify)
    except ImgesError as error:
        metrics.upload(type(error).__name__, form.source)
        if isinstance(error, RequestError):
            explain(error, request, form)
        raise
    except BaseException:
        metrics.upload("aborted", form.source)
        raise
    metrics.upload(_result(uploaded), source)
    return uploaded


async def _receive(request: web.Request, form: UploadForm, identify: Identify) -> tuple[Uploaded, Source]:
    access, intake, address = request.app[ACCESS], request.app[INTAKE], client_address(request)
    await access.admit_upload(address)
    async with access.room(_announced(request, intake.limit)) as room, intake.spool.open() as folder:
        if request.method in {"POST", "PUT"}:
            with metrics.step("receive"):
                await form.read(request, folder, intake.limit, room)
        if FORMAT in request:
            request[FORMAT] = form.format
        key = await identify(form)
        options = upload_options(form.fields, request.headers, request.app[SETTINGS].images.max_side)
        if form.source == "text":  # the decoded picture lies beside the text, and a short text may be an address
            await room.extend(room.promised + (intake.limit if room.promised <= HEAD else room.promised))
        with metrics.step("take"):
            received = await form.receive(intake, folder, by_get=request.method == "GET")
        metrics.received(received.source, received.file.size)
        uploader = Uploader(key, str(address) if address else None)
        try:
            uploaded = await request.app[STORING].upload(received, options, uploader, folder)
        except ProcessingFailed as error:
            if error.out_of_time:
                await access.charge_upload(address)
            raise
        return uploaded, received.source


def _result(uploaded: Uploaded) -> str:
    if uploaded.repeated:
        return "repeated"
    return "duplicate" if uploaded.delete_token is None else "stored"


def _announced(request: web.Request, limit: int) -> int:
    """Returns how many bytes the picture may have at most, before any are read."""
    announced = request.content_length if request.method in {"POST", "PUT"} else limit
    return limit if announced is None else min(announced, limit)


def site(request: web.Request) -> picture_json.SiteAddresses:
    return picture_json.SiteAddresses(base_url(request), request.app[SETTINGS].site.time_zone)


def json_answer(request: web.Request, form: UploadForm, uploaded: Uploaded) -> web.Response:
    """Returns the answer with the picture as API v1's JSON. A repeated answer is the same as the first one."""
    image, where = uploaded.image, site(request)
    answer = picture_json.answer(
        image,
        where,
        kind=request.app[FINDING].storage_type(image),
        token=uploaded.delete_token,
        now=image.created if uploaded.repeated else datetime.now(UTC),
        imgbb=form.is_imgbb and "imgbb" in request.app[SETTINGS].api.dialects,
        removed=uploaded.removed,
        album=album_object(uploaded.album, where) if uploaded.album else None,
    )
    return web.json_response(answer)
