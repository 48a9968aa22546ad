"""What all dialects share: finding the API key, the upload itself, and the form in which errors are written."""

from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from imges.catalog.types import ApiKey, Image, Scope
from imges.errors import KeyUnusable, NotFound
from imges.pictures.drafts import Uploaded
from imges.web.api.body import MAX_FORM, UploadBody
from imges.web.api.form_fields import Field
from imges.web.api.presented_key import presented_key
from imges.web.api.upload_form import UploadForm, decoded
from imges.web.api.uploads import receive, site
from imges.web.api_errors import ERROR_FORM, FORMAT, ErrorForm
from imges.web.app_keys import ACCESS, DELETING, FINDING
from imges.web.connection.proxies import client_address

KEY_IN_PATH = "key_in_path"
"""The name of the part of a route that is an API key."""


def begin(request: web.Request, error_form: ErrorForm) -> None:
    """Lets everything that goes wrong from now on be answered by *error_form*, and the answer be read by any site."""
    request[ERROR_FORM] = error_form
    request[FORMAT] = "json"


def key_text(request: web.Request, form: UploadForm, *headers: str) -> str | None:
    """Returns the key that the client sent: in its address, in one of *headers*, or as clients of API v1 do."""
    if in_path := request.match_info.get(KEY_IN_PATH):
        return in_path
    for name in headers:
        if sent := request.headers.get(name, "").strip():
            return sent
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "client-id" and token.strip():
        return token.strip()
    key = presented_key(request, form)
    return key and key.text


async def identify(request: web.Request, text: str | None) -> ApiKey:
    """Returns the API key. Raises what `Access.identify` raises, and `KeyUnusable` for an admin's key in an address."""
    key = await request.app[ACCESS].identify(text, client_address(request))
    if KEY_IN_PATH in request.match_info and key.scope is Scope.ADMIN:
        raise KeyUnusable(
            "the API key in the address has the scope admin, and addresses are logged by proxies; make one with"
            " `imges keys add NAME`"
        )
    return key


async def take(
    request: web.Request, form: UploadForm, *headers: str, fields: Mapping[str, str] | None = None
) -> Uploaded:
    """Stores the picture that the request brings. *fields* are added to its own. Raises what `receive` raises.

    An album is left out: its id is of the service that the client thinks it speaks with.
    """

    async def who(form: UploadForm) -> ApiKey:
        for name in ("album", "album_id", "album_token"):
            form.fields.pop(name, None)
        form.fields |= fields or {}
        return await identify(request, key_text(request, form, *headers))

    return await receive(request, form, who)


def told_url(request: web.Request, image: Image) -> str:
    return site(request).object(image.original.key)


def delete_handle(uploaded: Uploaded) -> str:
    """Returns one text by which the picture can be deleted: its id and its delete token; `""` for a duplicate."""
    return f"{uploaded.image.id}-{uploaded.delete_token}" if uploaded.delete_token else ""


def delete_url(request: web.Request, uploaded: Uploaded) -> str:
    token = uploaded.delete_token
    return site(request).deletion(uploaded.image, token) if token else ""


async def delete_by_handle(request: web.Request, handle: str) -> None:
    """Deletes the picture of a `delete_handle`. Raises `NotFound` or `Gone`, and what `Deleting.delete` raises."""
    identity, _, token = handle.partition("-")
    deleting = request.app[DELETING]
    await deleting.delete(await deleting.by_token(identity, token))


async def delete_own(request: web.Request, identity: str, key: ApiKey) -> None:
    """Deletes a picture of *key*. Raises `NotFound` if it is none, `Gone`, and what `Deleting.delete` raises."""
    image = await request.app[FINDING].by_id(identity)
    if image.api_key != key.name:
        raise NotFound
    await request.app[DELETING].delete(image)


async def fields_of(request: web.Request) -> dict[str, str]:
    """Returns the fields of a short form or JSON object. Raises what `UploadBody.events` raises."""
    fields = dict(UploadForm.of_query(request).fields)
    field, value = Field(""), bytearray()
    async for event in UploadBody(request, MAX_FORM, named=MAX_FORM).events():
        if isinstance(event, Field):
            field, value = event, bytearray()
        elif event is not None:
            value += event
        else:
            fields[field.name] = decoded(field, bytes(value))
    return fields


def zipline_or_old_lsky(lsky: Handler | None, zipline: Handler | None) -> list[web.RouteDef]:
    """Returns the route `/api/upload`, which both have: Lsky's old API has a header `token`, Zipline's another one."""

    async def upload(request: web.Request) -> web.StreamResponse:
        handler = lsky if zipline is None or (lsky and "token" in request.headers) else zipline
        assert handler
        return await handler(request)

    return [web.post("/api/upload", upload)]


def shown_path(request: web.Request) -> str:
    """Returns the request's path without the key that may stand in it."""
    key = request.match_info.get(KEY_IN_PATH)
    return request.path.replace(f"/{key}/", "/…/", 1) if key else request.path
