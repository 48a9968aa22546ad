"""All pictures: searched, selected, deleted, blocked."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from imges.administration import Page, search_of
from imges.catalog.types import Cursor, Image, Search
from imges.errors import BadParameter, RequestError
from imges.web.app_keys import ADMINISTRATION, SETTINGS
from imges.web.pages.admin.guard import SESSION, Form, action, confirm, page, show

FILTERS = ("q", "key", "address", "digest", "from", "to", "least", "most")
"""Names of the search's fields, in forms as in addresses."""

WAIT = 3.0
"""Seconds that an answer waits for deletions to finish; they go on without it."""

SHOWN = 12
"""Pictures that are shown, of all that would be deleted."""

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/admin", index),
        web.get("/admin/", index),
        web.get("/admin/deleting", deleting),
        web.post("/admin/pictures", change),
    ]


@page
async def index(request: web.Request) -> web.StreamResponse:
    fields = _filters(request.query)
    try:
        search = _search(request, fields)
        found = await _page(request, search, fields)
    except BadParameter as error:
        return _show(request, fields, Page((), None, None), error=error)
    return _show(request, fields, found)


async def _page(request: web.Request, search: Search, fields: Mapping[str, str]) -> Page:
    """Returns what *search* finds. If its text is the id or the address of a picture, that picture comes first."""
    administration = request.app[ADMINISTRATION]
    older, newer = _cursor(request, "older"), _cursor(request, "newer")
    found = await administration.page(search, older_than=older, newer_than=newer)
    if older or newer or "q" not in fields:
        return found
    meant = await administration.meant(fields["q"])
    if meant is None or meant.number in {image.number for image in found.images}:
        return found
    return Page([meant, *found.images], found.newer, found.older)


def _show(request: web.Request, fields: Mapping[str, str], found: Page, **values: Any) -> web.Response:
    """Returns the grid. The addresses of its other pages keep the search."""
    around = {
        name: _address(fields, **{name: _written(cursor)}) if cursor else None
        for name, cursor in (("newer", found.newer), ("older", found.older))
    }
    count = request.query.get("count", "")
    return show(
        request,
        "admin_pictures.html",
        fields=dict.fromkeys(FILTERS, "") | dict(fields),
        images=found.images,
        here_is=request.path_qs,
        around=around,
        done=request.query.get("done"),
        count=int(count) if re.fullmatch("[0-9]{1,9}", count) else 0,
        **values,
    )


# Actions


@action
async def change(request: web.Request, form: Form) -> web.StreamResponse:
    actions = {
        "delete": _ask,
        "delete-now": _delete,
        "delete-found": _ask_for_all,
        "delete-found-now": _delete_all,
        "block-digest": _block,
        "block-address": _block,
    }
    act = actions.get(form.get("action"))
    if act is None:
        raise BadParameter("action: nothing that can be done")
    return await act(request, form)


async def _ask(request: web.Request, form: Form) -> web.StreamResponse:
    images = await request.app[ADMINISTRATION].chosen(form.all("id"))
    if not images:
        return _back(form, "none", 0)
    return _confirm(request, form, images, len(images), act="delete-now", hidden={"id": [i.id for i in images]})


async def _delete(request: web.Request, form: Form) -> web.StreamResponse:
    administration = request.app[ADMINISTRATION]
    count = await administration.delete(form.all("id"), by=request[SESSION].key.name)
    await administration.finish(WAIT)
    return _back(form, "deleted", count)


async def _ask_for_all(request: web.Request, form: Form, error: RequestError | None = None) -> web.StreamResponse:
    """Asks before all that was found is deleted. *error* is what was wrong with the answer before."""
    administration = request.app[ADMINISTRATION]
    fields = _filters(dict(form.fields))
    search = await administration.up_to_now(_search(request, fields | {"newest": form.get("newest")}))
    first = await administration.page(search, older_than=None, newer_than=None)
    count = await administration.count(search)
    if not count:
        return _back(form, "none", 0)
    kept = {name: [value] for name, value in fields.items()} | {"newest": [str(search.newest)], "total": [str(count)]}
    return _confirm(request, form, first.images, count, act="delete-found-now", hidden=kept, error=error)


async def _delete_all(request: web.Request, form: Form) -> web.StreamResponse:
    """Deletes all that was found, if the owner has entered their key again. Otherwise asks again."""
    fields = _filters(dict(form.fields)) | {"newest": form.get("newest")}
    search = _search(request, fields)
    try:
        await confirm(request, form)
    except RequestError as error:
        return await _ask_for_all(request, form, error)
    await request.app[ADMINISTRATION].delete_all(search, by=request[SESSION].key.name)
    return _see("/admin/deleting?" + urlencode(fields | {"total": form.get("total")}))


async def _block(request: web.Request, form: Form) -> web.StreamResponse:
    """Blocks digests or addresses of the selected pictures. Uploaders whose address was not kept cannot be blocked."""
    administration = request.app[ADMINISTRATION]
    images = await administration.chosen(form.all("id"))
    if form.get("action") == "block-digest":
        texts = [image.original.md5 for image in images]
    else:
        texts = [image.address for image in images if image.address is not None]
    count = await administration.blocks.add(texts, by=request[SESSION].key.name)
    return _back(form, "blocked" if texts else "none", count)


def _confirm(
    request: web.Request,
    form: Form,
    images: Sequence[Image],
    count: int,
    *,
    act: str,
    hidden: Mapping[str, list[str]],
    error: RequestError | None = None,
) -> web.Response:
    return show(
        request,
        "admin_confirm.html",
        images=images[:SHOWN],
        count=count,
        act=act,
        hidden=hidden,
        back=_own(form.get("back")),
        error=error,
    )


@page
async def deleting(request: web.Request) -> web.StreamResponse:
    """Shows how far a deletion of many is. The address holds the search and the total, so any process can answer."""
    fields = _filters(request.query) | {"newest": request.query.get("newest", "")}
    total = request.query.get("total", "")
    if not re.fullmatch("[0-9]{1,12}", total):
        raise BadParameter("total: a number")
    left = await request.app[ADMINISTRATION].left(_search(request, fields))
    whole = max(int(total), left)
    response = show(request, "admin_deleting.html", left=left, total=whole, done=whole - left)
    if left:
        response.headers["Refresh"] = "2"
    return response


# Addresses


def _filters(given: Mapping[str, str]) -> dict[str, str]:
    return {name: given[name].strip() for name in FILTERS if given.get(name, "").strip()}


def _search(request: web.Request, fields: Mapping[str, str]) -> Search:
    """Raises `BadParameter` if a field has a wrong value."""
    return search_of(fields, request.app[SETTINGS].site.time_zone)


def _cursor(request: web.Request, name: str) -> Cursor | None:
    """Returns the position in the list that an address holds. Raises `BadParameter` if it is malformed."""
    text = request.query.get(name)
    if text is None:
        return None
    found = re.fullmatch("(-?[0-9]{1,17})~([0-9]{1,18})", text)
    with suppress(OverflowError):  # before or behind the calendar
        if found is not None:
            return Cursor(EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))
    raise BadParameter(f"{name}: a place in the list")


def _written(cursor: Cursor) -> str:
    return f"{(cursor.created - EPOCH) // timedelta(microseconds=1)}~{cursor.number}"


def _address(fields: Mapping[str, str], **more: str) -> str:
    return "/admin?" + urlencode(dict(fields) | more)


def _own(back: str) -> dict[str, str]:
    """Returns the search and the position in the list that the address *back* names, and nothing else."""
    query = dict(parse_qsl(back.partition("?")[2]))
    return _filters(query) | {name: query[name] for name in ("older", "newer") if name in query}


def _back(form: Form, done: str, count: int) -> web.Response:
    return _see(_address(_own(form.get("back")), done=done, count=str(count)))


def _see(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})
