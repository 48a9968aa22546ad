"""`imges login`: remembers the server and the key of `imges upload`, for the user who calls it."""

import asyncio
import json
import os
from pathlib import Path

import aiohttp
import click

from imges.cli.errors import reporting_errors, reporting_os_errors
from imges.durable import make_folders, write_whole
from imges.errors import ImgesError


def server_address(ctx: click.Context, param: click.Parameter, text: str | None) -> str | None:  # noqa: ARG001  (click's)
    """The callback of addresses of servers. Returns the address without a slash at its end."""
    if text is not None and not text.startswith(("http://", "https://")):
        raise click.BadParameter(f"should be an address with its scheme, such as https://{text or 'img.example.org'}")
    return text and text.rstrip("/")


def login_file() -> Path:
    """Returns the file that `imges login` writes."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config, "imges/login.json")


def remembered() -> tuple[str | None, str | None]:
    """Returns the server and the key of the last `imges login`; `None` twice if there was none."""
    try:
        found = json.loads(login_file().read_text())
        return str(found["server"]), str(found["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


@click.command()
@click.argument("server", metavar="URL", callback=server_address)
@click.option("--key", envvar="IMGES_KEY", prompt="API key", hide_input=True, help="API key; without it you are asked.")
def login(server: str, key: str) -> None:
    """Remember a server and its API key for `imges upload`.

    Tries the key first. Both are kept in your own configuration, in a file that only you can read (0600).
    """
    with reporting_errors():
        asyncio.run(_try(server, key))
        file = login_file()
        with reporting_os_errors(file):
            make_folders(file.parent, 0o700)
            write_whole(file, json.dumps({"server": server, "key": key}).encode())
    click.echo(f"`imges upload` sends to {server} from now on; this is in {file}")


async def _try(server: str, key: str) -> None:
    """Raises `ImgesError` if *server* does not know the *key*: it is asked for an upload without a picture."""
    address, headers = f"{server}/api/1/upload", {"X-API-Key": key}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(address, data={"format": "json"}, allow_redirects=False) as answer,
        ):
            status, told = answer.status, await answer.json(content_type=None)
    except (aiohttp.ClientError, ValueError, TimeoutError) as error:
        raise ImgesError(f"{server} did not answer as an API v1 server does: {error}") from error
    if status == 400:  # the key is right, and a picture is missing
        return
    match told:
        case {"error": {"message": str(message)}}:
            raise ImgesError(f"{server} says: {message if message.isprintable() else ascii(message)}")
        case _:
            raise ImgesError(f"{server} did not answer as an API v1 server does: HTTP {status}")
