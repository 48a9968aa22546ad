"""Guards the owner's pages, by the cookie of a session and by the token in each of its forms."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from imges.administration import SESSION_LIFE, Session
from imges.errors import ForeignForm, MalformedBody, RequestError
from imges.receiving.text import unquoted
from imges.web.api.body import events
from imges.web.api.form_fields import Field
from imges.web.app_keys import ADMINISTRATION
from imges.web.connection.proxies import base_url, client_address
from imges.web.pages.cookies import cookie
from imges.web.pages.rendering import render

COOKIE = "imges_admin"
SECURE_COOKIE = f"__Secure-{COOKIE}"
"""Its name over https. Browsers take a cookie with this prefix from https alone (RFC 6265bis, section 4.1.3.1)."""

PATH = "/admin"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SESSION = web.RequestKey("SESSION", Session)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of an urlencoded form, in their order."""

    fields: list[tuple[str, str]]

    def get(self, name: str) -> str:
        """Returns the first value of that name, without white space around it; `""` if there is none."""
        return next((value.strip() for field, value in self.fields if field == name), "")

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]


def page(handler: Handler) -> Handler:
    """Returns *handler* for an owner who is signed in. Other visitors get the page to sign in on."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        session = await session_of(request)
        if session is None:
            then = str(
                request.rel_url.without_query_params("key")
            )  # a key that somebody put into the address must not stand in the page
            return show(request, "admin_sign_in.html", then=then)
        request[SESSION] = session
        response = await handler(request)
        if session.renewed is not None:
            _set_cookie(request, response, session.renewed)
        return response

    return guarded


def action(handler: Callable[[web.Request, Form], Awaitable[web.StreamResponse]]) -> Handler:
    """Returns *handler* for a form that an owner who is signed in sends from our own pages."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        session = await session_of(request)
        if session is None:
            raise web.HTTPSeeOther(PATH)
        request[SESSION] = session
        form = await read_form(request)
        if not hmac.compare_digest(form.get("token").encode(), session.token.encode()):
            raise ForeignForm
        return await handler(request, form)

    return guarded


async def session_of(request: web.Request) -> Session | None:
    ticket = cookie(request, _cookie_name(request))
    return await request.app[ADMINISTRATION].sessions.of(ticket) if ticket else None


async def read_form(request: web.Request) -> Form:
    """Raises `MalformedBody`, `CompressedBody`, `BodyTooSlow` or `FileTooLarge`."""
    fields: list[tuple[str, str]] = []
    field, value = Field(""), bytearray()
    async for event in events(request):
        if isinstance(event, Field):
            if event.filename is not None:
                raise MalformedBody("this form takes no files")
            field, value = event, bytearray()
        elif event is not None:
            value += event
        else:
            raw = unquoted(bytes(value).replace(b"+", b" ")) if field.form_encoded else value
            fields.append((field.name, raw.decode("utf-8", "replace")))
    return Form(fields)


def show(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Returns a page that no cache keeps and no search engine lists. *error* in *values* sets the status."""
    error = values.get("error")
    if isinstance(error, RequestError):
        status = error.status
    response = render(request, template, status=status, session=request.get(SESSION), **values)
    if isinstance(error, RequestError) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    response.headers.update({"Cache-Control": "no-store", "X-Robots-Tag": "noindex"})
    return response


async def confirm(request: web.Request, form: Form) -> None:
    """Checks that the owner has entered their key again, as `own_key`. Raises what `Sessions.confirm` raises."""
    sessions, address = request.app[ADMINISTRATION].sessions, client_address(request)
    await sessions.confirm(request[SESSION], form.get("own_key"), address)


def sign_in(request: web.Request, ticket: str, then: str) -> web.Response:
    """Returns a redirect to *then*, with the cookie of the session."""
    response = web.Response(status=303, headers={"Location": then, "Cache-Control": "no-store"})
    _set_cookie(request, response, ticket)
    return response


def sign_out(request: web.Request) -> web.Response:
    response = web.Response(status=303, headers={"Location": PATH, "Cache-Control": "no-store"})
    _set_cookie(request, response, "", life=0)
    return response


def _set_cookie(
    request: web.Request, response: web.StreamResponse, ticket: str, life: int = int(SESSION_LIFE.total_seconds())
) -> None:
    """Sets the cookie of the session for *life* seconds. The ticket itself may be valid for less."""
    name, secure = _cookie_name(request), _is_secure(request)
    response.set_cookie(name, ticket, max_age=life, path=PATH, httponly=True, samesite="Strict", secure=secure)


def _cookie_name(request: web.Request) -> str:
    return SECURE_COOKIE if _is_secure(request) else COOKIE


def _is_secure(request: web.Request) -> bool:
    return base_url(request).startswith("https:")
