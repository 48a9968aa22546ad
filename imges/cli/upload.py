"""`imges upload`: sends pictures to a server, this one or another, and prints their links."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from imges.errors import ImgesError
from imges.maintenance.tree import printable

CHUNK = 64 * 1024
"""Bytes that are read at a time."""

LINKS: dict[str, Callable[[dict[str, Any]], str]] = {
    "direct": lambda image: image["url"],
    "viewer": lambda image: image["url_viewer"],
    "html": lambda image: f'<a href="{image["url_viewer"]}"><img src="{image["display_url"]}" alt=""></a>',
    "markdown": lambda image: f"[![]({image['display_url']})]({image['url_viewer']})",
    "bbcode": lambda image: f"[url={image['url_viewer']}][img]{image['display_url']}[/img][/url]",
}


class UploadRefused(ImgesError):
    """Why a file was not uploaded: in the server's own words, or why it could not be read or sent."""


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--server", required=True, envvar="IMGES_SERVER", help="Address of the server, such as https://i.example.org."
)
@click.option("--key", required=True, envvar="IMGES_KEY", help="API key.")
@click.option("--copy", "link", type=click.Choice(list(LINKS)), default="direct", help="Which link to print.")
def upload(files: tuple[Path, ...], server: str, key: str, link: str) -> None:
    """Upload FILES and print a link for each.

    Goes on after a file that is refused, and exits with 1 then. Server and key may also come from the environment:
    IMGES_SERVER, IMGES_KEY.
    """
    if not asyncio.run(_upload_all(files, server.rstrip("/"), key, LINKS[link])):
        raise SystemExit(1)


async def _upload_all(files: tuple[Path, ...], server: str, key: str, link: Callable[[dict[str, Any]], str]) -> bool:
    """Returns whether the server took all of *files*."""
    taken = 0
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    async with aiohttp.ClientSession() as session:
        with progress:
            for file in files:
                try:
                    image = await _upload(session, file, server, key, progress)
                except UploadRefused as error:
                    click.echo(f"{file}: {printable(str(error))}", err=True)
                    continue
                taken += 1
                click.echo(printable(link(image)))
    return taken == len(files)


async def _upload(
    session: aiohttp.ClientSession, file: Path, server: str, key: str, progress: Progress
) -> dict[str, Any]:
    """Returns the `image` of the server's answer. Raises `UploadRefused` if there is none."""
    with _opened(file) as opened:
        task = progress.add_task(file.name, total=os.fstat(opened.fileno()).st_size)

        async def content() -> AsyncGenerator[bytes]:
            while chunk := opened.read(CHUNK):
                yield chunk
                progress.advance(task, len(chunk))

        form = aiohttp.FormData()
        form.add_field("source", content(), filename=file.name, content_type="application/octet-stream")
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


def _opened(file: Path) -> BinaryIO:
    """Raises `UploadRefused` if *file* cannot be read, and if it is a pipe, which might block us for ever."""
    try:
        if file.is_file():
            return file.open("rb")
    except OSError as error:
        raise UploadRefused(f"it cannot be read: {error.strerror}") from error
    raise UploadRefused("it cannot be read: it is no file")
