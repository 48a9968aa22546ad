"""Wrong lines of proxies that an upload alone does not show, as further probes of `imges check --public`."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from imges.cli.check_findings import Finding, wrong
from imges.cli.check_public_client import PublicSite, new_picture, path_of

HOST_LINE = "nginx: proxy_set_header Host $http_host; Caddy: no `header_up Host`; haproxy: no `set-header Host`"
PROTO_LINE = (
    "nginx: proxy_set_header X-Forwarded-Proto $scheme; Caddy: no `header_up -X-Forwarded-Proto`; "
    "haproxy: http-request set-header X-Forwarded-Proto https"
)
FOR_LINE = (
    "nginx: proxy_set_header X-Forwarded-For $remote_addr; Caddy: no `header_up` of it and no trusted_proxies; "
    "haproxy: http-request set-header X-Forwarded-For %[src]"
)
PATH_LINE = "nginx: proxy_pass http://127.0.0.1:8080; with nothing behind the port; Caddy: no handle_path or uri"
FOREIGN = "https://another-site.invalid"


def name_line(made: str, base: str) -> str:
    """Returns the line that is wrong in a proxy behind which the server makes the address *made* and not *base*."""
    theirs, ours = URL(made), URL(base)
    return PROTO_LINE if theirs.host == ours.host and theirs.scheme != ours.scheme else HOST_LINE


def changed_path() -> Finding:
    """Returns the finding for an upload that imges did not get at /api/1/upload."""
    return wrong(
        "the proxy changes the path: imges gets an upload to /api/1/upload at another address",
        breaks="clients are refused, or get an answer that they cannot read",
        change=PATH_LINE,
    )


@dataclass(frozen=True)
class ProxyProbes:
    """Requests whose headers, addresses or answers a proxy may change. *image* is the picture that was uploaded."""

    _site: PublicSite
    _key: str
    _image: dict[str, Any]

    async def keys(self) -> AsyncGenerator[Finding]:
        """An API key arrives in each of the two headers."""
        for name, value in (("Authorization", f"Bearer {self._key}"), ("X-API-Key", self._key)):
            told = await self._site.upload(None, new_picture(), **{name: value})
            answer = told.json() or {}
            if told.status == 401:
                yield wrong(
                    f"an API key in the header {name} does not arrive",
                    breaks="clients that send it there are refused",
                    change=f"nginx: no `proxy_set_header {name}`; Caddy: no `header_up -{name}`; "
                    f"haproxy: no `del-header {name}`",
                )
            elif told.status == 200 and "image" in answer:
                await self._site.delete(answer["image"])

    async def origin(self) -> AsyncGenerator[Finding]:
        """The form of another site's page is refused: its `Origin` arrives."""
        told = await self._site.send_form(new_picture(), origin=FOREIGN)
        answer = told.json() or {}
        if told.status == 200 and "image" in answer:
            await self._site.delete(answer["image"])
            yield wrong(
                "the header Origin does not arrive: a form of another site is accepted",
                breaks="other sites can upload in the name of their visitors",
                change="nginx: no `proxy_set_header Origin`; Caddy: no `header_up -Origin`; "
                "haproxy: no `del-header Origin`",
            )

    async def plain(self) -> AsyncGenerator[Finding]:
        """An upload to the address with http:// is redirected so that it stays a POST."""
        url = URL(self._site.base)
        if url.scheme != "https":
            return
        address = url.with_scheme("http").with_port(80 if url.port == 443 else url.port)
        try:
            told = await self._site.ask("POST", f"{address.origin()}/api/1/upload", data=b"")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return  # nothing answers there, which is fine
        if told.status in {301, 302, 303}:
            yield wrong(
                f"an upload to {address.origin()} is redirected with {told.status}, which makes it a GET",
                breaks="clients that were given the address with http:// lose the picture on the way",
                change="nginx: return 308 https://$host$request_uri; haproxy: redirect scheme https code 308",
            )

    async def picture(self) -> AsyncGenerator[Finding]:
        """The picture arrives uncompressed, with each header once."""
        told = await self._site.ask("GET", path_of(self._image["url"]), headers={"Accept-Encoding": "gzip"})
        if coding := told.headers.get("Content-Encoding"):
            yield wrong(
                f"the proxy compresses pictures ({coding})",
                breaks="each view costs CPU and gains nothing, and parts of a picture cannot be asked for",
                change="nginx: no pictures in gzip_types; Caddy: no pictures in the `match` of encode; "
                "haproxy: no pictures in `compression type`",
            )
        for finding in _doubled(told.headers):
            yield finding
        await self._site.ask("GET", path_of(self._image["url_viewer"]))  # so that a proxy that keeps pages has this one

    async def pages(self) -> AsyncGenerator[Finding]:
        """After the picture has been deleted, its page says so too."""
        told = await self._site.ask("GET", path_of(self._image["url_viewer"]))
        if told.status == 200:
            yield wrong(
                "the page of a deleted picture is still answered with 200",
                breaks="what people delete stays to be seen, and pages are those of yesterday",
                change="nginx: no `proxy_ignore_headers Cache-Control` beside proxy_cache: imges says what may be kept",
            )


def _doubled(headers: CIMultiDictProxy[str]) -> list[Finding]:
    name = "Access-Control-Allow-Origin"
    if len(headers.getall(name, [])) < 2 and "," not in headers.get(name, ""):
        return []
    return [
        wrong(
            f"pictures come with {name} twice",
            breaks="browsers refuse such an answer, so pages of other sites cannot read pictures",
            change=f"the proxy should not add what imges sends already; nginx: no `add_header {name}`; "
            f"haproxy: set-header in place of add-header",
        )
    ]
