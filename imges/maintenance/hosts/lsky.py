"""Lsky Pro 2 (the open edition): folders of dates, and its database in SQLite or a dump of MySQL."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imges.catalog import OldAddress, Shows
from imges.maintenance.hosts import database
from imges.maintenance.hosts.dump_file import NotUnderstood
from imges.maintenance.hosts.host import Host
from imges.maintenance.hosts.mysql_dump import Row
from imges.maintenance.records import Notes, Record
from imges.maintenance.tree import Judge, everywhere, inner_folder


@dataclass
class Lsky(Host):
    """A Lsky Pro. Several of its rows may share one file: it comes in once, and all their addresses lead to it."""

    judge: Judge = everywhere
    links: dict[str, str] = field(default_factory=dict[str, str])
    """The path of public addresses by the number of a strategy, which is what Lsky calls a storage."""

    def folder(self, given: Path) -> Path:
        return inner_folder(given, "storage/app/uploads")

    def addresses(self, name: str, /) -> Sequence[OldAddress]:
        return [OldAddress(f"/i/{name}")]

    def read(self, notes: Notes) -> None:
        if self.dump is None:
            return
        pictures = self._survey(self.dump)
        if not pictures:
            raise NotUnderstood(
                f"{self.dump.name} has no rows of a table images with a column key: it is no database of Lsky Pro 2"
            )
        for _, row in database.rows(self.dump, "images"):
            self._read_picture(notes, row)

    def _survey(self, dump: Path) -> int:
        """Reads the storages and the users. Returns how many pictures there are."""
        pictures = 0
        for table, row in database.rows(dump, "strategies", "users", "albums", "images"):
            match table, row:
                case "strategies", dict():
                    self.links[row.get("id") or ""] = _link(row.get("configs"))
                case "users", dict():
                    self.owners.add(row.get("id"), row.get("name"))
                case "albums", _:
                    self.counted["albums"] += 1
                case _:
                    pictures += row is not None and "key" in row
        return pictures

    def _read_picture(self, notes: Notes, row: Row | None) -> None:
        if row is None:
            self.problems.append("a row of images has more or fewer values than there are columns")
            return
        shown, name = f"the picture {row.get('id')}", None
        try:
            name = f"{(row['path'] or '').strip('/')}/{row['name']}".lstrip("/")
            if row.get("is_unhealthy") == "1":
                notes.refuse(name, "it is marked as unhealthy there")
                return
            if not notes.has(name):
                self.note(notes, name, _record(row, self.owners.of(row.get("user_id"))), shown)
            for address in self._addresses(row, name):
                notes.also_at(name, address)
        except (ValueError, KeyError, TypeError) as error:
            self.problem(notes, name, shown, error)

    def _addresses(self, row: Row, name: str) -> list[OldAddress]:
        link = self.links.get(row.get("strategy_id") or "", "/i")
        extension = row["extension"] or ""
        endings = dict.fromkeys((extension, extension.lower(), extension.upper()))
        ending = "svg" if extension.lower() == "svg" else "png"
        return [
            OldAddress(f"{link}/{name}"),
            *(OldAddress(f"/{row['key']}.{each}") for each in endings),
            OldAddress(f"/thumbnails/{row['md5']}.{ending}", Shows.THUMB),
        ]


def _link(configs: str | None) -> str:
    """Returns the path in the public address of a storage, without a slash at its end."""
    try:
        url: object = json.loads(configs or "")["url"]
        return unquote(urlsplit(str(url)).path).rstrip("/")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "/i"


def _record(row: Row, owner: str | None) -> Record:
    created = row.get("created_at")
    return Record(
        created=datetime.fromisoformat(created).replace(tzinfo=UTC) if created else None,
        original_filename=row.get("origin_name") or None,
        title=row.get("alias_name") or None,
        api_key=owner,
        address=row.get("uploaded_ip") or None,
    )
