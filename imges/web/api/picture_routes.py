"""One picture by the API: `/{prefix}/1/image/{id}` reads it, edits it, deletes it."""

from aiohttp import web

from imges.errors import BadParameter
from imges.pictures.drafts import MadeAlbum
from imges.web.api.album_json import album_object
from imges.web.api.own_api import asker_of, by_method, done, fields_of, image_object
from imges.web.api.upload_options import changes_in
from imges.web.api.uploads import site
from imges.web.app_keys import ALBUMS, CHANGING, DELETING, FINDING

FIELD = "delete_token"
"""The field with the last part of `delete_url`, for clients without the key."""


def routes(prefixes: tuple[str, ...]) -> list[web.RouteDef]:
    return [
        route
        for prefix in prefixes
        for route in (
            web.route("*", f"/{prefix}/1/image/{{id}}", by_method(GET=read, POST=edit, DELETE=delete)),
            web.route("*", f"/{prefix}/1/image/{{id}}/delete", by_method(POST=delete)),
        )
    ]


async def read(request: web.Request) -> web.StreamResponse:
    """Answers with the picture to everybody: its id is the permission."""
    image, albums = await request.app[FINDING].by_id(request.match_info["id"]), request.app[ALBUMS]
    described = image_object(request, image)
    if album := await albums.contents.latest_of(image):
        described["album"] = album_object(MadeAlbum(album, count=await albums.contents.count(album)), site(request))
    return done("image found", image=described)


async def edit(request: web.Request) -> web.StreamResponse:
    fields = await fields_of(request)
    changing = request.app[CHANGING]
    image = await changing.owned(request.match_info["id"], await asker_of(request, fields, FIELD))
    if "source" in fields:
        raise BadParameter(
            "source: the file of a picture cannot be replaced; upload it as a new picture", field="source"
        )
    edited = await changing.edit(image, changes_in(fields))
    return done("image edited", image=image_object(request, edited))


async def delete(request: web.Request) -> web.StreamResponse:
    fields = await fields_of(request)
    image = await request.app[CHANGING].owned(request.match_info["id"], await asker_of(request, fields, FIELD))
    await request.app[DELETING].delete(image)
    return done("image deleted")
