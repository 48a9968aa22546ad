"""SIGHUP: a running server takes over changed settings, and logs which of them need a restart."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

from imges import log
from imges.errors import SettingsError
from imges.settings import Section, Settings, load_settings
from imges.web.app_keys import ACCESS, INTAKE, SETTINGS

LIVE = (
    *("api.guest_uploads", "log", "privacy", "server.drain", "server.hosts"),
    *("server.public_url", "server.trusted_proxies"),
    *("images.duplicates", "images.expire", "images.formats", "images.ids", "images.max_frames", "images.max_pixels"),
    *("images.max_side", "images.max_size", "images.max_total_pixels", "images.medium", "images.metadata"),
    *("images.naming", "images.quality", "images.thumb", "limits.disk_reserve", "limits.uploads"),
    *("limits.wrong_keys", "site.accent", "site.contact", "site.index", "site.links", "site.logo", "site.name"),
    "site.time_zone",
    *("urls.enabled", "urls.timeout"),
)
"""Settings that are read each time that they are needed. A section stands for all settings in it."""

logger = logging.getLogger(__name__)


def on_hangup(reload: Callable[[], None]) -> None:
    """Calls *reload* at each SIGHUP from now on."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)


def reload(app: web.Application | None, settings: Settings, path: Path | None) -> None:
    """Reads the settings again, from where `serve` read them, into *settings* and the *app*.

    The supervisor has no *app*. Wrong settings are logged, and change nothing.
    """
    try:
        new = load_settings(path)
    except SettingsError as error:
        for problem in error.problems:
            logger.error("settings are not reloaded: %s", problem)
        return
    changed = [name for name, before, after in _leaves(settings, new) if before != after]
    live = [name for name in changed if _is_live(name)]
    for name in live:
        _put(settings, new, name)
    log.configure(settings.log.level, settings.log.format)
    if app is not None and INTAKE in app:  # otherwise it is still starting, and will read these settings
        app[ACCESS].follow(settings)
        app[INTAKE].limit = settings.images.max_size
    logger.info("settings are reloaded; changed: %s", ", ".join(live) or "nothing")
    if later := [name for name in changed if name not in live]:
        logger.warning("these settings change with a restart only: %s", ", ".join(later))


def reload_app(app: web.Application, path: Path | None) -> None:
    reload(app, app[SETTINGS], path)


def _leaves(before: Section | Settings, after: Section | Settings, above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yields the full name of every setting, and its values in *before* and *after*."""
    for name in type(before).model_fields:
        one, other = getattr(before, name), getattr(after, name)
        if isinstance(one, Section):
            yield from _leaves(one, other, f"{above}{name}.")
        else:
            yield above + name, one, other


def _is_live(name: str) -> bool:
    return any(name == live or name.startswith(f"{live}.") for live in LIVE)


def _put(settings: Any, new: Any, name: str) -> None:
    """Changes one setting in place. Everybody who keeps a reference to its section sees the new value.

    This is the only place where frozen settings change.
    """
    *sections, last = name.split(".")
    for section in sections:
        settings, new = getattr(settings, section), getattr(new, section)
    object.__setattr__(settings, last, getattr(new, last))
