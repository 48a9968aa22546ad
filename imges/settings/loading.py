"""Loads the settings: from the file, then from the file of secrets, then from the environment.

A variable names a setting: `IMGES__SERVER__PORT=9000`. The file of secrets has such lines as well.

One `SettingsError` reports all problems at once. It has a sentence for each: the setting's name, the value that was
found (never a secret's), what would be right, and where the value was read.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from imges.errors import SettingsError
from imges.settings.model import Section, Settings
from imges.settings.options import FromEnvironment, Loc, Origins, read_variable
from imges.settings.problems import sentence, setting_name, unknown
from imges.settings.secrets_file import PATH, read_secrets
from imges.settings.variables import misspelt
from imges.settings.yaml_text import read_yaml

PREFIX = "IMGES__"
FROM_FILE = "__FILE"
LAST = Path("/etc/imges/settings.yaml")
SECRETS = PATH


def load_settings(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Returns the settings of the file *path*, of the file of secrets and of the environment; the last one wins.

    Without *path*, the first existing one of ./settings.yaml, $XDG_CONFIG_HOME/imges/settings.yaml and
    /etc/imges/settings.yaml is read; without any, the defaults apply.

    Raises `SettingsError` with every problem at once.
    """
    problems: list[str] = []
    file, given = _read_file(path, environ, problems)
    secrets = _read_secrets(file, problems)
    origins = Origins(_read_environment(given, secrets, environ, problems), file)
    try:
        settings = Settings.model_validate(given, context=origins)
    except ValidationError as error:
        names = dict(_names(Settings))
        found = [
            f"{sentence(problem, names)}{origins.of(problem['loc'])}" for problem in error.errors(include_url=False)
        ]
        raise SettingsError(*problems, *found) from None
    if problems:
        raise SettingsError(*problems)
    return settings


def settings_file(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Returns the file that `load_settings` reads; `None` if there is none."""
    return path or next((found for found in _search_path(environ) if os.access(found, os.R_OK)), None)


def unread_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Returns a sentence for each variable of *environ* that looks like a setting and is none."""
    return misspelt(environ, dict(_names(Settings)))


def _search_path(environ: Mapping[str, str]) -> Iterator[Path]:
    yield Path("settings.yaml")
    config = environ.get("XDG_CONFIG_HOME", "")
    if Path(config).is_absolute():
        yield Path(config, "imges/settings.yaml")
    elif environ.get("HOME"):
        yield Path(environ["HOME"], ".config/imges/settings.yaml")
    yield LAST


def _read_file(
    path: Path | None, environ: Mapping[str, str], problems: list[str]
) -> tuple[Path | None, dict[str, Any]]:
    """Returns the settings file and its content. A file that cannot be read is added to *problems*."""
    for candidate in [path] if path else _search_path(environ):
        try:
            return candidate, _mapping(candidate.read_text("utf-8-sig"))
        except (OSError, ValueError) as error:
            if path is None and (isinstance(error, FileNotFoundError | NotADirectoryError) or _is_elsewhere(candidate)):
                continue
            problems.append(f"{candidate} cannot be read: {_reason(error)}")
            return candidate, {}
    return None, {}


def _is_elsewhere(candidate: Path) -> bool:
    """Returns whether *candidate* lies in a folder that this user may not enter: it is another user's settings.

    So it is if `sudo -u imges` is called in /root.
    """
    return candidate != LAST and not os.access(candidate.parent, os.X_OK)


def _read_secrets(settings: Path | None, problems: list[str]) -> dict[str, str]:
    """Returns the variables of the file of secrets; adds to *problems* what is wrong with it.

    Only the service's user may read the file. A user with a *settings* file of their own does not need it.
    """
    try:
        return read_secrets(SECRETS)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        if settings == LAST:
            advice = "run this as root or as its owner"
            problems.append(f"{SECRETS} cannot be read: {error.strerror}; {advice}")
    except ValueError as error:
        problems.append(f"{SECRETS} cannot be read: {_reason(error)}")
    return {}


def _reason(error: OSError | ValueError) -> str | None:
    if isinstance(error, OSError):
        return error.strerror
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _mapping(text: str) -> dict[str, Any]:
    """Returns the names and values of the YAML *text*. Raises `ValueError` if it is something else."""
    found = read_yaml(text)
    if found is not None and not isinstance(found, dict):
        raise ValueError("should hold names and values, such as `storage: disk`")
    return cast("dict[str, Any]", found or {})


def _read_environment(
    given: dict[str, Any], secrets: Mapping[str, str], environ: Mapping[str, str], problems: list[str]
) -> dict[Loc, str]:
    """Adds the values of *secrets* and *environ* to *given*. Returns the variable of each setting, by its path."""
    origins: dict[Loc, str] = {}
    texts = {**secrets, **environ}
    for variable in sorted(name for name in texts if name.startswith(PREFIX)):
        loc = tuple(variable.removeprefix(PREFIX).removesuffix(FROM_FILE).lower().split("__"))
        kind = _type_at(loc)
        if kind is None:
            problems.append(f"{unknown(setting_name(loc), dict(_names(Settings)))} [{variable}]")
        elif loc in origins:
            problems.append(f"{setting_name(loc)} is given by both {origins[loc]} and {variable}; keep one")
        else:
            origins[loc] = variable if variable in environ else f"{variable} in {SECRETS}"
            try:
                _put(given, loc, _value(variable, texts[variable], kind))
            except ValueError as error:
                problems.append(f"{setting_name(loc)}: {error} [{variable}]")
    return origins


def _value(variable: str, text: str, kind: object) -> Any:
    """Returns the value of *variable* for a setting of the type *kind*. `ValueError` does not show the text."""
    if variable.endswith(FROM_FILE):
        try:
            text = Path(text).read_text("utf-8").removesuffix("\n")
        except (OSError, ValueError) as error:  # do not show the path: it may be the secret itself, set by mistake
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ValueError(f"the file that is named cannot be read: {reason}") from None
    return FromEnvironment(text) if kind is FromEnvironment else read_variable(text, kind)


def _type_at(loc: Loc) -> object:
    """Returns the type of the setting at *loc*; `None` if there is no such setting."""
    if loc[0] == "storages" and len(loc) > 1:
        return dict if len(loc) == 2 else FromEnvironment
    found: object = Settings
    for name in loc:
        if not (isinstance(found, type) and issubclass(found, Section) and name in found.model_fields):
            return None
        found = found.model_fields[name].annotation
    return found


def _put(given: dict[str, Any], loc: Loc, value: Any) -> None:
    """Sets the *value* at *loc*. A mapping is merged into an existing one.

    If the file has a scalar where a section belongs, it stays: the model refuses it.
    """
    inner: dict[Any, Any] = given
    for name in loc[:-1]:
        if inner.get(name) is None:
            inner[name] = {}
        below = inner[name]
        if not isinstance(below, dict):
            return
        inner = cast("dict[Any, Any]", below)
    if isinstance(value, dict) and isinstance(inner.get(loc[-1]), dict):
        for name, part in cast("dict[str, Any]", value).items():
            _put(inner[loc[-1]], (name,), part)
    else:
        inner[loc[-1]] = value


def _names(section: type[Section], above: str = "") -> Iterator[tuple[str, bool]]:
    """Yields each setting's full name, and whether it is a secret."""
    for name, field in section.model_fields.items():
        yield f"{above}{name}", not field.repr
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _names(field.annotation, f"{above}{name}.")
