"""Writes that are whole or not there at all, and synced in the right order.

What a power cut leaves cannot be tried here, so these tests watch the order of the calls: the bytes before the name,
and the name before the function returns. `tests/crash/test_sync_order.py` sees the same of a whole server by strace.
"""

import errno
import os
from pathlib import Path

import pytest

from imges import durable


@pytest.fixture
def calls(monkeypatch):
    """What is done to the disk, in order: syncs by the path of what is synced, names by what they lead to."""
    made = []

    def watch(name, describe):
        real = getattr(os, name)

        def called(*arguments, **more):
            done = real(*arguments, **more)
            made.append((name, *describe(*arguments)))
            return done

        monkeypatch.setattr(os, name, called)

    watch("fsync", lambda descriptor: (Path(f"/proc/self/fd/{descriptor}").readlink(),))
    watch("replace", lambda source, target: (Path(source), Path(target)))
    watch("link", lambda source, target: (Path(source), Path(target)))
    watch("mkdir", lambda folder, *_: (Path(folder),))
    return made


@pytest.fixture
def fail(monkeypatch):
    """Makes the numbered call of a function of `os` fail, as a disk does."""

    def fail(name, number=1):
        real, left = getattr(os, name), [number]

        def failing(*arguments, **more):
            left[0] -= 1
            if not left[0]:
                raise OSError(errno.EIO, "injected")
            return real(*arguments, **more)

        monkeypatch.setattr(os, name, failing)

    return fail


def modes(*paths):
    return [path.stat().st_mode & 0o7777 for path in paths]


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def tight_umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


# write_whole


@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize("before", [None, b"a longer text than the new one"])
def test_content_is_synced_before_it_has_its_name_and_is_the_owners_alone(tmp_path, calls, before):
    file = tmp_path / "key"
    if before is not None:
        file.write_bytes(before)
        file.chmod(0o644)
    durable.write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert modes(file) == [0o600]
    (_, staged), (_, source, target), (_, folder) = calls
    assert [name for name, *_ in calls] == ["fsync", "replace", "fsync"]
    assert (staged, target, folder) == (source, file, tmp_path)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("call", "number"), [("fsync", 1), ("replace", 1)])
def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path, fail, call, number):
    file = tmp_path / "key"
    file.write_bytes(b"old")
    fail(call, number)
    with pytest.raises(OSError, match="injected"):
        durable.write_whole(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_sync_of_the_folder_that_fails_is_no_success(tmp_path, fail):
    fail("fsync", 2)
    with pytest.raises(OSError, match="injected"):
        durable.write_whole(tmp_path / "key", b"new")
    assert list(tmp_path.iterdir()) == [tmp_path / "key"]


# move_over


@pytest.mark.parametrize("there", [False, True])
def test_a_moved_file_is_synced_before_it_takes_the_name(tmp_path, calls, there):
    source, target = tmp_path / "staged", tmp_path / "folder/file"
    target.parent.mkdir()
    source.write_bytes(b"new")
    if there:
        target.write_bytes(b"old")
    calls.clear()
    durable.move_over(source, target)
    assert calls == [("fsync", source), ("replace", source, target), ("fsync", target.parent)]
    assert (target.read_bytes(), source.exists()) == (b"new", False)


# link_new


def test_a_linked_file_is_synced_before_it_has_the_name(tmp_path, calls):
    source, target = tmp_path / "staged", tmp_path / "folder/file"
    target.parent.mkdir()
    source.write_bytes(b"new")
    calls.clear()
    durable.link_new(source, target)
    assert calls == [("fsync", source), ("link", source, target), ("fsync", target.parent)]
    assert target.samefile(source)


@pytest.mark.parametrize("there", ["file", "folder", "symlink"])
def test_a_link_never_overwrites(tmp_path, there):
    source, target = tmp_path / "staged", tmp_path / "file"
    source.write_bytes(b"new")
    match there:
        case "file":
            target.write_bytes(b"old")
        case "folder":
            target.mkdir()
        case _:
            target.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        durable.link_new(source, target)
    assert not target.exists() or not target.samefile(source)


# make_folders


def test_each_new_folders_name_is_synced_before_the_next_is_made(tmp_path, calls):
    durable.make_folders(tmp_path / "a/b/c")
    assert calls == [
        ("mkdir", tmp_path / "a"),
        ("fsync", tmp_path),
        ("mkdir", tmp_path / "a/b"),
        ("fsync", tmp_path / "a"),
        ("mkdir", tmp_path / "a/b/c"),
        ("fsync", tmp_path / "a/b"),
    ]


@pytest.mark.usefixtures("tight_umask")
def test_new_folders_get_the_mode_and_old_ones_keep_theirs(tmp_path):
    (tmp_path / "old").mkdir(mode=0o700)
    durable.make_folders(tmp_path / "old/new/newer", 0o755)
    assert modes(tmp_path / "old", tmp_path / "old/new", tmp_path / "old/new/newer") == [0o700, 0o755, 0o755]
    durable.make_folders(tmp_path / "old/new/newer", 0o711)
    assert modes(tmp_path / "old/new/newer") == [0o755]


@pytest.mark.usefixtures("tight_umask")
def test_without_a_mode_the_umask_says_it(tmp_path):
    durable.make_folders(tmp_path / "new")
    assert modes(tmp_path / "new") == [0o700]


def test_a_folder_that_another_process_makes_meanwhile_is_taken_as_it_is(tmp_path, monkeypatch, calls):
    real = os.mkdir

    def outrun(folder, mode=0o777):
        real(folder, 0o750)
        real(folder, mode)

    monkeypatch.setattr(os, "mkdir", outrun)
    durable.make_folders(tmp_path / "new", 0o755)
    assert modes(tmp_path / "new") == [0o750]
    assert calls[-1] == ("fsync", tmp_path), "the other process may not have synced it yet"


def test_a_folder_above_that_cannot_be_read_is_not_synced(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(errno.EACCES, "injected", str(path))

    monkeypatch.setattr(durable, "sync", refused)
    durable.make_folders(tmp_path / "new")
    assert (tmp_path / "new").is_dir()


def test_a_sync_that_fails_fails_the_making(tmp_path, fail):
    fail("fsync")
    with pytest.raises(OSError, match="injected"):
        durable.make_folders(tmp_path / "new")


def test_what_is_no_folder_is_left_alone(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"text")
    file.chmod(0o640)
    durable.make_folders(file, 0o755)
    assert (file.read_bytes(), modes(file)) == (b"text", [0o640])
