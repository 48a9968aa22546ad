"""The backend `datefolder`: objects as files below one folder (`2014/06/04/example.png`), fit for a proxy to serve.

A file that is put is synced and hard-linked to its name: a link never overwrites, also when two processes want the same
name. What cannot be linked is copied into `.staging` inside the root first. The way to a file is gone folder by folder
from the root, following no symlink, so that nothing outside is read, written or deleted. Only the root itself may be a
symlink: that is its owner's choice.
"""

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
import time
import unicodedata
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Any, ClassVar, ParamSpec, Self, TypeVar

from imges.storage import (
    Address,
    InvalidKey,
    KeyExists,
    KeyMissing,
    NewObject,
    ObjectEntry,
    ObjectStat,
    StorageError,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
    checked_key,
    moment_of,
    round_trip,
)

P = ParamSpec("P")
T = TypeVar("T")

STAGING = ".staging"
"""Where copies begin: on the root's file system, and hidden from scans and readers, for its name starts with a dot."""

THREADS = 16
"""Operations at once. They wait for the disk more than they work, and must not hold up other rooms' threads."""

CHUNK = 256 * 1024
"""Bytes of one read."""

PAGE = 1000
"""Objects that one hop of a scan to a thread brings."""

FULL = {errno.ENOSPC, errno.EDQUOT}
ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""Nothing is there; or, where we follow no symlink, one is in the way."""
NO_LINK = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}
"""A file system without hard links, or a file that has as many as it can have."""

AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
AS_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # the last: a pipe that somebody laid there must not hold us
AS_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True, slots=True)
class DatefolderOptions:
    root: Path
    """The folder that all objects lie below; made if it is not there."""


class DatefolderStorage:
    """Files below a root. See `imges.storage.Storage` for what each method promises."""

    Options: ClassVar[type[Any]] = DatefolderOptions

    def __init__(self, root: Path) -> None:
        self._root = root
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="datefolder")
        self._durable: set[str] = set()
        """Folders whose own entry in the folder above is known to be on the disk: a handful for each day."""

    @classmethod
    async def connect(cls, options: DatefolderOptions) -> Self:
        """Make the root and its staging folder where they are missing. Raises: StorageRefused."""
        root = options.root.absolute()
        await asyncio.to_thread(_prepare, root)
        return cls(root)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    async def put(
        self,
        key: str,
        file: Path,
        *,
        media_type: str,  # noqa: ARG002  (a file's name tells it)
        expires: datetime | None = None,  # noqa: ARG002  (who serves the file knows)
        replace: bool = False,
    ) -> None:
        if replace:
            await self._run(self._replace, checked_key(key), file)
        else:
            await self._run(self._put_all, [(checked_key(key), file)], [])

    async def put_all(self, objects: Sequence[NewObject], begun: list[str]) -> None:
        """One change of threads, and each folder synced once. See `imges.storage.PutsTogether`."""
        await self._run(self._put_all, [(checked_key(each.key), each.file) for each in objects], begun)

    @asynccontextmanager
    async def open(self, key: str, *, start: int = 0, stop: int | None = None) -> AsyncGenerator[AsyncGenerator[bytes]]:
        with ExitStack() as opened:  # filled by the thread, so that nothing stays open when we are cancelled meanwhile
            descriptor, size = await self._run(self._open, checked_key(key), opened)
            stop = size if stop is None else min(stop, size)
            async with aclosing(self._chunks(descriptor, start, stop)) as chunks:
                yield chunks

    async def stat(self, key: str) -> ObjectStat:
        return await self._run(self._stat, checked_key(key))

    async def delete(self, key: str) -> None:
        await self._run(self._delete, checked_key(key))

    async def scan(self, prefix: str = "") -> AsyncGenerator[ObjectEntry]:
        walk = self._walk(prefix)
        try:
            while page := await self._run(lambda: list(islice(walk, PAGE))):
                for entry in page:
                    yield entry
        finally:
            walk.close()

    async def sweep(self, older_than: timedelta) -> None:
        await self._run(self._sweep, older_than)

    def local_path(self, key: str) -> Path | None:
        """The file of *key*; `None` where a symlink stands on the way, which `open` will call missing.

        It asks the disk for a few names, which the kernel keeps at hand, so it may be called from the event loop.
        """
        path = str(self._root)
        try:
            for part in checked_key(key).split("/"):
                path = f"{path}/{part}"
                if S_ISLNK(os.lstat(path).st_mode):
                    return None
        except OSError:  # not there, and nothing below it
            pass
        return self._root / key

    async def url(self, key: str, *, expires: datetime | None = None) -> Address | None:  # noqa: ARG002
        checked_key(key)
        return None

    async def check(self) -> None:
        await round_trip(self)

    # To the threads and back

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """*work* in a thread, to its end even if the caller is cancelled. Its OSErrors become those of the protocol."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await _ended(running)
            raise
        except OSError as error:
            raise self._translated(error) from error

    def _translated(self, error: OSError) -> StorageError:
        """What *error* means to a client; the path is told in the log alone."""
        translated = StorageFull() if error.errno in FULL else StorageUnavailable()
        translated.add_note(f"below {self._root}: {error}")
        return translated

    async def _chunks(self, descriptor: int, start: int, stop: int) -> AsyncGenerator[bytes]:
        while start < stop:
            chunk = await self._run(os.pread, descriptor, min(CHUNK, stop - start), start)
            if not chunk:
                raise StorageUnavailable("an object became shorter while it was read")
            yield chunk
            start += len(chunk)

    # In a thread

    @contextmanager
    def _opened_root(self) -> Generator[int]:
        """The root. Raises: OSError, also for the empty mount point of a disk that is not mounted.

        In there nothing would be found, and all be taken for deleted; what is put there would vanish under the mount.
        """
        with _opened(self._root, os.O_RDONLY | os.O_DIRECTORY) as root:
            if not S_ISDIR(os.stat(STAGING, dir_fd=root, follow_symlinks=False).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "not a folder", STAGING)
            yield root

    @contextmanager
    def _opened_folder(self, root: int, parts: Sequence[str], *, make: bool = False) -> Generator[int]:
        """The folder *parts* below the root, reached without following a symlink; made on the way if asked."""
        folder = os.dup(root)
        try:
            for depth in range(len(parts)):
                below = self._enter(folder, "/".join(parts[: depth + 1]), make=make)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)

    def _enter(self, parent: int, path: str, *, make: bool) -> int:
        name = path.rpartition("/")[2]
        if not make:
            return os.open(name, AS_FOLDER, dir_fd=parent)
        if path in self._durable:
            with suppress(FileNotFoundError):  # somebody took it away since
                return os.open(name, AS_FOLDER, dir_fd=parent)
        folder = _made_folder(parent, name)
        self._durable.add(path)
        return folder

    @contextmanager
    def _opened_home(self, key: str) -> Generator[tuple[int, str]]:
        """The folder that the object lies in, and its name there. Raises: KeyMissing."""
        *parts, name = key.split("/")
        with self._opened_root() as root, _absence_as_missing(key), self._opened_folder(root, parts) as folder:
            yield folder, name

    def _put_all(self, objects: Sequence[tuple[str, Path]], begun: list[str]) -> None:
        """See `imges.storage.PutsTogether`; what was linked before something fails is taken away at once."""
        with self._opened_root() as root, ExitStack() as opened:
            folders: dict[str, int] = {}
            try:
                for key, file in objects:
                    home, _, name = key.rpartition("/")
                    if home not in folders:
                        parts = home.split("/") if home else []
                        folders[home] = opened.enter_context(self._opened_folder(root, parts, make=True))
                    _link_in(file, root, folders[home], name, key)
                    begun.append(key)
                for folder in folders.values():
                    os.fsync(folder)
            except BaseException:
                _take_out(begun, folders)
                raise

    def _replace(self, key: str, file: Path) -> None:
        *parts, name = key.split("/")
        with (
            self._opened_root() as root,
            _staged(file, root) as (staging, staged),
            self._opened_folder(root, parts, make=True) as folder,
        ):
            os.rename(staged, name, src_dir_fd=staging, dst_dir_fd=folder)
            os.fsync(folder)

    def _open(self, key: str, opened: ExitStack) -> tuple[int, int]:
        """A descriptor, to be closed by *opened*, and the size in bytes."""
        with self._opened_home(key) as (folder, name):
            descriptor = os.open(name, AS_FILE, dir_fd=folder)
        opened.callback(_close_what_was_read, descriptor)
        status = os.fstat(descriptor)
        if not S_ISREG(status.st_mode):
            raise KeyMissing(key)
        return descriptor, status.st_size

    def _stat(self, key: str) -> ObjectStat:
        with self._opened_home(key) as (folder, name):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not S_ISREG(status.st_mode):
            raise KeyMissing(key)
        return ObjectStat(status.st_size, _modified(status))

    def _delete(self, key: str) -> None:
        with suppress(KeyMissing), self._opened_home(key) as (folder, name):
            with suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(name, dir_fd=folder)
            os.fsync(folder)  # also when it was gone: an earlier delete may have failed right here

    def _walk(self, prefix: str) -> Generator[ObjectEntry]:
        """Folder by folder, each as a stream: what is in memory is the names of folders still to be walked."""
        waiting = [""]
        while waiting:
            above = waiting.pop()
            for entry in self._listed(above):
                key = above + entry.name
                if not _is_key(key):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                        waiting.append(f"{key}/")
                elif key.startswith(prefix) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        yield ObjectEntry(key, status.st_size, _modified(status))

    def _listed(self, above: str) -> Iterator[os.DirEntry[str]]:
        """What is in the folder *above*, `""` or ending in a slash; nothing where it is gone by now."""
        with (
            self._opened_root() as root,
            suppress(KeyMissing),
            _absence_as_missing(above),
            self._opened_folder(root, above.split("/")[:-1]) as folder,
            os.scandir(folder) as entries,
        ):
            yield from entries

    def _sweep(self, older_than: timedelta) -> None:
        """By ctime, the time of staging: mtime is the file's own, and may be years ago for a moment."""
        limit = time.time() - older_than.total_seconds()
        with (
            self._opened_root() as root,
            _opened(STAGING, AS_FOLDER, root) as staging,
            os.scandir(staging) as entries,
        ):
            for entry in entries:
                with suppress(FileNotFoundError, IsADirectoryError):
                    if entry.stat(follow_symlinks=False).st_ctime <= limit:
                        os.unlink(entry.name, dir_fd=staging)


async def _ended(running: asyncio.Future[Any]) -> None:
    """When *running* is done, however often the waiting is cancelled; what became of it nobody asks any more."""
    while not running.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([running])
    running.exception()


# Start


def _prepare(root: Path) -> None:
    """Raises: StorageRefused."""
    advice = "give it to the user that runs imges, or name another folder"
    staging = root / STAGING
    try:
        _make_root(root)
        with suppress(FileExistsError):
            staging.mkdir(mode=0o700)
        with _opened(staging, AS_FOLDER) as descriptor:
            os.fchmod(descriptor, 0o700)
    except OSError as error:
        raise StorageRefused("root", f"the folder {root} cannot be used ({error.strerror}); {advice}") from error
    for folder in (root, staging):
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise StorageRefused("root", f"the folder {folder} cannot be written; {advice}")


def _make_root(root: Path) -> None:
    """*root* and the folders above it that are missing, durably."""
    for folder in reversed([folder for folder in (root, *root.parents) if not folder.exists()]):
        with suppress(FileExistsError):  # another process was quicker, or a symlink leads nowhere
            folder.mkdir()
            folder.chmod(0o755)
        with suppress(PermissionError), _opened(folder.parent, os.O_RDONLY | os.O_DIRECTORY) as parent:
            os.fsync(parent)


# Files and folders by descriptor


@contextmanager
def _opened(path: str | Path, flags: int, inside: int | None = None) -> Generator[int]:
    descriptor = os.open(path, flags, dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _close_what_was_read(descriptor: int) -> None:
    with suppress(OSError):  # every byte has been read: there is nothing to lose
        os.close(descriptor)


@contextmanager
def _absence_as_missing(key: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in ABSENT:
            raise KeyMissing(key) from error
        raise


def _made_folder(parent: int, name: str) -> int:
    """The folder *name*, made if it is not there; its entry in *parent* is on the disk."""
    new = True
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:  # perhaps made a moment ago by somebody who has not synced it yet
        new = False
    folder = os.open(name, AS_FOLDER, dir_fd=parent)
    try:
        if new:
            os.fchmod(folder, 0o755)  # whatever the umask
        os.fsync(parent)
    except OSError:
        os.close(folder)
        raise
    return folder


def _link_in(file: Path, root: int, folder: int, name: str, key: str) -> None:
    """Give *file* the name in *folder*, its content being on the disk by then; a copy of it where it cannot be linked.

    Raises: KeyExists.
    """
    if file.stat().st_dev == os.fstat(folder).st_dev:  # else a copy is all that has to be synced
        try:
            with _opened(file, AS_FILE) as descriptor:
                _sync(descriptor)
            os.link(file, name, dst_dir_fd=folder)
        except FileExistsError:
            raise KeyExists(key) from None
        except OSError as error:
            if error.errno not in NO_LINK | {errno.EXDEV}:
                raise
        else:
            return
    with _staged(file, root) as (staging, staged):
        _publish(staging, staged, folder, name, key)


def _take_out(keys: Sequence[str], folders: Mapping[str, int]) -> None:
    """Unlink what was linked by now, durably, as far as that can be done."""
    for key in keys:
        home, _, name = key.rpartition("/")
        with suppress(OSError):
            os.unlink(name, dir_fd=folders[home])
    for folder in folders.values():
        with suppress(OSError):
            os.fsync(folder)


@contextmanager
def _staged(file: Path, root: int) -> Generator[tuple[int, str]]:
    """All of *file* in the staging folder, synced, as a link or a copy: the folder's descriptor, and the name there."""
    name = secrets.token_hex(16)
    with _opened(STAGING, AS_FOLDER, root) as staging:
        try:
            try:
                os.link(file, name, dst_dir_fd=staging)
            except OSError as error:
                if error.errno not in NO_LINK | {errno.EXDEV}:
                    raise
                _copy(file, staging, name)
            with _opened(name, AS_FILE, staging) as descriptor:
                _sync(descriptor)
            yield staging, name
        finally:
            with suppress(OSError):  # else the sweep takes it
                os.unlink(name, dir_fd=staging)


def _sync(descriptor: int) -> None:
    """Everything of a file is on the disk, its mode and its time of now included."""
    with suppress(PermissionError):  # a file system that has no modes
        os.fchmod(descriptor, 0o644)
    os.utime(descriptor)
    os.fsync(descriptor)


def _copy(file: Path, staging: int, staged: str) -> None:
    with file.open("rb") as source, os.fdopen(os.open(staged, AS_NEW, 0o600, dir_fd=staging), "wb") as target:
        shutil.copyfileobj(source, target, CHUNK)


def _publish(staging: int, staged: str, folder: int, name: str, key: str) -> None:
    """Give the staged file its name. Raises: KeyExists."""
    try:
        os.link(staged, name, src_dir_fd=staging, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise KeyExists(key) from None
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        _claim_and_rename(staging, staged, folder, name, key)


def _claim_and_rename(staging: int, staged: str, folder: int, name: str, key: str) -> None:
    """`_publish` without links: only who holds the claim to *key* may look whether it is free and rename to it.

    A claim that a crash left makes the key taken until the sweep comes. Such file systems mostly do not tell capital
    from small letters, so neither do claims.
    """
    folded = unicodedata.normalize("NFC", key).casefold()
    claim = f"claim-{hashlib.sha256(folded.encode()).hexdigest()}"
    try:
        os.close(os.open(claim, AS_NEW, 0o600, dir_fd=staging))
    except FileExistsError:
        raise KeyExists(key) from None
    try:
        with suppress(FileNotFoundError):
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            raise KeyExists(key)
        os.rename(staged, name, src_dir_fd=staging, dst_dir_fd=folder)
    finally:
        os.unlink(claim, dir_fd=staging)


def _modified(status: os.stat_result) -> datetime:
    return moment_of(status.st_mtime)


def _is_key(name: str) -> bool:
    try:
        return bool(checked_key(name))
    except InvalidKey:
        return False
