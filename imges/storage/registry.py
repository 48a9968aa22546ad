"""The registry of backends: finds the class of a `type`, validates the options and opens the place."""

import asyncio
import difflib
from collections.abc import Mapping
from dataclasses import is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from imges.errors import SettingsError
from imges.settings.options import origin, read_options
from imges.storage.errors import OptionError
from imges.storage.protocol import Storage

ENTRY_POINTS = "imges.storages"
"""The entry-point group that backends are registered under."""


class _Unusable(Exception):
    """Why no backend can be had for a `type`, to stand behind the setting's name."""


async def open_storage(place: str, given: Mapping[str, Any]) -> Storage:
    """Opens the storage that the setting `storages.PLACE` describes: its *given* `type` and the options of its backend.

    Raises `SettingsError`, which names the setting, if the type or an option is wrong. Raises `StorageRefused` or
    `StorageUnavailable` as `Storage.connect` does.
    """
    where = f"storages.{place}"
    try:
        backend = await asyncio.to_thread(_backend, given.get("type"))  # reads files and imports modules
    except _Unusable as error:
        raise SettingsError(f"{where}.type {error}{origin(given, 'type')}") from error.__cause__
    options = read_options(backend.Options, given, where)
    try:
        return await backend.connect(options)
    except OptionError as error:
        raise SettingsError(f"{where}.{error.option}: {error.problem}{origin(given, error.option)}") from error


def _backend(kind: object) -> type[Storage]:
    """Returns the class that is registered as *kind*.

    Raises `_Unusable`, which says what is wrong with *kind*, if there is no such class or it cannot be used.
    """
    known = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if kind is None:
        raise _Unusable(f"is missing; there are {_listed(known)}")
    if not isinstance(kind, str) or kind not in known:
        meant = difflib.get_close_matches(str(kind), known, 1)
        hint = f"; did you mean {meant[0]}?" if meant else ""
        raise _Unusable(f"is {kind!r}: there are {_listed(known)}{hint}")
    try:
        found = known[kind].load()
    except (ImportError, AttributeError) as error:
        raise _Unusable(f"is {kind!r}: {_not_loaded(known[kind], error)}") from error
    if flaw := _flaw(found):
        raise _Unusable(f"is {kind!r}: this backend cannot be used: {known[kind].value} {flaw}")
    return found


def _flaw(found: Any) -> str | None:
    """What keeps a registered object from being a backend; `None` for a whole one.

    Without this, a class that lacks something would start well and fail at the first call of a method that it lacks.
    """
    if not isinstance(found, type) or not issubclass(found, Storage):
        return "does not inherit from imges.storage.Storage"
    if missing := sorted(found.__abstractmethods__):
        return f"lacks {', '.join(missing)}"
    if not is_dataclass(getattr(found, "Options", None)):
        return "lacks Options, a dataclass"
    return None


def _not_loaded(entry: EntryPoint, error: ImportError | AttributeError) -> str:
    """Why a backend cannot be loaded. If its entry point names an extra, the extra's packages are what is missing."""
    if isinstance(error, ImportError) and entry.extras and entry.dist:
        return f"this backend needs an extra: pip install '{entry.dist.name}[{','.join(entry.extras)}]' ({error})"
    return f"this backend cannot be loaded: {error}"


def _listed(known: Mapping[str, EntryPoint]) -> str:
    return ", ".join(sorted(known))
