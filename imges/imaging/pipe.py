"""What comes back from a worker, read without trusting it: a pickle can run any code where it is read.

A decoder that a picture has taken over sits in its cage, but it writes into our pipe. Only the few classes that an
honest worker sends are made. Anything else becomes `Foreign`.
"""

import builtins
import io
import pickle
from pathlib import PosixPath
from typing import Any

from imges import errors
from imges.imaging import colour, types

OURS = {"Header", "Rendition", "Renditions"}
"""The classes of `imges.imaging.types` that a worker sends."""


class Foreign(Exception):
    """Takes the place of a class that we do not expect, mostly of an error of a library."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*map(str, arguments))


class _Reader(pickle.Unpickler):
    """An unpickler that makes only our own types and errors."""

    def find_class(self, module: str, name: str, /) -> Any:
        if module == types.__name__ and name in OURS:
            return getattr(types, name)
        if module == colour.__name__ and name == "Colour":
            return colour.Colour
        if name == "PosixPath":
            return PosixPath
        if module == errors.__name__ and name == "_as_it_was":
            return getattr(errors, name)
        if module in {errors.__name__, "builtins", "imges.imaging.worker"}:
            return _error(module, name)
        return Foreign


def _error(module: str, name: str) -> type[BaseException]:
    from imges.imaging import worker

    home = {errors.__name__: errors, "builtins": builtins}.get(module, worker)
    found = getattr(home, name, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else Foreign


def read(message: bytes) -> tuple[bool, Any]:
    """Whether a call went well; and its result, else its error. Raises `Exception` if *message* is not honest."""
    went_well, value = _Reader(io.BytesIO(message)).load()
    if not isinstance(went_well, bool) or not (went_well or isinstance(value, BaseException)):
        raise TypeError("a worker sent what is no answer")
    return went_well, value


def result(value: object) -> bytes:
    """The message of a worker whose call went well."""
    return pickle.dumps((True, value))


def failure(error: BaseException) -> bytes:
    """The message of a worker whose call failed. An error that cannot be pickled is sent as text."""
    try:
        return pickle.dumps((False, error))
    except Exception:  # noqa: BLE001 - whatever a library's error is made of
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
