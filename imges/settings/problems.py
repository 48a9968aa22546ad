"""Words the problems of settings, the same way for ours and for those of storage backends.

A sentence never shows a secret. It does not show the value of an unknown name either: a secret may be misspelt.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

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
    """Returns the *problem* in words: the setting's name, the value that was found, and what would be right.

    *names* are all settings by full name, each with whether it is a secret (with everything below it). *where* is the
    setting below which the problem was found.
    """
    name, kind, value = setting_name(problem["loc"], where), problem["type"], problem["input"]
    if kind == "invalid_key":  # `on: true`: YAML reads this name as a truth value
        return unknown(setting_name(map(str, problem["loc"]), where), names)
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
    """Returns that the setting *name* does not exist, and which of *names* was probably meant."""
    parent, _, last = name.rpartition(".")
    siblings = {known.rpartition(".")[2]: known for known in names if known.rpartition(".")[0] == parent}
    close = difflib.get_close_matches(last, siblings, 1)
    meant = [siblings[word] for word in close] or [known for known in names if known.rpartition(".")[2] == last]
    return f"{name}: there is no such setting" + (f"; did you mean {meant[0]}?" if meant else "")


def setting_name(loc: Iterable[int | str], where: str = "") -> str:
    """Returns the name of the setting at pydantic's *loc*, such as `images.formats[0]`."""
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
