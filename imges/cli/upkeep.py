"""What the maintenance commands share."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from imges.cli.common import with_service
from imges.cli.progress import Bar
from imges.errors import SettingsError
from imges.lock import held
from imges.maintenance.tools import Tools
from imges.options import size
from imges.service import Service
from imges.settings import Settings

T = TypeVar("T")


def with_tools(settings: Settings, use: Callable[[Tools], Awaitable[T]]) -> T:
    """The result of *use*, called with all that maintenance works with; it shows its progress."""

    async def run(service: Service) -> T:
        with Bar() as bar:
            async with Tools.open(settings, service, bar) as tools:
                return await use(tools)

    return with_service(settings, run)


async def end_dead_lease(tools: Tools) -> None:
    """What a killed `serve` left pending is nobody's at once, if none runs on the data folder now."""
    try:
        with held(tools.settings.data_dir) as lock:
            for lease in lock.former_leases:
                await tools.service.catalog.give_lease_back(lease)
    except SettingsError:  # one runs, and looks after its own
        pass


def bytes_a_second(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:  # noqa: ARG001  (click's)
    """The callback of an option that takes a size."""
    try:
        found = None if text is None else size(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if found == 0:
        raise click.BadParameter("should be more than nothing")
    return found
