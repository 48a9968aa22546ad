"""`imges serve`: prepares the data folder and the sockets, and serves with one process or several."""

import asyncio
import logging
import os
import resource
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from imges import cpus, log
from imges.access.access import Access
from imges.app import create_app
from imges.cli.owner import prepare
from imges.cli.reload import on_hangup, reload_app
from imges.cli.serve_process import Stop, log_decoders, run, tell_key, watched
from imges.cli.settings_option import settings_option
from imges.cli.supervisor import supervise
from imges.cli.systemd import notify, passed_sockets
from imges.imaging import workers
from imges.processes.lock import DYING, DataLock, held
from imges.settings import Settings, prepare_data_dir, unread_variables
from imges.web.connection.sockets import Bound, bound

FILES = 65_536
"""Open files that a process asks for."""


@click.command()
@settings_option
def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl+C; running requests are finished first, unless the signal comes twice.

    SIGHUP reads the settings anew; what takes a restart is named in the log.
    """
    path: Path | None = click.get_current_context().params["settings_path"]
    log.configure(settings.log.level, settings.log.format)
    for sentence in unread_variables():
        logging.getLogger(__name__).warning(sentence)
    _allow_many_files()
    passed = passed_sockets(os.environ)
    with ExitStack() as stack:
        prepare_data_dir(settings)
        lock = stack.enter_context(held(settings.data_dir, patience=DYING))
        listening = stack.enter_context(bound(settings.server, passed))
        prepare(settings)  # only now, because root alone may open port 80
        if settings.server.workers > 1:
            status = asyncio.run(supervise(settings, lock, listening, path))
        else:
            workers.start_forkserver()
            cpus.keep_to_one(0)
            status = asyncio.run(_serve(settings, lock, listening, path))
    raise SystemExit(status)


def _allow_many_files() -> None:
    """Raises the limit of open files to `FILES`, or as far as the system allows. Each connection is one."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def _serve(settings: Settings, lock: DataLock, listening: Bound, path: Path | None) -> int:
    made: list[Path] = []

    def note_new_key(access: Access) -> None:
        made.extend([access.new_key_file] if access.new_key_file is not None else [])

    def serving() -> None:
        click.echo(f"imges serves on {listening.address}")
        log_decoders(settings)
        tell_key(settings, listening.address, made[0] if made else None)
        notify("READY=1", f"STATUS=serves on {listening.address}")

    stop = Stop.by_signals()
    app = create_app(settings, lock, started=note_new_key)
    on_hangup(partial(reload_app, app, path))
    async with watched(stop):
        await run(
            app,
            listening.sockets,
            stop,
            settings.server.drain,
            serving=serving,
        )
    return 0
