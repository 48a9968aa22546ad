"""What comes back from a worker, read without trusting it: to unpickle what anybody wrote is to run it.

A decoder that was taken over sits in its cage, but it writes into our pipe. Only the few classes that an honest worker
sends are made; of anything else a stand-in.
"""

import builtins
import io
import pickle
from pathlib import PosixPath
from typing import Any

from imges import errors
from imges.imaging import types

OURS = {"Header", "Rendition", "Renditions"}
"""Of `imges.imaging.types`."""


class Foreign(Exception):
    """In the place of what is none of the classes that we expect, mostly an error of a library."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*map(str, arguments))


class _Reader(pickle.Unpickler):
    """Makes our own types, and errors."""

    def find_class(self, module: str, name: str, /) -> Any:
        if module == types.__name__ and name in OURS:
            return getattr(types, name)
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
    """Whether a call went well, and its result, else the error. Raises: Exception for what no honest worker sends."""
    went_well, value = _Reader(io.BytesIO(message)).load()
    if not isinstance(went_well, bool) or not (went_well or isinstance(value, BaseException)):
        raise TypeError("a worker sent what is no answer")
    return went_well, value


def result(value: object) -> bytes:
    """What a worker sends that did what was asked."""
    return pickle.dumps((True, value))


def failure(error: BaseException) -> bytes:
    """What a worker sends that failed; an error that cannot be sent is told in words."""
    try:
        return pickle.dumps((False, error))
    except Exception:  # noqa: BLE001 - whatever a library's error is made of
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
