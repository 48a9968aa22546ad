"""`imges serve`: the server, from the first line it prints to the last request it finishes."""

import asyncio
import signal
from dataclasses import dataclass, field

import click
from aiohttp import web

from imges import log
from imges.access import Access
from imges.app import create_app
from imges.cli.common import settings_option
from imges.errors import SettingsError
from imges.lock import DataLock, held
from imges.settings import Settings, not_yet_in_effect, prepare_data_dir
from imges.web.drain import drain
from imges.web.listen import Site


@click.command()
@settings_option
def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl+C; what runs then is finished first, unless told so twice."""
    log.configure(settings.log.level, settings.log.format)
    prepare_data_dir(settings)
    for sentence in not_yet_in_effect(settings):
        click.echo(f"imges: {sentence}", err=True)
    with held(settings.data_dir) as lock:
        asyncio.run(_serve(settings, lock))


async def _serve(settings: Settings, lock: DataLock) -> None:
    runner = web.AppRunner(create_app(settings, lock, started=_tell_new_key), shutdown_timeout=1)
    signals = _Signals.heard()
    try:
        await runner.setup()
        click.echo(f"imges serves on {await _listen(runner, settings)}")
        await signals.first.wait()
        grace = settings.server.drain.total_seconds() if signals.is_patient else 0
        await drain(runner, grace=grace, hurry=signals.second)
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


@dataclass
class _Signals:
    """What SIGTERM and SIGINT have said: the first one to stop, the second one to stop at once."""

    first: asyncio.Event = field(default_factory=asyncio.Event)
    second: asyncio.Event = field(default_factory=asyncio.Event)
    is_patient: bool = True
    """Whether the first was SIGTERM; whoever presses Ctrl+C has no proxy that wants to be told before."""

    @classmethod
    def heard(cls) -> "_Signals":
        signals, loop = cls(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signals._hear, number)
        return signals

    def _hear(self, number: signal.Signals) -> None:
        if self.first.is_set():
            self.second.set()
        else:
            self.is_patient = number == signal.SIGTERM
            self.first.set()
