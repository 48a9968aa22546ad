"""The storage protocol: what every backend promises.

A backend is a class that inherits from `Storage` and is registered under the entry-point group `imges.storages`. The
built-in backends are registered in the same way; no module imports them by name. `imges.testing` holds the conformance
suite that all of them pass.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from imges.storage.errors import InvalidKey, KeyExists
from imges.storage.objects import Address, NewObject, ObjectEntry, ObjectStat


class Storage(ABC):
    """A place for objects. The docstrings of the methods are the contract; `imges.testing` checks it.

    Every async method may raise `StorageUnavailable`. `put`, `put_all` and `check` may also raise `StorageFull`. Every
    method that takes a key begins with `checked_key`, so it may raise `InvalidKey`.

    If a method is cancelled, it either finishes or takes back what it did before the `CancelledError` leaves it. So
    the caller's undo never meets a request that is still on its way.
    """

    Options: ClassVar[type[Any]]
    """A dataclass: what may stand below `storages.NAME` in the settings, besides `type`. Fields with
    `field(metadata={"secret": True})` are never shown in messages."""

    @classmethod
    @abstractmethod
    async def connect(cls, options: Any) -> Self:
        """Opens the place that *options* (an instance of `Options`, already validated) describe.

        Raises `OptionError` if an option is wrong by itself, `StorageRefused` if the store rejects one, and
        `StorageUnavailable` if the store cannot be reached.
        """

    @abstractmethod
    async def put(
        self, key: str, file: Path, *, media_type: str, expires: datetime | None = None, replace: bool = False
    ) -> None:
        """Stores all of *file* under the new *key*. The object is durable when this returns.

        Readers see the whole object or none. If two callers put one key, also in two processes, one of them succeeds.
        Nobody changes *file* afterwards, so a backend may link it and set its mode. *expires* is when the picture ends
        (for caching headers). `replace=True` puts a derived file atomically in the place of the old one, if there is
        one.

        Raises `KeyExists` if an object has the key (it stays as it is), `StorageFull`, `StorageUnavailable` or
        `InvalidKey`, and no other error.
        """

    async def put_all(self, objects: Sequence[NewObject], stored: list[str]) -> None:
        """Puts the new *objects* of one picture, in this order, as `put` does. All are durable when this returns.

        *stored* says what there is to undo: it receives the key of every object that this call may have stored, also
        when it raises or is cancelled. It never receives the key of an object that was there before.

        This default puts one object after the other. A backend overrides it if several objects together need fewer
        steps. Raises what `put` raises.
        """
        for each in objects:
            stored.append(each.key)  # before the put: one whose answer is lost may have stored the object
            try:
                await self.put(each.key, each.file, media_type=each.media_type, expires=each.expires)
            except (KeyExists, InvalidKey):  # nothing was stored; an object with the key is another upload's
                stored.pop()
                raise

    @abstractmethod
    def open(
        self, key: str, *, start: int = 0, stop: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Gives the bytes from *start* up to, not including, *stop*, in chunks.

        A range is cut at the end of the object, so it may give no bytes at all. A reader that leaves early gives the
        connection back.

        Raises `KeyMissing` on entering, `StorageUnavailable` there and at any chunk.
        """

    @abstractmethod
    async def stat(self, key: str) -> ObjectStat:
        """Returns what the place knows about the object. Raises `KeyMissing` or `StorageUnavailable`."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Deletes the object, durably. Does nothing if no object has the key."""

    @abstractmethod
    def scan(self, prefix: str = "") -> AsyncIterator[ObjectEntry]:
        """Gives every object whose key starts with *prefix*, in no particular order, read in pages."""

    @abstractmethod
    async def sweep(self, older_than: timedelta) -> None:
        """Deletes what interrupted puts left behind more than *older_than* ago."""

    @abstractmethod
    def local_path(self, key: str) -> Path | None:
        """Returns the file of *key*, for sendfile, whether or not it exists; `None` if the place has no such files."""

    @abstractmethod
    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:
        """Returns an address that we may send a client to for *key*, whether or not the object exists.

        `None` means that the bytes go through us. All addresses of a place have one origin (scheme, host and port),
        which our pages then allow pictures from. A picture that *expires* never gets a permanent public address.
        """

    @abstractmethod
    async def check(self) -> None:
        """Puts, reads, compares and deletes a small object (`round_trip`).

        Raises `StorageFull`, `StorageRefused` or `StorageUnavailable`.
        """

    @abstractmethod
    async def close(self) -> None:
        """Gives back all that the place holds open."""
