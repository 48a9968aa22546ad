"""`imges check --public`: an upload through the public address, as a client far away would do it, and what it shows of
the proxy: name and scheme, body limit, the client's address, caching, deletion.
"""

import asyncio
import json
import os
import struct
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, cast

import aiohttp
from yarl import URL

from imges.catalog import open_catalog
from imges.cli.findings import Finding, good, note, wrong
from imges.errors import ImgesError
from imges.settings import Settings

PATIENCE = 60.0
"""Seconds for each request; the largest upload takes its time."""
FORGED = "203.0.113.77"
"""An address for documentation, nobody's: a server that takes it for the client's has believed what we said."""
BLOCK = b"\0" * 2**16


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any] | None:
        """The body, if it is an object in JSON; else `None`."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return cast("dict[str, Any]", found) if isinstance(found, dict) else None


class Public:
    """The site as the world sees it."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self._session = session

    async def ask(self, method: str, path: str, **options: Any) -> Told:
        """Raises: aiohttp.ClientError, TimeoutError."""
        url = path if path.startswith("http") else self.base + path
        async with self._session.request(method, url, allow_redirects=False, **options) as answer:
            return Told(answer.status, answer.headers, await answer.read())

    async def source(self) -> str:
        """The address that we ask from. Raises: OSError."""
        url = URL(self.base)
        _, writer = await asyncio.open_connection(url.host, url.port)
        try:
            return writer.get_extra_info("sockname")[0]
        finally:
            writer.close()
            await writer.wait_closed()

    async def upload(self, key: str, content: bytes | AsyncIterator[bytes], **headers: str) -> Told:
        form = aiohttp.FormData()
        form.add_field("key", key)
        form.add_field("expiration", "PT10M")
        form.add_field("source", content, filename="imges-check.png", content_type="image/png")
        return await self.ask("POST", "/api/1/upload", data=form, headers=headers)


@asynccontextmanager
async def opened(base: str) -> AsyncGenerator[Public]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        yield Public(base, session)


async def look(settings: Settings) -> list[Finding]:
    """What an upload through `server.public_url` shows."""
    base = settings.server.public_url
    if base is None:
        return [
            wrong(
                "server.public_url is not set",
                breaks="nobody knows where to ask",
                change="server: {public_url: https://img.example.org}",
            )
        ]
    async with opened(base) as public:
        try:
            return [finding async for finding in _looked(public, settings)]
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


async def _looked(public: Public, settings: Settings) -> AsyncGenerator[Finding]:
    alive = await public.ask("GET", "/healthz")
    if (alive.status, alive.body) != (200, b"ok\n"):
        yield wrong(
            f"{public.base}/healthz is answered with {alive.status}, and not by imges",
            breaks="nobody can upload or look at a picture",
            change=f"the proxy should pass all of this name to port {settings.server.port}",
        )
        return
    key = await asyncio.to_thread(_guest_key, settings)
    if key is None:
        yield wrong(
            f"there is no API key in {settings.data_dir / 'api.key'}",
            breaks="the check cannot upload",
            change="run the check where the server runs, as its user and with its settings",
        )
        return
    stored = await public.upload(key, picture(), **{"X-Forwarded-For": FORGED})
    if (answer := stored.json()) is None or stored.status != 200:
        yield _refused(stored, answer)
        return
    yield good("a picture was uploaded")
    image = answer["image"]
    try:
        visit = _Visit(public, settings, key, image)
        for look_at in (visit.name, visit.body_limits, visit.address, visit.caching):
            async for finding in look_at():
                yield finding
    finally:
        deleted = await public.ask("POST", image["delete_url"], headers={"Accept": "application/json"})
    async for finding in _deletion(public, image, deleted):
        yield finding


def _guest_key(settings: Settings) -> str | None:
    try:
        return settings.api.key or (settings.data_dir / "api.key").read_text().strip()
    except OSError:
        return None


def picture() -> bytes:
    """A small picture like no other: 16 by 16 pixels of chance."""
    rows = b"".join(b"\0" + os.urandom(48) for _ in range(16))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _refused(told: Told, answer: dict[str, Any] | None) -> Finding:
    if told.status in {301, 302, 303, 307, 308}:
        where = told.headers.get("Location", "")
        return wrong(
            f"an upload is sent on to {where}",
            breaks="clients lose the picture on the way",
            change="server: {public_url: ...} to the address that answers by itself",
        )
    if answer is not None:
        error: dict[str, Any] = answer.get("error", {})
        return wrong(
            f"an upload is refused: {error.get('message', told.status)}", breaks="nobody can upload", change="see there"
        )
    return wrong(
        f"an upload is answered with {told.status}, and not by imges",
        breaks="nobody can upload",
        change="the proxy should pass POST to imges, whatever its size",
    )


@dataclass(frozen=True)
class _Visit:
    """What was stored for the guests' *key*, the *image* of the answer, and what it shows."""

    _public: Public
    _settings: Settings
    _key: str
    _image: dict[str, Any]

    async def name(self) -> AsyncGenerator[Finding]:
        """Scheme and host: those that the running server makes addresses of."""
        if not self._image["url"].startswith(f"{self._public.base}/images/"):
            yield wrong(
                f"the server makes addresses as {self._image['url']}, not below {self._public.base}",
                breaks="links in answers and on pages lead elsewhere",
                change=f"server: {{public_url: {self._public.base}}} in the settings it runs with; restart it",
            )
        else:
            yield good(f"addresses begin with {self._public.base}")

    async def body_limits(self) -> AsyncGenerator[Finding]:
        """The largest picture that is allowed gets through, and what is larger is refused by us."""
        size = self._settings.images.max_size
        for sent, status in ((size, 415), (size + 4 * 2**20, 413)):
            try:
                told = await self._public.upload(self._key, _zeros(sent))
            except (aiohttp.ClientError, TimeoutError):
                told = None
            if told is not None and told.status == status and told.json() is not None:
                continue
            if told is not None and told.status in {429, 503}:
                yield note(f"the body limit could not be tried: the server answers {told.status}")
                return
            seen = f"answered with {told.status}, and not by imges" if told else "cut off"
            yield wrong(
                f"an upload of {sent / 2**20:.0f} MB is {seen}; images.max_size is {size / 2**20:g} MB",
                breaks="large pictures fail, with words that no client understands",
                change="nginx: client_max_body_size 0; proxy_request_buffering off;",
            )
            return
        yield good(f"uploads of {size / 2**20:g} MB get through, and larger ones are refused by imges")

    async def address(self) -> AsyncGenerator[Finding]:
        """Whom the server takes us for. We said to be `FORGED`: who believes it can be deceived by everybody."""
        if not self._settings.privacy.keep_addresses:
            yield note("the client's address could not be looked at: privacy.keep_addresses is 0")
            return
        try:
            async with open_catalog(self._settings.catalog_url) as catalog:
                seen = (await catalog.by_id(self._image["id_encoded"], datetime.now(UTC))).address
        except ImgesError as error:
            yield note(f"the client's address could not be looked at: {error.message}")
            return
        source = await self._public.source()
        if _is_trusted(self._settings, source):
            yield note(
                f"asked from {source}, which is in server.trusted_proxies: whether others can lie about "
                "their address cannot be seen; run this on another machine"
            )
        elif seen == FORGED:
            yield wrong(
                "the server believes what a client says about its address",
                breaks="limits, blocks and the addresses that are kept can be evaded by anybody",
                change="nginx: proxy_set_header X-Forwarded-For $remote_addr;",
            )
        elif seen is None or _is_trusted(self._settings, seen):
            yield wrong(
                f"the server sees the proxy ({seen or 'by its socket'}) and not the client",
                breaks="all clients share one limit, and blocking one blocks all",
                change="nginx: proxy_set_header X-Forwarded-For $remote_addr;",
            )
        elif seen != source and ip_address(seen).is_private:
            yield wrong(
                f"the server takes {seen} for the client: an address inside your network, probably the proxy's",
                breaks="all clients share one limit, and blocking one blocks all",
                change=f"server: {{trusted_proxies: [127.0.0.0/8, {seen}]}}",
            )
        else:
            yield good(f"the client's address is seen: {seen}")

    async def caching(self) -> AsyncGenerator[Finding]:
        """The picture comes as it was sent, with what lets it be kept, and keeps browsers from running it."""
        told = await self._public.ask("GET", self._image["url"])
        location = told.headers.get("Location")
        if told.status in {302, 307} and location is not None:
            yield note(f"pictures are fetched from {location.split('?')[0]}, which sets its own headers")
            return
        if told.headers.get("X-Accel-Redirect"):
            yield wrong(
                "pictures are handed to a proxy that does not send them",
                breaks="every picture is empty",
                change="server: {accel_redirect: null}, or the location in nginx (imges check --print nginx)",
            )
            return
        if told.status != 200 or len(told.body) != self._image["size"]:
            yield wrong(
                f"the picture that was uploaded is answered with {told.status}, {len(told.body)} bytes",
                breaks="pictures cannot be seen",
                change="the proxy should pass /images/ to imges, or read the folder where they are",
            )
            return
        missing = [
            name
            for name, text in (
                ("Cache-Control", "max-age="), ("X-Content-Type-Options", "nosniff"),
                ("Content-Security-Policy", "sandbox"), ("Access-Control-Allow-Origin", "*"),
            )
            if text not in told.headers.get(name, "")
        ]  # fmt: skip
        if missing:
            yield wrong(
                f"pictures come without {', '.join(missing)}",
                breaks="browsers ask for each picture every time, or run what is in it",
                change="the proxy should leave these headers as they are, or add them where it sends files itself",
            )
        etag = told.headers.get("ETag", "")
        again = await self._public.ask("GET", self._image["url"], headers={"If-None-Match": etag} if etag else {})
        if etag and again.status != 304:
            yield wrong(
                f"a picture that has not changed is sent again ({again.status})",
                breaks="browsers load every picture twice",
                change="the proxy should pass If-None-Match on, and leave ETag as it is",
            )
        elif not missing:
            yield good("pictures come as they are, and can be kept")


async def _zeros(size: int) -> AsyncGenerator[bytes]:
    for _ in range(size // len(BLOCK)):
        yield BLOCK


def _is_trusted(settings: Settings, address: str | None) -> bool:
    if address is None:
        return False
    return any(ip_address(address) in network for network in settings.server.trusted_proxies)


async def _deletion(public: Public, image: dict[str, Any], deleted: Told) -> AsyncGenerator[Finding]:
    gone = await public.ask("GET", image["url"])
    if deleted.status != 200:
        yield wrong(
            f"deleting is answered with {deleted.status}",
            breaks="delete links do not work; the picture ends by itself in ten minutes",
            change="the proxy should pass POST to imges on every address",
        )
    elif gone.status != 410:
        yield wrong(
            f"a deleted picture is still answered with {gone.status}",
            breaks="what people delete stays to be seen",
            change="take the cache for /images/ out of the proxy, or let it ask imges each time",
        )
    else:
        yield good("deleted, and gone at once")
