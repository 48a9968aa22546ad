"""The backend `datefolder`: the suite of all backends, and what only a disk can do."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from imges.errors import SettingsError
from imges.storage import KeyMissing, StorageError, StorageFull, StorageUnavailable
from imges.storage.places import open_places
from imges.testing import StorageConformance, open_place, read
from imges.testing.conformance import scanned

KEY = "2014/06/04/example.png"
PNG = "image/png"
PUTTER = [sys.executable, str(Path(__file__).with_name("putter.py"))]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root; CI runs as root")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "images"


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "picture"
    file.write_bytes(b"picture")
    file.chmod(0o600)
    return file


@pytest.fixture
async def storage(root):
    async with open_place({"type": "datefolder", "root": root}) as storage:
        yield storage


def file_of(storage, key):
    path = storage.local_path(key)
    assert path is not None
    return path


def staged(root):
    return [path.name for path in (root / ".staging").iterdir()]


class TestDatefolder(StorageConformance):
    @pytest.fixture
    def open_storage(self, root):
        return partial(open_place, {"type": "datefolder", "root": str(root)})


# Start


@pytest.mark.parametrize("below", ["file", "file/images"])
async def test_a_root_that_cannot_be_made_stops_the_start(tmp_path, below):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        SettingsError, match=r"^storages\.disk\.root: the folder .*file.* cannot be used \(.+\); give it to"
    ):
        await start(tmp_path / below)


async def start(root):
    async with open_places({"disk": {"type": "datefolder", "root": root}}, "disk"):
        pass


async def test_a_staging_folder_that_leads_elsewhere_stops_the_start(tmp_path, root):
    root.mkdir()
    (root / ".staging").symlink_to(tmp_path)
    with pytest.raises(SettingsError, match=r"^storages\.disk\.root: "):
        await start(root)


async def test_the_root_itself_may_be_a_symlink(tmp_path, picture, root):
    (tmp_path / "big-disk").mkdir()
    root.symlink_to("big-disk")
    async with open_place({"type": "datefolder", "root": root}) as storage:
        await storage.put(KEY, picture, media_type=PNG)
        assert await read(storage, KEY) == file_of(storage, KEY).read_bytes() == b"picture"
    assert (tmp_path / "big-disk" / KEY).read_bytes() == b"picture"


async def test_a_root_whose_disk_is_not_mounted_is_unavailable_and_not_empty(root, picture, storage):
    await storage.put(KEY, picture, media_type=PNG)
    root.rename(root.with_name("away"))
    root.mkdir()
    for work in (storage.stat(KEY), storage.delete(KEY), read(storage, KEY), scanned(storage), storage.check()):
        with pytest.raises(StorageUnavailable):
            await work
    with pytest.raises(StorageUnavailable):
        await storage.put(KEY, picture, media_type=PNG)
    assert list(root.iterdir()) == []


# What lies on the disk


async def test_files_and_folders_may_be_read_by_a_proxy_whatever_the_umask(root, picture):
    before = os.umask(0o077)
    try:
        async with open_place({"type": "datefolder", "root": root}) as storage:
            await storage.put(KEY, picture, media_type=PNG)
    finally:
        os.umask(before)
    modes = {str(path.relative_to(root)): path.stat().st_mode & 0o7777 for path in [root, *root.rglob("*")]}
    folders = dict.fromkeys([".", "2014", "2014/06", "2014/06/04"], 0o755)
    assert modes == {**folders, ".staging": 0o700, KEY: 0o644}


async def test_nothing_stays_staged(root, picture, storage):
    await storage.put(KEY, picture, media_type=PNG)
    await storage.put(KEY, picture, media_type=PNG, replace=True)
    with pytest.raises(StorageError):
        await storage.put(KEY, picture, media_type=PNG)
    with pytest.raises(StorageError):
        await storage.put(f"{KEY}/below", picture, media_type=PNG)
    putting = asyncio.create_task(storage.put("cancelled.png", picture, media_type=PNG))
    await asyncio.sleep(0)
    putting.cancel()
    with suppress(asyncio.CancelledError):
        await putting
    assert staged(root) == []


async def test_a_sweep_takes_what_is_old(root, storage):
    (root / ".staging" / "left").write_bytes(b"half a pict")
    os.utime(root / ".staging" / "left", (1, 1))  # as the file that was staged: its age is not the staging's
    await storage.sweep(timedelta(minutes=1))
    assert staged(root) == ["left"]
    await storage.sweep(timedelta(0))
    assert staged(root) == []


async def test_what_others_lay_into_the_root_is_no_object(root, storage, picture):
    day = root / "2014/06/04"
    await storage.put(KEY, picture, media_type=PNG)
    (day / ".DS_Store").write_bytes(b"")
    (root / ".git").mkdir()
    (root / ".git/config").write_bytes(b"")
    (day / "line\nbreak.png").write_bytes(b"")
    (day / "back\\slash.png").write_bytes(b"")
    Path(os.fsdecode(bytes(day) + b"/latin-\xe9.png")).write_bytes(b"")
    (day / "folder").mkdir()
    os.mkfifo(day / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(day / "socket"))
    assert await scanned(storage) == [KEY]
    for name in ("folder", "pipe", "socket"):
        async with asyncio.timeout(5):
            with pytest.raises(KeyMissing):
                await storage.stat(f"2014/06/04/{name}")
            with pytest.raises(StorageError):
                await read(storage, f"2014/06/04/{name}")


async def test_a_day_folder_that_was_removed_is_made_again(root, storage, picture):
    await storage.put(KEY, picture, media_type=PNG)
    (root / KEY).unlink()
    for folder in ("2014/06/04", "2014/06", "2014"):
        (root / folder).rmdir()
    await storage.put(KEY, picture, media_type=PNG)
    assert await read(storage, KEY) == b"picture"


async def test_no_descriptor_stays_open(storage, picture):
    async def work():
        with suppress(StorageError):
            await storage.put(KEY, picture, media_type=PNG)
        for key in (KEY, "2014/06/04/other.png", f"{KEY}/below", "2014/06"):
            with suppress(StorageError):
                await storage.stat(key)
            with suppress(StorageError):
                await read(storage, key)
        reading = asyncio.create_task(read(storage, KEY))
        await asyncio.sleep(0)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        await scanned(storage)
        await storage.sweep(timedelta(0))

    def open_descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    await work()
    before = open_descriptors()
    for _ in range(20):
        await work()
    assert open_descriptors() == before


# Symlinks inside the root


@pytest.fixture
def outside(tmp_path):
    """A tree beside the root that looks like one of ours."""
    folder = tmp_path / "outside"
    (folder / "06/04").mkdir(parents=True)
    (folder / "06/04/example.png").write_bytes(b"secret")
    return folder


@pytest.mark.parametrize(
    ("link", "target"),
    [
        pytest.param("2014", "outside", id="year"),
        pytest.param("2014/06", "outside/06", id="month"),
        pytest.param("2014/06/04", "outside/06/04", id="day"),
        pytest.param(KEY, "outside/06/04/example.png", id="file"),
    ],
)
async def test_nothing_outside_is_reached_through_a_symlink(tmp_path, root, outside, storage, picture, link, target):
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(tmp_path / target)
    with pytest.raises(KeyMissing):
        await storage.stat(KEY)
    with pytest.raises(KeyMissing):
        await read(storage, KEY)
    assert storage.local_path(KEY) is None
    assert await scanned(storage) == []
    with pytest.raises(StorageError):
        await storage.put(KEY, picture, media_type=PNG)
    with suppress(StorageError):
        await storage.put(KEY, picture, media_type=PNG, replace=True)
    await storage.delete(KEY)
    assert [path for path in outside.rglob("*") if path.is_file()] == [outside / "06/04/example.png"]
    assert (outside / "06/04/example.png").read_bytes() == b"secret"


async def test_a_symlink_that_leads_nowhere_is_not_written_through(tmp_path, root, storage, picture):
    (root / "example.png").symlink_to(tmp_path / "new")
    with pytest.raises(StorageError):
        await storage.put("example.png", picture, media_type=PNG)
    assert not (tmp_path / "new").exists()


# Other processes


def test_two_processes_put_one_key_forty_times_each_and_one_put_wins(tmp_path, root):
    files = [tmp_path / name for name in ("first", "second")]
    for file in files:
        file.write_bytes(file.name.encode() * 100_000)
    putters = [
        subprocess.Popen([*PUTTER, root, KEY, file, "40"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for file in files
    ]
    for putter in putters:
        assert putter.stdout
        assert putter.stdout.readline() == "ready\n"
    for putter in putters:  # both are ready: begin together
        assert putter.stdin
        putter.stdin.write("go\n")
        putter.stdin.flush()
    results = [putter.communicate()[0].split() for putter in putters]
    assert sorted(results[0] + results[1]) == ["KeyExists"] * 79 + ["NoneType"]
    assert (root / KEY).read_bytes() == files["NoneType" in results[1]].read_bytes()
    assert staged(root) == []


def put_under_strace(tmp_path, root, picture, *options, count=1, replace=()):
    """What a process that puts *picture* prints, and the lines of strace about its threads."""
    trace = tmp_path / "trace"
    done = subprocess.run(
        ["strace", "-f", "-y", "-o", trace, *options, *PUTTER, root, KEY, picture, str(count), *replace],
        input="go\n", stdout=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout.split()[1:], trace.read_text().splitlines()


CALLS = "link,linkat,rename,renameat,renameat2,fsync,mkdir,mkdirat,unlink,unlinkat,exit_group"


def test_a_put_is_on_the_disk_before_it_is_done(tmp_path, root, picture):
    """The file before its name, each new folder's name before the next, and the name of the file at last."""
    root.mkdir()
    results, trace = put_under_strace(tmp_path, root, picture, "-e", f"trace={CALLS}")
    assert results == ["NoneType"]
    steps = [
        r'mkdirat\(.*, "2014"',
        rf"fsync\(\d+<{root}>\) += 0",
        r'mkdirat\(.*, "06"',
        rf"fsync\(\d+<{root}/2014>\) += 0",
        r'mkdirat\(.*, "04"',
        rf"fsync\(\d+<{root}/2014/06>\) += 0",
        rf"fsync\(\d+<{picture}>\) += 0",
        rf'linkat\(AT_FDCWD<.*>, "{picture}", .*<{root}/2014/06/04>, "example.png"',
        rf"fsync\(\d+<{root}/2014/06/04>\) += 0",
    ]
    found = [next((n for n, step in enumerate(steps) if re.search(step, line)), None) for line in trace]
    assert [n for n in found if n is not None] == list(range(len(steps))), "\n".join(trace)


def test_a_replace_is_on_the_disk_before_it_is_done(tmp_path, root, picture):
    (root / KEY).parent.mkdir(parents=True)
    (root / KEY).write_bytes(b"old")
    results, trace = put_under_strace(tmp_path, root, picture, "-e", f"trace={CALLS}", replace=["replace"])
    assert results == ["NoneType"]
    assert (root / KEY).read_bytes() == b"picture"
    steps = [
        next(n for n, line in enumerate(trace) if re.search(step, line))
        for step in (
            rf"fsync\(\d+<{root}/.staging/",
            r'renameat2?\(.*, "example.png"',
            rf"fsync\(\d+<{root}/2014/06/04>\) += 0",
        )
    ]
    assert steps == sorted(steps)


def test_a_delete_is_on_the_disk_before_it_is_done(tmp_path, root, picture):
    script = f"""
import asyncio
from imges.storage import open_storage
async def main():
    storage = await open_storage("tried", {{"type": "datefolder", "root": {str(root)!r}}})
    await storage.delete({KEY!r})
asyncio.run(main())
"""
    subprocess.run([*PUTTER, root, KEY, picture, "1"], input="go\n", stdout=subprocess.PIPE, text=True, check=True)
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-y", "-o", trace, "-e", f"trace={CALLS}"]
    subprocess.run([*strace, sys.executable, "-c", script], check=True)
    lines = [line for line in trace.read_text().splitlines() if f"<{root}/2014/06/04>" in line]
    assert len(lines) == 2
    assert "unlinkat(" in lines[0]
    assert "fsync(" in lines[1]


@pytest.mark.parametrize("when", range(1, 6))
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_sync_that_fails_fails_the_put_and_leaves_nothing(tmp_path, root, picture, when, error):
    root.mkdir()
    inject = ("-e", "trace=fsync", "-e", f"inject=fsync:error={error}:when={when}")
    results, trace = put_under_strace(tmp_path, root, picture, *inject)
    assert "INJECTED" in "".join(trace)
    assert results == ["StorageUnavailable" if error == "EIO" else "StorageFull"]
    assert [path for path in root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("call", ["linkat:when=1", "mkdirat:when=2", "utimensat:when=1"])
def test_a_call_that_fails_fails_the_put_and_leaves_nothing(tmp_path, root, picture, call):
    root.mkdir()
    name, _, when = call.partition(":")
    inject = ("-e", f"trace={name}", "-e", f"inject={name}:error=EIO:{when}")
    results, trace = put_under_strace(tmp_path, root, picture, *inject)
    assert "INJECTED" in "".join(trace)
    assert results == ["StorageUnavailable"]
    assert [path for path in root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("call", ["fsync:when=1", "fsync:when=3", "fsync:when=4", "linkat:when=1", "fsync:when=5"])
async def test_a_killed_put_leaves_all_or_nothing_and_a_sweep_the_rest(tmp_path, root, picture, storage, call):
    name, _, when = call.partition(":")
    inject = ("-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:{when}")
    results, _ = await asyncio.to_thread(put_under_strace, tmp_path, root, picture, *inject)
    assert results == []
    if found := await scanned(storage):
        assert found == [KEY]
        assert await read(storage, KEY) == b"picture"
    await storage.sweep(timedelta(0))
    assert staged(root) == []
    assert await scanned(storage) == found


# File systems of other kinds. No kernel here has one without hard links, so its answer to link(2) is injected.

NO_LINKS = ("-e", "trace=linkat,renameat,renameat2,rename", "-e", "inject=linkat:error=EPERM")


def test_without_links_a_put_is_whole_and_new_only(tmp_path, root, picture):
    results, trace = put_under_strace(tmp_path, root, picture, *NO_LINKS, count=20)
    assert "INJECTED" in "".join(trace)
    assert sorted(results) == ["KeyExists"] * 19 + ["NoneType"]
    assert (root / KEY).read_bytes() == b"picture"
    assert (root / KEY).stat().st_mode & 0o7777 == 0o644
    assert put_under_strace(tmp_path, root, picture, *NO_LINKS)[0] == ["KeyExists"]
    assert staged(root) == []


async def test_without_links_a_killed_put_holds_its_key_until_the_sweep(tmp_path, root, picture, storage):
    killed = (*NO_LINKS, "-e", "inject=rename,renameat,renameat2:signal=KILL:error=EIO")
    assert (await asyncio.to_thread(put_under_strace, tmp_path, root, picture, *killed))[0] == []
    assert await scanned(storage) == []
    assert (await asyncio.to_thread(put_under_strace, tmp_path, root, picture, *NO_LINKS))[0] == ["KeyExists"]
    await storage.sweep(timedelta(0))
    assert (await asyncio.to_thread(put_under_strace, tmp_path, root, picture, *NO_LINKS))[0] == ["NoneType"]


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", folder], check=True)


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


@needs_root
@pytest.mark.parametrize(
    ("folder", "result"),
    [
        pytest.param(".", r"StorageRefused: the folder .*/images cannot be written; give it to", id="root"),
        pytest.param("2014/06", r"ready\nStorageUnavailable\n", id="inside"),
    ],
)
def test_a_folder_that_may_not_be_written_is_reported(root, picture, folder, result):
    for made in (root / ".staging", root / "2014/06"):
        made.mkdir(parents=True)
    (root / folder).chmod(0o555)
    bound_to_modes = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]  # what root is not by itself
    done = subprocess.run(
        [*bound_to_modes, *PUTTER, root, KEY, picture, "1"],
        input="go\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert re.search(result, done.stdout), done.stdout


@needs_root
async def test_a_file_of_another_disk_is_copied(disk, picture):
    async with open_place({"type": "datefolder", "root": disk / "images"}) as storage:
        await storage.put(KEY, picture, media_type=PNG)
        path = file_of(storage, KEY)
        assert path.read_bytes() == b"picture"
        assert path.stat().st_mode & 0o7777 == 0o644
        assert path.stat().st_dev != picture.stat().st_dev


@needs_root
async def test_a_full_disk_is_reported_leaves_nothing_and_recovers(tmp_path, disk, picture):
    large = tmp_path / "large"
    large.write_bytes(bytes(2**21))
    async with open_place({"type": "datefolder", "root": disk / "images"}) as storage:
        await storage.put(KEY, picture, media_type=PNG)
        for replace in (False, True):
            with pytest.raises(StorageFull):
                await storage.put("large.png", large, media_type=PNG, replace=replace)
        assert staged(disk / "images") == []
        assert await scanned(storage) == [KEY]
        await storage.put("small.png", picture, media_type=PNG)
        await storage.check()
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        with pytest.raises(StorageFull):
            await storage.check()
        assert await read(storage, KEY) == b"picture"
        await storage.delete(KEY)


@needs_root
async def test_a_disk_that_turned_read_only_is_unavailable_but_read(disk, picture):
    async with open_place({"type": "datefolder", "root": disk / "images"}) as storage:
        await storage.put(KEY, picture, media_type=PNG)
        mount("-o", "remount,ro", disk)
        for work in (storage.put("b.png", picture, media_type=PNG), storage.delete(KEY), storage.check()):
            with pytest.raises(StorageUnavailable) as raised:
                await work
            assert str(disk) not in str(raised.value), "clients see no paths"
            assert any(str(disk) in note for note in raised.value.__notes__), "the log is"
        assert await read(storage, KEY) == b"picture"
        with pytest.raises(SettingsError, match="cannot be"):
            await start(disk / "images")
        mount("-o", "remount,rw", disk)
        await storage.check()
