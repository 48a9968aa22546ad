"""`imges upload`: sends pictures to a server, this one or another, and prints their links."""

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from imges.cli.login import remembered, server_address
from imges.errors import ImgesError
from imges.maintenance.tree import printable

CHUNK = 64 * 1024
"""Bytes that are read at a time."""

PICTURES = {
    *(".jpg", ".jpeg", ".png", ".apng", ".gif", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".bmp"),
}
"""Endings of the files that are sent of a folder."""

LINKS: dict[str, Callable[[dict[str, Any]], str]] = {
    "direct": lambda image: image["url"],
    "viewer": lambda image: image["url_viewer"],
    "html": lambda image: f'<a href="{image["url_viewer"]}"><img src="{image["display_url"]}" alt=""></a>',
    "markdown": lambda image: f"[![]({image['display_url']})]({image['url_viewer']})",
    "bbcode": lambda image: f"[url={image['url_viewer']}][img]{image['display_url']}[/img][/url]",
}


class UploadRefused(ImgesError):
    """Why a file was not uploaded: in the server's own words, or why it could not be read or sent."""


class ReportedFile(io.BufferedReader):
    """A file that reports how many of its bytes were read.

    aiohttp announces its length, so that a server can refuse it at once. Standard input has none and goes in `chunks`.
    """

    def __init__(self, file: io.BufferedReader, report: Callable[[int], None]) -> None:
        super().__init__(file.raw)
        self._report = report

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self._report(len(content))
        return content

    async def chunks(self) -> AsyncGenerator[bytes]:
        while chunk := self.read(CHUNK):
            yield chunk


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option("--server", envvar="IMGES_SERVER", callback=server_address, help="Such as https://i.example.org.")
@click.option("--key", envvar="IMGES_KEY", help="API key.")
@click.option("--copy", "--link", "link", type=click.Choice(list(LINKS)), default="direct", help="Which link to print.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each file: its image, or its error.")
def upload(files: tuple[Path, ...], server: str | None, key: str | None, link: str, *, as_json: bool) -> None:
    """Upload FILES and print a link for each. `-` is standard input; of a folder, the pictures in it are sent.

    Goes on after a file that is refused, and exits with 1 then. Server and key are those of `imges login`, unless the
    options or the variables IMGES_SERVER and IMGES_KEY name others.
    """
    ours, our_key = remembered()
    if server is None and ours is not None:
        server, key = ours, key or our_key
    if server is None or key is None:
        raise click.UsageError("Give --server URL and --key KEY, or run `imges login URL` once.")
    if not asyncio.run(_upload_all(_each(files), server, key, LINKS[link], as_json=as_json)):
        raise SystemExit(1)


def _each(files: tuple[Path, ...]) -> list[Path]:
    """Returns *files*, with the pictures below each folder instead of the folder."""
    found: list[Path] = []
    for file in files:
        if file.is_dir():
            below = (each for each in file.rglob("*") if not any(part.startswith(".") for part in each.parts))
            found += sorted(each for each in below if each.suffix.lower() in PICTURES and each.is_file())
        else:
            found.append(file)
    return found


async def _upload_all(
    files: list[Path], server: str, key: str, link: Callable[[dict[str, Any]], str], *, as_json: bool
) -> bool:
    """Returns whether the server took all of *files*."""
    taken = 0
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    async with aiohttp.ClientSession() as session:
        with progress:
            for file in files:
                try:
                    image = await _upload(session, file, server, key, progress)
                except UploadRefused as error:
                    if as_json:
                        click.echo(json.dumps({"file": str(file), "error": str(error)}))
                    click.echo(f"{printable(str(file))}: {printable(str(error))}", err=True)
                    continue
                taken += 1
                click.echo(json.dumps({"file": str(file), "image": image}) if as_json else printable(link(image)))
    return taken == len(files)


async def _upload(
    session: aiohttp.ClientSession, file: Path, server: str, key: str, progress: Progress
) -> dict[str, Any]:
    """Returns the `image` of the server's answer. Raises `UploadRefused` if there is none."""
    with _opened(file) as opened:
        size = None if str(file) == "-" else os.fstat(opened.fileno()).st_size
        reported = ReportedFile(opened, partial(progress.advance, progress.add_task(file.name, total=size)))
        form = aiohttp.FormData(quote_fields=False)  # names go as browsers and curl send them
        name = "stdin" if size is None else file.name.encode("utf-8", "replace").decode()
        content = reported.chunks() if size is None else reported
        form.add_field("source", content, filename=name, content_type="application/octet-stream")
        return await _sent(session, form, server, key)


async def _sent(session: aiohttp.ClientSession, form: aiohttp.FormData, server: str, key: str) -> dict[str, Any]:
    """Returns the `image` of the server's answer to *form*. Raises `UploadRefused` if there is none."""
    address, headers = f"{server}/api/1/upload", {"X-API-Key": key}
    try:
        async with session.post(address, data=form, headers=headers, allow_redirects=False) as answer:
            if "Location" in answer.headers:  # it may lead to another host, which must not get the key
                raise UploadRefused(f"{server} redirects to {answer.headers['Location']}; give that as --server")
            told = await answer.json(content_type=None)
    except (aiohttp.ClientError, ValueError, TimeoutError) as error:
        raise UploadRefused(f"{server} did not answer as an API v1 server does: {error}") from error
    match told:
        case {"image": {"url": str(), "url_viewer": str(), "display_url": str()} as image} if answer.status == 200:
            return image
        case {"error": {"message": str(message)}}:
            raise UploadRefused(message)
        case _:
            raise UploadRefused(f"{server} did not answer as an API v1 server does: HTTP {answer.status}")


def _opened(file: Path) -> io.BufferedReader:
    """Raises `UploadRefused` if *file* cannot be read, and if it is a pipe, which might block us for ever."""
    if str(file) == "-":
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False))
    try:
        if file.is_file():
            return file.open("rb")
    except OSError as error:
        raise UploadRefused(f"it cannot be read: {error.strerror}") from error
    raise UploadRefused("it cannot be read: it is no file")
