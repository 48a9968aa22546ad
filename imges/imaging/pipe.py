"""What comes back from a worker, read without trusting it: to unpickle what anybody wrote is to run it.

A decoder that was taken over sits in its cage, but it writes into our pipe. Only the few classes that an honest worker
sends are made; of anything else a stand-in.
"""

import builtins
import io
import os
import pickle
from multiprocessing import reduction
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import PosixPath
from typing import Any

from pebble.common import types as pebble_types
from pebble.pool import process as pebble_process

from imges import errors
from imges.imaging import types

MESSAGES = {
    "pebble.pool.process": {"Acknowledgement", "TaskResult", "TaskProblem"},
    "pebble.common.types": {"Result", "ResultStatus", "RemoteException", "RemoteException.rebuild_exception"},
    "imges.imaging.types": {"Header", "Rendition", "Renditions"},
}
MODULES = {"pebble.pool.process": pebble_process, "pebble.common.types": pebble_types, "imges.imaging.types": types}


class Foreign(Exception):
    """In the place of what is none of the classes that we expect, mostly an error of a library."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*map(str, arguments))


class _Reader(pickle.Unpickler):
    """Makes messages, our own types, and errors."""

    def find_class(self, module: str, name: str, /) -> Any:
        if name in MESSAGES.get(module, ()):
            found: Any = MODULES[module]
            for part in name.split("."):
                found = getattr(found, part)
            return found
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


class WorkersEnd(Connection):
    """The end of a pipe into which a worker writes."""

    def recv(self) -> Any:
        return _Reader(io.BytesIO(self.recv_bytes())).load()


def _reduced(end: WorkersEnd) -> tuple[Any, ...]:
    """As a plain connection is sent: what the worker does with an end of its own is its affair."""
    return _plain, (reduction.DupFd(end.fileno()), end.readable, end.writable)


def _plain(handle: Any, readable: bool, writable: bool) -> Connection:  # noqa: FBT001 - pickled
    return Connection(handle.detach(), readable, writable)


reduction.register(WorkersEnd, _reduced)


class WorkersContext(ForkServerContext):
    """Starts workers from a server of forks; whoever reads from its pipes reads with care."""

    def Pipe(self, duplex: bool = True) -> tuple[Any, Any]:  # noqa: FBT001, FBT002, N802 - the library's signature
        reader, writer = super().Pipe(duplex)
        careful = WorkersEnd(os.dup(reader.fileno()), writable=duplex)
        reader.close()
        return careful, writer
