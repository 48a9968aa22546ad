"""The use cases: upload, view, delete, expire. Owns the order of steps, and what is undone when one fails.

Knows no HTTP: the command line and the tests use the same upload. Nothing is lost, nothing half stays: a row is
*pending* before its first object is put, *published* only when all are durable, and whatever breaks off in between is
taken back by the same code here, be it at once or in a later sweep.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cachetools import TTLCache

from imges import ids, metrics, naming
from imges.catalog import Catalog, KeyTaken, RowClaimed, utc_now
from imges.catalog.types import ApiKey, Cursor, Image, NewImage, Search, StoredFile
from imges.errors import (
    BadParameter,
    Blocked,
    Busy,
    CatalogUnavailable,
    Duplicate,
    Gone,
    ImgesError,
    NotFound,
)
from imges.imaging import Given, Header, Imaging, Limits, Quality, Quarantine, Recipe, Rendition, Renditions
from imges.imaging.types import MEDIA_TYPES
from imges.intake import Received
from imges.places import Place
from imges.settings import Settings
from imges.storage import (
    CHECK_PREFIX,
    Address,
    KeyExists,
    KeyMissing,
    NewObject,
    Storage,
    StorageError,
    StorageUnavailable,
    put_all,
)

T = TypeVar("T")

log = logging.getLogger(__name__)

PATIENCE = 8.0
"""Seconds that a client waits for a storage, all objects of a picture and what is taken back of them together."""

SLOWEST = 2**20
"""Bytes a second that a storage may come down to: a large picture may take longer."""

STORED_TRIES = 4
"""How often a name is tried whose object already lies in the storage though the catalog does not know it."""

LOOKUP_LIFE = 30.0
"""Seconds that another node may still serve what was deleted here."""

LEASE_LIFE = timedelta(seconds=60)
"""How long a process may not be heard of before others take back what it left pending."""

AT_ONCE = 4
"""Deletions that run at the same time."""

WAITING = 0.5
"""Seconds above `images.timeout` that a picture may take from its last byte to being rendered: an answer within 10."""

BATCH = 100
"""Rows that a sweep takes at a time."""

MINUTE = timedelta(minutes=1)

LAST_END = datetime(9999, 1, 1, tzinfo=UTC)
"""No picture ends later: at the end of that year it is over in some time zones, and the calendar with it."""

STORED_FORMATS = frozenset({"jpg", "png", "gif", "webp", "avif"})
"""What an original is stored as; other formats become one of them on arrival."""


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """What an uploader may ask for. *width* in pixels; *expiration* from now."""

    title: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    nsfw: bool = False
    width: int | None = None
    expiration: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Uploader:
    """Who uploads: the key it came with, and the address it came from."""

    key: ApiKey
    address: str | None


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A picture just stored, and the text of its delete token; `None` for a duplicate, whose token was told before."""

    image: Image
    delete_token: str | None


@dataclass(frozen=True, slots=True)
class Located:
    """Where the object of an address is; *file* and its times are unknown while the catalog is out of reach.

    *address*: where clients are sent for it; `None`: the bytes go through us.
    """

    place: str
    """The name of its storage in the settings."""
    storage: Storage
    key: str
    media_type: str
    file: StoredFile | None
    created: datetime | None = None
    expires: datetime | None = None
    address: Address | None = None
    row: Image | None = None
    """What was looked up; see `Service.holds`."""


@dataclass(frozen=True, slots=True)
class Problems:
    """What is out of reach, and why: *vital* to an upload, or keeping *old_pictures* only."""

    vital: dict[str, str]
    old_pictures: dict[str, str]


class Service:
    """See the module.

    *places* are all storages by name, new pictures go to `settings.storage`; *lease* is this process's on pending
    rows, *id_key* the key of short ids.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        places: Mapping[str, Place],
        imaging: Imaging,
        *,
        lease: str,
        id_key: bytes,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.catalog = catalog
        self.places = places
        self.lease = lease
        self.on_gone: Callable[[list[str]], None] = lambda _: None
        """Hears the keys whose lookups have to be forgotten, for other processes of this machine."""
        self._settings = settings
        self._imaging = imaging
        self._id_key = id_key
        self._now = now
        self._located = TTLCache[str, Image](maxsize=10_000, ttl=LOOKUP_LIFE)
        self._forgotten = 0  # lookups, so far
        self._quarantine = Quarantine()
        self._origins: dict[str, str] = {}
        self._asked: set[str] = set()
        self._views: Counter[str] = Counter()
        self._unfinished: list[Callable[[], Awaitable[None]]] = []
        self._unheard: set[bytes] = set()  # token hashes of rows that may have been reserved, though nobody told us
        self._claiming: set[int] = set()  # rows of dead processes that may have become ours, though nobody told us
        self._looking: asyncio.Task[Problems] | None = None
        self._going_on: set[asyncio.Task[Any]] = set()

    # Upload

    async def upload(self, received: Received, options: UploadOptions, uploader: Uploader, folder: Path) -> Uploaded:
        """Store the picture that lies on the spool. When this returns, its files and its row are durable.

        *folder* is the upload's own on the spool; the caller removes it.

        Raises: NotAnImage, FormatRefused, TooLargeImage, ProcessingFailed, BadParameter, Blocked, Duplicate,
        KeyUnusable, Busy, CatalogUnavailable, StorageUnavailable, StorageFull. Nothing of the picture stays then.
        """
        created = self._now()
        expires = self._expires(created, options.expiration)
        if options.width is not None:  # what is stored will have a digest of its own
            await self.refuse_blocked(await asyncio.to_thread(received.file.digest))
        async with self._quarantine.over(received.file.digest):
            with metrics.step("render"):
                renditions = await self._rendered(received, self._recipe(options), folder)
        await self.refuse_blocked(renditions.original.md5)
        if duplicate := await self._duplicate(renditions.original, uploader):
            return Uploaded(duplicate, None)
        draft = _Draft(renditions, options, self._kept(uploader), created, expires, token=secrets.token_urlsafe(24))
        names = _Names(received.name, renditions.original.format, self.local(created), self._settings.images.naming)
        return Uploaded(await self._store(draft, names), draft.token)

    async def _rendered(self, received: Received, recipe: Recipe, folder: Path) -> Renditions:
        """All files of the picture; Busy, too, where waiting for a worker left it too little time."""
        try:
            async with asyncio.timeout(self._settings.images.timeout.total_seconds() + WAITING):
                file = Given(received.file.path, received.file.size, ours=True, content=received.file.content)
                return await self._imaging.take(file, self._limits, recipe, folder)
        except TimeoutError as error:
            raise Busy from error

    def local(self, moment: datetime) -> datetime:
        """*moment* in the site's time zone."""
        return moment.astimezone(self._settings.site.time_zone)

    def _expires(self, created: datetime, asked: timedelta | None) -> datetime | None:
        """When the picture ends. Raises: BadParameter for less than a minute or more than `images.expire.max`."""
        limits = self._settings.images.expire
        if asked is None:
            kept = limits.default if limits.default is not None else limits.max
            return None if kept is None else created + kept
        if asked < MINUTE:
            raise BadParameter("expiration: one minute at least")
        if limits.max is not None and asked > limits.max:
            longest = str(limits.max).removesuffix(", 0:00:00")
            raise BadParameter(f"expiration: this site keeps pictures for {longest} at most")
        if asked > LAST_END - created:
            raise BadParameter("expiration: too far away")
        return created + asked

    @property
    def _limits(self) -> Limits:
        images = self._settings.images
        return Limits(
            formats=frozenset(images.formats),
            side=images.max_side,
            pixels=images.max_pixels,
            frames=images.max_frames,
            total_pixels=images.max_total_pixels,
        )

    def _recipe(self, options: UploadOptions) -> Recipe:
        images = self._settings.images
        return Recipe(
            thumb=(images.thumb.width, images.thumb.height),
            medium=images.medium.width,
            width=options.width,
            keep_metadata=images.metadata == "keep",
            quality=Quality(**images.quality.model_dump()),
        )

    def _kept(self, uploader: Uploader) -> Uploader:
        """What is stored of *uploader*: the address only where `privacy.keep_addresses` is not 0."""
        return uploader if self._settings.privacy.keep_addresses else replace(uploader, address=None)

    async def refuse_blocked(self, md5: str) -> None:
        """Raises: Blocked, where the owner wants no picture of this digest."""
        if await self.catalog.is_blocked(md5=md5):
            raise Blocked("this picture")

    async def _duplicate(self, original: Rendition, uploader: Uploader) -> Image | None:
        """What the same key has sent before, where the setting asks. Raises: Duplicate where it says reject."""
        rule = self._settings.images.duplicates
        if rule == "allow":
            return None
        found = await self.catalog.duplicate_of(uploader.key.name, original.md5, original.size, self._now())
        if found and rule == "reject":
            raise Duplicate
        return found

    async def _store(self, draft: "_Draft", names: "_Names") -> Image:
        """Reserve, put, publish; again under another name where an object is in the way that no row knows of."""
        for _ in range(STORED_TRIES):
            with metrics.step("reserve"):
                row = await self._reserve(draft, names)
            try:
                return await self._patiently(self._put_and_publish(row, draft.renditions), row.stored_bytes)
            except KeyExists as error:
                log.warning("an object that the catalog does not know lies at %s; see `imges fsck`", error.key)
                names.crowded()
        raise StorageUnavailable

    async def _reserve(self, draft: "_Draft", names: "_Names") -> Image:
        """A pending row whose keys are nobody else's, now or ever."""
        while True:
            new = draft.row(names, self._settings.storage, self.fresh_id())
            try:
                return await self.catalog.reserve(new, lease=self.lease, short_id=self.short_id)
            except KeyTaken as taken:
                if taken.kind != "id":
                    names.crowded()
            except (CatalogUnavailable, asyncio.CancelledError):
                self._unheard.add(new.delete_token_hash)
                raise

    def fresh_id(self) -> str | None:
        """A random id for a picture; `None` where its row's number makes it: `short_id`."""
        return ids.random_id() if self._settings.images.ids == "random" else None

    def short_id(self, number: int) -> str:
        return ids.short_id(number, self._id_key)

    async def _put_and_publish(self, row: Image, renditions: Renditions) -> Image:
        storage = self.places[row.place].storage
        mine: list[str] = []
        try:
            with metrics.step("put"):
                await put_all(storage, _objects(row, renditions), mine)
            with metrics.step("publish"):
                return await self.catalog.publish(row, lease=self.lease)
        except BaseException as error:  # a cancelled request too
            await asyncio.shield(self._unseen(self._or_later(partial(self._undo, row, tuple(mine)))))
            if isinstance(error, RowClaimed):
                raise CatalogUnavailable from error
            raise

    async def _patiently(self, work: Coroutine[Any, Any, T], size: int) -> T:
        """The result of *work* on the storage, of *size* bytes, as long as a client may be kept waiting for it.

        What takes longer, or whose client goes away, is broken off and takes back what it did, unseen.
        Raises: StorageUnavailable.
        """
        working = self._unseen(work)
        try:
            await asyncio.wait([working], timeout=max(PATIENCE, size / SLOWEST))
            if not working.done():
                raise StorageUnavailable
            return working.result()
        finally:
            working.cancel()

    def _unseen(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """*work* as a task that comes to its end though nobody may wait for it: `finish` does at last."""
        task = asyncio.create_task(work)
        self._going_on.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._going_on.discard(task)
        if not task.cancelled():
            task.exception()  # told where somebody waited for it

    async def finish(self) -> None:
        """Before the end: wait for what still goes on unseen. What takes too long is left to the next sweep."""
        if self._going_on:
            _, late = await asyncio.wait(self._going_on, timeout=PATIENCE)
            for task in late:
                task.cancel()

    # Undo and sweep: one way back for failed uploads, deletions and what a crash left

    async def _undo(self, row: Image, keys: tuple[str, ...]) -> None:
        """Take a failed upload back, of whose objects *keys* may have been put."""
        if await self.catalog.withdraw(row.number, lease=self.lease):
            await self._finish_withdrawing(row, [file for file in row.files() if file.key in keys])
        elif marked := await self.catalog.mark_deleting(row.number):  # published, though the answer said otherwise
            await self._finish_deleting(marked)

    async def _finish_withdrawing(self, row: Image, files: Iterable[StoredFile]) -> None:
        """Delete those of *files* that are byte for byte what the row says: others were there before, in our way."""
        storage = self.place_of(row).storage
        await self._delete_objects(row, [file.key for file in files if await holds(storage, file)])
        await self.catalog.forget(row.number)

    async def _finish_deleting(self, row: Image) -> None:
        await self._delete_objects(row, [file.key for file in row.files()])
        await self.catalog.bury(row.number)

    async def _delete_objects(self, row: Image, keys: Iterable[str]) -> None:
        storage = self.place_of(row).storage
        for key in keys:
            await storage.delete(key)

    def place_of(self, row: Image) -> Place:
        """Raises: StorageUnavailable where the settings do not know it (any more)."""
        place = self.places.get(row.place)
        if place is None:
            raise StorageUnavailable(f"the storage {row.place} is not in the settings")
        return place

    async def take_back(self) -> None:
        """Finish what failures of this process left."""
        if unheard := frozenset(self._unheard):
            await self.catalog.forget_unheard(unheard, lease=self.lease)
            self._unheard -= unheard
        for _ in range(len(self._unfinished)):
            await self._or_later(self._unfinished.pop(0))

    async def is_keeper(self) -> bool:
        """Whether this process does what one of all has to do; when it dies, another will be the one."""
        return await self.catalog.hold_job("upkeep", lease=self.lease)

    async def sweep(self) -> None:
        """Finish what crashes and failures left, and delete what has expired."""
        await self.take_back()
        while rows := await self._claim_abandoned():
            for row in rows:
                await self._or_later(partial(self._finish_withdrawing, row, row.files()))
        while rows := await self.catalog.expire(self._now(), limit=BATCH):
            self._forget_lookups(rows)
        await self.finish_deletions()

    async def _claim_abandoned(self) -> list[Image]:
        """Some of what dead processes left pending, as ours; what a call claims that fails, the next one gets."""
        self._claiming |= await self.catalog.abandoned(now=self._now(), limit=BATCH)
        rows = await self.catalog.claim(self._claiming, lease=self.lease, now=self._now()) if self._claiming else []
        self._claiming.clear()
        return rows

    async def finish_deletions(self) -> None:
        """Every row that is *deleting*, page by page; one whose place is out of reach is left for the next sweep."""
        last = 0
        while rows := await self.catalog.deleting(limit=BATCH, after=last):
            for begin in range(0, len(rows), AT_ONCE):
                await asyncio.gather(*map(self._finish_or_leave, rows[begin : begin + AT_ONCE]))
            last = rows[-1].number

    async def _finish_or_leave(self, row: Image) -> None:
        try:
            await self._finish_deleting(row)
        except ImgesError:
            log.exception("%s could not be deleted yet", row.id)

    async def _or_later(self, finish: Callable[[], Awaitable[None]]) -> None:
        """Take an upload back now, or in the next sweep: its row is ours, and no other process will. Never raises."""
        try:
            await finish()
        except ImgesError:
            log.exception("a failed upload could not be taken back yet")
            self._unfinished.append(finish)

    def _forget_lookups(self, rows: Iterable[Image]) -> None:
        """Their addresses answer 410 from now on, also from other processes of this machine."""
        keys = [file.key for row in rows for file in row.files()]
        for key in keys:
            self.look_again(key)
        self.on_gone(keys)

    # View

    async def view(self, image_id: str) -> Image:
        """Raises: NotFound, Gone, CatalogUnavailable."""
        return await self.catalog.by_id(image_id, self._now())

    def count_view(self, image_id: str) -> None:
        """One more view; `flush_views` brings it to the catalog."""
        self._views[image_id] += 1

    async def flush_views(self) -> None:
        """Add the views counted since the last time. Raises: CatalogUnavailable; they are kept then.

        It comes to its end though the caller is cancelled: nobody could tell whether they were added.
        """
        await asyncio.shield(self._unseen(self._add_views()))

    async def _add_views(self) -> None:
        counted, self._views = self._views, Counter()
        try:
            await self.catalog.add_views(counted)
        except CatalogUnavailable:
            self._views.update(counted)
            raise

    async def locate(self, key: str) -> Located:
        """Where the object *key* is.

        While the catalog is out of reach, the present place is asked, then the others.

        Raises: NotFound, Gone, StorageUnavailable.
        """
        try:
            row = await self._row_of(key)
        except CatalogUnavailable:
            return await self._locate_without_catalog(key)
        file = row.file(key)
        if file is None:
            raise NotFound
        storage = self.place_of(row).storage
        address = await storage.url(key, expires=row.expires)
        if address and row.place not in self._origins:
            self._origins[row.place] = _origin(address)
            return await self.locate(key)  # by the row as it is now
        return Located(row.place, storage, key, row.media_type, file, row.created, row.expires, address, row)

    def holds(self, found: Located) -> bool:
        """Whether *found* may still be served without looking again: it is recent, and nothing was heard of since."""
        if found.row is None or self._located.get(found.key) is not found.row:
            return False
        metrics.lookup(hit=True)
        return found.expires is None or found.expires > self._now()

    async def _row_of(self, key: str) -> Image:
        row = self._located.get(key)
        metrics.lookup(hit=row is not None)
        if row is None or row.place in self._origins:  # who is sent to the store is sent to where the picture is now
            before = self._forgotten
            row = await self.catalog.by_key(key, self._now())
            if before == self._forgotten:  # else it may be this one, read a moment before it was deleted
                self._located[key] = row
        elif row.expires is not None and row.expires <= self._now():
            raise Gone
        return row

    def look_again(self, key: str) -> None:
        """Forget what was looked up of *key*: it is gone, or its object was not where the row said."""
        self._forgotten += 1
        self._located.pop(key, None)

    async def redirect_origins(self) -> tuple[str, ...]:
        """The origins (scheme, host and port) that places send clients to; of one out of reach it is not known yet."""
        for place in self.places.values():
            if place.name not in self._asked:
                with suppress(StorageError):
                    address = await place.storage.url(f"{CHECK_PREFIX}address")
                    self._asked.add(place.name)
                    if address:
                        self._origins[place.name] = _origin(address)
        return tuple(dict.fromkeys(self._origins.values()))

    async def _locate_without_catalog(self, key: str) -> Located:
        media_type = MEDIA_TYPES.get(key.rpartition(".")[2])
        if media_type is None:
            raise NotFound
        present, unknown = self._settings.storage, False
        for name in sorted(self.places, key=lambda name: name != present):
            storage = self.places[name].storage
            try:
                await storage.stat(key)
            except (KeyMissing, ValueError):
                continue
            except StorageError as error:
                log.warning("it could not be asked for an object: %s", error.told_of(name))
                unknown = True
                continue
            return Located(name, storage, key, media_type, None)
        raise StorageUnavailable if unknown else NotFound

    # Delete

    async def by_token(self, image_id: str, token: str) -> Image:
        """The picture that the delete link is for. Raises: NotFound (also for a wrong token), Gone."""
        image = await self.view(image_id)
        if not hmac.compare_digest(image.delete_token_hash, token_hash(token)):
            raise NotFound
        return image

    async def delete(self, image: Image) -> None:
        """Delete the picture: its address answers 410 at once, then its objects go.

        Raises: CatalogUnavailable; StorageError when objects could not be deleted yet: the sweep will.
        """
        if marked := await asyncio.shield(self._unseen(self._mark_deleting(image))):
            await self._patiently(self._finish_deleting(marked), 0)

    async def _mark_deleting(self, image: Image) -> Image | None:
        """Whatever is told of it, or when whoever asked has gone: it may have been done, so lookups are forgotten."""
        try:
            return await self.catalog.mark_deleting(image.number)
        finally:
            self._forget_lookups([image])

    # Upkeep: what is stored already is not held to the limits of uploads

    async def look(self, file: Path) -> Header:
        """What the header of *file* says, of whatever format a stored original may have.

        Raises: NotAnImage, FormatRefused, ProcessingFailed, Busy, SpoolUnavailable.
        """
        return await self._imaging.inspect(file, STORED_FORMATS)

    async def derive(self, file: Path, header: Header, folder: Path, *, strip: bool = False) -> Renditions:
        """Thumb and medium of the original in *file*, as the settings have them now, in *folder*.

        The original is as it was, or with *strip* without its metadata. Raises what `Imaging.render` raises.
        """
        recipe = replace(self._recipe(UploadOptions()), keep_metadata=not strip)
        return await self._imaging.render(file, header, recipe, folder)

    async def mark_all_deleting(self, ids: Sequence[str]) -> list[Image]:
        """Let the pictures of these *ids* answer 410 from now on; those that were there. See `finish_deletions`."""
        rows = await self.catalog.mark_all_deleting(ids)
        self._forget_lookups(rows)
        return rows

    async def mark_found_deleting(self, search: Search) -> None:
        """The same for all that *search* finds, however many there are."""
        last: Cursor | None = None
        while found := await self.catalog.found(search, limit=BATCH, older_than=last):
            await self.mark_all_deleting([image.id for image in found])
            last = Cursor(found[-1].created, found[-1].number)

    # Looking after itself

    async def renew_lease(self) -> None:
        await self.catalog.renew_lease(self.lease, LEASE_LIFE)

    async def forget_addresses(self) -> None:
        """Drop uploaders' addresses older than `privacy.keep_addresses`."""
        await self.catalog.forget_addresses(self._now() - self._settings.privacy.keep_addresses)

    async def problems(self) -> Problems:
        """What is out of reach right now, and why. Who asks while another waits for the answer gets the same."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def _look(self) -> Problems:
        looks = {"catalog": self._catalog_problem()} | {
            f"storage {place.name}": place.problem() for place in self.places.values()
        }
        found = await asyncio.gather(*looks.values())
        told = {part: problem for part, problem in zip(looks, found, strict=True) if problem}
        vital = {"catalog", f"storage {self._settings.storage}"}
        return Problems(
            vital={part: problem for part, problem in told.items() if part in vital},
            old_pictures={part: problem for part, problem in told.items() if part not in vital},
        )

    async def _catalog_problem(self) -> str | None:
        try:
            await self.catalog.check()
        except ImgesError as error:
            log.info("a check failed", exc_info=error)
            return error.message
        return None

    @property
    def longest_put(self) -> timedelta:
        """How long a storage may take for the largest picture."""
        return timedelta(seconds=self._settings.images.max_size / SLOWEST)

    async def sweep_storages(self, older_than: timedelta) -> None:
        """Take away what interrupted puts left in any place; one out of reach is left for the next time."""
        for place in self.places.values():
            try:
                await place.storage.sweep(older_than)
            except StorageError as error:
                log.warning("it could not be swept yet: %s", error.told_of(place.name))


def _origin(address: Address) -> str:
    """Scheme, host and port."""
    parts = urlsplit(address.url)
    return f"{parts.scheme}://{parts.netloc}"


def token_hash(token: str) -> bytes:
    """What the catalog keeps of a delete token; 192 random bits need no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class _Draft:
    """A picture that is made but not reserved yet: everything of its row but names and number."""

    renditions: Renditions
    options: UploadOptions
    uploader: Uploader
    created: datetime
    expires: datetime | None
    token: str

    def row(self, names: "_Names", place: str, image_id: str | None) -> NewImage:
        original, keys, options = self.renditions.original, names.keys(), self.options
        medium = self.renditions.medium
        return NewImage(
            id=image_id,
            place=place,
            extension=original.format,
            media_type=MEDIA_TYPES[original.format],
            created=self.created,
            original_filename=names.original_filename(keys),
            original=stored_file(keys.original, original),
            thumb=stored_file(keys.thumb, self.renditions.thumb),
            medium=stored_file(keys.medium, medium) if medium else None,
            medium_key=keys.medium,
            frames=self.renditions.frames,
            api_key=self.uploader.key.name,
            address=self.uploader.address,
            delete_token_hash=token_hash(self.token),
            title=options.title,
            description=options.description,
            tags=options.tags,
            nsfw=options.nsfw,
            exif=self.renditions.exif,
            expires=self.expires,
        )


class _Names:
    """The keys to try for one picture: its own name first, then with a random suffix each time one is taken."""

    def __init__(self, client_name: str, extension: str, date: datetime, rule: str) -> None:
        self._base_name = naming.base_name(client_name)
        self._extension = extension
        self._date = date
        stem = None if rule == "random" else naming.clean_stem(self._base_name)
        self._made_up = stem is None
        self._stem = stem or naming.random_stem()
        self._suffix = naming.random_suffix() if rule == "mixed" and stem else None

    def keys(self) -> naming.ObjectKeys:
        return naming.object_keys(self._date, self._stem, self._extension, self._suffix)

    def crowded(self) -> None:
        """The present keys are taken."""
        if self._made_up:
            self._stem = naming.random_stem()
        else:
            self._suffix = naming.random_suffix()

    def original_filename(self, keys: naming.ObjectKeys) -> str:
        return self._base_name or keys.original.rpartition("/")[2]


def stored_file(key: str, rendition: Rendition) -> StoredFile:
    """What the catalog keeps of *rendition*, stored under *key*."""
    return StoredFile(
        key=key,
        size=rendition.size,
        md5=rendition.md5,
        width=rendition.width,
        height=rendition.height,
        bits=rendition.bits,
        channels=rendition.channels,
    )


def _objects(row: Image, renditions: Renditions) -> list[NewObject]:
    """What to put, the original last: whoever sees it sees the whole picture."""
    files = [(row.thumb, renditions.thumb), (row.original, renditions.original)]
    if row.medium and renditions.medium:
        files.insert(0, (row.medium, renditions.medium))
    return [NewObject(file.key, made.path, row.media_type, row.expires) for file, made in files]


async def holds(storage: Storage, file: StoredFile) -> bool:
    """Whether the object is there, byte for byte what *file* says. Raises: StorageUnavailable."""
    md5 = hashlib.md5(usedforsecurity=False)
    try:
        if (await storage.stat(file.key)).size != file.size:
            return False
        async with storage.open(file.key) as chunks:
            async for chunk in chunks:
                md5.update(chunk)
    except KeyMissing:
        return False
    return md5.hexdigest() == file.md5
