"""The list of what is blocked: digests and addresses."""

from aiohttp import web

from imges.errors import BadParameter
from imges.web.app_keys import ADMINISTRATION
from imges.web.pages.admin.guard import SESSION, Form, action, page, show

ADDRESS = "/admin/blocks"


def routes() -> list[web.RouteDef]:
    return [web.get(ADDRESS, index), web.post(ADDRESS, change)]


@page
async def index(request: web.Request) -> web.StreamResponse:
    return show(request, "admin_blocks.html", blocks=await request.app[ADMINISTRATION].blocks.all())


@action
async def change(request: web.Request, form: Form) -> web.StreamResponse:
    administration, what, by = request.app[ADMINISTRATION], form.get("what"), request[SESSION].key.name
    if form.get("action") == "remove":
        await administration.blocks.remove(what, by=by)
    else:
        try:
            await administration.blocks.add([what], by=by)
        except BadParameter as error:
            blocks = await administration.blocks.all()
            return show(request, "admin_blocks.html", blocks=blocks, error=error, what=what)
    return web.Response(status=303, headers={"Location": ADDRESS})
