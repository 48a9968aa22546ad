"""WebP by hand: chunks, sizes and flags."""

import struct

import pytest

from imges.errors import NotAnImage
from imges.imaging import formats
from imges.imaging.formats import exif
from tests.imaging.samples import riff, riff_chunk

LOSSY = riff_chunk(b"VP8 ", b"abc\x9d\x01\x2a" + struct.pack("<HH", 64, 48))
LOSSLESS = riff_chunk(b"VP8L", b"\x2f" + struct.pack("<I", 63 | 47 << 14))
TURNED = riff_chunk(b"EXIF", exif.minimal(6))


def extended(flags: int = 0, reserved: bytes = bytes(3)) -> bytes:
    return riff_chunk(b"VP8X", bytes([flags]) + reserved + b"\x3f\0\0\x2f\0\0")


def stripped(data: bytes) -> bytes:
    return b"".join(formats.strip(data, formats.read("webp", data)).parts)


@pytest.mark.parametrize("first", [LOSSY, LOSSLESS, extended() + LOSSY])
def test_every_first_chunk_says_the_size(first):
    header = formats.read("webp", riff(first))
    assert (header.width, header.height, header.frames, header.orientation) == (64, 48, 1, 1)


@pytest.mark.parametrize(
    ("chunk", "size"),
    [
        (riff_chunk(b"VP8 ", b"abc\x9d\x01\x2a\xff\xff\xff\xff"), (0x3FFF, 0x3FFF)),
        (riff_chunk(b"VP8L", b"\x2f\xff\xff\xff\xff"), (0x4000, 0x4000)),
        (riff_chunk(b"VP8L", b"\x2f" + struct.pack("<I", 2**28 - 1 - 2**14)), (0x4000, 0x3FFF)),
        (riff_chunk(b"VP8X", bytes(4) + b"\1\2\3\4\5\6"), (0x030202, 0x060505)),
    ],
)
def test_sizes_have_their_own_bits(chunk, size):
    header = formats.read("webp", riff(chunk))
    assert (header.width, header.height) == size


@pytest.mark.parametrize(
    "chunk",
    [
        riff_chunk(b"VP8 ", b"abc\x9d\x01\x2b" + bytes(4)),
        riff_chunk(b"VP8L", b"\x2e" + bytes(4)),
        riff_chunk(b"VP8X", bytes(9)),
        riff_chunk(b"ALPH", bytes(10)),
    ],
)
def test_a_first_chunk_without_a_size_is_refused(chunk):
    with pytest.raises(NotAnImage):
        formats.read("webp", riff(chunk))


def test_chunks_are_held_to_the_length_of_the_file():
    data = riff(extended() + LOSSY + riff_chunk(b"priv", b"123"))
    assert formats.read("webp", data).width == 64
    odd = data[:4] + struct.pack("<I", len(data) - 9) + data[8:-1]  # without the byte of padding at the end
    assert formats.read("webp", odd).width == 64
    for broken in (data[:-1], data[:4] + struct.pack("<I", len(data) - 10) + data[8:]):
        with pytest.raises(NotAnImage):
            formats.read("webp", broken)
    assert formats.read("webp", data + b"more").width == 64


def test_a_file_has_only_so_many_chunks(monkeypatch):
    monkeypatch.setattr("imges.imaging.formats.webp.MAX_CHUNKS", 3)
    assert formats.read("webp", riff(extended() + LOSSY)).width == 64
    with pytest.raises(NotAnImage):
        formats.read("webp", riff(extended() + LOSSY + riff_chunk(b"priv", b"")))


def test_without_an_extended_header_the_first_chunk_is_all():
    for first in (LOSSY, LOSSLESS):
        assert stripped(riff(first + TURNED + LOSSY + riff_chunk(b"ICCP", b"x"))) == riff(first)


def test_exif_goes_and_all_flags_say_what_is_there():
    secret = riff_chunk(b"EXIF", b"Exif\0\0" + exif.minimal(6) + b"SECRET")
    data = riff(extended(0x3C, b"abc") + riff_chunk(b"ICCP", b"profile") + LOSSY + secret + riff_chunk(b"XMP ", b"x"))
    assert formats.read("webp", data).orientation == 1
    assert stripped(data) == riff(extended(0x30) + riff_chunk(b"ICCP", b"profile") + LOSSY)
    assert stripped(riff(extended(0x3C) + LOSSY)) == riff(extended(0x10) + LOSSY)
    assert stripped(riff(extended(0x0C) + LOSSY + TURNED)) == riff(extended() + LOSSY)


@pytest.mark.parametrize(("size", "flags"), [(2**20, 0x20), (2**20 + 1, 0)])
def test_a_profile_has_at_most_a_megabyte(size, flags):
    profile = riff_chunk(b"ICCP", bytes(size))
    clean = riff(extended(flags) + (profile if flags else b"") + LOSSY)
    assert stripped(riff(extended(0x20) + profile + LOSSY)) == clean
    assert stripped(riff(extended(0x20) + riff_chunk(b"ICCP", b"x") + profile + LOSSY)) == riff(
        extended(0x20) + riff_chunk(b"ICCP", b"x") + LOSSY
    )


def moving(*chunks: bytes) -> bytes:
    return riff_chunk(b"ANMF", bytes(range(16)) + b"".join(chunks))


def test_an_animation_keeps_its_frames_and_one_header():
    loops = riff_chunk(b"ANIM", b"123456")
    data = riff(extended(2) + loops + moving(LOSSY) + loops + LOSSY + extended() + moving(LOSSLESS, TURNED))
    header = formats.read("webp", data)
    assert header.frames == 2
    assert stripped(data) == riff(extended(2) + loops + moving(LOSSY) + moving(LOSSLESS))
    assert formats.read("webp", riff(extended(2) + loops)).frames == 1
    assert formats.read("webp", riff(extended(0xFD) + moving(LOSSY))).frames == 1


def test_transparency_stays_only_before_a_lossy_picture():
    alpha, other = riff_chunk(b"ALPH", b"12"), riff_chunk(b"ALPH", b"34")
    assert stripped(riff(extended() + alpha + LOSSY)) == riff(extended() + alpha + LOSSY)
    assert stripped(riff(extended() + other + alpha + LOSSY + alpha)) == riff(extended() + alpha + LOSSY)
    assert stripped(riff(extended() + alpha + LOSSLESS + LOSSY)) == riff(extended() + LOSSLESS)
    assert stripped(riff(extended() + alpha)) == riff(extended())
    assert stripped(riff(extended(2) + moving(alpha, LOSSY))) == riff(extended(2) + moving(alpha, LOSSY))
