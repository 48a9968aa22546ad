"""`import`: pictures of another host come in, under the addresses that they had.

Originals come as they are, byte for byte. In a tree of date folders they keep their keys, and the thumbs and mediums
beside them come along if those are pictures; other files get new keys, and keep their addresses as old ones. Each
picture is reserved, put, published and undone like an upload. A picture that is here already is mended where more is
known about it now, and otherwise skipped, so that an import can be interrupted and run again.
"""

import asyncio
import secrets
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from hashlib import blake2b
from ipaddress import ip_address
from itertools import islice
from pathlib import Path

from imges import naming
from imges.catalog import GUEST, Image, KeyTaken, NewImage, OldAddress, State, StoredFile, utc_now
from imges.errors import FormatRefused, ImgesError, NotAnImage
from imges.imaging import Header
from imges.maintenance import album_list
from imges.maintenance.adopt import created_on, described
from imges.maintenance.context import Context
from imges.maintenance.hosts.host import Host
from imges.maintenance.mending import IDENTITY, Mending
from imges.maintenance.objects import OUT_OF_ORDER, Copy
from imges.maintenance.old_keys import FORMATS, OldKey
from imges.maintenance.parallel import each
from imges.maintenance.records import Record, Records
from imges.maintenance.source import Also, Known, NotTaken, Source
from imges.maintenance.tree import NoFile, OldFile, Refused, opened
from imges.pictures.drafts import stored_file, token_hash
from imges.receiving.spool import translated
from imges.storage import KeyExists, NewObject
from imges.storage.places import Place

SAMPLES = 3

MakeKey = Callable[[str, str | None], Awaitable[bool]]
"""Makes a disabled API key of that name, with that text if there is one. Returns false if there is such a key."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to import: a *folder* of a *host*. *strip* removes metadata; *api_key* gets what no user of the host had."""

    folder: Path
    host: Host = field(default_factory=Host)
    also: Also = field(default_factory=Also)
    strip: bool = False
    api_key: str = GUEST
    parallel: int = 2
    make_key: MakeKey | None = None


@dataclass(slots=True)
class Imported:
    """How many pictures came in, were here before, or were left out; and how many records had no file.

    *mended* counts those of *present* that are better known now. *unreadable* counts lines that make no sense.
    """

    pictures: int = 0
    size: int = 0
    present: int = 0
    mended: int = 0
    refused: int = 0
    without_file: int = 0
    unreadable: int = 0
    old_addresses: int = 0
    samples: list[str] = field(default_factory=list[str])
    """Some of the old addresses that are kept."""
    keys: list[str] = field(default_factory=list[str])
    """Names of the API keys that were made."""


async def bring_in(context: Context, wanted: Wanted) -> Imported:
    """Imports everything in the folder. An import that was interrupted can be run again.

    A line of the list that no export wrote is reported, and the picture that it may describe is left out.

    Raises `NotTaken` or `NotUnderstood`, before anything is taken in, if the folder or what is known about it cannot be
    read; `StorageUnavailable`, `StorageFull`, `ServerError`.
    """
    async with Records.open() as records:
        source = Source(wanted.folder, wanted.host, wanted.also, records, context.progress)
        return await _Import(context, wanted, source).run()


class _Import:
    def __init__(self, context: Context, wanted: Wanted, source: Source) -> None:
        self._context = context
        self._wanted = wanted
        self._source = source
        self._mending = Mending(context, source)
        self._pictures = context.pictures
        self._catalog = context.catalog
        self._place: Place = context.places[context.settings.storage]
        self._imported = Imported()

    async def run(self) -> Imported:
        await self._pictures.sweeping.sweep()  # what a run that was killed left pending would be in the way
        await self._source.read()
        for problem in self._wanted.host.problems:
            self._refuse(problem, "this row makes no sense")
        total = await self._source.count()
        await self._make_keys()
        self._context.progress.stage("importing", total)
        try:
            await each(self._files(), self._one, at_once=self._wanted.parallel)
        except OSError as error:
            raise NotTaken(f"{error.filename or self._wanted.folder} cannot be read: {error.strerror}") from error
        self._imported.without_file = await self._source.records.unused()
        self._imported.unreadable = self._source.unreadable
        self._imported.old_addresses += self._mending.added
        if self._imported.old_addresses:
            self._imported.samples = [each.path for each in await self._catalog.old_addresses.samples(SAMPLES)]
        await album_list.bring_in(self._context, self._wanted.folder)
        return self._imported

    async def _make_keys(self) -> None:
        for name, text in self._wanted.host.owners.texts.items():
            if self._wanted.make_key and await self._wanted.make_key(name, text):
                self._imported.keys.append(name)

    async def _files(self) -> AsyncGenerator[OldFile]:
        async for found in self._source.files():
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
            self._refuse(file.name, error.message)
        except OSError as error:
            self._refuse(file.name, f"it cannot be read: {error.strerror}")
        self._context.progress.advance(1)

    def _refuse(self, what: str, reason: str) -> None:
        self._imported.refused += 1
        self._context.progress.say(f"{what}: left out: {reason}")

    async def _take(self, file: OldFile) -> None:
        known = await self._source.known(file.name)
        async with self._context.work_folder.folder() as folder:
            source = await _copied(file.path, folder / "source")
            if known.record.md5 not in {None, source.md5}:
                raise NotTaken("it is not the file that pictures.jsonl describes")
            if await self._is_here(file, source, known):
                return
            if known.record.expires is not None and known.record.expires <= utc_now():
                raise NotTaken("it has expired")
            await self._pictures.storing.refuse_blocked(source.md5)
            await self._take_new(file, source, known)

    async def _take_new(self, file: OldFile, source: Copy, known: Known) -> None:
        """Store the picture under the first of its keys that is free, with those of its addresses that are free."""
        header = await self._pictures.rendering.inspect(source.path)
        owners = await self._catalog.old_addresses.owners([each.path for each in known.old])
        self._mending.report_taken(list(owners))
        old = [each for each in known.old if each.path not in owners]
        for key in self._keys(file, known.record, header.format):
            if (present := await self._at(key, source, is_made=file.key is None)) is not None:
                await self._found(present, known)
                return
            async with self._context.work_folder.folder() as folder:
                picture = await self._read(file, key, source, header, folder)
                await self._pictures.storing.refuse_blocked(picture.original.md5)
                try:
                    stored = await self._store(self._row(file, key, picture, known.record), picture, known.record, old)
                except _KeyInUse:
                    continue
            self._imported.pictures += 1
            self._imported.size += stored.stored_bytes
            self._imported.old_addresses += len(old)
            return
        raise _KeyInUse

    def _keys(self, file: OldFile, record: Record, extension: str) -> Iterator[OldKey]:
        """Yield the keys that the picture may have: its own, or made ones.

        With *strip* the bytes do not tell whether the picture is here already. So only the longer of the made keys is
        used, which no other file has.
        """
        made = made_keys(self._context, file, record, extension)
        return iter([file.key]) if file.key else islice(made, int(self._wanted.strip), None)

    # Is it here already?

    async def _is_here(self, file: OldFile, source: Copy, known: Known) -> bool:
        """Return whether an earlier run has imported it, and mend it if so.

        Raises `NotTaken` if another picture has the address of a file that keeps its key.
        """
        present = await self._at(file.key, source) if file.key else await self._at_old_address(source, known)
        if present is not None:
            await self._found(present, known)
        return present is not None

    async def _found(self, present: Image, known: Known) -> None:
        self._imported.present += 1
        is_mended = await self._mending.mend(present, known)
        self._imported.mended += is_mended  # after the await: others count meanwhile

    async def _at(self, key: OldKey, source: Copy, *, is_made: bool = False) -> Image | None:
        """Return the picture at *key* if it is this one, `None` if the key is free, or was made and is another's.

        Raises `NotTaken` if another picture has the key.
        """
        owners = await self._catalog.inventory.owners([key.key])
        if key.key not in owners:
            return None
        owner = owners[key.key]
        if owner is not None and owner.image.original.key == key.key and self._is_this(owner.image, source):
            return owner.image
        if is_made:
            return None
        if owner is None:
            raise NotTaken("a picture of this address was deleted here")
        raise NotTaken("another picture has this address")

    async def _at_old_address(self, source: Copy, known: Known) -> Image | None:
        """Return the picture that has one of the old addresses, if it is this one.

        Raises `NotTaken` if it was deleted here.
        """
        owners = await self._catalog.old_addresses.owners([each.path for each in known.old])
        numbers = [number for number in owners.values() if number is not None]
        for kept in (await self._catalog.inventory.by_numbers(numbers)).values():
            if self._is_this(kept.image, source):
                return kept.image
        if known.old and set(owners.values()) == {None}:
            raise NotTaken("a picture of this address was deleted here")
        return None

    def _is_this(self, image: Image, source: Copy) -> bool:
        return image.state == State.PUBLISHED and (self._wanted.strip or image.original.md5 == source.md5)

    # Its files and its row

    async def _store(self, new: NewImage, picture: "_Picture", record: Record, old: list[OldAddress]) -> Image:
        """Store the picture, under a new id if another picture has its id.

        Raises `_KeyInUse` if another picture has or had one of its keys, and `NotTaken` if another object lies in its
        way.
        """
        try:
            return await self._pictures.storing.bring_in(new, picture.objects(new), views=record.views, old=old)
        except KeyTaken as taken:
            if taken.kind != "id" or new.id is None:
                raise _KeyInUse from taken
            if new.id == record.id and await self._mending.make_way(new.id):
                return await self._store(new, picture, record, old)
            key = new.original.key
            self._context.progress.say(f"{key}: its id {new.id} is another picture's here: it gets a new one")
            fresh = self._pictures.storing.fresh_id()
            return await self._store(replace(new, id=fresh), picture, record, old)
        except KeyExists as error:
            raise NotTaken(f"another object {error.key} lies in {new.place}; see `imges fsck`") from error

    async def _read(self, file: OldFile, key: OldKey, source: Copy, header: Header, folder: Path) -> "_Picture":
        """Return the files of the picture. Raises what `Rendering.derive` raises."""
        if header.format != key.format:
            self._context.progress.say(f"{file.name}: is {header.format.upper()} by its bytes, and served as that")
        picture = _Picture(header, described(key.key, source, header), source.path)
        if file.key is not None and not self._wanted.strip:
            picture.thumb = await self._beside(file, key.thumb, folder / "thumb-source")
            picture.medium = await self._beside(file, key.medium, folder / "medium-source")
        needs_medium = header.displayed[0] > self._context.settings.images.medium.width
        if picture.thumb is None or (picture.medium is None and needs_medium):
            made = await self._pictures.rendering.derive(source.path, header, folder, strip=self._wanted.strip)
            if self._wanted.strip:
                picture.original, picture.path = stored_file(key.key, made.original), made.original.path
            picture.thumb = stored_file(key.thumb, made.thumb), made.thumb.path
            picture.medium = (stored_file(key.medium, made.medium), made.medium.path) if made.medium else None
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

    def _row(self, file: OldFile, key: OldKey, picture: "_Picture", record: Record) -> NewImage:
        assert picture.thumb
        settings = self._context.settings
        created = record.created or _created(file, key, settings.site.time_zone)
        keeps_address = utc_now() - created < settings.privacy.keep_addresses
        return NewImage(
            id=self._id(record),
            place=self._place.name,
            created=created,
            original_filename=record.original_filename or file.name.rpartition("/")[2],
            original=picture.original,
            thumb=picture.thumb[0],
            medium=picture.medium[0] if picture.medium else None,
            medium_key=key.medium,
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
        return record.id if record.id and IDENTITY.fullmatch(record.id) else self._pictures.storing.fresh_id()


class _KeyInUse(NotTaken):
    """Another picture has, or had, a key."""

    def __init__(self) -> None:
        super().__init__("another picture has, or had, an address of this one")


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


def _modified(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (ValueError, OverflowError):  # some file systems keep times beyond the calendar
        return None


def _created(file: OldFile, key: OldKey, zone: tzinfo) -> datetime:
    """Return when the file was written if that was on the day of its folder, else the beginning of that day."""
    return created_on(key.day, _modified(file.path), zone)


def made_keys(context: Context, file: OldFile, record: Record, extension: str | None) -> Iterator[OldKey]:
    """Yields the key that is made of the file's date and name, then one with a suffix.

    The suffix comes from the path of the file, so that the next run makes the same. *extension* is that of the bytes;
    `None`: as the name has it.
    """
    day = (record.created or _modified(file.path) or utc_now()).astimezone(context.settings.site.time_zone).date()
    stem = naming.clean_stem(naming.base_name(file.name)) or "picture"
    ending = extension or FORMATS[file.name.rpartition(".")[2].lower()]
    for suffix in (None, blake2b(file.name.encode(), digest_size=5).hexdigest()):
        if key := OldKey.read(naming.object_keys(day, stem, ending, suffix).original):
            yield key


def _address(text: str | None) -> str | None:
    try:
        return None if text is None else str(ip_address(text))
    except ValueError:
        return None
