"""What is imported: the files of a folder, and what its list, a dump and a map of addresses know about them."""

import asyncio
import csv
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imges.catalog import OldAddress
from imges.catalog.old_addresses import is_possible
from imges.errors import ImgesError
from imges.maintenance.hosts.host import Host
from imges.maintenance.progress import Progress
from imges.maintenance.records import NotARecord, Notes, Record, Records, likely_key, read_line
from imges.maintenance.tree import OldFile, Refused, walk

LIST = "pictures.jsonl"
"""In the folder of an export: a JSON object for each picture, one a line."""


class NotTaken(ImgesError):
    """Why a file, or a whole folder, does not come in."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a file: its *record*, and all addresses that it had."""

    record: Record
    old: tuple[OldAddress, ...]


@dataclass(frozen=True, slots=True)
class Also:
    """Old addresses that the owner names: a *map* (CSV, `old path,file`), and the path that the folder had."""

    map: Path | None = None
    below: str | None = None


class Source:
    """The folder *given* of *host*, once it was `read`."""

    def __init__(self, given: Path, host: Host, also: Also, records: Records, progress: Progress) -> None:
        self.host = host
        self.records = records
        self.unreadable = 0
        """Lines of the list and the map that make no sense."""
        self._given = given
        self._also = also
        self._progress = progress
        self._folder = given
        self._has_nameless = False  # whether a line of the list does not say which picture it describes

    async def read(self) -> None:
        """Read everything but the files. Raises `NotTaken` if the folder, the dump, the list or the map cannot be read.

        Raises `NotUnderstood` if the dump says too little.
        """
        try:
            self._folder = await asyncio.to_thread(self.host.folder, self._given)
            if self.host.dump is not None:
                self._progress.stage("reading the dump")
            await self.records.fill(self.host.read)
            listed = self._given / LIST
            if await asyncio.to_thread(listed.is_file):
                self._progress.stage(f"reading {LIST}")
                await self.records.fill(lambda notes: self._read_list(listed, notes))
            if (given := self._also.map) is not None:
                await self.records.fill(lambda notes: self._read_map(given, notes))
        except OSError as error:
            raise NotTaken(f"{error.filename or self._given} cannot be read: {error.strerror}") from error

    def _read_list(self, file: Path, notes: Notes) -> None:
        """Raises `OSError` if the list cannot be read."""
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    notes.put(*read_line(line))
                except NotARecord as error:
                    self.unreadable += 1
                    self._progress.say(f"{LIST}: line {number} is not of an export: {error}")
                    if key := likely_key(line):
                        notes.refuse_unreadable(key)
                    else:
                        self._has_nameless = True

    def _read_map(self, file: Path, notes: Notes) -> None:
        """Raises `OSError` if the map cannot be read."""
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            for number, row in enumerate(csv.reader(lines), 1):
                if not row or (number == 1 and row == ["old path", "file"]):
                    continue
                path = old_path(row[0]) if len(row) == 2 else None
                if path is None:
                    self.unreadable += 1
                    self._progress.say(f"{file.name}: line {number} should be an old path and a file: {row!a:.200}")
                else:
                    notes.also_at(row[1].strip(), OldAddress(path))

    async def count(self) -> int:
        """Return how many files are pictures by their names. Raises `NotTaken` if the folder cannot be read."""
        try:
            return await asyncio.to_thread(lambda: sum(isinstance(found, OldFile) for found in self._walk()))
        except OSError as error:
            raise NotTaken(f"{error.filename} cannot be read: {error.strerror}") from error

    async def files(self) -> AsyncGenerator[OldFile | Refused]:
        """Yield the pictures, and the files that are none. Raises `OSError` if a folder cannot be read."""
        walking = self._walk()
        while (found := await asyncio.to_thread(next, walking, None)) is not None:
            yield found

    def _walk(self) -> Iterator[OldFile | Refused]:
        return walk(self._folder, self.host.judge)

    async def known(self, name: str, *, use: bool = True) -> Known:
        """Return what is known about the file *name*; with *use* its record is marked as one that has a file.

        Raises `LeftOut` or `NotTaken` if it must not come in.
        """
        record = await (self.records.get if use else self.records.peek)(name)
        if record is None and self._has_nameless:  # without its id and its end it would come in for good
            raise NotTaken(f"a line of {LIST} that cannot be read may be of it")
        record = record or Record()
        old = [*self.host.addresses(name), *(OldAddress(path, shows) for path, shows in record.old_addresses)]
        if self._also.below is not None:
            old.append(OldAddress(f"{self._also.below}/{name}"))
        by_path = {each.path: each for each in reversed(old) if is_possible(each.path)}
        return Known(record, tuple(reversed(by_path.values())))


def old_path(given: str) -> str | None:
    """Returns the decoded path of an address that the owner wrote: whole, or from the first slash on.

    Returns `None` if it has no path, or a query, because old addresses are found by their paths alone.
    """
    try:
        parts = urlsplit(given.strip())
    except ValueError:
        return None
    path = "" if parts.query else unquote(parts.path)
    return path if is_possible(path) and path != "/" else None
