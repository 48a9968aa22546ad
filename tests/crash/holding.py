"""Starts a program whose system calls are held: `python holding.py SOCKET NUMBERS MODULE ARGUMENTS…`.

SOCKET is the descriptor to which the listener is sent. NUMBERS are those of the calls. Nothing is held until MODULE and
its imports are loaded, so that the start costs what it always does.
"""

import array
import ctypes
import os
import runpy
import socket
import struct
import sys
import threading
from importlib import import_module

SET_MODE_FILTER, NEW_LISTENER = 1, 8
SECCOMP = {"x86_64": 317, "aarch64": 277}
ARCHITECTURE = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
LOAD, EQUAL, ANSWER = 0x20, 0x15, 0x06
ALLOW, NOTIFY = 0x7FFF_0000, 0x7FC0_0000
NO_NEW_PRIVILEGES = 38


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_void_p))


def hold(connection: socket.socket, numbers: list[int]) -> None:
    """Lets the calls of these *numbers* wait for the listener, in this thread and all that it starts."""
    made: list[int] = []
    ready = threading.Event()

    def send() -> None:  # an older thread, whose own calls are not held
        ready.wait()
        rights = array.array("i", made)
        connection.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        connection.close()
        os.close(made[0])

    sender = threading.Thread(target=send)
    sender.start()
    made.append(_listener(numbers))
    ready.set()
    sender.join()


def _listener(numbers: list[int]) -> int:
    machine = os.uname().machine
    lines = [(LOAD, 0, 0, 4), (EQUAL, 0, len(numbers) + 1, ARCHITECTURE[machine]), (LOAD, 0, 0, 0)]
    lines += [(EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    lines += [(ANSWER, 0, 0, ALLOW), (ANSWER, 0, 0, NOTIFY)]
    code = b"".join(struct.pack("=HBBI", *line) for line in lines)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(lines), ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    listener = libc.syscall(SECCOMP[machine], SET_MODE_FILTER, NEW_LISTENER, ctypes.byref(program))
    if listener < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return listener


if __name__ == "__main__":
    import_module("imges.cli.serve")
    _, descriptor, calls, module, *arguments = sys.argv
    hold(socket.socket(fileno=int(descriptor)), [int(number) for number in calls.split(",")])
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
