"""Reads the options of a storage backend by its dataclass, with the same checks and messages as all settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from imges.errors import SettingsError
from imges.settings.problems import sentence, unknown
from imges.settings.yaml_text import read_yaml

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

OptionsT = TypeVar("OptionsT", bound="DataclassInstance")


# Where settings were read

Loc = tuple[int | str, ...]
"""A setting's name in parts: `("storages", "s3", "bucket")`."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Where settings were read: *variables* names those of the environment; the *file* set the rest."""

    variables: Mapping[Loc, str] = field(default_factory=dict[Loc, str])
    file: Path | None = None

    def of(self, loc: Loc) -> str:
        """What stands behind the sentence about a problem at *loc*: ` [VARIABLE]`, ` [FILE]`, or nothing."""
        for length in range(len(loc), 0, -1):
            if variable := self.variables.get(loc[:length]):
                return f" [{variable}]"
        return f" [{self.file}]" if self.file else ""


class Options(dict[str, Any]):
    """What the settings say below *loc*, such as `storages.s3`; it remembers where each option was read."""

    def __init__(self, given: Mapping[str, Any], origins: Origins, loc: Loc) -> None:
        super().__init__(given)
        self._origins = origins
        self._loc = loc

    def origin(self, *loc: int | str) -> str:
        """See `Origins.of`; *loc* is below this one's own."""
        return self._origins.of((*self._loc, *loc))


def origin(given: Mapping[str, Any], *loc: int | str) -> str:
    """Where the option at *loc* of *given* was read, to stand behind a sentence; empty if *given* does not know."""
    return given.origin(*loc) if isinstance(given, Options) else ""


class FromEnvironment(str):
    """The text of an environment variable, for an option whose type only the backend knows."""

    __slots__ = ()


def read_variable(text: str, annotation: object) -> Any:
    """Returns the value of *text*, from the environment, for a setting of the type *annotation*.

    Text fields take it unchanged, except `null`. All others read it as YAML. Raises `ValueError` if it is not YAML.
    """
    if takes_text(annotation):
        return None if text == "null" else text
    return read_yaml(text)


def takes_text(annotation: object) -> bool:
    """Returns whether a setting of this type is text: a string, a path or one of several words, or null beside them."""
    if get_origin(annotation) is Annotated:
        return takes_text(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return any(takes_text(part) for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        return all(isinstance(word, str) for word in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, str | Path)


def read_options(options: type[OptionsT], given: Mapping[str, Any], where: str, besides: str = "type") -> OptionsT:
    """Returns the dataclass *options*, filled from what is *given* below the setting *where* (such as `storages.s3`).

    Text becomes a number or a truth value if the option is one. A field with `metadata={"secret": True}` is never
    shown. A `ValueError` in the `__post_init__` of *options* is a problem of the whole. *besides* is read by the
    caller and is no option.

    Raises `SettingsError` with every problem at once, each with where it was read.
    """
    hints = get_type_hints(options, include_extras=True)
    names = {f"{where}.{field.name}": bool(field.metadata.get("secret")) for field in fields(options)}
    strays = [name for name in given if f"{where}.{name}" not in names and name != besides]
    problems = [f"{unknown(f'{where}.{name}', names)}{origin(given, name)}" for name in strays]
    values = {name: _read_option(given[name], hints[name]) for name in hints.keys() & given.keys() - {besides}}
    try:
        made = TypeAdapter(options).validate_python(values)
    except ValidationError as error:
        problems += [
            f"{sentence(problem, names, where)}{origin(given, *problem['loc'])}"
            for problem in error.errors(include_url=False)
        ]
        made = None
    if problems or made is None:
        raise SettingsError(*problems)
    return made


def _read_option(value: Any, annotation: object) -> Any:
    if not isinstance(value, FromEnvironment):
        return value
    try:
        return read_variable(value, annotation)
    except ValueError:  # the field's type will refuse it, with a better message
        return str(value)
