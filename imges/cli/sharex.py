"""`imges sharex`: this server as a destination of ShareX."""

import json

import click

from imges.cli.common import settings_option
from imges.settings import Settings


@click.command()
@click.option("--server", metavar="URL", help="The address of the server; else server.public_url, or where it listens.")
@click.option("--key", help="The API key to write into it; without, a placeholder stands there.")
@settings_option
def sharex(settings: Settings, server: str | None, key: str | None) -> None:
    """Print a .sxcu: a custom uploader for ShareX, the same as the server's /imges.sxcu.

    Save it with `imges sharex > imges.sxcu` and open it with ShareX.
    """
    from imges.web.clients import PLACEHOLDER, sxcu
    from imges.web.setup_page import endpoint

    listens = f"http://{settings.server.host}:{settings.server.port}"
    base = (server or settings.server.public_url or listens).rstrip("/")
    uploader = sxcu(endpoint(base, settings), settings.site.name, key or PLACEHOLDER)
    click.echo(json.dumps(uploader, indent=2, ensure_ascii=False))
