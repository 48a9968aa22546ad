"""The `imges` command. The module of a command is imported when the command is called, so that `version` is quick."""

import os
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Any

import click

import imges

COMMANDS = {
    "serve": "serve:serve",
    "check": "check:check",
    "setup": "setup:setup",
    "keys": "keys:keys",
    "upload": "upload:upload",
    "login": "login:login",
    "edit": "edit:edit",
    "albums": "albums:albums",
    "delete": "delete:delete",
    "block": "block:block",
    "fsck": "fsck:fsck",
    "migrate": "migrate:migrate",
    "import": "import_export:import_",
    "export": "import_export:export",
    "rebuild": "rebuild:rebuild",
    "stats": "stats:stats",
    "backup": "backup:backup",
    "restore": "backup:restore",
    "catalog": "catalog:catalog",
    "sharex": "sharex:sharex",
    "version": "version:version",
}
"""Command → module and function below `imges.cli`."""


WHOLE = 1000
"""Letters of a summary that are printed: all of them."""

ENDING = (signal.SIGTERM, signal.SIGHUP)


class _Interrupt:
    """Handles a signal as Ctrl+C is handled, and remembers which one it was."""

    def __init__(self) -> None:
        self.heard: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.heard is None:
            self.heard = number
        handler = signal.getsignal(signal.SIGINT)
        if not callable(handler):  # a shell starts the background jobs of a script with SIGINT ignored
            raise KeyboardInterrupt
        handler(number, frame)  # asyncio's own if it runs: it cancels the task

    def end(self) -> None:
        """Ends this process by the signal, if there was one, so that the parent sees it in the exit status."""
        if self.heard is not None:
            signal.signal(self.heard, signal.SIG_DFL)
            signal.raise_signal(self.heard)


@contextmanager
def _ending_in_order() -> Generator[None]:
    """Lets the block clean up after SIGTERM and SIGHUP, as it does after Ctrl+C. Then the process dies of the signal.

    A signal that is ignored stays ignored: under `nohup` a backup survives the end of its terminal. `serve` sets
    handlers of its own when it runs.
    """
    interrupt = _Interrupt()
    taken = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        interrupt.end()
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the whole first sentence of each command; click cuts it off."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(WHOLE)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _takes_no_colour(environ: Mapping[str, str]) -> bool:
    """Returns whether the user wants no colours (https://no-color.org), or the terminal has none."""
    return bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(imges.__version__, message="imges %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """The image host that people run themselves."""
    if _takes_no_colour(os.environ):
        ctx.color = False
