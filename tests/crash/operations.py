"""The operations that are broken off at every call, and what has to be true afterwards.

They are an upload, a deletion, an expiry and a migration. Each keeps a program running in a folder, whose calls are
held (`held`), and starts it again after a kill.
"""

import http.client
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from tests import drawn
from tests.crash import holding, stored
from tests.crash.held import NAMES, Call, Fate, Holder, Watch
from tests.served import Served

SETTLED = 10.0
"""Seconds within which a broken operation has to be taken back or finished."""
CHECK_EVERY = 5
"""Points between two runs of `imges fsck`. Rows and files are compared after each point."""
NUMBERS = ",".join(map(str, NAMES))
SLOW = "60 s"
"""What a decoder may take: while all calls are traced, its start alone may take longer than the default."""
QUICK = {"IMAGES__WORKERS": "1", "IMAGES__TIMEOUT": SLOW, "SERVER__DRAIN": "0 s"}
ROOT = Path(__file__).parents[2]
EAST, WEST = "Pacific/Kiritimati", "Etc/GMT+12"
"""Time zones that never have the same date: the day's folder of an upload then contains no older pictures."""

NEVER_AGO = 4_000_000_000_000_000
"""Microseconds since 1970, in the year 2096."""

VITAL = {
    ("fsync", "images/"),
    ("fsync", "spool/"),
    ("link", "images/"),
    ("linkat", "images/"),
    ("fdatasync", "imges.db-wal"),
    ("pwrite64", "imges.db-wal"),
}
"""Calls, and beginnings of their paths, without which nothing may be promised."""


def is_vital(call: Call) -> bool:
    return call.by_server and any(call.name == name and call.path.startswith(path) for name, path in VITAL)


def held(folder: Path, module: str, *arguments: str) -> tuple[Holder, list[str]]:
    """Returns what decides about the calls of a program in *folder*, and the command that starts it."""
    holder = Holder(folder / "data")
    began = str(holder.theirs.fileno())
    return holder, [sys.executable, holding.__file__, began, NUMBERS, module, *arguments]


def held_server(folder: Path, **environ: str) -> tuple[Served, Holder]:
    """A running server, and what decides about its calls."""
    holder, command = held(folder, "imges", "serve")
    served = Served(folder, command, [holder.theirs.fileno()], **(QUICK | environ))
    holder.begin(served.process.pid)
    served.wait_until_it_answers()
    return served, holder


class Operation:
    """One life of the program after another, with windows in which its calls are counted."""

    holder: Holder

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._unchecked = 0
        (folder / "data").mkdir(mode=0o711, exist_ok=True)
        (folder / "settings.yaml").write_text(stored.SETTINGS)

    @property
    def process(self) -> "subprocess.Popen[Any]":
        raise NotImplementedError

    def start(self) -> None:
        """Begins a life."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Makes what `act` needs."""

    def act(self) -> str:
        """Acts once. Returns what the client received: `done`, `died`, or the error."""
        raise NotImplementedError

    def check(self, heard: str, call: Call | None, fate: Fate) -> None:
        """Checks the result, in the same life or in the next. Raises `AssertionError`."""
        raise NotImplementedError

    def checked(self) -> None:
        """Checks that `imges fsck` finds nothing. It takes long, so it runs now and then."""
        self._unchecked += 1
        if self._unchecked >= CHECK_EVERY:
            self._unchecked = 0
            assert not (wrong := stored.fsck(self.folder)), f"fsck: {wrong}"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def window(self, watch: Watch) -> str:
        """Calls `act` under *watch* and returns its outcome. If the process was to be killed, it is dead then."""
        self.holder.watch(watch)
        try:
            heard = self.act()
            time.sleep(0.02)  # work that follows the answer belongs to the act
            if watch.fate == "DEAD" and watch.struck:
                self.process.kill()
                self.process.wait()
        finally:
            self.holder.leave()
        struck = watch.struck
        if struck and watch.fate == "KILL" and struck.by_server:
            self.process.wait(10)
        return heard


class OfServer(Operation):
    """An operation of a server."""

    served: Served

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._kept: dict[str, bytes] = {}
        """Pictures promised long ago."""
        self._seeds = iter(range(1_000_000))
        self.start(EAST)
        for _ in range(3):
            image, content = self.uploaded()
            self._kept[image["url"]] = content
        self.stop()
        with closing(sqlite3.connect(folder / "data/imges.db")) as db, db:
            db.execute("UPDATE api_keys SET last_used = ?", [NEVER_AGO])  # else the last use is stored now and then
        self.start()

    @property
    def process(self) -> "subprocess.Popen[Any]":
        return self.served.process

    def start(self, zone: str = WEST) -> None:
        self.served, self.holder = held_server(self.folder, SITE__TIME_ZONE=zone)

    def content(self) -> bytes:
        return drawn.encoded(drawn.noise(40, 40, next(self._seeds)), "PNG")

    def uploaded(self) -> tuple[dict[str, Any], bytes]:
        content = self.content()
        return self.served.upload(content), content

    def recovered(self) -> tuple[dict[str, Any], bytes]:
        """Checks that the same process accepts one more upload within seconds."""
        deadline = time.monotonic() + SETTLED
        while True:
            try:
                return self.uploaded()
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def whole(self, promised: dict[str, bytes]) -> None:
        for url, content in (self._kept | promised).items():
            assert self.served.get(url) == (200, content), f"{url} is lost"

    def sound(self) -> None:
        """Checks in this life or, if the next sweep is a minute away, in the next one."""
        if stored.settled(self.folder, 0.5):
            self.served.process.terminate()
            assert self.served.process.wait(30) == 0
            self.start()
        assert not (wrong := stored.settled(self.folder, SETTLED)), f"{wrong}\n{self.served.log[-3000:]}"
        self.checked()

    def tried(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[str, bytes]:
        """Returns the status line of a request's answer, and its body."""
        try:
            status, answer = self.served.request(method, path, body, **headers)
        except (OSError, http.client.HTTPException):
            return "died", b""
        return ("done" if status == 200 else str(status)), answer


class Upload(OfServer):
    """An upload into a new folder."""

    def __init__(self, folder: Path) -> None:
        self._made: list[tuple[dict[str, Any], bytes]] = []
        self._older = 0
        super().__init__(folder)

    def prepare(self) -> None:
        for image, _ in self._made:
            assert self.served.request("POST", "/" + image["delete_url"].split("/", 3)[3])[0] == 200
        self._made = []
        assert not (wrong := stored.settled(self.folder, SETTLED)), wrong
        self._older = len(stored.rows(self.folder))
        for day in (self.folder / "data/images").glob("*/*/*"):
            with suppress(OSError):
                day.rmdir()
        stored.checkpoint(self.folder)

    def act(self) -> str:
        content = self.content()
        try:
            self._made = [(self.served.upload(content), content)]
        except (OSError, http.client.HTTPException):
            return "died"
        except AssertionError as answer:
            return str(answer).partition('"status_code": ')[2][:3] or str(answer)
        return "done"

    def check(self, heard: str, call: Call | None, fate: Fate) -> None:
        assert heard in _expected(call, fate), f"it answered {heard}\n{self.served.log[-3000:]}"
        if call and fate in {"EIO", "ENOSPC"} and is_vital(call):
            assert heard != "done", "it was promised without this"
        if self.process.poll() is not None:
            self.start()
        self.whole({image["url"]: content for image, content in self._made})
        if heard not in {"died", "done"} and fate != "DEAD":
            states = [state for _, state, _ in stored.rows(self.folder) if state == "published"]
            assert len(states) == self._older, "it was refused and is published"
        self._made.append(self.recovered())
        self.sound()
        self.whole({image["url"]: content for image, content in self._made})


def _expected(call: Call | None, fate: Fate) -> set[str]:
    if call is None:
        return {"done"}
    if fate == "KILL":
        return {"died", "done"} if call.by_server else {"422", "done"}
    return {"done", "503", "507"} if fate == "ENOSPC" else {"done", "503"}


class Delete(OfServer):
    """A deletion by the delete link."""

    def prepare(self) -> None:
        self._image, self._content = self.uploaded()
        stored.checkpoint(self.folder)

    def act(self) -> str:
        return self.tried("POST", "/" + self._image["delete_url"].split("/", 3)[3])[0]

    def check(self, heard: str, call: Call | None, fate: Fate) -> None:
        assert heard in _expected(call, fate), f"it answered {heard}\n{self.served.log[-3000:]}"
        if self.process.poll() is not None:
            self.start()
        status, content = self.served.get(self._image["url"])
        assert status == 410 or (heard != "done" and (status, content) == (200, self._content)), f"{heard}, {status}"
        self.whole({})
        self.sound()
        assert self.served.get(self._image["url"])[0] == status
        if status == 200:  # not begun: the link still works
            assert self.act() == "done"


class WithoutServer(Operation):
    """An operation of `tests.crash.without_server`."""

    _process: "subprocess.Popen[str]"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.start()

    @property
    def process(self) -> "subprocess.Popen[Any]":
        return self._process

    def start(self) -> None:
        self.holder, command = held(self.folder, "tests.crash.without_server")
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, pass_fds=[self.holder.theirs.fileno()], env=_environment(),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self.holder.begin(self._process.pid)
        assert self._heard() == "ready", self.log

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()[-3000:]

    def told(self, order: str) -> str:
        assert self._process.stdin
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip() or "died"

    def stop(self) -> None:
        super().stop()
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def finish(self, order: str) -> None:
        """Acts again, to its end, in another life if needed."""
        if self._process.poll() is not None:
            self._close()
            self.start()
        assert (heard := self.told(order)) == "done", f"again: {heard}\n{self.log}"


def _environment() -> dict[str, str]:
    ours = {"LIMITS__DISK_RESERVE": "1 MB", "IMAGES__WORKERS": "1", "IMAGES__TIMEOUT": SLOW}
    return os.environ | {"PYTHONPATH": str(ROOT)} | {f"IMGES__{name}": value for name, value in ours.items()}


class Expire(WithoutServer):
    """The expiry, by the sweep that every server runs."""

    def prepare(self) -> None:
        assert self.told("upload") == "done", self.log
        with closing(sqlite3.connect(self.folder / "data/imges.db", timeout=10)) as db, db:
            db.execute("UPDATE images SET created = created - 100000000, expires = created - 40000000")

    def act(self) -> str:
        return self.told("sweep")

    def check(self, heard: str, call: Call | None, fate: Fate) -> None:
        assert (heard == "died") == (call is not None and fate == "KILL" and call.by_server), f"{heard}\n{self.log}"
        if [state for _, state, _ in stored.rows(self.folder)] in ([], ["published"]):  # finished, or not begun
            assert not (wrong := stored.unsound(self.folder)), wrong
        self.finish("sweep")
        assert not stored.rows(self.folder)
        assert not (wrong := stored.unsound(self.folder)), wrong
        self.checked()


class Migrate(WithoutServer):
    """The migration of one picture to and fro between two folders."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        assert self.told("upload") == "done", self.log
        self._content = stored.files_of(folder / "data/images")

    def prepare(self) -> None:
        ((_, _, here),) = stored.rows(self.folder)
        self._target = "disk" if here == "other" else "other"

    def act(self) -> str:
        return self.told(f"migrate {self._target}")

    def check(self, heard: str, call: Call | None, fate: Fate) -> None:
        assert (heard == "died") == (call is not None and fate == "KILL" and call.by_server), f"{heard}\n{self.log}"
        self._whole()
        self.finish(f"migrate {self._target}")
        self._whole()
        assert [place for _, _, place in stored.rows(self.folder)] == [self._target]
        assert not (wrong := stored.settled(self.folder, 0)), wrong
        self.checked()

    def _whole(self) -> None:
        """Checks that the picture is in the place of its row."""
        ((_, state, place),) = stored.rows(self.folder)
        found = stored.files_of(self.folder / "data" / stored.PLACES[place])
        assert (state, found) == ("published", self._content), f"in {place}: {state}, {list(found)}"


OPERATIONS: dict[str, type[Operation]] = {"upload": Upload, "delete": Delete, "expire": Expire, "migrate": Migrate}
