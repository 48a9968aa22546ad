"""Signing in and out."""

import re

from aiohttp import web

from imges.errors import RequestError
from imges.web.app_keys import ADMINISTRATION
from imges.web.connection.proxies import client_address
from imges.web.pages.admin.guard import PATH, SESSION, Form, action, read_form, show, sign_in, sign_out
from imges.web.pages.form_origin import check_own


def routes() -> list[web.RouteDef]:
    return [web.post("/admin/sign-in", enter), web.post("/admin/sign-out", leave)]


async def enter(request: web.Request) -> web.StreamResponse:
    """Signs in. There is no session yet, and so no token: the browser's headers say where the form comes from."""
    check_own(request)
    form = await read_form(request)
    then = _own_path(form.get("then"))
    try:
        ticket = await request.app[ADMINISTRATION].sessions.begin(form.get("key"), client_address(request))
    except RequestError as error:
        return show(request, "admin_sign_in.html", error=error, then=then)
    return sign_in(request, ticket, then)


def _own_path(then: str) -> str:
    return then if re.fullmatch(r"/admin(/[a-z]+)?(\?[!-~]*)?", then) else PATH


@action
async def leave(request: web.Request, _form: Form) -> web.StreamResponse:
    """Ends the session on all nodes, so a copy of its cookie is worth nothing."""
    await request.app[ADMINISTRATION].sessions.end(request[SESSION])
    return sign_out(request)
