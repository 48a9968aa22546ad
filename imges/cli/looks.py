"""What `imges check` looks at on this machine: settings that do not go together, folders, disk, clock, memory…"""

import asyncio
import ctypes
import os
import resource
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

from imges.access import free_bytes
from imges.app import decoders
from imges.catalog import open_catalog
from imges.cli.findings import Finding, Findings, Look, good, note, wrong
from imges.errors import ImgesError, SettingsError
from imges.imaging import Header, Imaging, Recipe, open_imaging
from imges.imaging.cost import memory as memory_of
from imges.places import none_lost
from imges.settings import Settings, prepare_data_dir, settings_file
from imges.storage import StorageError, open_storage
from imges.web.present import size_formatted

SHORT_KEY, GUESSED_KEY = 16, 8
"""Characters of an API key that is too short to be sure of, and of one that is soon tried out."""
PROCESS = 150 * 2**20
"""Bytes that a process of ours takes, besides what decoding does."""
FEW_FILES = 1024
"""Open files; each connection takes one, each picture that is sent another."""
RELEASED = 1_767_225_600
"""Seconds since 1970: no clock that is right shows an earlier time (the beginning of 2026)."""
UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2)."""
LIMITED_BY = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def looks(settings: Settings, path: Path | None) -> Iterator[tuple[str, str, Look]]:
    """Each part's name, what is broken where it is, and the look at it. *path*: of the settings, where it was named."""

    def plain(look: Callable[[], Findings]) -> Look:
        async def called() -> Findings:
            return await asyncio.to_thread(lambda: list(look()))

        return called

    yield "settings", "", plain(lambda: _settings(settings, path))
    yield "data folder", "nothing can be received or kept", plain(lambda: _data_folder(settings))
    yield "disk", "", plain(lambda: _disk(settings))
    yield "clock", "", plain(_clock)
    yield "memory", "", plain(lambda: _memory(settings))
    yield "address", "", plain(lambda: _address(settings))
    for name in settings.storages:
        yield f"storage {name}", _breaks(settings, name), lambda name=name: _storage(settings, name)
    yield "catalog", "nothing is served or taken", lambda: _catalog(settings)
    if settings.limits.redis_url is not None:
        yield "redis", "each process counts for itself", lambda: _redis(settings)
    yield "images", "uploads are refused", lambda: _images(settings)


# Settings


def _settings(settings: Settings, path: Path | None) -> Findings:
    found = list(_doubtful(settings, settings_file(path)))
    return found or [good("")]


def _doubtful(settings: Settings, file: Path | None) -> Iterator[Finding]:
    server, key = settings.server, settings.api.key
    if any(network.prefixlen == 0 for network in server.trusted_proxies):
        yield wrong(
            "server.trusted_proxies trusts every address",
            breaks="every client can say that it is another: limits and blocks do not hold, /metrics is open to all",
            change="server: {trusted_proxies: [127.0.0.0/8]}, or the address of your proxy",
        )
    if server.public_url is None:
        yield note(
            "server.public_url is not set: addresses of pictures are made from what each request calls the server",
            breaks="behind a proxy that does not pass the name on, links lead nowhere",
            change="server: {public_url: https://img.example.org}",
        )
    elif server.public_url.startswith("http://") and not _is_local(server.public_url):
        yield note(
            f"server.public_url is {server.public_url}, without TLS",
            breaks="API keys can be read on the way",
            change=f"server: {{public_url: {server.public_url.replace('http:', 'https:', 1)}}}, and TLS in the proxy",
        )
    if key is not None and len(key) < SHORT_KEY:
        tell = wrong if len(key) < GUESSED_KEY else note
        yield tell(
            f"api.key has {len(key)} characters",
            breaks="it can be guessed, and then anybody uploads",
            change="api: {key: null}, and one is made and kept in data_dir/api.key",
        )
    if file is not None and key is not None and file.stat().st_mode & stat.S_IROTH:
        yield note(f"{file} holds api.key, and every user of this machine can read it", change=f"chmod o-r {file}")
    cores = os.cpu_count() or 1
    for name, count in (("server.workers", server.workers), ("images.workers", settings.images.workers or 1)):
        if count > 4 * cores:
            yield note(
                f"{name} is {count}, and this machine has {cores} cores",
                breaks="they stand in each other's way, and take memory",
                change=f"{name.replace('.', ': {')}: {cores}}}",
            )


def _is_local(url: str) -> bool:
    return any(url.startswith(f"http://{host}") for host in ("127.", "localhost", "[::1]"))


# Folders, disk, clock


def _data_folder(settings: Settings) -> Findings:
    prepare_data_dir(settings)
    folder = settings.data_dir
    yield good(f"{folder.absolute()} can be written")
    mode = folder.stat().st_mode
    if settings.server.accel_redirect is not None and not mode & stat.S_IXOTH:
        yield wrong(
            f"{folder} cannot be passed through by others (mode {stat.S_IMODE(mode):04o})",
            breaks="nginx cannot read the pictures that server.accel_redirect hands to it",
            change=f"chmod o+x {folder}",
        )
    for name in ("api.key", "imges.db"):
        file = folder / name
        if file.exists() and file.stat().st_mode & 0o077:
            yield wrong(
                f"{file} can be read by others (mode {stat.S_IMODE(file.stat().st_mode):04o})",
                breaks="who reads it can upload or delete in the name of others",
                change=f"chmod 0600 {file}",
            )
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            yield wrong(
                f"{file} belongs to another user, and cannot be written",
                breaks="the server does not start",
                change=f"chown {os.geteuid()} {file}, or run imges as the user that it belongs to",
            )


def _disk(settings: Settings) -> Findings:
    reserve = settings.limits.disk_reserve
    roots = [Path(place["root"]) for place in settings.storages.values() if place["type"] == "datefolder"]
    for folder in {_device(folder): folder for folder in (*roots, settings.data_dir)}.values():
        free = free_bytes(folder)
        if free < reserve:
            yield wrong(
                f"{size_formatted(free)} are free below {folder}, and limits.disk_reserve is {size_formatted(reserve)}",
                breaks="uploads are refused (507)",
                change="make room, or limits: {disk_reserve: " + size_formatted(free // 2) + "}",
            )
        elif free < 3 * max(reserve, settings.images.max_size):
            yield note(f"{size_formatted(free)} are free below {folder}", breaks="uploads will soon be refused")
        else:
            yield good(f"{size_formatted(free)} free below {folder}")


def _device(folder: Path) -> int:
    """The number of the disk of *folder*, or of where it will be made."""
    try:
        return folder.stat().st_dev
    except (FileNotFoundError, NotADirectoryError):
        return _device(folder.absolute().parent)


def _clock() -> Findings:
    if time.time() < RELEASED:
        yield wrong(
            f"the clock shows {time.strftime('%Y-%m-%d', time.gmtime())}",
            breaks="date folders, expiry and signatures of S3 are wrong",
            change="set the clock: timedatectl set-ntp true",
        )
    elif _kernel_says_unsynchronised():
        yield note(
            "nothing keeps the clock right",
            breaks="S3 refuses signatures of a clock that is a quarter of an hour off; pictures expire early or late",
            change="timedatectl set-ntp true, where this is no container",
        )
    else:
        yield good(time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _kernel_says_unsynchronised() -> bool:
    """By adjtimex(2), whose second field of words is the status; `False` where it cannot be asked."""
    buffer = (ctypes.c_long * 64)()
    try:
        if ctypes.CDLL(None).adjtimex(buffer) < 0:
            return False
    except (OSError, AttributeError):
        return False
    status = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_int))[10]  # after modes and four longs
    return bool(status & UNSYNCHRONISED)


# Memory and open files


def _memory(settings: Settings) -> Findings:
    processes = settings.server.workers + decoders(settings)
    needed, there = settings.images.memory + processes * PROCESS, _memory_there()
    if there is not None and needed > there:
        yield wrong(
            f"images.memory ({size_formatted(settings.images.memory)}) and {processes} processes take up to "
            f"{size_formatted(needed)}, and there are {size_formatted(there)}",
            breaks="the system ends processes when large pictures come together",
            change=f"images: {{memory: {max(64, (there // 2) >> 20)} MB}}",
        )
    else:
        yield good(f"{size_formatted(needed)} at most" + (f" of {size_formatted(there)}" if there else ""))
    yield from _too_large_to_decode(settings)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < FEW_FILES:
        yield note(
            f"a process may open {files} files",
            breaks="beyond as many connections nobody gets in",
            change="ulimit -n 65536; in a service of systemd LimitNOFILE=65536",
        )


def _memory_there() -> int | None:
    """Bytes that this machine, or its container, has; `None` where nothing tells."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in LIMITED_BY:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return min(found) if found[0] > 0 else None


def _too_large_to_decode(settings: Settings) -> Findings:
    """Formats of which pictures are refused for memory that images.max_pixels would allow."""
    images = settings.images
    side = min(images.max_side, round(images.max_pixels**0.5))
    refused: list[str] = []
    for name in images.formats:
        header = Header(format=name, width=side, height=side, channels=3, file_size=images.max_size)
        if memory_of("pillow" if images.processor == "pillow" else "vips", header, Recipe()) > images.memory:
            refused.append(name)
    if refused:
        yield note(
            f"{', '.join(refused)} of {images.max_pixels / 1e6:g} megapixels take more than images.memory "
            f"({size_formatted(images.memory)})",
            breaks="such pictures are refused (413), though images.max_pixels allows them",
            change="images: {memory: ...} larger, or {max_pixels: ...} smaller",
        )


# Where we listen


def _address(settings: Settings) -> Findings:
    server = settings.server
    if server.unix_socket is not None:
        folder = server.unix_socket.absolute().parent
        if not os.access(folder, os.W_OK):
            yield wrong(
                f"server.unix_socket is {server.unix_socket}: no socket can be made in {folder}",
                breaks="the server does not start",
                change="server: {unix_socket: /run/imges/imges.sock}, in a folder that imges may write",
            )
        else:
            yield good(f"unix:{server.unix_socket}")
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if _is_ours(server.host, server.port):
            yield good(f"imges serves on {server.host}, port {server.port}")
            return
        setting = "host" if isinstance(error, socket.gaierror) or error.errno == 99 else "port"
        yield wrong(
            f"server.{setting} is {getattr(server, setting)}: cannot listen there: {error.strerror}",
            breaks="the server does not start",
            change=f"server: {{{setting}: {'127.0.0.1' if setting == 'host' else 8081}}}",
        )
    else:
        yield good(f"port {server.port} of {server.host} is free")


def _is_ours(host: str, port: int) -> bool:
    """Whether an imges answers there already."""
    try:
        with socket.create_connection((host, port), timeout=3) as client:
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return b"Server: imges" in client.recv(4096)
    except OSError:
        return False


# Parts


def _breaks(settings: Settings, name: str) -> str:
    return "uploads are refused (503)" if name == settings.storage else "pictures that are kept there cannot be seen"


async def _storage(settings: Settings, name: str) -> Findings:
    try:
        storage = await open_storage(name, settings.storages[name])
        try:
            await storage.check()
        finally:
            await storage.close()
    except StorageError as error:
        told = error.told_of(name)
        return [wrong(told, breaks=_breaks(settings, name), change=f"storages: {{{name}: ...}}, as it says")]
    new = " (new pictures go here)" if name == settings.storage else ""
    return [good(f"an object was put, read, compared and deleted{new}")]


async def _catalog(settings: Settings) -> Findings:
    async with open_catalog(settings.catalog_url) as catalog:
        await catalog.check()
        keys = await catalog.keys()
        none_lost(settings.storages, await catalog.counts())
    return [good(f"it reads and writes; {sum(key.pictures for key in keys)} pictures of {len(keys)} API keys")]


async def _redis(settings: Settings) -> Findings:
    try:
        from redis.asyncio import from_url
        from redis.exceptions import RedisError
    except ImportError:
        raise SettingsError("limits.redis_url: install the extra: pip install 'imges[redis]'") from None
    client = from_url(settings.limits.redis_url or "", socket_connect_timeout=3, socket_timeout=3)
    try:
        await client.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]
    except (RedisError, OSError, ValueError) as error:
        return [
            wrong(
                f"limits.redis_url: {type(error).__name__}, Redis does not answer",
                breaks="each process counts for itself: limits are as many times as high as there are processes",
                change="limits: {redis_url: redis://HOST:6379/0}, or null",
            )
        ]
    finally:
        await client.aclose()
    return [good("it answers")]


async def _images(settings: Settings) -> Findings:
    images = settings.images
    with tempfile.TemporaryDirectory(prefix="check-", dir=settings.data_dir) as name:
        folder = Path(name)
        async with open_imaging(
            images.processor, workers=1, limit=images.timeout, memory=images.memory, spool=folder / "workers"
        ) as imaging:
            cage, processor = await imaging.cage(), await imaging.ready()
            failed = {each: reason for each in images.formats if (reason := await _decodes(imaging, each, folder))}
    works = [each for each in images.formats if each not in failed]
    found = [good(f"{processor} works with {', '.join(works)}, kept in by {cage}")] if works else []
    return found + [
        wrong(
            f"{each} cannot be decoded: {reason}",
            breaks=f"uploads of {each} fail",
            change="pip install 'imges[heic]', or " * (each == "heic") + f"images: {{formats: [{', '.join(works)}]}}",
        )
        for each, reason in failed.items()
    ]


async def _decodes(imaging: Imaging, name: str, folder: Path) -> str | None:
    """Why a small picture of the format *name* cannot be worked with; `None` where it can."""
    file = folder / f"sample.{name}"
    try:
        await asyncio.to_thread(lambda: file.write_bytes(_sample(name)))
        header = await imaging.inspect(file, frozenset([name]))
        made = folder / name
        made.mkdir()
        await imaging.render(file, header, Recipe(), made)
    except ImgesError as error:
        return error.message
    except (ImportError, KeyError, OSError) as error:
        return f"there is no encoder to try it with ({type(error).__name__})"
    return None


def _sample(name: str) -> bytes:
    from PIL import Image

    if name == "heic":
        import pillow_heif

        pillow_heif.register_heif_opener()  # pyright: ignore[reportUnknownMemberType]
    content = BytesIO()
    form = {"jpg": "JPEG", "heic": "HEIF"}.get(name, name.upper())
    Image.new("RGB", (32, 32), "#336699").save(content, form)
    return content.getvalue()
