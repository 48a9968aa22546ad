"""What every kind of host has in common: where its files lie, what it knew of them, and their old addresses."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imges.catalog import GUEST, OldAddress
from imges.maintenance.records import NotARecord, Notes, Record
from imges.maintenance.tree import Judge, in_date_folders, inner_folder

LONGEST_NAME = 64
"""Characters of an API key's name."""


@dataclass
class Owners:
    """The users of a host, whose API keys the pictures get. *wanted*: whether they get keys at all.

    *with_texts*: whether a key keeps the upload token of its user as its text.
    """

    wanted: bool = True
    with_texts: bool = False
    names: dict[str, str] = field(default_factory=dict[str, str])
    """The name of a user's API key, by the user's number at the host."""
    texts: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    """The text of each API key, by its name. `None`: the host has none that could be kept."""

    def add(self, number: str | None, name: str | None, text: str | None = None) -> None:
        """Adds a user of the host. The name is changed if an API key cannot have it, or another user has it."""
        if not self.wanted or number is None:
            return
        plain = re.sub(r"[^A-Za-z0-9._@-]+", "-", name or "").lstrip("._@-")[:LONGEST_NAME] or f"user-{number}"
        if plain in self.texts or plain == GUEST:
            plain = f"{plain[: LONGEST_NAME - len(number) - 1]}-{number}"
        self.names[number] = plain
        self.texts[plain] = (text or None) if self.with_texts else None

    def of(self, number: str | None) -> str | None:
        """Returns the name of the API key that pictures of this user get."""
        return None if number is None else self.names.get(number)


@dataclass
class Host:
    """A tree of date folders about which nothing else is known. Kinds of hosts are subclasses.

    *dump* is what the owner took out of the host's database.
    """

    dump: Path | None = None
    judge: Judge = field(default_factory=in_date_folders)
    """Which files of the folder are pictures."""
    counted: Counter[str] = field(default_factory=Counter[str])
    """What the host had that does not come along, in words, and how many of each."""
    problems: list[str] = field(default_factory=list[str])
    """Rows that make no sense: which, and what is wrong."""
    owners: Owners = field(default_factory=Owners)

    def folder(self, given: Path) -> Path:
        """Returns the folder of the files. Raises `OSError` if *given* cannot be read."""
        return inner_folder(given)

    def read(self, notes: Notes) -> None:
        """Stores what the host knew of its files. Blocking.

        Raises `NotUnderstood` if nothing may be taken in; `OSError` if the dump cannot be read.
        """

    def addresses(self, _: str, /) -> Sequence[OldAddress]:
        """Returns the addresses that a file of this name had, whatever else is known about it."""
        return ()

    def note(self, notes: Notes, name: str, record: Record, row: str) -> None:
        """Stores a record that was made from *row*; if it is none, reports the row and leaves the file out."""
        try:
            notes.put(name, record)
        except NotARecord as error:
            self.problem(notes, name, row, error)

    def problem(self, notes: Notes, name: str | None, row: str, error: Exception) -> None:
        """Reports that *row* makes no sense, and leaves out the file *name* if that is known."""
        missing = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        self.problems.append(f"{row}: {missing}")
        if name is not None:
            notes.refuse_unreadable(name)
