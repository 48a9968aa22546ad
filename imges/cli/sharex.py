"""`imges sharex`: prints the settings with which ShareX uploads to this server."""

import json

import click

from imges.cli.login import server_address
from imges.cli.settings_option import settings_option
from imges.settings import Settings


@click.command()
@click.option(
    "--server",
    metavar="URL",
    callback=server_address,
    help="Else server.public_url, or where it listens.",
)
@click.option("--key", help="The API key to write into it; without, a placeholder stands there.")
@settings_option
def sharex(settings: Settings, server: str | None, key: str | None) -> None:
    """Print a .sxcu: a custom uploader for ShareX, the same as the server's /imges.sxcu.

    Save it with `imges sharex > imges.sxcu` and open it with ShareX.
    """
    from imges.web.pages.client_files import PLACEHOLDER, sxcu
    from imges.web.pages.setup_page import endpoint

    listens = f"http://{settings.server.host}:{settings.server.port}"
    base = (server or settings.server.public_url or listens).rstrip("/")
    uploader = sxcu(endpoint(base, settings), settings.site.name, key or PLACEHOLDER)
    click.echo(json.dumps(uploader, indent=2, ensure_ascii=False))
