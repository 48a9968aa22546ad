"""Backends that are broken on purpose, each in one way, each with the tests of the suite that must fail.

pytest does not collect this file by itself: `test_suite_catches.py` runs it and looks at which tests fail.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from urllib.parse import quote

import pytest

from imges.storage import Address, KeyExists, KeyMissing, ObjectEntry, ObjectStat, checked_key
from imges.testing import StorageConformance

from .memory import MemoryOptions, MemoryStorage

NOW = datetime.now(UTC)


class TestUnbroken(StorageConformance):
    backend = MemoryStorage

    @pytest.fixture
    def open_storage(self):
        options = MemoryOptions()

        @asynccontextmanager
        async def opened():
            storage = await self.backend.connect(options)
            yield storage
            await storage.close()

        return opened


CAUGHT_BY: dict[type, tuple[str, ...]] = {}


def broken(*caught_by):
    """Runs the suite on the decorated backend; the tests *caught_by* must fail."""

    def register(backend):
        name = f"Test{backend.__name__}"
        globals()[name] = suite = type(name, (TestUnbroken,), {"backend": backend, "__module__": __name__})
        CAUGHT_BY[suite] = caught_by
        return backend

    return register


@broken("a_put_never_overwrites", "of_many_puts_of_one_key_one_wins")
class Overwrites(MemoryStorage):
    async def put(self, key, file, *, media_type, expires=None, replace=False):
        await super().put(key, file, media_type=media_type, replace=True)


@broken("of_many_puts_of_one_key_one_wins")
class LooksThenWrites(MemoryStorage):
    async def put(self, key, file, *, media_type, expires=None, replace=False):
        if checked_key(key) in self.objects and not replace:
            raise KeyExists(key)
        await super().put(key, file, media_type=media_type, replace=True)


@broken("a_put_never_overwrites")
class SilentWhereAKeyIsTaken(MemoryStorage):
    async def put(self, key, file, *, media_type, expires=None, replace=False):
        if replace or checked_key(key) not in self.objects:
            await super().put(key, file, media_type=media_type, replace=replace)


@broken("a_cancelled_put_leaves_all_or_nothing", "readers_during_a_replace_see_old_or_new")
class LeavesAPart(MemoryStorage):
    """Writes in place, piece by piece."""

    async def put(self, key, file, *, media_type, expires=None, replace=False):
        if checked_key(key) in self.objects and not replace:
            raise KeyExists(key)
        content = file.read_bytes()
        for end in range(0, len(content) + 1, max(1, len(content) // 20)):
            self.objects[key] = content[:end], datetime.now(UTC)
            await asyncio.sleep(0.001)
        self.objects[key] = content, datetime.now(UTC)


@broken("a_cancelled_put_leaves_all_or_nothing")
class GoesOnWhenCancelled(MemoryStorage):
    async def put(self, key, file, *, media_type, expires=None, replace=False):
        async def work():
            await asyncio.sleep(0.05)
            await super(GoesOnWhenCancelled, self).put(key, file, media_type=media_type, replace=replace)

        await asyncio.shield(asyncio.create_task(work()))


@broken("what_is_put_is_there_for_everybody_at_once")
class DoneBeforeAllIsStored(MemoryStorage):
    async def put(self, key, file, *, media_type, expires=None, replace=False):
        if key in self.objects and not replace:
            raise KeyExists(key)
        checked_key(key)
        self.writing = asyncio.get_running_loop().create_task(self.later(key, file.read_bytes()))

    async def later(self, key, content):
        await asyncio.sleep(0.01)
        self.objects[key] = content, datetime.now(UTC)

    async def close(self):
        await asyncio.sleep(0.05)


@broken("what_is_put_outlives_the_opening", "what_is_put_is_there_for_everybody_at_once")
class ForgetsWhenClosed(MemoryStorage):
    def __init__(self, options):
        super().__init__(MemoryOptions())


@broken("the_file_that_was_put_is_not_needed_any_more", "one_file_under_two_keys_is_two_objects")
class TakesTheFile(MemoryStorage):
    async def put(self, key, file, *, media_type, expires=None, replace=False):
        await super().put(key, file, media_type=media_type, replace=replace)
        file.unlink()


@broken("several_are_put_together", "of_several_cancelled_an_undo_of_what_is_listed_leaves_nothing")
class ListsNothingToUndo(MemoryStorage):
    async def put_all(self, objects, stored):
        await super().put_all(objects, [])


@broken("of_several_cancelled_an_undo_of_what_is_listed_leaves_nothing")
class ListsWhatToUndoTooLate(MemoryStorage):
    async def put_all(self, objects, stored):
        late = []
        await super().put_all(objects, late)
        stored += late


@broken("of_several_none_overwrites_and_an_undo_of_what_is_listed_harms_no_older_object")
class ListsAllBeforeItBegins(MemoryStorage):
    async def put_all(self, objects, stored):
        stored += [each.key for each in objects]
        await super().put_all(objects, [])


@broken("of_several_none_overwrites_and_an_undo_of_what_is_listed_harms_no_older_object")
class OverwritesWhenItPutsSeveral(MemoryStorage):
    async def put_all(self, objects, stored):
        for each in objects:
            await self.put(each.key, each.file, media_type=each.media_type, replace=True)
            stored.append(each.key)


@broken("a_bad_key_among_several_is_refused_and_an_undo_leaves_nothing")
class TakesABadKeyAmongSeveral(MemoryStorage):
    async def put_all(self, objects, stored):
        for each in objects:
            self.objects[each.key] = each.file.read_bytes(), datetime.now(UTC)
            stored.append(each.key)


@broken("what_is_not_there_is_missing", "what_is_deleted_is_gone_for_everybody")
class LetsAVendorsErrorOut(MemoryStorage):
    def _found(self, key):
        return self.objects[checked_key(key)]


@broken("what_is_not_there_is_missing")
class TellsMissingTooLate(MemoryStorage):
    """Raises at the first chunk, and not on entering."""

    @asynccontextmanager
    async def open(self, key, *, start=0, stop=None):
        async def chunks():
            yield self._found(checked_key(key))[0][start:stop]

        yield chunks()


@broken("deleting_what_is_not_there_is_fine")
class FailsOnDeletingWhatIsMissing(MemoryStorage):
    async def delete(self, key):
        if self.objects.pop(checked_key(key), None) is None:
            raise KeyMissing(key)


@broken("deleting_what_is_not_there_is_fine")
class DeletesFolders(MemoryStorage):
    async def delete(self, key):
        checked_key(key)
        for found in [found for found in self.objects if found == key or found.startswith(f"{key}/")]:
            del self.objects[found]


@broken("what_is_deleted_is_gone_for_everybody")
class DeletesTooMuch(MemoryStorage):
    async def delete(self, key):
        checked_key(key)
        for found in [found for found in self.objects if found.startswith(key)]:
            del self.objects[found]


@broken("a_scan_finds_every_object_once")
class StopsAfterOnePage(MemoryStorage):
    async def scan(self, prefix=""):
        for key in islice([key for key in self.objects if key.startswith(prefix)], 1000):
            yield ObjectEntry(key, len(self.objects[key][0]), self.objects[key][1])


@broken("a_prefix_is_taken_to_the_letter")
class ScansWholeFoldersOnly(MemoryStorage):
    async def scan(self, prefix=""):
        async for entry in super().scan(prefix):
            if not prefix or prefix.endswith("/") or entry.key[len(prefix) :][:1] in {"", "/"}:
                yield entry


@broken("what_a_scan_finds_may_be_deleted_meanwhile")
class ScansOnlyWhatStaysStill(MemoryStorage):
    async def scan(self, prefix=""):
        for key in self.objects:
            if key.startswith(prefix):
                yield ObjectEntry(key, len(self.objects[key][0]), self.objects[key][1])


@broken("a_bad_key_is_refused_by_every_method")
class EscapesItsRoot(MemoryStorage):
    """Puts under any key; in a place of files, `..` would lead out of the root."""

    async def put(self, key, file, *, media_type, expires=None, replace=False):
        self.objects[key] = file.read_bytes(), datetime.now(UTC)


@broken("a_bad_key_is_refused_by_every_method")
class ReadsOutsideItsRoot(MemoryStorage):
    async def stat(self, key):
        return ObjectStat(7, NOW)


@broken("any_good_key_is_kept_to_the_letter")
class EncodesKeysOnTheWayInOnly(MemoryStorage):
    async def put(self, key, file, *, media_type, expires=None, replace=False):
        await super().put(quote(key), file, media_type=media_type, replace=replace)

    def _found(self, key):
        return super()._found(quote(key))

    async def delete(self, key):
        await super().delete(quote(key))


@broken("a_range_gives_its_bytes")
class CountsTheStopIn(MemoryStorage):
    @asynccontextmanager
    async def open(self, key, *, start=0, stop=None):
        async with super().open(key, start=start, stop=stop if stop is None else stop + 1) as chunks:
            yield chunks


@broken("a_range_gives_its_bytes", "a_range_of_an_empty_object_is_empty")
class RefusesWhatLiesBeyondTheEnd(MemoryStorage):
    @asynccontextmanager
    async def open(self, key, *, start=0, stop=None):
        if start and start >= len(self._found(key)[0]):
            raise OSError("416 Range Not Satisfiable")
        async with super().open(key, start=start, stop=stop) as chunks:
            yield chunks


@broken("a_large_object_comes_in_chunks")
class ReadsAllIntoMemory(MemoryStorage):
    async def _chunks(self, content) -> AsyncIterator[bytes]:
        yield content


@broken("a_reader_may_leave_early")
class KeepsConnections(MemoryStorage):
    connections = 50

    @asynccontextmanager
    async def open(self, key, *, start=0, stop=None):
        if not self.connections:
            raise TimeoutError
        self.connections -= 1
        async with super().open(key, start=start, stop=stop) as chunks:
            yield self.counted(chunks)

    async def counted(self, chunks):
        async for chunk in chunks:
            yield chunk
        self.connections += 1


@broken("stat_returns_when_it_was_put")
class TellsTheTimeOfTheFile(MemoryStorage):
    async def put(self, key, file, *, media_type, expires=None, replace=False):
        await super().put(key, file, media_type=media_type, replace=replace)
        self.objects[key] = file.read_bytes(), datetime.fromtimestamp(file.stat().st_mtime, UTC)


@broken("a_sweep_leaves_finished_objects")
class SweepsObjects(MemoryStorage):
    async def sweep(self, older_than):
        if older_than == timedelta(0):
            self.objects.clear()


@broken("no_address_outlives_the_picture")
class GivesPermanentAddresses(MemoryStorage):
    async def url(self, key, *, expires=None):
        return Address(f"https://cdn.example/{quote(checked_key(key))}")


@broken("an_address_can_be_sent")
class GivesAddressesUnencoded(MemoryStorage):
    async def url(self, key, *, expires=None):
        return None if expires else Address(f"https://cdn.example/{checked_key(key)}")


@broken("a_check_passes_and_leaves_nothing")
class LeavesTheObjectOfItsCheck(MemoryStorage):
    async def check(self):
        self.objects["imges-check-1"] = b"", NOW


@broken("a_local_path_is_the_file")
class NamesAnotherFile(MemoryStorage):
    def local_path(self, key):
        return __import__("pathlib").Path("/etc/hostname") if checked_key(key) else None
