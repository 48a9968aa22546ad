"""`import`: pictures from a tree of date folders come in, under the addresses that they had.

Originals come as they are, byte for byte, with the thumbs and mediums beside them if those are pictures. Each picture
is reserved, put, published and undone like an upload. A picture that is here already is skipped, so that an import can
be interrupted and run again. `Records` has what an export or a dump knows about each picture.
"""

import asyncio
import re
import secrets
import shutil
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from imges.catalog import GUEST, Image, KeyTaken, NewImage, State, StoredFile, utc_now
from imges.errors import FormatRefused, ImgesError, NotAnImage
from imges.imaging import Header
from imges.maintenance.adopt import created_on, described
from imges.maintenance.chevereto import Dump, id_encoder
from imges.maintenance.context import Context
from imges.maintenance.objects import OUT_OF_ORDER, Copy
from imges.maintenance.old_keys import OldKey
from imges.maintenance.parallel import each
from imges.maintenance.records import NotARecord, Put, Record, Records, likely_key, read_line
from imges.maintenance.tree import NoFile, OldFile, Refused, images_folder, opened, walk
from imges.pictures.drafts import stored_file, token_hash
from imges.receiving.spool import translated
from imges.storage import KeyExists, NewObject
from imges.storage.places import Place

LIST = "pictures.jsonl"
"""In the folder of an export: a JSON object for each picture, one a line."""

_ID = re.compile(r"[0-9A-Za-z]{1,64}")


class NotTaken(ImgesError):
    """Why a file does not come in."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to import: a *folder*, and the *dump* of a Chevereto. *strip* removes metadata; *api_key* gets them."""

    folder: Path
    strip: bool = False
    dump: Path | None = None
    api_key: str = GUEST
    parallel: int = 2


@dataclass(slots=True)
class Imported:
    """How many pictures came in, were here before, or were left out; and how many records had no file.

    *unreadable* counts lines of the list that no export wrote.
    """

    pictures: int = 0
    size: int = 0
    present: int = 0
    refused: int = 0
    without_file: int = 0
    unreadable: int = 0


async def bring_in(context: Context, wanted: Wanted) -> Imported:
    """Imports everything in the folder. An import that was interrupted can be run again.

    A line of the list that no export wrote is reported, and the picture that it may describe is left out.

    Raises `NotTaken` if the folder, the dump or the list cannot be read; `StorageUnavailable`, `StorageFull`,
    `ServerError`.
    """
    async with Records.open() as records:
        return await _Import(context, wanted, records).run()


class _Import:
    def __init__(self, context: Context, wanted: Wanted, records: Records) -> None:
        self._context = context
        self._wanted = wanted
        self._records = records
        self._pictures = context.pictures
        self._catalog = context.catalog
        self._place: Place = context.places[context.settings.storage]
        self._encode: Callable[[int], str] | None = None
        self._folders: frozenset[str] = frozenset()
        self._has_nameless = False  # whether a line of the list does not say which picture it describes
        self._imported = Imported()

    async def run(self) -> Imported:
        await self._pictures.sweeping.sweep()  # what a run that was killed left pending would be in the way
        try:
            folder = await asyncio.to_thread(images_folder, self._wanted.folder)
            await self._read_records()
            total = await asyncio.to_thread(self._count, folder)
        except OSError as error:
            raise NotTaken(f"{error.filename or self._wanted.folder} cannot be read: {error.strerror}") from error
        self._context.progress.stage("importing", total)
        await each(self._files(folder), self._one, at_once=self._wanted.parallel)
        self._imported.without_file = await self._records.unused()
        return self._imported

    # What there is

    async def _read_records(self) -> None:
        """Of an export's list, and of a dump, which is the older."""
        if self._wanted.dump is not None:
            dump = Dump()
            self._context.progress.stage("reading the dump")
            self._folders = await self._records.fill(partial(self._read_dump, dump, self._wanted.dump))
            for problem in dump.unreadable:
                self._refuse(f"{self._wanted.dump.name}: {problem}", "this row makes no sense")
            if dump.salt is None:
                self._context.progress.say("the dump has no crypt_salt: the old addresses of viewers cannot be kept")
            else:
                self._encode = id_encoder(dump.salt, dump.padding)
        listed = self._wanted.folder / LIST
        if await asyncio.to_thread(listed.is_file):
            self._context.progress.stage(f"reading {LIST}")
            await self._records.fill(partial(self._read_list, listed))

    def _read_dump(self, dump: Dump, file: Path, put: Put) -> frozenset[str]:
        """The folders that its pictures are in which are not of a day."""
        folders: set[str] = set()
        for key, number, record in dump.pictures(file):
            try:
                put(key, replace(record, number=number))
            except NotARecord as error:
                dump.unreadable.append(f"image_id {number}: {error}")
                put(key, None)
            if OldKey.read(key) is None:
                folders.add(key.rpartition("/")[0])
            self._context.progress.advance()
        return frozenset(folders)

    def _read_list(self, file: Path, put: Put) -> None:
        """Raises `OSError` if the list cannot be read."""
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    put(*read_line(line))
                except NotARecord as error:
                    self._imported.unreadable += 1
                    self._context.progress.say(f"{LIST}: line {number} is not of an export: {error}")
                    if key := likely_key(line):
                        put(key, None)
                    else:
                        self._has_nameless = True

    def _count(self, folder: Path) -> int:
        return sum(isinstance(found, OldFile) for found in walk(folder, self._folders))

    async def _files(self, folder: Path) -> AsyncGenerator[OldFile]:
        walking = walk(folder, self._folders)
        while (found := await asyncio.to_thread(next, walking, None)) is not None:
            if isinstance(found, Refused):
                self._refuse(found.shown, found.reason)
            else:
                yield found

    # One picture

    async def _one(self, file: OldFile) -> None:
        try:
            await self._take(file)
        except OUT_OF_ORDER:
            raise
        except ImgesError as error:
            self._refuse(file.name.key, error.message)
        except OSError as error:
            self._refuse(file.name.key, f"it cannot be read: {error.strerror}")
        self._context.progress.advance(1)

    def _refuse(self, what: str, reason: str) -> None:
        self._imported.refused += 1
        self._context.progress.say(f"{what}: left out: {reason}")

    async def _take(self, file: OldFile) -> None:
        record = await self._record_of(file.name.key)
        async with self._context.work_folder.folder() as folder:
            source = await _copied(file.path, folder / "source")
            if record.md5 not in {None, source.md5}:
                raise NotTaken(f"it is not the file that {LIST} describes")
            if await self._is_here(file.name.key, source):
                self._imported.present += 1
                return
            await self._pictures.storing.refuse_blocked(source.md5)
            picture = await self._read(file, source, folder)
            await self._pictures.storing.refuse_blocked(picture.original.md5)
            stored = await self._store(self._row(file, picture, record), picture, views=record.views)
        self._imported.pictures += 1
        self._imported.size += stored.stored_bytes

    async def _record_of(self, key: str) -> Record:
        """Return the record of the picture in the list or the dump. Raises `NotTaken` if it must not come in."""
        record = await self._records.get(key)
        if record is None and self._has_nameless:  # without its id and its end it would come in for good
            raise NotTaken(f"a line of {LIST} that cannot be read may be of it")
        record = record or Record()
        if record.expires is not None and record.expires <= utc_now():
            raise NotTaken("it has expired")
        return record

    async def _store(self, new: NewImage, picture: "_Picture", *, views: int) -> Image:
        """Store the picture, under a new id if another picture has its id.

        Raises `NotTaken` if another picture has or had one of its addresses, or another object lies in its way.
        """
        try:
            return await self._pictures.storing.bring_in(new, picture.objects(new), views=views)
        except KeyTaken as taken:
            if taken.kind != "id" or new.id is None:
                raise NotTaken("another picture has, or had, an address of this one") from taken
            key = new.original.key
            self._context.progress.say(f"{key}: its id {new.id} is another picture's here: it gets a new one")
            return await self._store(replace(new, id=self._pictures.storing.fresh_id()), picture, views=views)
        except KeyExists as error:
            raise NotTaken(f"another object {error.key} lies in {new.place}; see `imges fsck`") from error

    async def _is_here(self, key: str, source: Copy) -> bool:
        """Return whether an earlier run has imported it. Raises `NotTaken` if another picture has the address."""
        owners = await self._catalog.inventory.owners([key])
        if key not in owners:
            return False
        owner = owners[key]
        if owner is None:
            raise NotTaken("a picture of this address was deleted here")
        if owner.image.original.key != key or owner.image.state != State.PUBLISHED:
            raise NotTaken("another picture has this address")
        if owner.image.original.md5 != source.md5 and not self._wanted.strip:
            raise NotTaken("another picture has this address")
        return True

    async def _read(self, file: OldFile, source: Copy, folder: Path) -> "_Picture":
        """Return the files of the picture. Raises what `Rendering.inspect` and `derive` raise."""
        header = await self._pictures.rendering.inspect(source.path)
        if header.format != file.name.format:
            self._context.progress.say(f"{file.name.key}: is {header.format.upper()} by its bytes, and served as that")
        picture = _Picture(header, described(file.name.key, source, header), source.path)
        if not self._wanted.strip:
            picture.thumb = await self._beside(file, file.name.thumb, folder / "thumb-source")
            picture.medium = await self._beside(file, file.name.medium, folder / "medium-source")
        needs_medium = header.displayed[0] > self._context.settings.images.medium.width
        if picture.thumb is None or (picture.medium is None and needs_medium):
            made = await self._pictures.rendering.derive(source.path, header, folder, strip=self._wanted.strip)
            if self._wanted.strip:
                picture.original, picture.path = stored_file(file.name.key, made.original), made.original.path
            picture.thumb = stored_file(file.name.thumb, made.thumb), made.thumb.path
            picture.medium = (stored_file(file.name.medium, made.medium), made.medium.path) if made.medium else None
        return picture

    async def _beside(self, file: OldFile, key: str, path: Path) -> tuple[StoredFile, Path] | None:
        """Return the thumb or medium beside *file*; `None` if there is none, or it is not a picture."""
        source = file.path.with_name(key.rpartition("/")[2])
        try:
            if source.is_symlink():
                return None
            copy = await _copied(source, path)
            return described(key, copy, await self._pictures.rendering.inspect(path)), path
        except (FileNotFoundError, NoFile, NotAnImage, FormatRefused):
            return None

    def _row(self, file: OldFile, picture: "_Picture", record: Record) -> NewImage:
        assert picture.thumb
        settings, name = self._context.settings, file.name
        created = record.created or _created(file, settings.site.time_zone)
        keeps_address = utc_now() - created < settings.privacy.keep_addresses
        return NewImage(
            id=self._id(record),
            place=self._place.name,
            created=created,
            original_filename=record.original_filename or name.key.rpartition("/")[2],
            original=picture.original,
            thumb=picture.thumb[0],
            medium=picture.medium[0] if picture.medium else None,
            medium_key=name.medium,
            api_key=record.api_key or self._wanted.api_key,
            address=_address(record.address) if keeps_address else None,
            delete_token_hash=record.delete_token_hash or token_hash(secrets.token_urlsafe(24)),
            title=record.title,
            description=record.description,
            tags=record.tags,
            nsfw=record.nsfw,
            exif=record.exif,
            expires=record.expires,
        )

    def _id(self, record: Record) -> str | None:
        if record.number is not None and self._encode is not None:
            return self._encode(record.number)
        return record.id if record.id and _ID.fullmatch(record.id) else self._pictures.storing.fresh_id()


@dataclass(slots=True)
class _Picture:
    """The objects of a picture, each with the file that it is to be put from."""

    header: Header
    original: StoredFile
    path: Path
    thumb: tuple[StoredFile, Path] | None = None
    medium: tuple[StoredFile, Path] | None = None

    def objects(self, new: NewImage) -> list[NewObject]:
        """Return what to put, the original last."""
        files = [*(each for each in (self.medium, self.thumb) if each), (self.original, self.path)]
        return [NewObject(file.key, path, new.media_type, new.expires) for file, path in files]


async def _copied(source: Path, target: Path) -> Copy:
    """Copy *source*, because a storage may link the file that it is given.

    Raises `OSError` if *source* cannot be read; `SpoolUnavailable` or `DiskReserve` if *target* cannot be written.
    """

    def copy() -> Copy:
        with opened(source) as reading:
            try:
                with target.open("wb") as writing:
                    shutil.copyfileobj(reading, writing, 2**20)
            except OSError as error:
                raise translated(error) from error
        return Copy.of(target, target.stat().st_size)

    return await asyncio.to_thread(copy)


def _created(file: OldFile, zone: tzinfo) -> datetime:
    """Return when the file was written if that was on the day of its folder, else the beginning of that day."""
    try:
        modified = datetime.fromtimestamp(file.path.stat().st_mtime, UTC)
    except (ValueError, OverflowError):  # some file systems keep times beyond the calendar
        modified = None
    return created_on(file.name.day, modified, zone)


def _address(text: str | None) -> str | None:
    try:
        return None if text is None else str(ip_address(text))
    except ValueError:
        return None
