"""Albums by the API: `/{prefix}/1/albums` lists and makes them, `…/{id}` reads, edits and deletes one."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from aiohttp import web

from imges.catalog.types import Album, Cursor
from imges.errors import BadParameter
from imges.pictures.changing import Asker
from imges.pictures.drafts import MadeAlbum
from imges.web.api.album_json import album_object, place_of, written
from imges.web.api.own_api import asker_of, by_method, done, fields_of, image_object, presents
from imges.web.api.upload_options import album_changes_in
from imges.web.api.uploads import site
from imges.web.app_keys import ACCESS, ALBUMS
from imges.web.connection.proxies import client_address

PAGE = 100
"""Albums, or pictures, in one answer."""

MOST_IDS = 1000
"""Pictures that one call adds, removes or moves."""

FIELD = "edit_token"
"""The field with the token of an album that a guest made."""

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


def routes(prefixes: tuple[str, ...]) -> list[web.RouteDef]:
    return [
        route
        for prefix in prefixes
        for route in (
            web.route("*", f"/{prefix}/1/albums", by_method(GET=list_albums, POST=make)),
            web.route("*", f"/{prefix}/1/albums/{{id}}", by_method(GET=read, POST=edit, DELETE=delete)),
            web.route("*", f"/{prefix}/1/albums/{{id}}/delete", by_method(POST=delete)),
            web.route("*", f"/{prefix}/1/albums/{{id}}/pictures", by_method(POST=arrange)),
        )
    ]


async def list_albums(request: web.Request) -> web.StreamResponse:
    """Answers with the albums of the key, newest first; with `name`, with the one of that name."""
    fields, albums = dict(request.query), request.app[ALBUMS]
    asker = await asker_of(request, fields)
    assert asker.key is not None
    if name := fields.get("name", "").strip():
        named = await albums.of_name(asker.key, name)
        return done("albums found", albums=[await _object(request, album) for album in named], next=None)
    found = await albums.page_of(asker.key, limit=PAGE + 1, older_than=_cursor(fields.get("after", "")))
    shown = found[:PAGE]
    following = _text(shown[-1]) if len(found) > PAGE else None
    return done("albums found", albums=[await _object(request, album) for album in shown], next=following)


async def make(request: web.Request) -> web.StreamResponse:
    """Makes an album. The key of guests makes one with an edit token."""
    fields = await fields_of(request)
    asker = await asker_of(request, fields)
    assert asker.key is not None
    await request.app[ACCESS].admit_upload(client_address(request))
    changes = album_changes_in(fields)
    if "name" not in changes:
        raise BadParameter("name: the name of the album is missing", field="name")
    made = await request.app[ALBUMS].make(asker.key, changes["name"], changes)
    return done("album made", album=album_object(made, site(request)))


async def read(request: web.Request) -> web.StreamResponse:
    """Answers with an album and a page of its pictures, to its owner, or to everybody if it is unlisted."""
    fields, albums = dict(request.query), request.app[ALBUMS]
    asker = await asker_of(request, fields, FIELD) if presents(request, fields, FIELD) else None
    album = await albums.shown(request.match_info["id"], asker)
    images, following = await albums.contents.page(album, limit=PAGE, after=place_of(fields.get("after", ""), album))
    return done(
        "album found",
        album=await _object(request, album),
        images=[image_object(request, image) for image in images],
        next=written(following, album),
    )


async def edit(request: web.Request) -> web.StreamResponse:
    fields = await fields_of(request)
    album, _ = await _owned(request, fields)
    edited = await request.app[ALBUMS].edit(album, album_changes_in(fields))
    return done("album edited", album=await _object(request, edited))


async def delete(request: web.Request) -> web.StreamResponse:
    """Deletes an album. Its pictures stay, unless `pictures` is `delete`."""
    fields = await fields_of(request)
    album, _ = await _owned(request, fields)
    pictures = fields.get("pictures", "keep")
    if pictures not in {"keep", "delete"}:
        raise BadParameter("pictures: keep or delete", field="pictures")
    await request.app[ALBUMS].delete(album, pictures=pictures == "delete")
    return done("album deleted")


async def arrange(request: web.Request) -> web.StreamResponse:
    """Adds pictures to an album, takes some out of it, and moves some, in this order."""
    fields, albums = await fields_of(request), request.app[ALBUMS]
    album, asker = await _owned(request, fields)
    wanted = {name: _listed(fields, name) for name in ("add", "remove", "move", "delete_tokens")}
    added = await albums.contents.add(album, asker, wanted["add"], wanted["delete_tokens"]) if wanted["add"] else 0
    removed = await albums.contents.remove(album, wanted["remove"]) if wanted["remove"] else 0
    before = fields.get("before", "").strip() or None
    moved = await albums.contents.move(album, wanted["move"], before) if wanted["move"] else 0
    return done("album changed", album=await _object(request, album), added=added, removed=removed, moved=moved)


async def _owned(request: web.Request, fields: Mapping[str, str]) -> tuple[Album, Asker]:
    asker = await asker_of(request, fields, FIELD)
    return await request.app[ALBUMS].owned(request.match_info["id"], asker), asker


async def _object(request: web.Request, album: Album) -> dict[str, object]:
    return album_object(MadeAlbum(album, count=await request.app[ALBUMS].contents.count(album)), site(request))


def _listed(fields: Mapping[str, str], name: str) -> list[str]:
    listed = [text for each in fields.get(name, "").split(",") if (text := each.strip())]
    if len(listed) > MOST_IDS:
        raise BadParameter(f"{name}: at most {MOST_IDS} in one request", field=name, limit=MOST_IDS)
    return listed


def _text(album: Album) -> str:
    return f"{(album.created - EPOCH) // timedelta(microseconds=1)}~{album.number}"


def _cursor(text: str) -> Cursor | None:
    """Returns the place in the list that `next` named. Raises `BadParameter` if *text* is malformed."""
    if not text:
        return None
    found = re.fullmatch("([0-9]{1,17})~([0-9]{1,18})", text)
    with suppress(OverflowError):  # behind the calendar
        if found is not None:
            return Cursor(EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))
    raise BadParameter("after: what `next` of the page before says", field="after")
