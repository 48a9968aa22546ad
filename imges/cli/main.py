"""The `imges` command. A command's module is imported when it is called, so that `version` is quick."""

from importlib import import_module

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


class _Lazy(click.Group):
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
