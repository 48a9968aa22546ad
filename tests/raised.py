"""Every exception class that a library defines, each with an instance, for tests that expect ours instead."""

import re
import sys
from collections.abc import Iterator
from unittest.mock import MagicMock


def classes_of(*libraries: str) -> list[type[Exception]]:
    """The exception classes that the loaded modules of *libraries* define, warnings aside: nothing raises those."""
    found = {
        name_of(kind): kind
        for kind in _below(Exception)
        if kind.__module__.split(".")[0] in libraries
        and getattr(sys.modules.get(kind.__module__), kind.__name__, None) is kind  # not one that a test made
        and not issubclass(kind, Warning)
    }
    return [found[name] for name in sorted(found)]


def name_of(kind: type[Exception]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _below(kind: type[Exception]) -> Iterator[type[Exception]]:
    for derived in kind.__subclasses__():
        yield derived
        yield from _below(derived)


def instance_of(kind: type[Exception]) -> Exception:
    """An instance, made by whichever arguments its class takes; its text can be read, as a log does."""
    ways = [
        lambda: kind({"Error": {"Code": "Injected"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Injected"),
        lambda: kind(**dict.fromkeys(re.findall(r"{(\w+)", getattr(kind, "fmt", "")), "injected")),
        lambda: kind("injected"),
        lambda: kind("1 host:6379"),
        lambda: kind(MagicMock(), ()),
        lambda: kind(MagicMock(), OSError(5, "injected")),
        lambda: kind(MagicMock(), MagicMock(), MagicMock()),
        lambda: kind(*[MagicMock()] * 4),
    ]
    for make in ways:
        try:
            made = make()
            str(made)
        except (TypeError, AttributeError, KeyError, IndexError, ValueError):  # the class takes other arguments
            continue
        return made
    raise NotImplementedError(f"how is {name_of(kind)} made?")
