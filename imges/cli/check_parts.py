"""Probes of `imges check` for the parts that imges is made of: storages, the catalog, Redis, image processing."""

import asyncio
import os
import tempfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from imges.app import decoders_memory
from imges.catalog import open_catalog
from imges.cli.check_findings import Finding, good, note, stops, wrong
from imges.errors import ImgesError, SettingsError
from imges.imaging import Imaging, Recipe, open_imaging
from imges.imaging.libraries import loaded as loaded_libraries
from imges.settings import Settings
from imges.storage import StorageError, StorageRefused, open_storage
from imges.storage.places import none_lost


def storage_breaks(settings: Settings, name: str) -> str:
    return "uploads are refused (503)" if name == settings.storage else "pictures that are kept there cannot be seen"


async def storage(settings: Settings, name: str) -> Iterable[Finding]:
    try:
        storage = await open_storage(name, settings.storages[name])
        try:
            await storage.check()
        finally:
            await storage.close()
    except StorageError as error:
        told = error.for_owner(name, settings.storages[name])
        refuses = isinstance(error, StorageRefused) and name == settings.storage
        grade = stops if refuses else wrong
        return [grade(told, breaks=storage_breaks(settings, name), change=f"storages: {{{name}: ...}}, as it says")]
    new = " (new pictures go here)" if name == settings.storage else ""
    return [good(f"an object was put, read, compared and deleted{new}")]


async def catalog(settings: Settings) -> Iterable[Finding]:
    async with open_catalog(settings.catalog_url) as catalog:
        await catalog.check()
        keys = await catalog.keys.all()
        none_lost(settings.storages, await catalog.figures.by_place())
    return [good(f"it reads and writes; {sum(key.pictures for key in keys)} pictures of {len(keys)} API keys")]


async def redis(settings: Settings) -> Iterable[Finding]:
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


async def images(settings: Settings) -> Iterable[Finding]:
    images, given = settings.images, decoders_memory(settings)
    with tempfile.TemporaryDirectory(prefix="check-", dir=settings.data_dir) as name:
        folder = Path(name)
        async with open_imaging(
            images.processor,
            workers=1,
            limit=images.timeout,
            memory=given,
            spool=folder / "workers",
        ) as imaging:
            cage, processor = await imaging.cage(), await imaging.ready()
            escapes = await imaging.escapes(await asyncio.to_thread(_own_file, folder))
            failed = {each: reason for each in images.formats if (reason := await _decodes(imaging, each, folder))}
    works = [each for each in images.formats if each not in failed]
    found = [good(f"{processor} works with {', '.join(works)}, kept in by {cage}")] if works else []
    found += _cage(cage, escapes)
    return found + [
        wrong(
            f"{each} cannot be decoded: {reason}",
            breaks=f"uploads of {each} fail",
            change="pip install 'imges[heic]', or " * (each == "heic") + f"images: {{formats: [{', '.join(works)}]}}",
        )
        for each, reason in failed.items()
    ]


def libraries() -> Iterable[Finding]:
    """The versions of what decodes pictures, so that news of a hole in one of them can be compared."""
    for package, versions in loaded_libraries():
        yield good(f"{package}: " + ", ".join(f"{name} {version}" for name, version in versions.items()))


def _own_file(folder: Path) -> Path:
    file = folder / "secret"
    file.write_text("a file of the server")
    return file


def _cage(cage: str, escapes: tuple[str, ...]) -> list[Finding]:
    """Tries what a decoder could do if a picture had taken it over."""
    found: list[Finding] = []
    if escapes:
        found.append(
            note(
                f"the cage of decoders ({cage}) lets them {', '.join(escapes)}",
                breaks="a picture that takes a decoder over can do that too",
                change="a kernel with Landlock and seccomp (Linux 6.12 or later has all of it), on x86-64 or ARM64",
            )
        )
    else:
        found.append(good("from inside a decoder, every way out of its cage was tried and is closed"))
    if os.geteuid() == 0:
        found.append(
            note(
                "this command runs as root; decoders give up its privileges, the server does not",
                breaks="if the server runs as root too, a hole in it is a hole in the whole machine",
                change="run imges as a user of its own, as deploy/imges.service and deploy/Dockerfile do",
            )
        )
    return found


async def _decodes(imaging: Imaging, name: str, folder: Path) -> str | None:
    """Tries a small picture of the format *name*. Returns why it cannot be processed; `None` if it can."""
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
