"""`imges serve`: the server, from the first line it prints to the last request it finishes."""

import asyncio

import click

from imges import log
from imges.access import Access
from imges.app import create_app
from imges.cli.common import settings_option
from imges.cli.running import Stop, run
from imges.cli.supervisor import supervise
from imges.lock import DYING, DataLock, held
from imges.settings import Settings, not_yet_in_effect, prepare_data_dir
from imges.web.sockets import Bound, bound


@click.command()
@settings_option
def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl+C; what runs then is finished first, unless told so twice."""
    log.configure(settings.log.level, settings.log.format)
    prepare_data_dir(settings)
    for sentence in not_yet_in_effect(settings):
        click.echo(f"imges: {sentence}", err=True)
    with held(settings.data_dir, patience=DYING) as lock, bound(settings.server) as listening:
        if settings.server.workers > 1:
            status = asyncio.run(supervise(settings, lock, listening))
        else:
            status = asyncio.run(_serve(settings, lock, listening))
    raise SystemExit(status)


async def _serve(settings: Settings, lock: DataLock, listening: Bound) -> int:
    def tell_new_key(access: Access) -> None:
        if access.new_key_file is not None:
            click.echo(f"the API key was made and is in {access.new_key_file}")

    await run(
        create_app(settings, lock, started=tell_new_key),
        listening.sockets,
        Stop.by_signals(),
        settings.server.drain,
        serving=lambda: click.echo(f"imges serves on {listening.address}"),
    )
    return 0
