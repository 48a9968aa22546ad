"""What every storage backend must do, as tests: `imges.storage.Storage`, sentence by sentence.

The tests use the protocol alone, mostly with two openings of one place, as two processes have them. They cannot make a
backend's disk or server fail: the backend's own tests do that.
"""

import asyncio
import dataclasses
import itertools
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from imges.storage import InvalidKey, KeyExists, KeyMissing, NewObject, Storage, StorageError, open_storage

OpenStorage = Callable[[], AbstractAsyncContextManager[Storage]]
MakeFile = Callable[[bytes], Path]

KEY = "2014/06/04/example.png"
PNG = "image/png"
MB = 2**20
LONG = bytes(range(256)) * 4 * 700
"""700 KB in which each byte differs from its neighbours. A backend reads it in several chunks, the last one short."""

GOOD_KEYS = {
    "top-level": "example.png",
    "space": "2014/06/04/my holiday.png",
    "percent": "2014/06/04/100%25 %zz.png",
    "plus-and-url-characters": "2014/06/04/a+b?c#d&e=f;g:h@i.png",
    "quotes": "2014/06/04/'a'\"b\"`c`$d.png",
    "markup-and-wildcards": "2014/06/04/<a>*[b]{c}|~!.png",
    "composed": "2014/06/04/caf\u00e9.png",
    "decomposed": "2014/06/04/cafe\u0301.png",
    "hindi": "2014/06/04/मेरी-तस्वीर.jpg",
    "hebrew": "2014/06/04/שלום.jpg",
    "outside-the-basic-plane": "2014/06/04/𠮷😀.jpg",
    "dots-inside": "2014/06/04/a..b...png",
    "200-bytes": f"2014/06/04/{'x' * 196}.png",
    "255-bytes": f"2014/06/04/{'語' * 83}xx.png",
    "long-path": "/".join(["y" * 180] * 5),
    "deep-path": "/".join("abcdefghij" * 10),
}
BAD_KEYS = {
    "empty": "",
    "absolute": "/etc/passwd",
    "trailing-slash": "2014/06/",
    "empty-segment": "2014//example.png",
    "dot-dot": "..",
    "dot-dot-first": "../example.png",
    "dot-dot-inside": "2014/../../example.png",
    "dot": "2014/./example.png",
    "dot-segment": "2014/.hidden/example.png",
    "dot-name": "2014/.example.png",
    "staging": ".staging/example",
    "backslash": "2014\\example.png",
    "nul": "2014/exa\0mple.png",
    "newline": "2014/example.png\n",
    "delete": "2014/\x7f.png",
    "lone-surrogate": "2014/\udcff.png",
    "256-bytes-in-a-segment": "2014/" + "x" * 256,
    "1025-bytes": "/".join(["x" * 100] * 10) + "/" + "y" * 16,
}
RANGES = {
    "all": (0, None),
    "from-the-middle": (300_001, None),
    "last-byte": (len(LONG) - 1, None),
    "first-byte": (0, 1),
    "across-chunks": (200_001, 600_003),
    "up-to-the-end": (1, len(LONG)),
    "beyond-the-end": (len(LONG) - 3, len(LONG) + 10),
    "nothing-at-the-start": (0, 0),
    "nothing-inside": (5, 5),
    "backwards": (7, 3),
    "start-at-the-end": (len(LONG), None),
    "start-beyond-the-end": (len(LONG) + 5, None),
    "all-beyond-the-end": (len(LONG) + 5, len(LONG) + 9),
}


@asynccontextmanager
async def open_place(given: Mapping[str, Any]) -> AsyncGenerator[Storage]:
    """Opens the place that *given* describes (as settings below `storages.tried` would), and closes it."""
    storage = await open_storage("tried", given)
    try:
        yield storage
    finally:
        await storage.close()


async def read(storage: Storage, key: str, *, start: int = 0, stop: int | None = None) -> bytes:
    """Returns the bytes of that range in one piece."""
    async with storage.open(key, start=start, stop=stop) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def scanned(storage: Storage, prefix: str = "") -> list[str]:
    """Returns the keys that a scan finds, sorted."""
    return sorted([entry.key async for entry in storage.scan(prefix)])


def cases(table: Mapping[str, Any]) -> list[Any]:
    return [pytest.param(value, id=name) for name, value in table.items()]


@pytest.mark.asyncio
class StorageConformance:
    """Derive from this and define the fixture `open_storage`: each call opens one place, which is empty at first."""

    @pytest.fixture
    def open_storage(self) -> OpenStorage:
        raise NotImplementedError("the backend's tests say how to open it, by a fixture of this name")

    @pytest_asyncio.fixture
    async def storage(self, open_storage: OpenStorage) -> AsyncGenerator[Storage]:
        async with open_storage() as storage:
            yield storage

    @pytest_asyncio.fixture
    async def other(self, open_storage: OpenStorage) -> AsyncGenerator[Storage]:
        """The same place, opened a second time, as another process has it."""
        async with open_storage() as other:
            yield other

    @pytest.fixture
    def make_file(self, tmp_path: Path) -> MakeFile:
        """Makes a file of the given content, in a folder outside the place."""
        folder = tmp_path / "files-to-put"
        folder.mkdir()

        numbers = itertools.count()

        def make(content: bytes) -> Path:
            file = folder / str(next(numbers))
            file.write_bytes(content)
            return file

        return make

    async def test_options_are_a_dataclass(self, storage: Storage) -> None:
        assert dataclasses.is_dataclass(type(storage).Options)

    # put

    @pytest.mark.parametrize(
        "content", cases({"empty": b"", "one-byte": b"x", "700-kb": LONG, "8-mb": os.urandom(8 * MB)})
    )
    async def test_what_is_put_is_there_for_everybody_at_once(
        self, storage: Storage, other: Storage, make_file: MakeFile, content: bytes
    ) -> None:
        await storage.put(KEY, make_file(content), media_type=PNG)
        assert await read(other, KEY) == content
        assert (await other.stat(KEY)).size == len(content)

    async def test_what_is_put_outlives_the_opening(self, open_storage: OpenStorage, make_file: MakeFile) -> None:
        async with open_storage() as storage:
            await storage.put(KEY, make_file(b"picture"), media_type=PNG)
        async with open_storage() as again:
            assert await read(again, KEY) == b"picture"
            assert await scanned(again) == [KEY]

    @pytest.mark.parametrize("key", cases(GOOD_KEYS))
    async def test_any_good_key_is_kept_to_the_letter(self, storage: Storage, make_file: MakeFile, key: str) -> None:
        await storage.put(key, make_file(b"picture"), media_type=PNG)
        assert await read(storage, key) == b"picture"
        assert (await storage.stat(key)).size == 7
        assert await scanned(storage) == [key]
        await storage.delete(key)
        assert await scanned(storage) == []

    @pytest.mark.parametrize("key", cases(BAD_KEYS))
    async def test_a_bad_key_is_refused_by_every_method(self, storage: Storage, make_file: MakeFile, key: str) -> None:
        with pytest.raises(InvalidKey):
            await storage.put(key, make_file(b"picture"), media_type=PNG)
        with pytest.raises(InvalidKey):
            await storage.put(key, make_file(b"picture"), media_type=PNG, replace=True)
        with pytest.raises(InvalidKey):
            await read(storage, key)
        with pytest.raises(InvalidKey):
            await storage.stat(key)
        with pytest.raises(InvalidKey):
            await storage.delete(key)
        with pytest.raises(InvalidKey):
            storage.local_path(key)
        with pytest.raises(InvalidKey):
            await storage.url(key)
        assert await scanned(storage) == []

    async def test_a_put_never_overwrites(self, storage: Storage, other: Storage, make_file: MakeFile) -> None:
        await storage.put(KEY, make_file(b"first"), media_type=PNG)
        for later in (storage, other):
            with pytest.raises(KeyExists) as raised:
                await later.put(KEY, make_file(b"second"), media_type=PNG)
            assert raised.value.key == KEY
        assert await read(storage, KEY) == b"first"

    async def test_of_many_puts_of_one_key_one_wins(
        self, storage: Storage, other: Storage, make_file: MakeFile
    ) -> None:
        contents = [bytes([number]) * 100_000 for number in range(40)]
        done = await asyncio.gather(
            *((storage, other)[i % 2].put(KEY, make_file(contents[i]), media_type=PNG) for i in range(40)),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in done) == ["KeyExists"] * 39 + ["NoneType"]
        assert await read(other, KEY) == contents[done.index(None)]

    async def test_puts_of_many_keys_do_not_meet(self, storage: Storage, make_file: MakeFile) -> None:
        contents = {f"2014/06/{day:02}/example.png": bytes([day]) * 1000 for day in range(1, 31)}
        await asyncio.gather(
            *(storage.put(key, make_file(content), media_type=PNG) for key, content in contents.items())
        )
        assert {key: await read(storage, key) for key in contents} == contents

    async def test_the_file_that_was_put_is_not_needed_any_more(self, storage: Storage, make_file: MakeFile) -> None:
        file = make_file(LONG)
        await storage.put(KEY, file, media_type=PNG)
        assert file.read_bytes() == LONG
        file.unlink()
        assert await read(storage, KEY) == LONG

    async def test_one_file_under_two_keys_is_two_objects(self, storage: Storage, make_file: MakeFile) -> None:
        file = make_file(b"same")
        for key in ("a.png", "b.png", "c.png"):
            await storage.put(key, file, media_type=PNG)
        await storage.put("a.png", make_file(b"other"), media_type=PNG, replace=True)
        await storage.delete("b.png")
        assert await read(storage, "c.png") == b"same"
        assert file.read_bytes() == b"same"

    # put_all

    async def test_several_are_put_together(self, storage: Storage, other: Storage, make_file: MakeFile) -> None:
        contents = {key: os.urandom(2000) for key in (f"{KEY}.th", f"{KEY}.md", "2014/06/05/example.png", KEY)}
        stored = ["stored before"]
        await storage.put_all([NewObject(key, make_file(contents[key]), PNG) for key in contents], stored)
        assert stored == ["stored before", *contents]
        assert {key: await read(other, key) for key in await scanned(other)} == contents

    async def test_nothing_put_together_is_nothing(self, storage: Storage) -> None:
        stored: list[str] = []
        await storage.put_all([], stored)
        assert stored == await scanned(storage) == []

    @pytest.mark.parametrize("taken", ["a.png", "b.png", "c.png"])
    async def test_of_several_none_overwrites_and_an_undo_of_what_is_listed_harms_no_older_object(
        self, storage: Storage, make_file: MakeFile, taken: str
    ) -> None:
        await storage.put(taken, make_file(b"old"), media_type=PNG)
        keys = ["a.png", "b.png", "c.png"]
        stored: list[str] = []
        with pytest.raises(KeyExists) as raised:
            await storage.put_all([NewObject(key, make_file(key.encode()), PNG) for key in keys], stored)
        assert raised.value.key == taken
        assert stored == keys[: keys.index(taken)]
        for key in stored:
            await storage.delete(key)
        assert await scanned(storage) == [taken]
        assert await read(storage, taken) == b"old"

    async def test_a_bad_key_among_several_is_refused_and_an_undo_leaves_nothing(
        self, storage: Storage, make_file: MakeFile
    ) -> None:
        stored: list[str] = []
        with pytest.raises(InvalidKey):
            await storage.put_all([NewObject(key, make_file(b"x"), PNG) for key in ("a.png", "../b.png")], stored)
        for key in stored:
            await storage.delete(key)
        assert await scanned(storage) == []

    @pytest.mark.parametrize("after", [0, 0.001, 0.003, 0.01, 0.03])
    async def test_of_several_cancelled_an_undo_of_what_is_listed_leaves_nothing(
        self, storage: Storage, other: Storage, make_file: MakeFile, after: float
    ) -> None:
        objects = [NewObject(f"{number}.png", make_file(os.urandom(4 * MB)), PNG) for number in range(3)]
        stored: list[str] = []
        putting = asyncio.create_task(storage.put_all(objects, stored))
        await asyncio.sleep(after)
        putting.cancel()
        with suppress(asyncio.CancelledError):
            await putting
        assert set(await scanned(other)) <= set(stored)
        for key in stored:
            await storage.delete(key)
        await asyncio.sleep(0.1)
        assert await scanned(other) == [], "the put went on after it was cancelled"

    @pytest.mark.parametrize("after", [0, 0.001, 0.003, 0.01, 0.03])
    async def test_a_cancelled_put_leaves_all_or_nothing(
        self, storage: Storage, other: Storage, make_file: MakeFile, after: float
    ) -> None:
        content = os.urandom(8 * MB)
        putting = asyncio.create_task(storage.put(KEY, make_file(content), media_type=PNG))
        await asyncio.sleep(after)
        putting.cancel()
        with suppress(asyncio.CancelledError):
            await putting
        left = await scanned(other)
        await asyncio.sleep(0.1)
        assert await scanned(other) == left, "the put went on after it was cancelled"
        if not left:
            await other.put(KEY, make_file(content), media_type=PNG)
        assert await read(other, KEY) == content

    async def test_a_key_that_is_a_folder_or_below_an_object_harms_nothing(
        self, storage: Storage, make_file: MakeFile
    ) -> None:
        """Object stores can have such keys, file systems cannot. In both, only errors of the protocol are raised."""
        await storage.put(KEY, make_file(b"picture"), media_type=PNG)
        for key in ("2014/06", f"{KEY}/below"):
            with suppress(StorageError):
                await storage.put(key, make_file(b"intruder"), media_type=PNG)
                assert await read(storage, key) == b"intruder"
            with suppress(StorageError):
                await storage.put(key, make_file(b"intruder"), media_type=PNG, replace=True)
            await storage.delete(key)
            with pytest.raises(KeyMissing):
                await storage.stat(key)
        assert await read(storage, KEY) == b"picture"
        assert await scanned(storage) == [KEY]

    # put with replace

    async def test_replace_puts_where_nothing_is(self, storage: Storage, make_file: MakeFile) -> None:
        await storage.put(KEY, make_file(b"thumb"), media_type=PNG, replace=True)
        assert await read(storage, KEY) == b"thumb"

    async def test_replace_takes_the_place_of_the_old(
        self, storage: Storage, other: Storage, make_file: MakeFile
    ) -> None:
        for content in (b"a longer old one", b"new", b"new"):
            await storage.put(KEY, make_file(content), media_type=PNG, replace=True)
            assert await read(other, KEY) == content
            assert (await other.stat(KEY)).size == len(content)
        assert await scanned(other) == [KEY]

    async def test_replacing_an_object_by_itself_keeps_it(self, storage: Storage, make_file: MakeFile) -> None:
        file = make_file(b"thumb")
        await storage.put(KEY, file, media_type=PNG)
        await storage.put(KEY, file, media_type=PNG, replace=True)
        assert await read(storage, KEY) == b"thumb"

    async def test_readers_during_a_replace_see_old_or_new(
        self, storage: Storage, other: Storage, make_file: MakeFile
    ) -> None:
        contents = [b"a" * (2 * MB), b"b" * (3 * MB)]
        files = [make_file(content) for content in contents]
        await storage.put(KEY, files[0], media_type=PNG)

        async def replace() -> None:
            for turn in range(10):
                await storage.put(KEY, files[turn % 2], media_type=PNG, replace=True)

        replacing = asyncio.create_task(replace())
        while not replacing.done():
            assert await read(other, KEY) in contents
            assert await scanned(other) == [KEY]
        await replacing

    # open

    @pytest.mark.parametrize("bounds", cases(RANGES))
    async def test_a_range_gives_its_bytes(
        self, storage: Storage, make_file: MakeFile, bounds: tuple[int, int | None]
    ) -> None:
        start, stop = bounds
        await storage.put(KEY, make_file(LONG), media_type=PNG)
        assert await read(storage, KEY, start=start, stop=stop) == LONG[start:stop]

    @pytest.mark.parametrize("bounds", [(0, None), (0, 5), (3, 9)])
    async def test_a_range_of_an_empty_object_is_empty(
        self, storage: Storage, make_file: MakeFile, bounds: tuple[int, int | None]
    ) -> None:
        await storage.put(KEY, make_file(b""), media_type=PNG)
        assert await read(storage, KEY, start=bounds[0], stop=bounds[1]) == b""

    async def test_a_large_object_comes_in_chunks(self, storage: Storage, make_file: MakeFile) -> None:
        await storage.put(KEY, make_file(bytes(8 * MB)), media_type=PNG)
        async with storage.open(KEY) as chunks:
            assert max([len(chunk) async for chunk in chunks]) <= MB

    @pytest.mark.parametrize("key", ["2014/06/04/other.png", "2015/01/01/example.png", "2014/06", f"{KEY}/below"])
    async def test_what_is_not_there_is_missing(self, storage: Storage, make_file: MakeFile, key: str) -> None:
        await storage.put(KEY, make_file(b"picture"), media_type=PNG)
        with pytest.raises(KeyMissing) as raised:
            await storage.stat(key)
        assert raised.value.key == key
        for start, stop in ((0, None), (0, 0), (5, 9)):
            with pytest.raises(KeyMissing):
                await storage.open(key, start=start, stop=stop).__aenter__()

    async def test_a_reader_may_leave_early(self, storage: Storage, make_file: MakeFile) -> None:
        await storage.put(KEY, make_file(bytes(2 * MB)), media_type=PNG)
        async with asyncio.timeout(60):
            for _ in range(100):  # more than any pool has connections
                async with storage.open(KEY) as chunks:
                    await anext(chunks)
                async with storage.open(KEY):
                    pass
        assert await read(storage, KEY) == bytes(2 * MB)

    async def test_an_error_of_the_reader_is_its_own(self, storage: Storage, make_file: MakeFile) -> None:
        await storage.put(KEY, make_file(LONG), media_type=PNG)

        async def read_and_raise(error: type[Exception]) -> None:
            async with storage.open(KEY) as chunks:
                await anext(chunks)
                raise error

        for error in (ZeroDivisionError, OSError, KeyError):
            with pytest.raises(error):
                await read_and_raise(error)
        assert await read(storage, KEY) == LONG

    async def test_many_read_at_once(self, storage: Storage, other: Storage, make_file: MakeFile) -> None:
        await storage.put(KEY, make_file(LONG), media_type=PNG)
        reading = [read((storage, other)[i % 2], KEY, start=i * 1000) for i in range(30)]
        assert await asyncio.gather(*reading) == [LONG[i * 1000 :] for i in range(30)]

    # stat

    async def test_stat_returns_when_it_was_put(self, storage: Storage, make_file: MakeFile) -> None:
        file = make_file(b"an old file")
        os.utime(file, (10**9, 10**9))
        await storage.put(KEY, file, media_type=PNG)
        stat = await storage.stat(KEY)
        assert stat.size == 11
        assert stat.modified.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - stat.modified) < timedelta(hours=1)
        assert stat.media_type in {None, PNG}

    # delete

    async def test_what_is_deleted_is_gone_for_everybody(
        self, storage: Storage, other: Storage, make_file: MakeFile
    ) -> None:
        for key in (KEY, "2014/06/04/neighbour.png", f"{KEY}.png"):
            await storage.put(key, make_file(b"picture"), media_type=PNG)
        await storage.delete(KEY)
        with pytest.raises(KeyMissing):
            await other.stat(KEY)
        with pytest.raises(KeyMissing):
            await read(other, KEY)
        assert await scanned(other) == ["2014/06/04/example.png.png", "2014/06/04/neighbour.png"]

    async def test_deleting_what_is_not_there_is_fine(self, storage: Storage, make_file: MakeFile) -> None:
        await storage.put(KEY, make_file(b"picture"), media_type=PNG)
        for key in ("2014/06/04/other.png", "2015/01/01/example.png", "2014/06", f"{KEY}/below"):
            await storage.delete(key)
        assert await scanned(storage) == [KEY]
        await storage.delete(KEY)
        await storage.delete(KEY)
        assert await scanned(storage) == []

    async def test_the_storage_takes_a_deleted_key_again(self, storage: Storage, make_file: MakeFile) -> None:
        for content in (b"first", b"second"):
            await storage.put(KEY, make_file(content), media_type=PNG)
            assert await read(storage, KEY) == content
            await storage.delete(KEY)

    # scan

    async def test_a_scan_finds_every_object_once(self, storage: Storage, other: Storage, make_file: MakeFile) -> None:
        """More objects than the thousand that object stores list in one page; in one folder and in many."""
        file = make_file(b"picture")
        wanted = [f"2014/06/04/{number}.png" for number in range(1100)]
        wanted += [f"2014/{month:02}/{day:02}/x.png" for month in range(1, 6) for day in range(1, 21)]
        todo = iter(wanted)

        async def put_some() -> None:
            for key in todo:
                await storage.put(key, file, media_type=PNG)

        await asyncio.gather(*(put_some() for _ in range(16)))
        entries = [entry async for entry in other.scan()]
        assert sorted(entry.key for entry in entries) == sorted(wanted)
        assert {entry.size for entry in entries} == {7}
        assert {entry.modified.utcoffset() for entry in entries} == {timedelta(0)}
        assert all(abs(datetime.now(UTC) - entry.modified) < timedelta(hours=1) for entry in entries)
        assert len(await scanned(other, "2014/06/04/1")) == 211

    async def test_a_scan_of_an_empty_place_finds_nothing(self, storage: Storage) -> None:
        assert await scanned(storage) == []

    @pytest.mark.parametrize(
        ("prefix", "found"),
        [
            pytest.param("", ["2014/06/04/a_b.png", "2014/06/04/axb.png", "2014/06/05/a.png", "20145/a.png"], id="all"),
            pytest.param(
                "2014", ["2014/06/04/a_b.png", "2014/06/04/axb.png", "2014/06/05/a.png", "20145/a.png"], id="name"
            ),
            pytest.param("2014/", ["2014/06/04/a_b.png", "2014/06/04/axb.png", "2014/06/05/a.png"], id="folder"),
            pytest.param(
                "2014/06/0", ["2014/06/04/a_b.png", "2014/06/04/axb.png", "2014/06/05/a.png"], id="inside-a-name"
            ),
            pytest.param("2014/06/04/a_", ["2014/06/04/a_b.png"], id="wildcard-of-sql"),
            pytest.param("2014/06/04/a?", [], id="wildcard-of-shells"),
            pytest.param("2014/06/05/a.png", ["2014/06/05/a.png"], id="whole-key"),
            pytest.param("2014/06/05/a.png/", [], id="below-an-object"),
            pytest.param("2013", [], id="nothing"),
            pytest.param("../", [], id="outside"),
            pytest.param("/", [], id="absolute"),
            pytest.param(".", [], id="hidden"),
        ],
    )
    async def test_a_prefix_is_taken_to_the_letter(
        self, storage: Storage, make_file: MakeFile, prefix: str, found: list[str]
    ) -> None:
        for key in ("2014/06/04/a_b.png", "2014/06/04/axb.png", "2014/06/05/a.png", "20145/a.png"):
            await storage.put(key, make_file(b"picture"), media_type=PNG)
        assert await scanned(storage, prefix) == found

    async def test_a_scan_may_be_left_early(self, storage: Storage, make_file: MakeFile) -> None:
        for number in range(5):
            await storage.put(f"2014/06/{number}/a.png", make_file(b"picture"), media_type=PNG)
        async with asyncio.timeout(60):
            for _ in range(100):
                async for _ in storage.scan():
                    break
        assert len(await scanned(storage)) == 5

    async def test_what_a_scan_finds_may_be_deleted_meanwhile(self, storage: Storage, make_file: MakeFile) -> None:
        keys = [f"2014/06/{number}/{name}.png" for number in range(5) for name in "ab"]
        for key in keys:
            await storage.put(key, make_file(b"picture"), media_type=PNG)
        seen: list[str] = []
        async for entry in storage.scan():
            seen.append(entry.key)
            await storage.delete(entry.key)
        assert sorted(seen) == keys
        assert await scanned(storage) == []

    # sweep

    async def test_a_sweep_leaves_finished_objects(self, storage: Storage, other: Storage, make_file: MakeFile) -> None:
        await storage.put(KEY, make_file(b"picture"), media_type=PNG)
        await other.sweep(timedelta(0))
        assert await read(storage, KEY) == b"picture"

    async def test_a_sweep_leaves_what_is_young(self, storage: Storage, other: Storage, make_file: MakeFile) -> None:
        """The files that are put are old: a backend must not take their time for the time of the put."""
        files = [make_file(os.urandom(8 * MB)) for _ in range(4)]
        for file in files:
            os.utime(file, (10**9, 10**9))
        putting = asyncio.gather(*(storage.put(f"{n}.png", file, media_type=PNG) for n, file in enumerate(files)))
        while not putting.done():
            await other.sweep(timedelta(hours=1))
            await asyncio.sleep(0.001)
        await putting
        assert len(await scanned(other)) == 4

    # addresses

    async def test_a_local_path_is_the_file(self, storage: Storage, make_file: MakeFile) -> None:
        for key in (KEY, GOOD_KEYS["percent"], GOOD_KEYS["hindi"]):
            await storage.put(key, make_file(LONG), media_type=PNG)
            path = storage.local_path(key)
            assert path is None or path.read_bytes() == LONG
        path = storage.local_path("2014/06/04/other.png")
        assert path is None or not path.exists()

    @pytest.mark.parametrize("key", cases(GOOD_KEYS))
    async def test_an_address_can_be_sent(self, storage: Storage, make_file: MakeFile, key: str) -> None:
        await storage.put(key, make_file(b"picture"), media_type=PNG)
        address = await storage.url(key)
        if address is not None:
            assert address.url.startswith(("http://", "https://"))
            assert all("!" <= char <= "~" for char in address.url), "not percent-encoded"
            assert address.lifetime is None or address.lifetime > timedelta(0)

    async def test_no_address_outlives_the_picture(self, storage: Storage, make_file: MakeFile) -> None:
        expires = datetime.now(UTC) + timedelta(minutes=2)
        await storage.put(KEY, make_file(b"picture"), media_type=PNG, expires=expires)
        address = await storage.url(KEY, expires=expires)
        if address is not None:
            assert address.lifetime is not None
            assert timedelta(0) < address.lifetime <= timedelta(minutes=2)

    # check

    async def test_a_check_passes_and_leaves_nothing(self, storage: Storage, other: Storage) -> None:
        await asyncio.gather(storage.check(), other.check(), storage.check())
        assert await scanned(storage) == []
