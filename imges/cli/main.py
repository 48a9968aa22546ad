"""The `imges` command. A command's module is imported when it is called, so that `version` is quick."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Any

import click

COMMANDS = {
    "serve": "serve:serve",
    "check": "check:check",
    "keys": "keys:keys",
    "upload": "upload:upload",
    "delete": "pictures:delete",
    "block": "block:block",
    "fsck": "fsck:fsck",
    "migrate": "migrate:migrate",
    "import": "transfer:import_",
    "export": "transfer:export",
    "rebuild": "rebuild:rebuild",
    "stats": "stats:stats",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "catalog": "catalog:catalog",
    "sharex": "sharex:sharex",
    "version": "version:version",
}
"""Command → module and function below `imges.cli`."""


ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _ending_in_order() -> Generator[None]:
    """Signals that end us do it as Ctrl+C does, so that nothing of the block is left lying about; then we die of them.

    `serve` has its own, once it runs.
    """
    heard: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):  # of what a script runs in the background, SIGINT is ignored
            raise KeyboardInterrupt
        handler(number, frame)  # asyncio's, where that runs: it cancels the task and lets it end

    taken = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]  # nohup has one ignored
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        if heard:
            signal.signal(heard[0], signal.SIG_DFL)
            signal.raise_signal(heard[0])
        raise
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


class _Lazy(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        with _ending_in_order():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (click's signature)
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].partition(":")
        return getattr(import_module(f"imges.cli.{module}"), function)


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The image host that people run themselves."""
