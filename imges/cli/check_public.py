"""Probe of `imges check --public`: an upload through the public address, and what it shows of the proxy.

It shows whether the name and the scheme, the body limit, the client's address, caching and deletion are right.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

import aiohttp

from imges.catalog import Shows, open_catalog
from imges.cli.check_findings import Finding, good, note, wrong
from imges.cli.check_public_client import Answer, PublicSite, new_picture, open_site, path_of, zeros
from imges.cli.check_public_proxy import FOR_LINE, HOST_LINE, PROTO_LINE, ProxyProbes, changed_path, name_line
from imges.errors import ImgesError
from imges.settings import Settings

FORGED = "203.0.113.77"
"""An address for documentation, which no client has: a server that reports it as ours has believed a forged header."""
UNREADABLE = "0.0.0.0"  # noqa: S104
"""What the server keeps of a client whose forwarded address cannot be read: see `imges.web.connection.proxies`."""
ALL_AS_ONE = "all clients share one limit, and blocking one blocks all"
REDIRECTS = {301, 302, 303, 307, 308}
KEPT_BY = {
    "Cache-Control": "max-age=",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Headers that a picture has to arrive with, and a part of their values."""


async def probe(settings: Settings) -> list[Finding]:
    base = settings.server.public_url
    if base is None:
        return [
            wrong(
                "server.public_url is not set",
                breaks="nobody knows where to ask",
                change="server: {public_url: https://img.example.org}",
            )
        ]
    async with open_site(base) as site:
        try:
            return [finding async for finding in _visited(site, settings)]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return [_unreachable(base, error)]


def _unreachable(base: str, error: Exception) -> Finding:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why, change = "its certificate is not to be trusted", "a certificate for this name in the proxy"
    elif isinstance(error, aiohttp.ClientConnectorDNSError):
        why, change = "its name is not known", "the DNS entry of this name, or server: {public_url: ...}"
    elif isinstance(error, aiohttp.ClientConnectorSSLError):
        why, change = (
            "it does not speak TLS",
            f"server: {{public_url: {base.replace('https:', 'http:')}}}, or the proxy",
        )
    elif isinstance(error, TimeoutError):
        why, change = "it does not answer in time", "the proxy's timeouts, or the firewall"
    else:
        why, change = f"nothing answers ({type(error).__name__})", "start the server and the proxy; open the port"
    return wrong(f"{base}: {why}", breaks="nobody can upload or look at a picture", change=change)


async def _visited(site: PublicSite, settings: Settings) -> AsyncGenerator[Finding]:
    alive = await site.ask("GET", "/healthz")
    if (alive.status, alive.body) != (200, b"ok\n"):
        yield _another_answers(site, alive, settings)
        return
    key = await asyncio.to_thread(_guest_key, settings)
    if key is None:
        yield wrong(
            f"there is no API key in {settings.data_dir / 'api.key'}",
            breaks="the check cannot upload",
            change="run the check where the server runs, as its user and with its settings",
        )
        return
    stored = await site.upload(key, new_picture(), **{"X-Forwarded-For": FORGED})
    if (answer := stored.json()) is None or stored.status != 200:
        yield _refused(stored, answer)
        return
    if "image" not in answer:
        yield changed_path()
        return
    yield good("a picture was uploaded")
    async for finding in _looked_at(site, settings, key, answer["image"]):
        yield finding


def _another_answers(site: PublicSite, alive: Answer, settings: Settings) -> Finding:
    return wrong(
        f"{site.base}/healthz is answered with {alive.status}, and not by imges",
        breaks="nobody can upload or look at a picture",
        change=f"the proxy should pass all of this name to port {settings.server.port}",
    )


async def _looked_at(site: PublicSite, settings: Settings, key: str, image: dict[str, Any]) -> AsyncGenerator[Finding]:
    """What the stored *image* shows. It is deleted at the end, also if something fails."""
    visit, proxy = _Visit(site, settings, key, image), ProxyProbes(site, key, image)
    probes = (visit.name, visit.form, visit.body_limits, visit.address, visit.caching, visit.old_address)
    try:
        for shown in (*probes, proxy.keys, proxy.origin, proxy.plain, proxy.picture):
            async for finding in shown():
                yield finding
    finally:
        deleted = await site.delete(image)
    yield await _deletion(site, image, deleted)
    async for finding in proxy.pages():
        yield finding


def _guest_key(settings: Settings) -> str | None:
    try:
        return settings.api.key or (settings.data_dir / "api.key").read_text().strip()
    except OSError:
        return None


def _refused(told: Answer, answer: dict[str, Any] | None) -> Finding:
    if told.status in REDIRECTS:
        where = told.headers.get("Location", "")
        return wrong(
            f"an upload is sent on to {where}",
            breaks="clients lose the picture on the way",
            change="server: {public_url: ...} to the address that answers by itself",
        )
    if answer is not None:
        error: dict[str, Any] = answer.get("error", {})
        if error.get("context") in {"UnknownVersion", "UnknownAction"}:
            return changed_path()
        return wrong(
            f"an upload is refused: {error.get('message', told.status)}", breaks="nobody can upload", change="see there"
        )
    if told.status in {404, 405} and b"pictures are uploaded to" in told.body:
        return changed_path()
    return wrong(
        f"an upload is answered with {told.status}, and not by imges",
        breaks="nobody can upload",
        change="the proxy should pass POST to imges, whatever its size",
    )


@dataclass(frozen=True)
class _Visit:
    """What the *image* of an upload's answer shows; it was uploaded with the guests' *key*."""

    _site: PublicSite
    _settings: Settings
    _key: str
    _image: dict[str, Any]

    async def name(self) -> AsyncGenerator[Finding]:
        """The running server makes addresses with the scheme and the name of the public address."""
        if not self._image["url"].startswith(f"{self._site.base}/images/"):
            yield wrong(
                f"the server makes addresses as {self._image['url']}, not below {self._site.base}",
                breaks="links in answers and on pages lead elsewhere",
                change=f"server: {{public_url: {self._site.base}}} in the settings it runs with, and restart it; or "
                f"in the proxy, {name_line(self._image['url'], self._site.base)}",
            )
        else:
            yield good(f"addresses begin with {self._site.base}")

    async def old_address(self) -> AsyncGenerator[Finding]:
        """An address of the host that pictures were imported from still leads to its picture."""
        try:
            async with open_catalog(self._settings.catalog_url) as catalog:
                old = await catalog.old_addresses.samples(1)
        except ImgesError as error:
            yield note(f"old addresses could not be checked: {error.message}")
            return
        for each in old:
            told = await self._site.ask("HEAD", quote(each.path))
            if told.status == (301 if each.shows is Shows.PAGE else 200):
                yield good(f"an old address still works: {each.path}")
            else:
                yield wrong(
                    f"the old address {each.path} is answered with {told.status}",
                    breaks="links that were posted at the old host",
                    change="the proxy should pass all paths of this name to imges; see docs/moving.md",
                )

    async def form(self) -> AsyncGenerator[Finding]:
        """The upload page's form is accepted as a browser sends it over plain http: with its origin alone."""
        if not self._settings.api.guest_uploads:
            return
        told = await self._site.send_form(new_picture())
        answer = told.json() or {}
        if told.status != 200 or "image" not in answer:
            error: dict[str, Any] = answer.get("error", {})
            yield wrong(
                f"the form of the upload page is refused: {error.get('message', told.status)}",
                breaks="nobody can upload on the page",
                change=f"{HOST_LINE}; {PROTO_LINE}",
            )
            return
        await self._site.delete(answer["image"])
        yield good("the upload page's form is accepted")

    async def body_limits(self) -> AsyncGenerator[Finding]:
        """The largest allowed picture arrives, and imges itself refuses a larger one."""
        size = self._settings.images.max_size
        for sent, status in ((size, 415), (size + 4 * 2**20, 413)):
            if (problem := await self._try_size(sent, status)) is not None:
                yield problem
                return
        yield good(f"uploads of {size / 2**20:g} MB get through, and larger ones are refused by imges")

    async def _try_size(self, sent: int, status: int) -> Finding | None:
        """Uploads *sent* bytes of no picture. Returns `None` if imges answers with *status*."""
        try:
            with zeros(sent) as content:
                told = await self._site.upload(self._key, content)
        except (aiohttp.ClientError, TimeoutError):
            return self._too_small(sent, "cut off")
        if told.status == status and told.json() is not None:
            return None
        if told.status in {429, 503}:
            return note(f"the body limit could not be tried: the server answers {told.status}")
        return self._too_small(sent, f"answered with {told.status}, and not by imges")

    def _too_small(self, sent: int, seen: str) -> Finding:
        return wrong(
            f"an upload of {sent / 2**20:.0f} MB is {seen}; images.max_size is "
            f"{self._settings.images.max_size / 2**20:g} MB",
            breaks="large pictures fail, with words that no client understands",
            change="nginx: client_max_body_size 0; Caddy: no `max_size` in request_body; haproxy: no rule that "
            "denies by Content-Length",
        )

    async def address(self) -> AsyncGenerator[Finding]:
        """The server takes us for the client that we are, and not for `FORGED`, which we said we are."""
        if not self._settings.privacy.keep_addresses:
            yield note("the client's address could not be checked: privacy.keep_addresses is 0")
            return
        try:
            async with open_catalog(self._settings.catalog_url) as catalog:
                seen = (await catalog.published.by_id(self._image["id_encoded"], datetime.now(UTC))).address
        except ImgesError as error:
            yield note(f"the client's address could not be checked: {error.message}")
            return
        yield _judged_address(self._settings, ours=await self._site.own_address(), seen=seen)

    async def caching(self) -> AsyncGenerator[Finding]:
        """The picture arrives as it was sent, with headers that let browsers keep it and not run it."""
        told = await self._site.ask("GET", path_of(self._image["url"]))
        if (other := _sent_otherwise(told, self._image["size"])) is not None:
            yield other
            return
        problems = [*_missing_headers(told), *await self._revalidated(told)]
        for problem in problems or [good("pictures come as they are, and can be kept")]:
            yield problem

    async def _revalidated(self, told: Answer) -> list[Finding]:
        """A browser that has the picture is not sent it again."""
        etag = told.headers.get("ETag", "")
        known = {"If-None-Match": etag} if etag else {}
        again = await self._site.ask("GET", path_of(self._image["url"]), headers=known)
        if not etag or again.status == 304:
            return []
        return [
            wrong(
                f"a picture that has not changed is sent again ({again.status})",
                breaks="browsers load every picture twice",
                change="the proxy should pass If-None-Match on, and leave ETag as it is",
            )
        ]


def _judged_address(settings: Settings, *, ours: str, seen: str | None) -> Finding:
    """*ours* is where our requests come from; *seen* is what the server kept, `None` if it came by a unix socket."""
    if seen == UNREADABLE:
        return _seen_wrongly("the proxy forwards no address, but something else, in X-Forwarded-For", ALL_AS_ONE)
    if _is_trusted(settings, ours):
        return _asked_from_trusted(ours)
    if seen == FORGED:
        return _seen_wrongly(
            "the server believes what a client says about its address",
            "limits, blocks and the addresses that are kept can be evaded by anybody",
        )
    if seen is None or _is_trusted(settings, seen):
        return _seen_wrongly(f"the server sees the proxy ({seen or 'by its socket'}) and not the client", ALL_AS_ONE)
    if seen != ours and ip_address(seen).is_private:
        return wrong(
            f"the server takes {seen} for the client: an address inside your network, probably the proxy's",
            breaks=ALL_AS_ONE,
            change=f"server: {{trusted_proxies: [127.0.0.0/8, {seen}]}}",
        )
    return good(f"the client's address is seen: {seen}")


def _seen_wrongly(found: str, breaks: str) -> Finding:
    return wrong(found, breaks=breaks, change=FOR_LINE)


def _asked_from_trusted(ours: str) -> Finding:
    if ip_address(ours).is_global:
        return wrong(
            f"asked from {ours}, a public address, and it is in server.trusted_proxies",
            breaks="clients there can say that they are another, and may read /metrics",
            change="server: {trusted_proxies: ...} with the address of the proxy alone",
        )
    return note(
        f"asked from {ours}, which is in server.trusted_proxies: whether others can lie about "
        "their address cannot be seen; run this on another machine"
    )


def _is_trusted(settings: Settings, address: str) -> bool:
    return any(ip_address(address) in network for network in settings.server.trusted_proxies)


def _sent_otherwise(told: Answer, size: int) -> Finding | None:
    """Returns what is to be said if imges or its proxy did not send the picture of *size* bytes; else `None`."""
    location = told.headers.get("Location")
    if told.status in {302, 307} and location is not None:
        return note(f"pictures are fetched from {location.split('?')[0]}, which sets its own headers")
    if told.headers.get("X-Accel-Redirect"):
        return wrong(
            "pictures are handed to a proxy that does not send them",
            breaks="every picture is empty",
            change="server: {accel_redirect: null}, or the location in nginx (imges check --print nginx)",
        )
    if told.status != 200 or len(told.body) != size:
        return wrong(
            f"the picture that was uploaded is answered with {told.status}, {len(told.body)} bytes",
            breaks="pictures cannot be seen",
            change="the proxy should pass /images/ to imges, or read the folder where they are",
        )
    return None


def _missing_headers(told: Answer) -> Iterator[Finding]:
    missing = [name for name, text in KEPT_BY.items() if text not in told.headers.get(name, "")]
    if missing:
        yield wrong(
            f"pictures come without {', '.join(missing)}",
            breaks="browsers ask for each picture every time, or run what is in it",
            change="the proxy should leave these headers as they are, or add them where it sends files itself",
        )


async def _deletion(site: PublicSite, image: dict[str, Any], deleted: Answer) -> Finding:
    gone = await site.ask("GET", path_of(image["url"]))
    if deleted.status != 200:
        return wrong(
            f"deleting is answered with {deleted.status}",
            breaks="delete links do not work; the picture ends by itself in ten minutes",
            change="the proxy should pass POST to imges on every address",
        )
    if gone.status != 410:
        return wrong(
            f"a deleted picture is still answered with {gone.status}",
            breaks="what people delete stays to be seen",
            change="take the cache for /images/ out of the proxy, or let it ask imges each time",
        )
    return good("deleted, and gone at once")
