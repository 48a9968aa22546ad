"""What the maintenance commands share."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from imges.cli.common import with_service
from imges.cli.progress import Bar
from imges.errors import SettingsError
from imges.lock import held
from imges.maintenance.tools import Tools
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
            if lock.former_lease:
                await tools.service.catalog.give_lease_back(lock.former_lease)
    except SettingsError:  # one runs, and looks after its own
        pass
