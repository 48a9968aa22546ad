"""The sockets we listen on, bound before anything else is opened, so that several processes can accept from them."""

import errno
import socket
import stat
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from imges.errors import SettingsError
from imges.settings import Server


@dataclass(frozen=True)
class Bound:
    """Bound *sockets*, and their *address* as people read it."""

    sockets: tuple[socket.socket, ...]
    address: str

    def close(self) -> None:
        """Close the sockets. Other processes that have them can still accept."""
        for each in self.sockets:
            each.close()


@contextmanager
def bound(server: Server, passed: list[socket.socket]) -> Generator[Bound]:
    """In the block, the sockets that were *passed*, or else those of the settings, are bound. Nothing accepts yet.

    Raises `SettingsError` if a socket cannot be bound.
    """
    with ExitStack() as stack:
        if passed:
            found = Bound(tuple(passed), ", ".join(map(_name, passed)))
            stack.callback(found.close)
            yield found
            return
        try:
            found = _unix(server.unix_socket) if server.unix_socket else _tcp(server.host, server.port)
        except OSError as error:
            name = "unix_socket" if server.unix_socket else "host" if _is_of_host(error) else "port"
            value, hint = getattr(server, name), ""
            if name == "port" and error.errno == errno.EACCES:
                hint = "; ports below 1024 are root's: choose another, and let a proxy listen on 80 and 443"
            raise SettingsError(f"server.{name} is {value}: cannot listen there: {error.strerror}{hint}") from error
        stack.callback(found.close)
        yield found


def _is_of_host(error: OSError) -> bool:
    return isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL


def _name(one: socket.socket) -> str:
    name = one.getsockname()
    return f"unix:{name}" if one.family == socket.AF_UNIX else f"http://{name[0]}:{name[1]}"


def _tcp(host: str, port: int) -> Bound:
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
    except OSError:
        for each in sockets:
            each.close()
        raise
    shown = f"[{host}]" if ":" in host else host
    return Bound(tuple(sockets), f"http://{shown}:{sockets[0].getsockname()[1]}")


def _unix(path: Path) -> Bound:
    """Returns a socket at *path*. Removes one that an earlier server left there."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
    one = socket.socket(socket.AF_UNIX)
    try:
        one.bind(str(path))
        one.listen()  # a client that sees the path can connect; it is answered as soon as we serve
    except OSError:
        one.close()
        raise
    return Bound((one,), f"unix:{path}")
