"""What owners did: the newest lines first."""

import re

from aiohttp import web

from imges.errors import BadParameter
from imges.web.app_keys import ADMINISTRATION
from imges.web.pages.admin.guard import page, show


def routes() -> list[web.RouteDef]:
    return [web.get("/admin/trail", index)]


@page
async def index(request: web.Request) -> web.StreamResponse:
    before = request.query.get("before")
    if before is not None and not re.fullmatch("[0-9]{1,18}", before):
        raise BadParameter("before: the number of a line")
    lines, older = await request.app[ADMINISTRATION].trail.page(None if before is None else int(before))
    return show(request, "admin_trail.html", lines=lines, older=older)
