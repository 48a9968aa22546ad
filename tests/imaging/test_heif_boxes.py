"""Boxes and numbers of AVIF and HEIC: each is held to the data around it, and every list has an end."""

import struct

import pytest

from imges.errors import NotAnImage
from imges.imaging.formats import heif_boxes
from imges.imaging.formats.heif_boxes import Box, Reader, below, box_at, boxes_in, child_of, needed_child, top_boxes
from tests.imaging.boxes import box


@pytest.mark.parametrize("size", [8, 9, 12])
def test_a_box_ends_where_its_size_says(size):
    data = struct.pack(">I4s", size, b"free") + bytes(4)
    assert box_at(data, 0, len(data)) == Box(b"free", 0, 8, size)


@pytest.mark.parametrize("size", [2, 7, 13, 2**32 - 1])
def test_a_box_shorter_than_its_header_or_longer_than_what_it_lies_in_is_refused(size):
    data = struct.pack(">I4s", size, b"free") + bytes(4)
    with pytest.raises(NotAnImage):
        box_at(data, 0, len(data))
    with pytest.raises(NotAnImage):
        list(boxes_in(data, 0, len(data)))


@pytest.mark.parametrize("size", [16, 17, 20])
def test_a_size_of_64_bits_counts_its_own_header(size):
    data = b"\0" + struct.pack(">I4sQ", 1, b"mdat", size) + bytes(4)
    assert box_at(data, 1, len(data)) == Box(b"mdat", 1, 17, 1 + size)


@pytest.mark.parametrize("size", [1, 15, 21, 2**64 - 1])
def test_a_size_of_64_bits_is_held_to_the_same_bounds(size):
    data = struct.pack(">I4sQ", 1, b"mdat", size) + bytes(4)
    with pytest.raises(NotAnImage):
        box_at(data, 0, len(data))


def test_a_size_of_0_reaches_to_the_end_of_what_the_box_lies_in():
    data = b"\0" + struct.pack(">I4s", 0, b"mdat") + bytes(9)
    assert box_at(data, 1, 12) == Box(b"mdat", 1, 9, 12)


def test_a_list_of_boxes_has_an_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(heif_boxes, "MAX_BOXES", 3)
    data = box(b"free") + box(b"skip")
    assert [found.kind for found in boxes_in(data, 0, len(data))] == [b"free", b"skip"]
    with pytest.raises(NotAnImage):
        list(boxes_in(data + box(b"free"), 0, len(data) + 8))


def test_the_bounds_are_those_that_were_measured():
    """At 100,000 boxes a hostile file takes less than a second."""
    assert heif_boxes.MAX_BOXES == 4_000


def test_the_file_ends_behind_its_last_known_box(monkeypatch: pytest.MonkeyPatch):
    known = [b"ftyp", b"meta", b"moov", b"mdat", b"free", b"skip", b"uuid", b"styp", b"sidx", b"idat"]
    data = b"".join(map(box, known))
    for tail in (b"", b"\0", data[:7], box(b"abcd") + data):
        assert [found.kind for found in top_boxes(data + tail)] == known
    assert [found.start for found in top_boxes(data)] == list(range(0, 80, 8))
    monkeypatch.setattr(heif_boxes, "MAX_BOXES", 2)
    assert len(top_boxes(data)) == 2


def test_boxes_are_found_by_their_path():
    inner = box(b"mdia", b"abc")
    data = box(b"moov", box(b"free"), box(b"trak", inner), box(b"trak"))
    moov = box_at(data, 0, len(data))
    assert child_of(data, moov, b"trak") == Box(b"trak", 16, 24, 35)
    assert child_of(data, moov, b"mdia") is None
    assert needed_child(data, moov, b"free") == Box(b"free", 8, 16, 16)
    with pytest.raises(NotAnImage):
        needed_child(data, moov, b"mdia")
    assert below(data, moov, b"trak", b"mdia") == Box(b"mdia", 24, 32, 35)
    assert below(data, moov, b"mdia", b"trak") is None


def test_a_table_may_have_as_many_entries_as_a_list(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(heif_boxes, "MAX_ENTRIES", 3)
    for count in (0, 3):
        data = box(b"stts", bytes(4), struct.pack(">I", count))
        assert heif_boxes.table_size(data, box_at(data, 0, len(data)), 4, 8) == 8 + 8 * count
    data = box(b"stts", bytes(4), struct.pack(">I", 4))
    with pytest.raises(NotAnImage):
        heif_boxes.table_size(data, box_at(data, 0, len(data)), 4, 8)


def test_numbers_are_read_to_the_last_byte_and_no_further():
    reader = Reader(b"\xff\x02\0\0\1\1\2\3", 1)
    assert reader.version() == (2, 1)
    assert reader.number(0) == 0
    assert reader.passed(1) == (5, 6)
    assert reader.number(2) == 0x0203
    assert (reader.at, reader.number(0)) == (8, 0)
    with pytest.raises(struct.error):
        reader.number(1)
    with pytest.raises(struct.error):
        Reader(b"\1\2\3", 1).number(3)
