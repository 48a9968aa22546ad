"""The records of ZIP archives, judged by Python's own reader."""

import io
import zipfile
import zlib
from datetime import UTC, datetime

import pytest

from imges.pictures.zip_records import Entry, end

NOON = datetime(2014, 6, 4, 12, 0, 2, tzinfo=UTC)


def archive(entries: dict[str, bytes]) -> bytes:
    whole, listed = bytearray(), bytearray()
    for name, content in entries.items():
        entry = Entry(name, len(content), zlib.crc32(content), NOON)
        listed += entry.listed(len(whole))
        whole += entry.head + content
    return bytes(whole + listed) + end(len(entries), len(listed), len(whole))


@pytest.mark.parametrize("entries", [{}, {"a.png": b"x", "日本 2.png": b"", "c.png": b"y" * 100}])
def test_python_reads_it(entries: dict[str, bytes]):
    with zipfile.ZipFile(io.BytesIO(archive(entries))) as read:
        assert read.testzip() is None
        assert {name: read.read(name) for name in read.namelist()} == entries
        assert all(info.date_time == (2014, 6, 4, 12, 0, 2) for info in read.infolist())
        assert all(info.flag_bits & 0x08 == 0 for info in read.infolist())  # sizes stand in front


def test_many_entries_need_zip64():
    entries = {f"{n}": b"" for n in range(70_000)}
    with zipfile.ZipFile(io.BytesIO(archive(entries))) as read:
        assert len(read.namelist()) == 70_000


class Sparse(io.RawIOBase):
    """An archive of one file whose content, gigabytes of zeros, is not there."""

    def __init__(self, parts: list[tuple[int, bytes]], size: int) -> None:
        self._parts, self._size, self._at = parts, size, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + {0: 0, 1: self._at, 2: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._size if size < 0 else min(self._size, self._at + size)
        found = bytearray(max(0, stop - self._at))
        for start, part in self._parts:
            for place in range(max(start, self._at), min(start + len(part), stop)):
                found[place - self._at] = part[place - start]
        self._at = max(stop, self._at)
        return bytes(found)


def test_large_files_and_offsets_need_zip64():
    large, small = Entry("large", 5 * 2**30, 0, NOON), Entry("small", 3, zlib.crc32(b"abc"), NOON)
    second = len(large.head) + large.size
    directory = second + len(small.head) + small.size
    listed = large.listed(0) + small.listed(second)
    tail = listed + end(2, len(listed), directory)
    parts = [(0, large.head), (second, small.head + b"abc"), (directory, tail)]
    with zipfile.ZipFile(Sparse(parts, directory + len(tail))) as read:  # type: ignore[arg-type]
        assert [(info.filename, info.file_size) for info in read.infolist()] == [("large", 5 * 2**30), ("small", 3)]
        assert read.read("small") == b"abc"
