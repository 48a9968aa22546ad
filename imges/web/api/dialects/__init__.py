"""APIs of other hosts, so that their clients can upload here unchanged. Which are spoken is the setting `api.dialects`.

speaking   what all of them share: the key, the upload, how errors are written
imgur      Imgur v3: ksnip, Greenshot, scripts
lsky       Lsky Pro v1, and the API before it: PicList, uPic, plugins of blogs
smms       SM.MS v2: PicGo without a plugin
zipline    Zipline v4: its users' ShareX files
plain      an address as text: `curl -T x.png https://HOST/up/`

Some clients have no setting for a key. For them each dialect also answers below `/{dialect}/{key}`: the key stands in
the client's base address. Such a key is never logged and must not have the scope admin. ImgBB's API is API v1 with
another answer, so it has no module here.
"""

from collections.abc import Callable, Iterable

from aiohttp import web

from imges.web.api.dialects import imgur, lsky, plain, smms, zipline
from imges.web.api.dialects.speaking import zipline_or_old_lsky

ROUTES: dict[str, Callable[[], list[web.RouteDef]]] = {
    "imgur": imgur.routes,
    "lsky": lsky.routes,
    "smms": smms.routes,
    "zipline": zipline.routes,
    "plain": plain.routes,
}


def routes(spoken: Iterable[str]) -> list[web.RouteDef]:
    """Returns the routes of the dialects that are *spoken*. They stand before those of API v1's prefixes."""
    found = [route for name in spoken if name in ROUTES for route in ROUTES[name]()]
    if "lsky" in spoken or "zipline" in spoken:
        found += zipline_or_old_lsky(
            lsky.upload_old if "lsky" in spoken else None, zipline.upload if "zipline" in spoken else None
        )
    return found
