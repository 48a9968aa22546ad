"""Probes of `imges check` for this machine: data folder, disk, clock, memory, open files, address to listen at."""

import ctypes
import os
import resource
import socket
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from imges.access.disk import free_bytes
from imges.app import decoders, decoders_memory
from imges.bytesize import size_formatted
from imges.cli.check_findings import Finding, good, note, stops, wrong
from imges.durable import PRIVATE, shared
from imges.errors import SettingsError
from imges.imaging import Header, Recipe
from imges.imaging.cost import memory as memory_of
from imges.processes import machine
from imges.settings import Server, Settings, prepare_data_dir
from imges.settings.model import disk_roots
from imges.web.connection.sockets import bound

PROCESS = 150 * 2**20
"""Bytes that a serving process takes."""
WORKER = 40 * 2**20
"""Bytes that a decoding process takes by itself. The most of it is shared with the others."""
PHOTOGRAPH = 24 * 10**6
"""Pixels of a telephone's photograph."""
FEW_FILES = 1024
"""Open files of a process: each connection takes one, and each picture that is sent takes another."""
RELEASED = 1_767_225_600
"""Seconds since 1970, the beginning of 2026: a clock that shows an earlier time is wrong."""
UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2)."""


# Folders, disk, clock


def data_folder(settings: Settings) -> Iterable[Finding]:
    prepare_data_dir(settings)
    folder = settings.data_dir
    yield good(f"{folder.absolute()} can be written")
    yield from _passable_for_nginx(settings)
    for name in ("api.key", "imges.db"):
        if (folder / name).exists():
            yield from _private(folder / name)


def _passable_for_nginx(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    mode = folder.stat().st_mode
    if settings.server.accel_redirect is not None and not mode & stat.S_IXOTH:
        yield wrong(
            f"{folder} cannot be passed through by others (mode {stat.S_IMODE(mode):04o})",
            breaks="nginx cannot read the pictures that server.accel_redirect hands to it",
            change=f"chmod o+x {folder}",
        )


def _private(file: Path) -> Iterator[Finding]:
    mode = file.stat().st_mode
    if mode & 0o077 & ~shared(PRIVATE, file.parent):
        yield wrong(
            f"{file} can be read by others (mode {stat.S_IMODE(mode):04o})",
            breaks="who reads it can upload or delete in the name of others",
            change=f"chmod 0600 {file}",
        )


def disk(settings: Settings) -> Iterable[Finding]:
    reserve = settings.limits.disk_reserve
    roots = disk_roots(settings.storages).values()
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
    """Returns the number of the disk that *folder* is on, or will be on when it is made."""
    try:
        return folder.stat().st_dev
    except (FileNotFoundError, NotADirectoryError):
        return _device(folder.absolute().parent)


def clock() -> Iterable[Finding]:
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
    """Asks adjtimex(2). Returns `False` on systems that do not have it."""
    buffer = (ctypes.c_long * 64)()
    try:
        if ctypes.CDLL(None).adjtimex(buffer) < 0:
            return False
    except (OSError, AttributeError):
        return False
    status = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_int))[
        10
    ]  # struct timex: `modes`, padded to a long, and four longs stand before `status`
    return bool(status & UNSYNCHRONISED)


# Memory and open files


def memory(settings: Settings) -> Iterable[Finding]:
    processes = settings.server.workers + decoders(settings)
    given, there = decoders_memory(settings), machine.memory()
    needed = given + settings.server.workers * PROCESS + decoders(settings) * WORKER
    if there is not None and needed > there:
        yield wrong(
            f"images.memory ({size_formatted(given)}) and {processes} processes take up to "
            f"{size_formatted(needed)}, and there are {size_formatted(there)}",
            breaks="the system ends processes when large pictures come together",
            change=f"images: {{memory: {max(64, (there // 2) >> 20)} MB}}",
        )
    else:
        yield good(f"{size_formatted(needed)} at most" + (f" of {size_formatted(there)}" if there else ""))
    yield from _too_large_to_decode(settings)
    yield from _open_files()


def _open_files() -> Iterator[Finding]:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < FEW_FILES:
        yield note(
            f"a process may open {files} files",
            breaks="beyond as many connections nobody gets in",
            change="ulimit -n 65536; in a service of systemd LimitNOFILE=65536",
        )


def _too_large_to_decode(settings: Settings) -> Iterable[Finding]:
    """Names the formats in which a telephone's photograph is allowed, but does not fit into images.memory.

    Larger ones may be refused for their memory: the default of images.max_pixels lets it decide.
    """
    images, given = settings.images, decoders_memory(settings)
    side = min(images.max_side, round(min(images.max_pixels, PHOTOGRAPH) ** 0.5))
    refused: list[str] = []
    for name in images.formats:
        header = Header(
            format=name, width=side, height=side, channels=3, file_size=min(images.max_size, PHOTOGRAPH // 2)
        )
        if memory_of("pillow" if images.processor == "pillow" else "vips", header, Recipe()) > given:
            refused.append(name)
    if refused:
        yield note(
            f"{', '.join(refused)} of {side * side / 1e6:.0f} megapixels take more than images.memory "
            f"({size_formatted(given)})",
            breaks="such pictures are refused (413), though images.max_pixels allows them",
            change="images: {memory: ...} larger",
        )


# Where we listen


def address(settings: Settings) -> Iterable[Finding]:
    if settings.server.unix_socket is not None:
        return [_unix_socket(settings.server.unix_socket)]
    return [_port(settings.server)]


def _unix_socket(path: Path) -> Finding:
    folder = path.absolute().parent
    if os.access(folder, os.W_OK):
        return good(f"unix:{path}")
    return stops(
        f"server.unix_socket is {path}: no socket can be made in {folder}",
        breaks="the server does not start",
        change="server: {unix_socket: /run/imges/imges.sock}, in a folder that imges may write",
    )


def _port(server: Server) -> Finding:
    try:
        with bound(server, []):
            pass
    except SettingsError as error:
        if _is_ours(server.host, server.port):
            return good(f"imges serves on {server.host}, port {server.port}")
        change = "{host: 127.0.0.1}" if "server.host" in error.message else "{port: 8081}"
        return stops(error.message, breaks="the server does not start", change=f"server: {change}")
    return good(f"port {server.port} of {server.host} is free")


def _is_ours(host: str, port: int) -> bool:
    """Returns whether an imges already answers there."""
    try:
        with socket.create_connection((host, port), timeout=3) as client:
            client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return b"Server: imges" in client.recv(4096)
    except OSError:
        return False
