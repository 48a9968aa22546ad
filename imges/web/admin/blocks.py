"""What is blocked."""

from aiohttp import web

from imges.errors import BadParameter
from imges.web.admin.guard import Form, action, page, show
from imges.web.keys import ADMINISTRATION

ADDRESS = "/admin/blocks"


def routes() -> list[web.RouteDef]:
    return [web.get(ADDRESS, index), web.post(ADDRESS, change)]


@page
async def index(request: web.Request) -> web.StreamResponse:
    return show(request, "admin_blocks.html", blocks=await request.app[ADMINISTRATION].blocks())


@action
async def change(request: web.Request, form: Form) -> web.StreamResponse:
    administration, what = request.app[ADMINISTRATION], form.get("what")
    if form.get("action") == "remove":
        await administration.unblock(what)
    else:
        try:
            await administration.block([what])
        except BadParameter as error:
            blocks = await administration.blocks()
            return show(request, "admin_blocks.html", status=error.status, blocks=blocks, error=error, what=what)
    return web.Response(status=303, headers={"Location": ADDRESS})
