"""The viewer: the page of one picture, its QR code, and its oEmbed description."""

import re
from io import BytesIO
from urllib.parse import quote, unquote, urlsplit

import segno
from aiohttp import web

from imges.catalog.types import Image, StoredFile
from imges.errors import BadParameter, NotFound
from imges.web.api import picture_json
from imges.web.api.uploads import site
from imges.web.app_keys import FINDING, SETTINGS, VIEWS
from imges.web.headers import PICTURE
from imges.web.pages.embed_codes import embed_codes
from imges.web.pages.form_origin import origin_of
from imges.web.pages.previews import preview
from imges.web.pages.rendering import render
from imges.web.serving.objects import send_current
from imges.web.serving.old_addresses import answer_old_address

AT_ONCE = 2**20
AT_ONCE_MOVING = 8 * 2**20
"""Bytes of the largest original, and of the largest moving one, that the page loads by itself if the medium is too
small for the screen.
"""

_MEDIUMS_THAT_MOVE = {"image/gif", "image/webp"}

_FILE = re.compile(
    r"(?P<id>[0-9A-Za-z]+)(?:\.(?P<size>th|md))?"
    r"\.(?:jpe?g|jpe|a?png|gif|webp|avif|hei[cf]|tiff?|bmp|svg)",
    re.IGNORECASE,
)
"""A picture's own address with an extension behind it, as people make it: `/image/ID.png`, `/image/ID.th.png`."""

_TITLED = re.compile(r".*\.([0-9A-Za-z]+)")
"""How Chevereto wrote a viewer's address: `/image/title.ID`."""

_BOTS = re.compile(r"bot|crawl|spider|slurp|preview|facebookexternalhit|embed|curl|wget|python|monitor", re.IGNORECASE)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/image/{id}", viewer),
        web.get("/image/{id}/", with_a_slash),
        web.get("/image/{id}/qr.svg", qr_code),
        web.get("/oembed", oembed),
    ]


async def with_a_slash(request: web.Request) -> web.StreamResponse:
    """Sends on to the viewer's own address: many programs write a slash behind every address."""
    return web.Response(status=301, headers={"Location": f"/image/{quote(request.match_info['id'])}"})


async def viewer(request: web.Request) -> web.StreamResponse:
    """Answers with the page of a picture; with the picture itself, if an extension stands behind its id."""
    finding, where, named = request.app[FINDING], site(request), request.match_info["id"]
    if "." in named and (answer := await answer_old_address(request)) is not None:
        return answer
    if (file := await _named_file(request, named)) is not None:
        return await send_current(request, file.key)
    titled = _TITLED.fullmatch(named)
    image = await finding.by_id(titled[1] if titled else named)
    if image.id != named:  # a title stands before it, or the picture has got another id since
        return web.Response(status=301, headers={"Location": f"/image/{image.id}"})
    return _page(request, image, where)


async def _named_file(request: web.Request, named: str) -> StoredFile | None:
    """Returns the file that *named*, an id with an extension, means; `None` if it may be a title with an id.

    Without a medium, `ID.md.png` is the original. Raises `Gone` if there was such a picture.
    """
    found = _FILE.fullmatch(named)
    if found is None:
        return None
    try:
        image = await request.app[FINDING].by_id(found["id"])
    except NotFound:
        return None
    size = (found["size"] or "").lower()
    return image.thumb if size == "th" else (image.medium or image.original) if size == "md" else image.original


def _page(request: web.Request, image: Image, where: picture_json.SiteAddresses) -> web.Response:
    agent = request.headers.get("User-Agent", "")
    if request.method == "GET" and agent and not _BOTS.search(agent):
        request.app[VIEWS].count(image.id)
    response = render(
        request,
        "viewer.html",
        image=image,
        preview=preview(image),
        name=image.title or image.original_filename,
        codes=embed_codes(image, where),
        site=where,
        oembed=f"{where.base}/oembed?url={quote(where.viewer(image), safe='')}",
        created=image.created.astimezone(where.time_zone),
        expires=image.expires and image.expires.astimezone(where.time_zone),
        at_once=_at_once(image),
    )
    if not request.app[SETTINGS].site.index:
        response.headers["X-Robots-Tag"] = "noindex"
    return response


def _at_once(image: Image) -> str:
    """Whether the page loads the original unasked: `always`, `yes` if the medium is too small, or `no`."""
    moves = image.frames > 1
    if image.medium is None or image.original.size > (AT_ONCE_MOVING if moves else AT_ONCE):
        return "no"
    return "always" if moves and image.media_type not in _MEDIUMS_THAT_MOVE else "yes"


async def qr_code(request: web.Request) -> web.StreamResponse:
    """Answers with the viewer's address as a QR code, for a phone that looks at the screen."""
    image = await request.app[FINDING].by_id(request.match_info["id"])
    file = BytesIO()
    segno.make(site(request).viewer(image), micro=False).save(file, "svg", scale=4, light="#fff")
    return web.Response(body=file.getvalue(), content_type="image/svg+xml", headers=PICTURE)


async def oembed(request: web.Request) -> web.StreamResponse:
    """Answers with what other sites show for a viewer's link: the picture, in JSON (oembed.com, section 2)."""
    if request.query.get("format", "json") != "json":
        return web.Response(status=501, text="oEmbed is answered in JSON alone")
    where = site(request)
    image = await request.app[FINDING].by_id(_viewed(request.query.get("url", ""), where))
    described = _described(image, where, _limit(request, "maxwidth"), _limit(request, "maxheight"))
    provider = {"provider_name": request.app[SETTINGS].site.name, "provider_url": f"{where.base}/"}
    return web.json_response({"version": "1.0", **provider, **described})


def _viewed(text: str, where: picture_json.SiteAddresses) -> str:
    """Returns the id in the address of one of our viewers. Raises `NotFound` if *text* is not such an address."""
    theirs, ours = origin_of(text), origin_of(where.base)
    found = re.fullmatch(r"/image/([^/]+)/?", urlsplit(text).path) if theirs else None
    if found is None or theirs is None or ours is None or theirs[1:] != ours[1:]:
        raise NotFound
    named = unquote(found[1])
    file, titled = _FILE.fullmatch(named), _TITLED.fullmatch(named)
    return file["id"] if file else titled[1] if titled else named


def _limit(request: web.Request, name: str) -> int | None:
    asked = request.query.get(name, "")
    if asked and not re.fullmatch(r"[1-9][0-9]{0,5}", asked):
        raise BadParameter(f"{name}: a whole number of pixels")
    return int(asked) if asked else None


def _described(
    image: Image, where: picture_json.SiteAddresses, width: int | None, height: int | None
) -> dict[str, object]:
    """Returns a photo: the preview, or the thumb if that alone is within *width* and *height* (pixels).

    It is only a link if the picture is not safe for work, or if other sites could not show any of its files.
    """
    title = {"title": image.title or image.original_filename}
    shown = preview(image)
    if image.nsfw or shown is None:
        return {"type": "link", **title}
    thumb = {
        "thumbnail_url": where.object(image.thumb.key),
        "thumbnail_width": image.thumb.width,
        "thumbnail_height": image.thumb.height,
    }
    for file in (shown, image.thumb):
        if file.width <= (width or file.width) and file.height <= (height or file.height):
            photo = {"url": where.object(file.key), "width": file.width, "height": file.height}
            return {"type": "photo", **title, **photo, **thumb}
    return {"type": "link", **title}
