"""What is stored where, and how much came on which day."""

from aiohttp import web

from imges.web.admin.guard import page, show
from imges.web.keys import ADMINISTRATION


def routes() -> list[web.RouteDef]:
    return [web.get("/admin/overview", overview)]


@page
async def overview(request: web.Request) -> web.StreamResponse:
    figures = await request.app[ADMINISTRATION].overview()
    most = max(count for _, count in figures.days)
    return show(request, "admin_overview.html", places=figures.places, days=figures.days, most=most)
