"""What our own routes of the API share: a request's fields, who asks, and the answer."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from imges.catalog.types import Image
from imges.errors import KeyWrong, MalformedBody, MethodNotAllowed
from imges.pictures.changing import Asker
from imges.receiving.text import unquoted
from imges.web.api import picture_json
from imges.web.api.body import MAX_FORM, UploadBody
from imges.web.api.form_fields import Field
from imges.web.api.presented_key import presented_key
from imges.web.api.upload_form import UploadForm
from imges.web.api.uploads import site
from imges.web.api_errors import FORMAT
from imges.web.app_keys import ACCESS, FINDING
from imges.web.connection.proxies import client_address

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def by_method(**handlers: Handler) -> Handler:
    """Returns a handler that calls the one of *handlers* for the request's method, and answers preflights.

    HEAD is answered as GET. Raises `MethodNotAllowed` for a method without a handler.
    """
    allowed = ", ".join([*handlers, "OPTIONS"])

    async def handle(request: web.Request) -> web.StreamResponse:
        request[FORMAT] = "json"
        if request.method == "OPTIONS":
            return web.Response(status=204)
        handler = handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            raise MethodNotAllowed(allowed)
        return await handler(request)

    return handle


async def fields_of(request: web.Request) -> dict[str, str]:
    """Returns the fields of the query and of the body, which is a form or one JSON object; the body wins.

    A list of the JSON is a text with commas between its items; `null` is left out. Raises what `UploadBody.events`
    raises, and `MalformedBody` if a file or something else comes.
    """
    fields = dict(request.query)
    field, value = Field(""), bytearray()
    body = UploadBody(request, MAX_FORM, named=MAX_FORM)
    async for event in body.events():
        if isinstance(event, Field):
            if event.filename is not None:
                raise MalformedBody("a file came; this address takes fields alone")
            field, value = event, bytearray()
        elif event is not None:
            value += event
        else:
            fields[field.name] = _text(field, bytes(value))
    return fields


def _text(field: Field, value: bytes) -> str:
    raw = unquoted(value.replace(b"+", b" ")) if field.form_encoded else value
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the field {field.name[:40]!r} is not UTF-8") from error


def presents(request: web.Request, fields: Mapping[str, str], token: str) -> bool:
    """Returns whether the client sent an API key, or something in the field *token*."""
    form = UploadForm(fields=dict(fields))
    return bool(fields.get(token, "").strip()) or presented_key(request, form) is not None


async def asker_of(request: web.Request, fields: Mapping[str, str], token: str | None = None) -> Asker:
    """Returns who asks: by the API key, or by the token in the field *token*, if the address takes one.

    Raises `KeyWrong` if neither came or the key is wrong, `KeyUnusable`, `TooManyRequests`, `CatalogUnavailable`.
    """
    presented = presented_key(request, UploadForm(fields=dict(fields)))
    held = fields.get(token, "").strip() if token else ""
    if presented is None:
        if not held:
            instead = f", or `{token}`" if token else ""
            raise KeyWrong(f"no API key came; send it as the parameter `key` or in the header X-API-Key{instead}")
        return Asker(token=held)
    key = await request.app[ACCESS].holder(presented.text, client_address(request))
    return Asker(key, held or None)


def done(message: str, **values: Any) -> web.Response:
    """Returns the answer to a request that was done, with *values* by their names."""
    told = {"status_code": 200, "success": {"message": message, "code": 200}}
    return web.json_response({**told, **values, "status_txt": "OK"})


def image_object(request: web.Request, image: Image) -> dict[str, Any]:
    """Returns the picture as API v1 describes it."""
    kind = request.app[FINDING].storage_type(image)
    return picture_json.image_object(image, site(request), kind=kind, token=None, now=datetime.now(UTC))
