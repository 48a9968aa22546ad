"""The spool: folders of uploads, and the files that are written into them."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from imges.errors import DiskReserve, FileTooLarge, SpoolUnavailable
from imges.receiving import spool as module
from imges.receiving.spool import BLOCK, KEPT, SMALL, SMALLEST_BLOCK, Spool, Spooled, SpoolWriter, spool_chunks


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncGenerator[Spool]:
    async with Spool(tmp_path / "spool").prepared() as spool:
        yield spool


async def emptied(spool: Spool) -> None:
    while spool._emptying is not None:
        await asyncio.sleep(0.01)


# Folders


async def test_what_a_killed_process_left_is_removed(tmp_path: Path):
    left = tmp_path / "spool/upload-left/file"
    left.parent.mkdir(parents=True)
    left.touch()
    async with Spool(tmp_path / "spool").prepared():
        assert not left.exists()
        assert len(list((tmp_path / "spool").iterdir())) == KEPT
    assert list((tmp_path / "spool").iterdir()) == []


async def test_each_upload_has_an_empty_folder_that_only_we_can_read(spool: Spool):
    async with spool.open() as first, spool.open() as second:
        assert first != second
        assert list(first.iterdir()) == []
        assert first.stat().st_mode & 0o777 == 0o700


async def test_a_folder_is_used_again_under_another_name(spool: Spool):
    async with spool.open() as folder:
        (folder / "received").touch()
    await emptied(spool)
    assert not folder.exists()
    assert len(list(spool._folder.iterdir())) == KEPT
    assert [list(each.iterdir()) for each in spool._folder.iterdir()] == [[]] * KEPT


async def test_further_folders_for_many_uploads_at_once_are_removed(spool: Spool):
    uploads = [spool.open() for _ in range(KEPT + 5)]
    folders = [await upload.__aenter__() for upload in uploads]
    assert len(set(folders)) == KEPT + 5
    assert Spool.uploads == KEPT + 5
    for upload in uploads:
        await upload.__aexit__(None, None, None)
    assert Spool.uploads == 0
    await emptied(spool)
    assert len(list(spool._folder.iterdir())) == KEPT
    assert len(spool._free) == KEPT


async def test_a_spool_that_somebody_has_cleared_is_made_anew(spool: Spool):
    async with spool.open() as folder:
        module._remove([spool._folder])
        assert not folder.exists()
    await emptied(spool)
    async with spool.open() as folder:
        (folder / "received").touch()


async def test_a_folder_that_cannot_be_emptied_is_removed(spool: Spool):
    async with spool.open() as folder:
        (folder / "a folder").mkdir()  # `unlink` refuses it
    await emptied(spool)
    assert not folder.exists()
    assert len(spool._free) == KEPT - 1


async def test_the_check_writes_a_file_and_leaves_none(spool: Spool):
    before = sorted(spool._folder.iterdir())
    await spool.check()
    assert sorted(spool._folder.iterdir()) == before


async def test_a_spool_that_cannot_be_written_is_unavailable(tmp_path: Path):
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file")
    with pytest.raises(SpoolUnavailable):
        await spool.check()
    with pytest.raises(SpoolUnavailable):
        async with spool.open():
            pass


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskReserve), (errno.EDQUOT, DiskReserve), (errno.EIO, SpoolUnavailable), (None, SpoolUnavailable)],
)
def test_a_full_disk_and_a_broken_one_are_different_errors(number: int | None, kind: type[Exception]):
    assert type(module.translated(OSError(number, "x"))) is kind


@pytest.mark.parametrize(
    ("uploads", "block"), [(0, BLOCK), (1, BLOCK), (16, BLOCK), (32, BLOCK // 2), (10_000, SMALLEST_BLOCK)]
)
def test_the_more_uploads_run_the_smaller_their_blocks_are(uploads: int, block: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Spool, "uploads", uploads)
    assert Spool.block() == block


# Files


@pytest.mark.parametrize("size", [0, 1, SMALL - 1, SMALL])
async def test_a_small_file_stays_in_memory_if_it_may(tmp_path: Path, size: int):
    writer = SpoolWriter(tmp_path / "file", 2**30)
    await writer.write(bytes(size))
    assert await writer.finish(may_wait=True) == Spooled(tmp_path / "file", size, bytes(size))
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(("size", "may_wait"), [(0, False), (SMALL, False), (SMALL + 1, True), (BLOCK + 1, True)])
async def test_any_other_file_is_written(tmp_path: Path, size: int, *, may_wait: bool):
    writer = SpoolWriter(tmp_path / "file", 2**30)
    for byte in b"ab":
        await writer.write(bytes([byte]) * (size // 2))
    await writer.write(b"c" * (size - size // 2 * 2))
    content = b"a" * (size // 2) + b"b" * (size // 2) + b"c" * (size % 2)
    assert writer.size == size
    assert await writer.finish(may_wait=may_wait) == Spooled(tmp_path / "file", size)
    assert (tmp_path / "file").read_bytes() == content
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


async def test_a_block_is_written_as_soon_as_it_is_full(tmp_path: Path):
    writer = SpoolWriter(tmp_path / "file", 2**30)
    await writer.write(bytes(BLOCK - 1))
    assert not (tmp_path / "file").exists()
    await writer.write(b"x")
    assert (tmp_path / "file").stat().st_size == BLOCK
    await writer.write(b"y")
    assert writer.size == BLOCK + 1
    assert (await writer.finish(may_wait=True)).content is None
    assert (tmp_path / "file").read_bytes()[-2:] == b"xy"


@pytest.mark.parametrize(("told", "megabytes"), [(None, "1"), (5 * 2**20, "5")])
async def test_a_file_has_at_most_the_limit(tmp_path: Path, told: int | None, megabytes: str):
    writer = SpoolWriter(tmp_path / "file", 2**20, told=told)
    await writer.write(bytes(2**20 - 1))
    await writer.write(b"x")
    with pytest.raises(FileTooLarge, match=f"up to {megabytes} MB"):
        await writer.write(b"x")


async def test_a_write_in_parts_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write = os.write
    monkeypatch.setattr(module.os, "write", lambda file, data: write(file, data[:3]))
    writer = SpoolWriter(tmp_path / "file", 100)
    await writer.write(b"0123456789")
    await writer.finish()
    assert (tmp_path / "file").read_bytes() == b"0123456789"


async def test_a_file_that_cannot_be_written_is_unavailable(tmp_path: Path):
    writer = SpoolWriter(tmp_path / "nowhere/file", 100)
    await writer.write(b"x")
    with pytest.raises(SpoolUnavailable):
        await writer.finish()


async def test_chunks_become_a_file(tmp_path: Path):
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    spooled = await spool_chunks(chunks(), tmp_path / "file", 7)
    assert spooled.path.read_bytes() == b"one two"
    with pytest.raises(FileTooLarge):
        await spool_chunks(chunks(), tmp_path / "other", 6)


def test_the_digest_is_the_md5_of_the_bytes(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"written")
    assert Spooled(tmp_path / "file", 7).digest() == hashlib.md5(b"written").hexdigest()
    assert Spooled(tmp_path / "none", 7, b"waiting").digest() == hashlib.md5(b"waiting").hexdigest()
    with pytest.raises(SpoolUnavailable):
        Spooled(tmp_path / "none", 7).digest()
