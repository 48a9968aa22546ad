"""Zipline 4: a flat folder of files, and the export of its administration page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imges.catalog import OldAddress, Shows
from imges.maintenance.hosts.dump_file import NotUnderstood
from imges.maintenance.hosts.host import Host
from imges.maintenance.old_keys import OldKey
from imges.maintenance.records import Notes, Record
from imges.maintenance.tree import Refused, anew, inner_folder

PASSED_OVER = (".thumbnail.", "zipline_partial_")
"""What names of files begin with that Zipline made for itself."""

EXPORT = "4"
"""The version of exports that are read."""


def _judge(path: str, names: set[str]) -> Any:
    """Takes all pictures, and passes over Zipline's own files."""
    name = path.rpartition("/")[2]
    judged = anew(path, names)
    return None if name.startswith(PASSED_OVER) and not isinstance(judged, Refused) else judged


@dataclass
class Zipline(Host):
    """A Zipline. The export is read as far as it is about files; it also has the host's secrets, which are not."""

    route: str = "/u"
    """The path below which files are served, which is a setting there."""

    def __post_init__(self) -> None:
        self.judge = _judge

    def folder(self, given: Path) -> Path:
        return inner_folder(given, "uploads")

    def addresses(self, name: str, /) -> Sequence[OldAddress]:
        file = name.rpartition("/")[2]
        paths = dict.fromkeys((f"{self.route}/{file}", f"/u/{file}", f"/raw/{file}", f"/r/{file}"))
        return [*map(OldAddress, paths), OldAddress(f"/view/{file}", Shows.PAGE)]

    def read(self, notes: Notes) -> None:
        if self.dump is None:
            return
        try:
            self._read_export(notes, _exported(self.dump))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotUnderstood(f"{self.dump.name} is not as Zipline 4 exports it: {error}") from error

    def _read_export(self, notes: Notes, data: Any) -> None:
        settings: Any = data.get("settings") or {}
        self.route = str(settings.get("filesRoute", self.route)).rstrip("/")
        for user in data["users"]:
            self.owners.add(user.get("id"), user.get("username"), user.get("token"))
        tags: dict[str, list[str]] = {}
        for tag in data.get("userTags") or ():
            for file in tag.get("files") or ():
                tags.setdefault(file, []).append(tag["name"])
        for what, name in (("folders", "folders"), ("urls", "short addresses"), ("invites", "invitations")):
            self.counted[name] = len(data.get(what) or ())
        for file in data["files"]:
            self._read_file(notes, file, tags)

    def _read_file(self, notes: Notes, file: Any, tags: dict[str, list[str]]) -> None:
        name: str | None = None
        shown = "a file"
        try:
            name = str(file["name"])
            shown = f"the file {name!a:.100}"
            if file.get("password"):
                notes.refuse(name, "it has a password there")
            elif file.get("maxViews") is not None:
                notes.refuse(name, "it ends there after so many views")
            else:
                self.note(notes, name, _record(file, self.owners.of(file.get("userId")), tags), shown)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.problem(notes, name, shown, error)
        if name is not None and OldKey.anywhere(name) is None:
            self.counted["files that are no pictures"] += 1
            notes.refuse(name, "it is no picture by its name")


def _exported(file: Path) -> Any:
    """Returns the data of an export. Raises `NotUnderstood` if it is none; `OSError`."""
    try:
        whole = json.loads(file.read_bytes())
        version = whole["versions"]["export"]
        data = whole["data"] if version == EXPORT else None
        if data is not None and isinstance(data["files"], list) and isinstance(data["users"], list):
            return data
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotUnderstood(
            f"{file.name} is no export of Zipline; make one on the page of its server settings, as JSON"
        ) from None
    raise NotUnderstood(
        f"{file.name} is an export of version {version!a:.20}, and not of Zipline 4; update Zipline, and export again"
    )


def _record(file: Any, owner: str | None, tags: dict[str, list[str]]) -> Record:
    return Record(
        created=_moment(file["createdAt"]),
        expires=_moment(file["deletesAt"]) if file.get("deletesAt") else None,
        original_filename=file.get("originalName") or None,
        tags=tuple(tags.get(file.get("id"), ())),
        views=int(file.get("views") or 0),
        api_key=owner,
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
