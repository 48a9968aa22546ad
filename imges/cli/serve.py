"""`imges serve`: the server, from the first line it prints to the last request it finishes."""

import asyncio
import logging
import signal

import click
from aiohttp import web

from imges import log
from imges.access import Access
from imges.app import create_app
from imges.cli.common import settings_option
from imges.errors import SettingsError
from imges.lock import DataLock, held
from imges.settings import Settings, not_yet_in_effect, prepare_data_dir
from imges.web.listen import Site

SHUTDOWN = 25.0
"""Seconds that running requests have to finish once the server stops."""


@click.command()
@settings_option
def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl+C; what runs then is finished first."""
    log.configure(settings.log.level, settings.log.format)
    prepare_data_dir(settings)
    for sentence in not_yet_in_effect(settings):
        click.echo(f"imges: {sentence}", err=True)
    with held(settings.data_dir) as lock:
        asyncio.run(_serve(settings, lock))


async def _serve(settings: Settings, lock: DataLock) -> None:
    runner = web.AppRunner(create_app(settings, lock, started=_tell_new_key), shutdown_timeout=SHUTDOWN)
    stop = _stop_on_signals()
    try:
        await runner.setup()
        click.echo(f"imges serves on {await _listen(runner, settings)}")
        await stop.wait()
    finally:
        await runner.cleanup()


def _tell_new_key(access: Access) -> None:
    if access.new_key_file is not None:
        click.echo(f"the API key was made and is in {access.new_key_file}")


async def _listen(runner: web.AppRunner, settings: Settings) -> str:
    """Start to accept; the address, for people. Raises: SettingsError."""
    server = settings.server
    try:
        if server.unix_socket is not None:
            await Site(runner, path=server.unix_socket).start()
            return f"unix:{server.unix_socket}"
        await Site(runner, host=server.host, port=server.port).start()
    except OSError as error:
        name, value = ("unix_socket", server.unix_socket) if server.unix_socket else ("port", server.port)
        raise SettingsError(f"server.{name} is {value}: cannot listen there: {error.strerror}") from error
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"


def _stop_on_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one cancels what still runs, and its uploads are undone."""
    stop, loop, main = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()

    def on_signal() -> None:
        if stop.is_set():
            logging.getLogger(__name__).warning("second signal: running requests are cut off")
            for task in asyncio.all_tasks():
                if task is not main:
                    task.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop
