"""The owner's pages, for keys of the scope `admin`."""

from aiohttp import web

from imges.web.pages.admin import api_keys, blocks, overview, pictures, sign_in, trail


def routes() -> list[web.RouteDef]:
    return [route for part in (pictures, overview, api_keys, blocks, trail, sign_in) for route in part.routes()]
