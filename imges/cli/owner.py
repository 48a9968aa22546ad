"""Whose files the commands write: those of the data folder's owner, also when root runs a command.

A file that root leaves in the folder of a service cannot be written by the service: its uploads would fail.
"""

import ctypes
import os
import pwd
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

from imges.errors import SettingsError
from imges.settings import Settings, prepare_data_dir

Outside = Literal["nothing", "read", "write"]
"""What a command does outside the data folder and the places: it may read a tree, or write an archive."""

CAPABILITIES_V3 = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3 of capget(2)."""
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1 << 1, 1 << 2
KEPT = {"nothing": 0, "read": CAP_DAC_READ_SEARCH, "write": CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH}
"""The capabilities (capabilities(7)) that a command keeps of root's: to read any file, or to write in any folder."""
PR_SET_KEEPCAPS = 8


def prepare(settings: Settings, outside: Outside = "nothing") -> None:
    """Becomes the owner of the data folder if root calls, then makes and tries the folder.

    Raises `SettingsError` if the folder cannot be used, or this process may not become its owner.
    """
    become_owner(settings.data_dir, outside)
    prepare_data_dir(settings)


def become_owner(data_dir: Path, outside: Outside = "nothing") -> None:
    """Lets root become the user that *data_dir* belongs to, for good. Call it before any thread or process starts.

    What the command does *outside* it can still do: it keeps the capabilities for that. Processes that it starts do not
    have them. Raises `SettingsError` if the system does not let us become that user.
    """
    if os.geteuid() != 0 or not data_dir.is_dir() or (folder := data_dir.stat()).st_uid == 0:
        return
    try:
        user = pwd.getpwuid(folder.st_uid)
        name, home, groups = user.pw_name, user.pw_dir, os.getgrouplist(user.pw_name, folder.st_gid)
    except KeyError:
        name, home, groups = f"#{folder.st_uid}", "/", [folder.st_gid]
    libc = ctypes.CDLL(None)
    try:
        libc.prctl(PR_SET_KEEPCAPS, 1 if KEPT[outside] else 0, 0, 0, 0)
        os.setgroups(groups)
        os.setresgid(folder.st_gid, folder.st_gid, folder.st_gid)
        os.setresuid(folder.st_uid, folder.st_uid, folder.st_uid)
    except OSError as error:
        advice = f"this process may not become that user ({error.strerror}); run `sudo -u '{name}' imges …`"
        raise SettingsError(f"data_dir is '{data_dir}', which belongs to {name}: {advice}") from error
    os.environ["HOME"] = home
    _refuse_unreadable_program(data_dir, name)
    if KEPT[outside]:
        _keep(libc, KEPT[outside])


def _refuse_unreadable_program(data_dir: Path, name: str) -> None:
    """Raises `SettingsError` if this process, which has become the user *name*, cannot read its own program."""
    for program in (__file__, os.__file__, sys.executable):
        if not os.access(program, os.R_OK):
            advice = "install imges where all users can read it, such as /usr/local/lib/imges"
            raise SettingsError(
                f"data_dir is '{data_dir}', which belongs to {name}, and that user cannot read {program}: {advice}"
            )


def _keep(libc: ctypes.CDLL, capabilities: int) -> None:
    """Makes *capabilities* the only ones of this thread and of those that it starts; none if we never had them."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0)
    sets = (ctypes.c_uint32 * 6)(capabilities, capabilities, 0)  # effective, permitted, inheritable; then bits 32 to 63
    with suppress(AttributeError):  # a system without capabilities
        if libc.capset(header, sets) != 0:
            libc.capset(header, (ctypes.c_uint32 * 6)())
