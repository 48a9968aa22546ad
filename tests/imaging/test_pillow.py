"""Pillow: how encoders are set, palettes, and what is decoded to how many pixels."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imges.errors import NotAnImage
from imges.imaging import formats, header, palettes, pillow
from imges.imaging.formats.gif import Frame
from imges.imaging.pillow import PillowPicture, PillowProcessor
from imges.imaging.types import MEDIA_TYPES, Header, Quality
from tests.drawn import encoded, gradient, noise
from tests.imaging.pictures import BLUE, RED, animation, delays, frames, opened, quarters
from tests.imaging.samples import png_chunk, png_header, png_of

QUALITY = Quality(jpeg=71, webp=72, avif=33, png=3)
PICTURE = gradient(60, 40)


def saved(format: str, **options: Any) -> bytes:
    file = BytesIO()
    PICTURE.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("jpg", lambda: saved("JPEG", quality=71)),
        ("webp", lambda: saved("WEBP", quality=72, method=4)),
        ("avif", lambda: saved("AVIF", quality=33, speed=9, max_threads=1)),
        ("png", lambda: formats.png.written(PICTURE.tobytes(), 60, 40, 3)),
    ],
)
def test_encoders_are_set_as_the_settings_say(format: str, expected: Callable[[], bytes]):
    assert PillowPicture(PICTURE).encode(Header(format, 60, 40), QUALITY) == expected()


@pytest.mark.parametrize(("size", "by_us"), [((2048, 1024), True), ((2049, 1024), False)])
def test_very_large_pngs_are_written_by_pillow(size: tuple[int, int], by_us: bool):
    image = Image.new("L", size, 77)
    data = PillowPicture(image).encode(Header("png", *size), Quality(png=1))
    assert (data == formats.png.written(image.tobytes(), *size, 1)) is by_us
    assert opened(data).size == size


def inspected(folder: Path, data: bytes) -> tuple[Path, Header]:
    file = folder / "file"
    file.write_bytes(data)
    return file, header.inspect(file, frozenset(MEDIA_TYPES))


def test_a_jpeg_is_decoded_to_twice_what_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []

    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.draft", lambda *a: asked.append(a[1:]), raising=False)
    exif = Image.Exif()
    exif[0x0112] = 6
    file, found = inspected(tmp_path, encoded(noise(800, 400), "JPEG", exif=exif))
    assert PillowProcessor().decode(file, found, (50, 100)).size == (50, 100)
    assert asked == [(None, (200, 100))]


def test_a_file_that_tells_two_sizes_is_refused(tmp_path: Path):
    file, found = inspected(tmp_path, encoded(PICTURE, "JPEG"))
    for width, height in ((61, 40), (60, 41)):
        with pytest.raises(NotAnImage, match="two sizes"), pillow.opened(file, Header("jpg", width, height)):
            pass
    with pillow.opened(file, found) as image:
        assert image.size == (60, 40)


def test_a_file_of_another_format_is_not_read(tmp_path: Path):
    file, _ = inspected(tmp_path, encoded(PICTURE, "PNG"))
    with pytest.raises(NotAnImage), pillow.decoding(), pillow.opened(file, Header("jpg", 60, 40)):
        pass


def test_errors_of_the_system_are_no_fault_of_the_picture():
    for error in (MemoryError(), OSError(5, "io"), NotAnImage("words")):
        with pytest.raises(type(error)) as raised, pillow.decoding():
            raise error
        assert raised.value is error
    for error in (OSError("truncated"), ValueError(), SyntaxError()):
        with pytest.raises(NotAnImage), pillow.decoding():
            raise error


def test_what_is_read_of_a_png(tmp_path: Path):
    file, found = inspected(tmp_path, encoded(PICTURE, "PNG"))
    source = pillow._source(file, found)
    assert isinstance(source, BytesIO)
    large = Header("png", 2049, 1024)
    monkey = png_of(png_header(2049, 1024, 1, 0), png_chunk(b"IDAT", b"broken"))
    (tmp_path / "large").write_bytes(monkey)
    with pytest.raises(NotAnImage, match="incomplete"):
        pillow._source(tmp_path / "large", large)
    data = encoded(Image.new("1", (2049, 1024)), "PNG")
    (tmp_path / "large").write_bytes(data)
    assert pillow._source(tmp_path / "large", large) == tmp_path / "large"
    (tmp_path / "exact").write_bytes(encoded(Image.new("1", (2048, 1024)), "PNG"))
    assert isinstance(pillow._source(tmp_path / "exact", Header("png", 2048, 1024)), BytesIO)
    assert pillow._source(file, Header("jpg", 60, 40)) == file


def test_enlarging_does_not_ring_and_nothing_but_pixels_is_left():
    image = quarters(8, 8)
    image.info["comment"] = b"SECRET"
    for size, by in (
        ((16, 16), Image.Resampling.BICUBIC),
        ((8, 8), Image.Resampling.BICUBIC),
        ((4, 4), Image.Resampling.LANCZOS),
    ):
        result = pillow.scaled(image, size)
        assert result.tobytes() == image.resize(size, by, None, 2.0).tobytes()
        assert result.info == {}


@pytest.mark.parametrize(("alpha", "seen"), [(127, False), (128, True)])
def test_a_palette_knows_no_half_transparency(alpha: int, seen: bool):
    image = Image.new("RGBA", (8, 8), (*RED, 255))
    image.paste((*BLUE, alpha), (0, 0, 4, 8))
    result = palettes.with_palette(image)
    assert ("transparency" in result.info) is not seen
    shown = result.convert("RGBA")
    assert shown.getpixel((6, 4)) == (*RED, 255)
    assert (shown.getchannel("A").getpixel((1, 4)) == 255) is seen


def test_a_palette_that_is_given_is_used():
    palette = bytes([*RED, *BLUE])
    result = palettes.with_palette(quarters(8, 8), palette)
    assert {colour for _, colour in result.convert("RGB").getcolors() or []} <= {RED, BLUE}
    many = bytes(range(256)) * 3
    assert len(palettes.with_palette(noise(16, 16), many).getpalette() or []) == 768
    see_through = Image.merge("RGBA", [*noise(16, 16).split(), Image.new("L", (16, 16), 0)])
    assert palettes.with_palette(see_through, many).info["transparency"] == 255


def test_the_transparent_entry_of_a_palette_is_no_colour():
    def colours(palette: bytes, transparent: int | None) -> bytes | None:
        return pillow._colours(Frame((0, 0, 1, 1), 0, palette, transparent, 0, memoryview(b"")))

    assert colours(b"aaabbbccc", None) == b"aaabbbccc"
    assert colours(b"aaabbbccc", 1) == b"aaaccc"
    assert colours(b"aaabbbccc", 0) == b"bbbccc"
    assert colours(b"aaa", 0) is None
    assert colours(b"", None) is None


def test_colours_are_counted_in_a_sample():
    assert len(pillow.sampled(noise(300, 300))) == 255 * 3
    assert pillow.SAMPLE == 128


def test_frames_of_an_animated_webp_are_written_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[dict[str, Any]] = []
    save = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", lambda *a, **options: (asked.append(options), save(*a, **options))[1])
    data = animation("WEBP", (60, 40), duration=[50, 70, 90, 110], loop=3)
    file, found = inspected(tmp_path, data)
    asked.clear()
    made = PillowProcessor().animate(file, found, (30, 20), Quality(webp=80))
    (options,) = asked
    assert (options["quality"], options["method"], options["loop"]) == (79, 2, 3)
    assert options["duration"] == [50, 70, 90, 110]
    assert [frame.size for frame in frames(made)] == [(30, 20)] * 4
    asked.clear()
    PillowProcessor().animate(file, found, (30, 20), Quality(webp=0))
    assert asked[0]["quality"] == 0


@pytest.mark.parametrize("see_through", [False, True])
def test_frames_of_a_gif_replace_each_other_only_where_they_are_seen_through(tmp_path: Path, see_through: bool):
    pictures = [quarters(60, 40).rotate(90 * turn).convert("RGBA") for turn in range(3)]
    if see_through:
        pictures = [picture.copy() for picture in pictures]
        for picture in pictures:
            picture.putpixel((0, 0), (0, 0, 0, 0))
            picture.paste((0, 0, 0, 0), (0, 0, 20, 20))
    data = encoded(
        pictures[0],
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[30, 50, 70],
        disposal=2 if see_through else 1,
    )
    file, found = inspected(tmp_path, data)
    made = PillowProcessor().animate(file, found, (30, 20), Quality())
    assert delays(made) == [30, 50, 70]
    cleared = [frame.disposal == 2 for frame in formats.gif.frames(made)]
    assert cleared == [see_through] * 3
