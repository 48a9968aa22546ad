"""Puts: a file gets its name when all of it is on the disk, and never takes the name of another.

What a power cut or a kill may interrupt, and what is left then:

- Before the link: no object. At most a copy in `.staging`, which the sweep deletes.
- After the link, before the folder is synced: the whole object, or none, since the bytes were synced first.
- After the sync of the folder: the object. Only then does a put return, and only then is the picture's row published.
"""

import errno
import hashlib
import os
import secrets
import shutil
import unicodedata
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from imges.storage import KeyExists, shared

from .tree import AS_FILE, AS_FOLDER, STAGING, Tree, descriptor_of

CHUNK = 256 * 1024
"""Bytes that a copy reads at once."""

AS_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL

NO_LINK = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}
"""Errors of a file system without hard links (FAT, some network shares), and of a file that can have no more links."""

NOT_FROM_THERE = NO_LINK | {errno.EXDEV}
"""Errors of a file that cannot be linked from where it is, for example because it lies on another file system."""


def put_all(tree: Tree, objects: Sequence[tuple[str, Path]], stored: list[str]) -> None:
    """Puts files under new keys, and syncs each folder once. *stored* is that of `Storage.put_all`.

    If something fails, deletes at once what it has linked so far. Raises `KeyExists` or `OSError`.
    """
    before = len(stored)
    with tree.opened() as root, ExitStack() as opened:
        folders: dict[str, int] = {}
        try:
            for key, file in objects:
                home, _, name = key.rpartition("/")
                if home not in folders:
                    parts = home.split("/") if home else []
                    folders[home] = opened.enter_context(tree.folder(root, parts, make=True))
                _link_in(file, root, folders[home], name, key)
                stored.append(key)
            for folder in folders.values():
                os.fsync(folder)
        except BaseException:
            _take_out(stored[before:], folders)
            raise


def replace(tree: Tree, key: str, file: Path) -> None:
    """Puts *file* under *key*, atomically in the place of an object that is there. Raises `OSError`."""
    *parts, name = key.split("/")
    with (
        tree.opened() as root,
        _staged(file, root) as (staging, staged),
        tree.folder(root, parts, make=True) as folder,
    ):
        os.rename(staged, name, src_dir_fd=staging, dst_dir_fd=folder)
        os.fsync(folder)


def _link_in(file: Path, root: int, folder: int, name: str, key: str) -> None:
    """Gives *file* the name in *folder* once its bytes are on the disk, or a copy of it if it cannot be linked.

    Raises `KeyExists` if the name is taken.
    """
    if file.stat().st_dev == os.fstat(folder).st_dev and _linked(file, folder, name, key):
        return
    with _staged(file, root) as (staging, staged):
        _publish(staging, staged, folder, name, key)


def _linked(file: Path, folder: int, name: str, key: str) -> bool:
    """Syncs *file* and links it; `False` if it cannot be linked from where it is. Raises `KeyExists`."""
    try:
        with descriptor_of(file, AS_FILE) as descriptor:
            _sync(descriptor, folder)
        os.link(file, name, dst_dir_fd=folder)
    except FileExistsError:
        raise KeyExists(key) from None
    except OSError as error:
        if error.errno not in NOT_FROM_THERE:
            raise
        return False
    return True


def _take_out(keys: Sequence[str], folders: Mapping[str, int]) -> None:
    """Unlinks *keys*, durably. Ignores failures: a broken disk may be the reason why the put failed.

    The caller's undo deletes what is left, by the keys in *stored*.
    """
    for key in keys:
        home, _, name = key.rpartition("/")
        with suppress(OSError):
            os.unlink(name, dir_fd=folders[home])
    for folder in folders.values():
        with suppress(OSError):
            os.fsync(folder)


@contextmanager
def _staged(file: Path, root: int) -> Generator[tuple[int, str]]:
    """Puts *file* into the staging folder, synced, as a link or a copy. Gives the folder's descriptor and the name."""
    name = secrets.token_hex(16)
    with descriptor_of(STAGING, AS_FOLDER, root) as staging:
        try:
            _link_or_copy(file, staging, name)
            with descriptor_of(name, AS_FILE, staging) as descriptor:
                _sync(descriptor, staging)
            yield staging, name
        finally:
            with suppress(OSError):  # the sweep deletes it later
                os.unlink(name, dir_fd=staging)


def _link_or_copy(file: Path, staging: int, name: str) -> None:
    try:
        os.link(file, name, dst_dir_fd=staging)
    except OSError as error:
        if error.errno not in NOT_FROM_THERE:
            raise
        _copy(file, staging, name)


def _copy(file: Path, staging: int, name: str) -> None:
    with file.open("rb") as source, os.fdopen(os.open(name, AS_NEW, 0o600, dir_fd=staging), "wb") as target:
        shutil.copyfileobj(source, target, CHUNK)


def _sync(descriptor: int, folder: int) -> None:
    """Syncs a file that goes to *folder*, with the mode that a proxy needs, and with the time of now as its mtime.

    `stat` and scans show that time as the object's; the spooled file may still have the time of a client's file. The
    sweep goes by ctime, which these calls set to now as well.
    """
    with suppress(PermissionError):  # a file system that has no modes
        os.fchmod(descriptor, shared(0o644, folder))
    os.utime(descriptor)
    os.fsync(descriptor)


def _publish(staging: int, staged: str, folder: int, name: str, key: str) -> None:
    """Gives the staged file its name. Raises `KeyExists` if the name is taken."""
    try:
        os.link(staged, name, src_dir_fd=staging, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise KeyExists(key) from None
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        _claim_and_rename(staging, staged, folder, name, key)


def _claim_and_rename(staging: int, staged: str, folder: int, name: str, key: str) -> None:
    """Gives the staged file its name on a file system without links. Raises `KeyExists` if the name is taken.

    A rename would overwrite, so two processes that both find the name free would both succeed. The claim rules that
    out: it is a file in staging that is created exclusively, and only the process that made it may look and rename.

    A claim that a killed process left makes its key taken until the sweep deletes it. Most such file systems do not
    distinguish capital from small letters, so claims do not either.
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
