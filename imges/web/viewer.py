"""The viewer: the page of one picture, its QR code, and its oEmbed description."""

import re
from io import BytesIO
from urllib.parse import quote, urlsplit

import segno
from aiohttp import web

from imges.catalog.types import Image
from imges.errors import BadParameter, NotFound
from imges.web import present
from imges.web.codes import embed_codes
from imges.web.headers import PICTURE
from imges.web.keys import SERVICE, SETTINGS
from imges.web.pages import render
from imges.web.uploads import site

AT_ONCE = 2**20
AT_ONCE_MOVING = 8 * 2**20
"""Bytes of an original that the page loads by itself once the medium stands, where the medium is too small; the second
of an animation."""

_MEDIUMS_THAT_MOVE = {"image/gif", "image/webp"}

_TITLED = re.compile(r".*\.([0-9A-Za-z]+)")
"""How Chevereto wrote a viewer's address: `/image/title.ID`."""

_BOTS = re.compile(r"bot|crawl|spider|slurp|preview|facebookexternalhit|embed|curl|wget|python|monitor", re.IGNORECASE)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/image/{id}", viewer),
        web.get("/image/{id}/qr.svg", qr_code),
        web.get("/oembed", oembed),
    ]


async def viewer(request: web.Request) -> web.StreamResponse:
    service, where = request.app[SERVICE], site(request)
    if titled := _TITLED.fullmatch(request.match_info["id"]):
        return web.Response(status=301, headers={"Location": f"/image/{titled[1]}"})
    image = await service.view(request.match_info["id"])
    agent = request.headers.get("User-Agent", "")
    if request.method == "GET" and agent and not _BOTS.search(agent):
        service.count_view(image.id)
    response = render(
        request,
        "viewer.html",
        image=image,
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
    """Whether the page loads the original unasked: `always`, `yes` where the medium is too small, or `no`."""
    moves = image.frames > 1
    if image.medium is None or image.original.size > (AT_ONCE_MOVING if moves else AT_ONCE):
        return "no"
    return "always" if moves and image.media_type not in _MEDIUMS_THAT_MOVE else "yes"


async def qr_code(request: web.Request) -> web.StreamResponse:
    """The viewer's address as a QR code, for a phone that looks at the screen."""
    image = await request.app[SERVICE].view(request.match_info["id"])
    file = BytesIO()
    segno.make(site(request).viewer(image), micro=False).save(file, "svg", scale=4, light="#fff")
    return web.Response(body=file.getvalue(), content_type="image/svg+xml", headers=PICTURE)


async def oembed(request: web.Request) -> web.StreamResponse:
    """What other sites show for a viewer's link (oembed.com, section 2): the picture, in JSON."""
    if request.query.get("format", "json") != "json":
        return web.Response(status=501, text="oEmbed is answered in JSON alone")
    where = site(request)
    image = await request.app[SERVICE].view(_viewed(request.query.get("url", ""), where))
    described = _described(image, where, _limit(request, "maxwidth"), _limit(request, "maxheight"))
    provider = {"provider_name": request.app[SETTINGS].site.name, "provider_url": f"{where.base}/"}
    return web.json_response({"version": "1.0", **provider, **described})


def _viewed(text: str, where: present.Site) -> str:
    """The id in the address of one of our viewers. Raises: NotFound."""
    try:
        address = urlsplit(text)
    except ValueError as error:  # brackets that hold no address
        raise NotFound from error
    found = re.fullmatch(r"/image/([^/]+)", address.path)
    if found is None or address.netloc != urlsplit(where.base).netloc:
        raise NotFound
    return found[1]


def _limit(request: web.Request, name: str) -> int | None:
    asked = request.query.get(name, "")
    if asked and not re.fullmatch(r"[1-9][0-9]{0,5}", asked):
        raise BadParameter(f"{name}: a whole number of pixels")
    return int(asked) if asked else None


def _described(image: Image, where: present.Site, width: int | None, height: int | None) -> dict[str, object]:
    """A photo, the largest of its files within *width* and *height*; of what is not safe for work only a link."""
    title = {"title": image.title or image.original_filename}
    if image.nsfw:
        return {"type": "link", **title}
    thumb = {
        "thumbnail_url": where.object(image.thumb.key),
        "thumbnail_width": image.thumb.width,
        "thumbnail_height": image.thumb.height,
    }
    for file in image.files():
        if file.width <= (width or file.width) and file.height <= (height or file.height):
            photo = {"url": where.object(file.key), "width": file.width, "height": file.height}
            return {"type": "photo", **title, **photo, **thumb}
    return {"type": "link", **title}
