"""Signing in and out."""

import re

from aiohttp import web

from imges.errors import ForeignForm, RequestError
from imges.web.admin.guard import PATH, Form, action, read_form, show, sign_in, sign_out
from imges.web.keys import ADMINISTRATION
from imges.web.origins import is_own
from imges.web.proxies import client_address


def routes() -> list[web.RouteDef]:
    return [web.post("/admin/sign-in", enter), web.post("/admin/sign-out", leave)]


async def enter(request: web.Request) -> web.StreamResponse:
    """There is no session yet whose token could be asked for: so it is the browser's word where a form comes from."""
    if not is_own(request):
        raise ForeignForm
    form = await read_form(request)
    then = _own_path(form.get("then"))
    try:
        ticket = await request.app[ADMINISTRATION].sessions.begin(form.get("key"), client_address(request))
    except RequestError as error:
        response = show(request, "admin_sign_in.html", status=error.status, error=error, then=then)
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response
    return sign_in(request, ticket, then)


def _own_path(then: str) -> str:
    return then if re.fullmatch(r"/admin(/[a-z]+)?(\?[!-~]*)?", then) else PATH


@action
async def leave(request: web.Request, _form: Form) -> web.StreamResponse:
    return sign_out(request)
