"""XBackBone 3: a folder for each user, and its database in SQLite or a dump of MySQL."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from imges.catalog import OldAddress
from imges.maintenance.hosts import database
from imges.maintenance.hosts.dump_file import NotUnderstood
from imges.maintenance.hosts.host import Host
from imges.maintenance.hosts.mysql_dump import Row
from imges.maintenance.old_keys import OldKey
from imges.maintenance.records import Notes, Record
from imges.maintenance.tree import Judge, anew, inner_folder


@dataclass
class XBackBone(Host):
    """A XBackBone.

    One of its addresses gave people a page and programs the picture. All of them give the picture here, because they
    stand in `<img>`.
    """

    judge: Judge = anew
    codes: dict[str, str] = field(default_factory=dict[str, str])
    """The part of addresses that stands for a user, by the user's number."""
    tags: dict[str, str] = field(default_factory=dict[str, str])
    tagged: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    """Numbers of tags by the number of an upload."""

    def folder(self, given: Path) -> Path:
        return inner_folder(given, "storage")

    def addresses(self, name: str, /) -> Sequence[OldAddress]:
        stem, _, extension = name.rpartition(".")
        return _addresses(stem, [extension])

    def read(self, notes: Notes) -> None:
        if self.dump is None:
            return
        uploads = 0
        for table, row in database.rows(self.dump, "users", "tags", "uploads_tags", "uploads"):
            uploads += table == "uploads"
            if row is not None:
                self._survey(table, row)
        if not uploads or not self.codes:
            raise NotUnderstood(
                f"{self.dump.name} has no rows of tables users and uploads with a column user_code: it is no database"
                " of XBackBone 3"
            )
        for table, row in database.rows(self.dump, "uploads_tags", "uploads"):
            if table == "uploads":
                self._read_upload(notes, row)

    def _survey(self, table: str, row: Row) -> None:
        match table:
            case "users" if row.get("user_code"):
                self.codes[row.get("id") or ""] = row["user_code"] or ""
                self.owners.add(row.get("id"), row.get("username"), row.get("token"))
            case "tags":
                self.tags[row.get("id") or ""] = row.get("name") or ""
            case "uploads_tags":
                self.tagged.setdefault(row.get("upload_id") or "", []).append(row.get("tag_id") or "")
            case _:
                pass

    def _read_upload(self, notes: Notes, row: Row | None) -> None:
        if row is None:
            self.problems.append("a row of uploads has more or fewer values than there are columns")
            return
        shown, name = f"the upload {row.get('id')}", None
        try:
            name = (row["storage_path"] or "").strip("/")
            if OldKey.anywhere(name) is None:
                self.counted["files that are no pictures"] += 1
                notes.refuse(name, "it is no picture by its name")
                return
            self.note(notes, name, self._record(row), shown)
            code = self.codes.get(row.get("user_id") or "", name.partition("/")[0])
            endings = [each.rpartition(".")[2] for each in (name, row.get("filename") or "") if "." in each]
            for address in _addresses(f"{code}/{row['code']}", endings):
                notes.also_at(name, address)
        except (ValueError, KeyError, TypeError) as error:
            self.problem(notes, name, shown, error)

    def _record(self, row: Row) -> Record:
        named = [self.tags.get(number) for number in self.tagged.get(row.get("id") or "", ())]
        created = row.get("timestamp")
        return Record(
            created=datetime.fromisoformat(created).replace(tzinfo=UTC) if created else None,
            original_filename=row.get("filename") or None,
            tags=tuple(name for name in named if name),
            api_key=self.owners.of(row.get("user_id")),
        )


def _addresses(stem: str, extensions: Iterable[str]) -> list[OldAddress]:
    """Returns the addresses of the upload `user/code`."""
    paths = [f"/{stem}", f"/{stem}/raw", f"/{stem}/download"]
    for extension in dict.fromkeys(extensions):
        paths += [f"/{stem}.{extension}", f"/{stem}/raw.{extension}"]
    return [OldAddress(path) for path in paths]
