"""The API keys."""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from imges.errors import BadParameter, RequestError
from imges.web.app_keys import ADMINISTRATION
from imges.web.pages.admin.guard import SESSION, Form, action, confirm, page, show

ADDRESS = "/admin/keys"


def routes() -> list[web.RouteDef]:
    return [web.get(ADDRESS, index), web.post(ADDRESS, change)]


@page
async def index(request: web.Request) -> web.StreamResponse:
    return await _show(request)


async def _show(request: web.Request, **values: Any) -> web.Response:
    keys = await request.app[ADMINISTRATION].keys.all()
    return show(request, "admin_keys.html", keys=keys, now=datetime.now(UTC), **values)


@action
async def change(request: web.Request, form: Form) -> web.StreamResponse:
    keys, name, act = request.app[ADMINISTRATION].keys, form.get("name"), form.get("action")
    by = request[SESSION].key.name
    try:
        if act == "add":
            return await _show(request, added=name, text=await _add(request, form))
        if act == "revoke":
            return show(request, "admin_revoke.html", name=name)
        if act == "revoke-now":
            await keys.revoke(name, by=by)
        elif act in {"enable", "disable"}:
            await keys.set_enabled(name, enabled=act == "enable", by=by)
        else:
            raise BadParameter("action: nothing that can be done")
    except RequestError as error:
        return await _show(request, error=error)
    return web.Response(status=303, headers={"Location": ADDRESS})


async def _add(request: web.Request, form: Form) -> str:
    """Returns the text of the new key, which is shown once.

    Raises `BadParameter`, `ApiKeyNameTaken`, and what `confirm` raises if the owner's own key was not entered again.
    """
    await confirm(request, form)
    return await request.app[ADMINISTRATION].keys.add(
        form.get("name"),
        admin=form.get("scope") == "admin",
        quota=form.get("quota"),
        quota_pictures=form.get("pictures"),
        expires=_day(form.get("expires")),
        by=request[SESSION].key.name,
    )


def _day(text: str) -> datetime | None:
    """Returns the beginning of that day (UTC), as `imges keys add --expires` does. Raises `BadParameter`."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) if text else None
    except ValueError as error:
        raise BadParameter("expires: should be a day such as 2030-12-31") from error
