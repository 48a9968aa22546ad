"""The lock of a data folder."""

import errno
import fcntl
import multiprocessing
import os
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from imges.errors import SettingsError
from imges.processes.lock import PassedLock, held


def test_a_folder_belongs_to_one_holder(tmp_path: Path):
    with held(tmp_path):
        with (
            pytest.raises(SettingsError, match=r"another `imges serve` \(process \d+\) runs on it") as refused,
            held(tmp_path),
        ):
            pass
        assert str(tmp_path) in refused.value.message
    with held(tmp_path):
        pass


def test_a_command_that_holds_the_folder_is_named(tmp_path: Path):
    with held(tmp_path, command="catalog copy"), pytest.raises(SettingsError) as refused, held(tmp_path):
        pass
    assert f"`imges catalog copy` (process {os.getpid()}) works on it; try again" in refused.value.message
    with held(tmp_path) as lock:
        assert list(lock.former_leases) == []


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def flock(_: int, __: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(SettingsError, match="network file system; keep data_dir on a local disk"), held(tmp_path):
        pass


def test_the_lock_is_waited_for_as_long_as_patience_lasts(tmp_path: Path):
    began = time.monotonic()
    with held(tmp_path):
        with pytest.raises(SettingsError), held(tmp_path, patience=0.3):
            pass
        assert time.monotonic() - began >= 0.3
        released = threading.Event()

        def wait_for_it() -> None:
            with held(tmp_path, patience=20):
                released.set()

        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        time.sleep(0.2)
        assert not released.is_set()
    waiting.join()
    assert released.is_set()


def test_the_next_holder_learns_the_leases_of_the_former(tmp_path: Path):
    with held(tmp_path) as lock:
        assert list(lock.former_leases) == []
        lock.note("a")
        lock.note("b")
        lock.note("c", instead_of="a")
    with held(tmp_path) as lock:
        assert list(lock.former_leases) == ["b", "c"]
        lock.note("d")
    with held(tmp_path) as lock:
        assert list(lock.former_leases) == ["d"]


def test_leases_that_nobody_replaces_stay_for_a_holder_that_dies_at_once(tmp_path: Path):
    with held(tmp_path) as lock:
        lock.note("a")
    with held(tmp_path):
        pass
    with held(tmp_path) as lock:
        assert list(lock.former_leases) == ["a"]


def _child(lock: PassedLock, connection: Connection) -> None:
    told: list[tuple[str, str]] = []
    lock.note("nobody hears this yet")
    lock.report_to(lambda name, lease: told.append((name, lease)))
    lock.note("mine")
    connection.send((list(lock.former_leases), told))
    connection.recv()


def test_a_child_keeps_the_folder_and_reports_leases_to_its_parent(tmp_path: Path):
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    with held(tmp_path) as lock:
        child = spawn.Process(target=_child, args=(lock.passed(["dead"]), theirs))
        child.start()
        assert ours.recv() == (["dead"], [("lease", "mine")])
    with pytest.raises(SettingsError), held(tmp_path):  # the parent has released it
        pass
    ours.send(None)
    child.join()
    with held(tmp_path, patience=20):
        pass
