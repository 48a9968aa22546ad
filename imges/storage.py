"""The storage protocol: where the objects of pictures live, and what every backend promises.

A backend is a class registered under the entry-point group `imges.storages`; the built-in ones are registered the
same way and imported by nobody by name. `imges.testing` holds the conformance suite for all of them.

Keys are relative POSIX paths (`2014/06/04/example.png`); no segment starts with a dot, none is empty. Every method
that takes a key begins with `checked_key`.
"""

import asyncio
import difflib
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from imges.errors import ImgesError, SettingsError
from imges.options import read_options

LATEST = 2**37
"""Seconds since 1970 that a file may be of, some four thousand years."""

ENTRY_POINTS = "imges.storages"
"""The entry-point group that backends are registered under."""

CHECK_PREFIX = "imges-check-"
"""Keys that begin so are those of `Storage.check`, here for a moment, and no picture's."""

LONGEST_KEY = 1024
"""Bytes of a key, as S3 has it."""

LONGEST_SEGMENT = 255
"""Bytes of a part of a key between slashes, as file systems have it."""


class StorageError(ImgesError):
    """The root of what a backend may raise; no vendor's exception leaves a backend.

    *option*: which of the place's options to look at, where that is known.
    """

    status, code = 503, 500
    retry_after = 10
    option: str | None = None

    def __init__(self, message: str = "the storage is out of reach; try again in a moment") -> None:
        super().__init__(message)

    def told_of(self, place: str) -> str:
        """What is wrong with *place*, for its owner: the setting to look at, and what to change."""
        return f"storages.{place}{f'.{self.option}' if self.option else ''}: {self.message}"


class KeyExists(StorageError):
    """There is an object under this key already; it stays as it is."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is an object {key} already")
        self.key = key


class KeyMissing(StorageError):
    """There is no object under this key."""

    status = code = 404

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no object {key}")
        self.key = key


class InvalidKey(KeyMissing, ValueError):
    """A key that no object can have. Nobody asks for one on purpose, and nothing lies there."""


class StorageUnavailable(StorageError):
    """The place does not answer, or not as it should; worth trying again later."""

    def __init__(
        self, message: str = "the storage is out of reach; try again in a moment", *, option: str | None = None
    ) -> None:
        super().__init__(message)
        self.option = option


class StorageRefused(StorageUnavailable):
    """The store takes an *option* for wrong (no such bucket, a wrong secret); *problem* says what would be right.

    Only `Storage.connect` and `Storage.check` raise it. Where new pictures go it stops the start, like `OptionError`;
    a place of old pictures is reported, for the store's mind may change without the settings.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(problem, option=option)


class StorageFull(StorageError):
    """There is no room left; trying again helps only after somebody has made some."""

    status = code = 507

    def __init__(self, message: str = "the storage is full") -> None:
        super().__init__(message)


class OptionError(Exception):
    """What `Storage.connect` raises for an *option* that is wrong by itself; *problem* says what would be right.

    The registry names the setting and stops the start. Never put a secret into *problem*.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option
        self.problem = problem


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What a place knows of an object: *size* in bytes, *modified* in UTC; *media_type*, *etag* where it keeps them."""

    size: int
    modified: datetime
    media_type: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """One line of a scan: *size* in bytes, *modified* in UTC."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Address:
    """An address that a client can be sent to, valid for *lifetime* (`None`: for good)."""

    url: str
    lifetime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class NewObject:
    """What `Storage.put` is given: all of *file* is to be stored under the new *key*."""

    key: str
    file: Path
    media_type: str
    expires: datetime | None = None


class Storage(Protocol):
    """A place for objects. The docstrings are the contract; `imges.testing` checks it.

    Every async method may raise `StorageUnavailable`, `put` and `check` also `StorageFull`; every method that takes a
    key may raise `InvalidKey`. A method that is cancelled comes to its end or takes back what it did before the
    `CancelledError` leaves it: whoever undoes then meets nothing that is still on its way.
    """

    Options: ClassVar[type[Any]]
    """A dataclass: what may stand below `storages.NAME` in the settings, besides `type`. Fields with
    `field(metadata={"secret": True})` are never shown in messages."""

    @classmethod
    async def connect(cls, options: Any) -> Self:
        """Open the place that *options* (an instance of `Options`, already validated) describe.

        Raises: OptionError, StorageRefused, StorageUnavailable.
        """
        ...

    async def put(
        self, key: str, file: Path, *, media_type: str, expires: datetime | None = None, replace: bool = False
    ) -> None:
        """Store all of *file* under the new *key*; durable when this returns.

        Readers see the whole object or none. Of two callers, also in two processes, one succeeds. Nobody changes
        *file* afterwards, so a backend may link it and set its mode. *expires* is when the picture ends (for caching
        headers). `replace=True` puts a derived file atomically in the place of the old one, if there is one.

        Raises: KeyExists (what is there stays), StorageFull, StorageUnavailable, InvalidKey. No other.
        """
        ...

    def open(
        self, key: str, *, start: int = 0, stop: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes from *start* up to, not including, *stop*, in chunks; leaving early gives the connection back.

        What lies beyond the end is left out, so that a range may give no bytes at all.
        Raises: KeyMissing on entering; StorageUnavailable.
        """
        ...

    async def stat(self, key: str) -> ObjectStat:
        """Raises: KeyMissing, StorageUnavailable."""
        ...

    async def delete(self, key: str) -> None:
        """Take the object away, durably; deleting what is not there is fine."""
        ...

    def scan(self, prefix: str = "") -> AsyncIterator[ObjectEntry]:
        """Every object whose key starts with *prefix*, in no particular order, read in pages."""
        ...

    async def sweep(self, older_than: timedelta) -> None:
        """Take away what interrupted puts left behind longer than *older_than* ago."""
        ...

    def local_path(self, key: str) -> Path | None:
        """The file of *key*, for sendfile, whether or not it exists; `None` where the place has none to hand out."""
        ...

    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:
        """Where a client can be sent for *key*, whether or not it exists; `None`: the bytes go through us.

        All addresses of a place are of one origin (scheme, host and port), which our pages then allow pictures from. A
        permanent public address is never given for a picture that *expires*.
        """
        ...

    async def check(self) -> None:
        """Put, read, compare and delete a small object (`round_trip`).

        Raises: StorageFull, StorageRefused, StorageUnavailable.
        """
        ...

    async def close(self) -> None:
        """Give everything back."""
        ...


class PutsTogether(Protocol):
    """What a storage may have besides, and need not: one way to the place for several objects."""

    async def put_all(self, objects: Sequence[NewObject], begun: list[str]) -> None:
        """Put *objects* in this order, as `Storage.put` does; all are durable when this returns.

        Whatever is raised (as by `put`), *begun* then holds the keys of those that may lie there by it, for who takes
        them back: never the key of an object that was there before.
        """
        ...


async def put_all(storage: Storage, objects: Sequence[NewObject], begun: list[str]) -> None:
    """See `PutsTogether.put_all`; one after the other where *storage* has no such method."""
    if together := getattr(storage, "put_all", None):
        await together(objects, begun)
        return
    for each in objects:
        begun.append(each.key)  # before: a put whose answer is lost may have landed
        try:
            await storage.put(each.key, each.file, media_type=each.media_type, expires=each.expires)
        except KeyExists:
            begun.pop()  # another's: it stays
            raise


# For backends

_SEGMENT = r"(?!\.)[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
_KEY = re.compile(f"{_SEGMENT}(/{_SEGMENT})*")


def checked_key(key: str) -> str:
    """*key*, if an object can have it: relative, no segment empty or beginning with a dot, no backslash, no control
    character, text that UTF-8 can carry, at most 1024 bytes, and 255 in a segment.

    Raises: InvalidKey.
    """
    segments = key.encode(errors="surrogatepass").split(b"/")
    if (
        not _KEY.fullmatch(key)
        or sum(map(len, segments)) + len(segments) - 1 > LONGEST_KEY
        or max(map(len, segments)) > LONGEST_SEGMENT
    ):
        raise InvalidKey(ascii(key[:LONGEST_KEY]))
    return key


async def round_trip(storage: Storage) -> None:
    """Put, read, compare and delete a small object under a new key below `CHECK_PREFIX`: what `Storage.check` does.

    Raises: StorageFull, StorageUnavailable.
    """
    key, content = CHECK_PREFIX + secrets.token_hex(8), secrets.token_bytes(64)
    file = await asyncio.to_thread(_temporary_file, content)
    try:
        await storage.put(key, file, media_type="application/octet-stream")
        async with storage.open(key) as chunks:
            read = b"".join([chunk async for chunk in chunks])
    except (KeyExists, KeyMissing) as error:
        raise StorageUnavailable from error
    finally:
        await asyncio.to_thread(file.unlink)
        await storage.delete(key)
    if read != content:
        raise StorageUnavailable("the storage does not give back what was stored")


def _temporary_file(content: bytes) -> Path:
    """Raises: StorageUnavailable, for without one nothing can be put."""
    try:
        with tempfile.NamedTemporaryFile(prefix=CHECK_PREFIX, delete=False) as file:
            file.write(content)
    except OSError as error:
        raise StorageUnavailable("there is no room for a temporary file") from error
    return Path(file.name)


# The registry


def moment_of(seconds: float) -> datetime:
    """A file's time, in *seconds* since 1970, within the years that the calendar has: file systems know others."""
    return datetime.fromtimestamp(min(max(seconds, 0), LATEST), UTC)


async def open_storage(place: str, given: Mapping[str, Any]) -> Storage:
    """The storage that the setting `storages.PLACE` describes: its *given* `type`, and what its backend asks for.

    Raises: SettingsError, which names the setting; StorageRefused, StorageUnavailable.
    """
    where = f"storages.{place}"
    backend = await asyncio.to_thread(_backend, given.get("type"), f"{where}.type")  # it reads files, and imports
    options = read_options(backend.Options, {name: value for name, value in given.items() if name != "type"}, where)
    try:
        return await backend.connect(options)
    except OptionError as error:
        raise SettingsError(f"{where}.{error.option}: {error.problem}") from error


def _backend(kind: object, setting: str) -> type[Storage]:
    """The class that is registered as *kind*. Raises: SettingsError."""
    known = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if kind is None:
        raise SettingsError(f"{setting} is missing; there are {_listed(known)}")
    if not isinstance(kind, str) or kind not in known:
        meant = difflib.get_close_matches(str(kind), known, 1)
        hint = f"; did you mean {meant[0]}?" if meant else ""
        raise SettingsError(f"{setting} is {kind!r}: there are {_listed(known)}{hint}")
    try:
        return known[kind].load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"{setting} is {kind!r}: {_not_loaded(known[kind], error)}") from error


def _not_loaded(entry: EntryPoint, error: ImportError | AttributeError) -> str:
    """Why a backend cannot be used; the extra that its entry point names is what it needs beside its distribution."""
    if isinstance(error, ImportError) and entry.extras and entry.dist:
        return f"this backend needs an extra: pip install '{entry.dist.name}[{','.join(entry.extras)}]' ({error})"
    return f"this backend cannot be loaded: {error}"


def _listed(known: Mapping[str, EntryPoint]) -> str:
    return ", ".join(sorted(known))
