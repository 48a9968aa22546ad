"""How much each place stores, and how many pictures came on each day."""

from aiohttp import web

from imges.web.app_keys import ADMINISTRATION
from imges.web.pages.admin.guard import page, show


def routes() -> list[web.RouteDef]:
    return [web.get("/admin/overview", overview)]


@page
async def overview(request: web.Request) -> web.StreamResponse:
    figures = await request.app[ADMINISTRATION].overview()
    most = max(count for _, count in figures.days)
    return show(request, "admin_overview.html", places=figures.places, days=figures.days, most=most)
