"""Who may come in: the cookie of a session, and the token that every form of it brings."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web

from imges.administration import SESSION_LIFE, Session
from imges.errors import ForeignForm, MalformedBody
from imges.web.body import Field, events
from imges.web.keys import ADMINISTRATION
from imges.web.pages import render
from imges.web.proxies import base_url

COOKIE = "imges_admin"
PATH = "/admin"

MAX_FORM = 64 * 1024
"""Bytes of a form's values together."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SESSION = web.RequestKey("SESSION", Session)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of an urlencoded form, in their order."""

    fields: list[tuple[str, str]]

    def get(self, name: str) -> str:
        """The first value of that name, without white space around; `""` where there is none."""
        return next((value.strip() for field, value in self.fields if field == name), "")

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]


def page(handler: Handler) -> Handler:
    """*handler* for who is signed in; anybody else gets the page to sign in on."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        session = await session_of(request)
        if session is None:
            then = str(request.rel_url.without_query_params("key"))  # who put it there shall not read it in the page
            return show(request, "admin_sign_in.html", then=then)
        request[SESSION] = session
        return await handler(request)

    return guarded


def action(handler: Callable[[web.Request, Form], Awaitable[web.StreamResponse]]) -> Handler:
    """*handler* for a form of our own pages, sent by who is signed in."""

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
    ticket = request.cookies.get(COOKIE)
    return await request.app[ADMINISTRATION].sessions.of(ticket) if ticket else None


async def read_form(request: web.Request) -> Form:
    """Raises: MalformedBody, CompressedBody, BodyTooSlow."""
    fields: list[tuple[str, str]] = []
    size, field, value = 0, Field(""), bytearray()
    async for event in events(request):
        if isinstance(event, Field):
            if event.filename is not None:
                raise MalformedBody("this form takes no files")
            field, value = event, bytearray()
        elif event is not None:
            size += len(event)
            if size > MAX_FORM:
                raise MalformedBody("the fields of the form are too long")
            value += event
        else:
            text = value.decode("utf-8", "replace")
            fields.append((field.name, unquote_plus(text) if field.form_encoded else text))
    return Form(fields)


def show(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page that nobody keeps and no search engine lists."""
    response = render(request, template, status=status, session=request.get(SESSION), **values)
    response.headers.update({"Cache-Control": "no-store", "X-Robots-Tag": "noindex"})
    return response


def sign_in(request: web.Request, ticket: str, then: str) -> web.Response:
    """On to the address *then*, with the cookie of the session."""
    response = web.Response(status=303, headers={"Location": then, "Cache-Control": "no-store"})
    life = int(SESSION_LIFE.total_seconds())
    response.set_cookie(COOKIE, ticket, max_age=life, **_attributes(request))
    return response


def sign_out(request: web.Request) -> web.Response:
    response = web.Response(status=303, headers={"Location": PATH, "Cache-Control": "no-store"})
    response.set_cookie(COOKIE, "", max_age=0, **_attributes(request))
    return response


def _attributes(request: web.Request) -> dict[str, Any]:
    secure = base_url(request).startswith("https:")
    return {"path": PATH, "httponly": True, "samesite": "Strict", "secure": secure}
