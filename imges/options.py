"""Values as people write them in settings (`20 MB`, `8 s`, `100/minute`), and what is said when one is wrong.

`imges.settings` reads its model with these, `imges.storage` the `Options` of each backend: so all settings are
typed, checked and complained of in the same way. A sentence never shows a secret, nor the value of a name that nobody
knows, for a misspelt name may carry one.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import yaml
import yaml.scanner
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from imges.errors import SettingsError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic_core import ErrorDetails

OptionsT = TypeVar("OptionsT", bound="DataclassInstance")

# Values

SIZES = {"": 1, "b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40}
PIXELS = {"": 1, "px": 1, "mp": 10**6}
SECONDS = {
    "ms": 0.001,
    **dict.fromkeys(("s", "second", "seconds"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("week", "weeks"), 7 * 86400),
}
MOST_BYTES = 2**63
"""What databases count to."""
LONGEST = timedelta(days=36500)
"""Longer ones are slips of the pen, and would lead beyond the calendar's last year."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most *count* times within any stretch of time as long as *per*."""

    count: int
    per: timedelta


def size(value: object) -> int:
    """Bytes, from `20 MB` (1024-based) or a plain number. Raises: ValueError."""
    read = round(_amount(value, SIZES, "should be a size such as 20 MB"))
    if read >= MOST_BYTES:
        raise ValueError("should be less than 8388608 TB")
    return read


def pixels(value: object) -> int:
    """Pixels, from `40 MP` (10^6) or a plain number. Raises: ValueError."""
    return round(_amount(value, PIXELS, "should be a number of pixels such as 40 MP"))


def duration(value: object) -> timedelta:
    """A length of time, from `8 s`, `5 minutes`, `30 days`; only `0` goes without a unit. Raises: ValueError."""
    advice = "should be a duration with its unit, such as 8 s, 5 minutes or 30 days"
    if isinstance(value, timedelta):
        return value
    if str(value) == "0":
        return timedelta(0)
    seconds = _amount(value, SECONDS, advice)
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"should be at most {LONGEST.days} days")
    return timedelta(seconds=seconds)


def rate(value: object) -> Rate:
    """A rate, from `100/minute` or `5/10 s`. Raises: ValueError."""
    if isinstance(value, Rate):
        return value
    match = re.fullmatch(r"(\d{1,9}) */ *(.+)", value) if isinstance(value, str) else None
    count, per = match.groups() if match else ("0", "")
    try:
        read = Rate(int(count), duration(per if per[:1].isdigit() else f"1 {per}"))
    except ValueError:
        read = Rate(0, timedelta(0))
    if not read.count or not read.per:
        raise ValueError("should be a rate such as 100/minute or 5/10 s")
    return read


def network(value: object) -> IPv4Network | IPv6Network:
    """A network, from `10.0.0.0/8` or a single address. Raises: ValueError."""
    advice = "should be an address or a network such as 10.0.0.0/8"
    try:
        found = ip_network(str(value), strict=False)
    except ValueError:
        raise ValueError(advice) from None
    if found.network_address != ip_network(str(value).partition("/")[0]).network_address:
        raise ValueError(f"should be the network itself, {found}")
    return found


Size = Annotated[int, BeforeValidator(size)]
Pixels = Annotated[int, BeforeValidator(pixels)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
RateOf = Annotated[Rate, BeforeValidator(rate)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(network)]


def _amount(value: object, units: Mapping[str, float], advice: str) -> float:
    """*value*, `NUMBER UNIT` or a bare number, in the smallest of *units*."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?) *([a-z]*)", text.strip().lower(), re.ASCII)
    if not match or match[2] not in units:
        raise ValueError(advice)
    number = float(match[1]) if "." in match[1] else int(match[1])
    return number * units[match[2]]


# Reading


class FromEnvironment(str):
    """The text of an environment variable for an option whose type only its backend knows."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """YAML without its traps: a key that stands twice is a mistake, and a date is text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  (PyYAML's signature)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and str(key.value) in seen:
                raise _Twice(f"{key.value} is there twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class _Twice(yaml.MarkedYAMLError):
    def __init__(self, problem: str, mark: yaml.Mark) -> None:
        super().__init__(problem=problem, problem_mark=mark)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(text: str) -> Any:
    """What the YAML *text* says. Raises: ValueError, which shows nothing of the text but a name that stands twice."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{place}{_yaml_problem(error)}") from None
    except (yaml.YAMLError, ValueError):  # a character that YAML forbids; a number such as 0x_
        raise ValueError("it is not YAML") from None


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    if isinstance(error, _Twice | yaml.scanner.ScannerError):  # the others' words may quote the text
        return str(error.problem)
    return "it is not YAML; look at indentation, colons and quotes"


def read_variable(text: str, annotation: object) -> Any:
    """What *text*, from the environment, says for a setting of the type *annotation*.

    Text fields take it as it stands, only `null` is special; all others are read as YAML. Raises: ValueError.
    """
    if takes_text(annotation):
        return None if text == "null" else text
    return read_yaml(text)


def takes_text(annotation: object) -> bool:
    """Whether a setting of this type is text: a string, a path, or one of several words; also where it may be null."""
    if get_origin(annotation) is Annotated:
        return takes_text(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return any(takes_text(part) for part in get_args(annotation) if part is not NoneType)
    if get_origin(annotation) is Literal:
        return all(isinstance(word, str) for word in get_args(annotation))
    return isinstance(annotation, type) and issubclass(annotation, str | Path)


def read_options(options: type[OptionsT], given: Mapping[str, Any], where: str) -> OptionsT:
    """The dataclass *options*, filled from what is *given* below the setting *where* (such as `storages.s3`).

    Text is taken for a number or a truth value where one is asked for. A field with `metadata={"secret": True}` is
    never shown. A ValueError in its `__post_init__` is a problem of the whole.
    Raises: SettingsError, with every problem at once.
    """
    hints = get_type_hints(options, include_extras=True)
    names = {f"{where}.{field.name}": bool(field.metadata.get("secret")) for field in fields(options)}
    problems = [unknown(f"{where}.{name}", names) for name in given if f"{where}.{name}" not in names]
    values = {name: _read_option(given[name], hints[name]) for name in hints.keys() & given.keys()}
    try:
        made = TypeAdapter(options).validate_python(values)
    except ValidationError as error:
        problems += [sentence(problem, names, where) for problem in error.errors(include_url=False)]
        made = None
    if problems or made is None:
        raise SettingsError(*problems)
    return made


def _read_option(value: Any, annotation: object) -> Any:
    if not isinstance(value, FromEnvironment):
        return value
    try:
        return read_variable(value, annotation)
    except ValueError:  # left as it is, it will be found wrong
        return str(value)


# Sentences

ADVICE = {
    "string_type": "should be text; put it in quotes",
    "bool_type": "should be true or false",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "bool_parsing": "should be true or false",
    "tuple_type": "should be a list, such as [a, b]",
    "dict_type": "should hold names and values, one a line",
    "model_type": "should hold settings of its own, one a line",
}


def sentence(problem: "ErrorDetails", names: Mapping[str, bool], where: str = "") -> str:
    """What is wrong, in words: the setting's name, the value that was found, and what would be right.

    *names*: all settings that there are, by their full names, and whether each is a secret (with all below it);
    *where*: what stands before the problem's own place.
    """
    name, kind, value = place(problem["loc"], where), problem["type"], problem["input"]
    if kind == "invalid_key":  # `on: true`: a name that is no text
        return unknown(place(map(str, problem["loc"]), where), names)
    if kind == "extra_forbidden":
        return unknown(name, names)
    if kind == "missing":
        return f"{name} is missing"
    advice = ADVICE.get(kind) or re.sub(r"^\w+ should", "should", problem["msg"].removeprefix("Value error, "))
    if problem["loc"][-1:] == ("[key]",) or (kind == "value_error" and isinstance(value, Mapping)):
        return f"{name}: {advice}"
    if kind in {"dict_type", "model_type"}:
        return f"{name} is {_kind(value)}: {advice}"
    return f"{name} is {'(hidden)' if _is_secret(name, names) else _shown(value)}: {advice}"


def unknown(name: str, names: Iterable[str]) -> str:
    """That there is no setting *name*, and which of *names* was probably meant. Never shows its value."""
    parent, _, last = name.rpartition(".")
    siblings = {known.rpartition(".")[2]: known for known in names if known.rpartition(".")[0] == parent}
    close = difflib.get_close_matches(last, siblings, 1)
    meant = [siblings[word] for word in close] or [known for known in names if known.rpartition(".")[2] == last]
    return f"{name}: there is no such setting" + (f"; did you mean {meant[0]}?" if meant else "")


def place(loc: Iterable[int | str], where: str = "") -> str:
    """The setting at pydantic's *loc*, as in `images.formats[0]`."""
    name = where
    for part in loc:
        if part != "[key]":
            name += f"[{part}]" if isinstance(part, int) else f".{part}"
    return name.removeprefix(".")


def _is_secret(name: str, names: Mapping[str, bool]) -> bool:
    return any(secret and (name + ".").startswith((f"{known}.", f"{known}[")) for known, secret in names.items())


def _shown(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return _kind(cast("object", value))
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=repr)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "text"
