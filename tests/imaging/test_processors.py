"""What both processors make of a picture: sizes, colours, orientation, animation; and how they refuse damage."""

import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, ImageOps, ImageStat

from imges.errors import FormatRefused, NotAnImage, TooLargeImage
from imges.imaging.header import recognise
from imges.imaging.types import Rendition, Renditions
from tests.drawn import encoded, gradient, noise
from tests.imaging.conftest import Rendered
from tests.imaging.pictures import (
    BLUE,
    MOVING,
    QUARTERS,
    RED,
    YELLOW,
    animation,
    bands_of_grey,
    chunk,
    deep_png,
    delays,
    exchanging_profile,
    frames,
    interlaced_png,
    opened,
    oriented,
    pixels,
    quarters,
    sample,
    seen,
    ycck_jpeg,
)
from tests.imaging.samples import png_chunk, png_header, png_of

GREYS = "black white white black"
STORED = ["jpg", "png", "gif", "webp", "avif"]
CONVERTED = {"heic": "jpg", "tiff": "jpg", "bmp": "png"}
PILLOW_NAMES = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "avif": "AVIF"}


def files(made: Renditions) -> list[Rendition]:
    return [file for file in (made.original, made.thumb, made.medium) if file]


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_every_orientation_is_upright(rendered: Rendered, format: str, orientation: int):
    made = rendered(oriented(format, orientation), medium=60)
    assert made.medium
    assert (made.original.width, made.original.height) == (120, 80)
    assert (made.medium.width, made.medium.height) == (60, 40)
    assert opened(made.medium.path).size == (60, 40)
    assert (seen(made.medium.path), seen(made.thumb.path)) == (QUARTERS, QUARTERS)
    assert opened(made.original.path).getexif().get(0x0112, 1) == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["AVIF", "TIFF"])
def test_formats_that_turn_themselves_are_upright(rendered: Rendered, format: str, orientation: int):
    made = rendered(oriented(format, orientation), medium=60)
    assert made.medium
    assert (made.original.width, made.original.height) == (120, 80)
    assert {seen(ImageOps.exif_transpose(opened(file.path))) for file in files(made)} == {QUARTERS}


@pytest.mark.parametrize("orientation", [0, 9, 99, 65535])
def test_an_orientation_that_is_made_up_counts_as_none(rendered: Rendered, orientation: int):
    made = rendered(oriented("JPEG", orientation))
    assert (made.original.width, seen(made.thumb.path)) == (120, QUARTERS)
    assert opened(made.original.path).getexif().get(0x0112) is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tall_thumb_and_a_resized_original_are_upright(rendered: Rendered, orientation: int):
    made = rendered(oriented("JPEG", orientation), width=90, thumb=(20, 60))
    assert opened(made.original.path).size == (90, 60)
    assert opened(made.thumb.path).size == (20, 60)
    assert (seen(made.original.path), seen(made.thumb.path)) == (QUARTERS, QUARTERS)


# Modes


def palette() -> Image.Image:
    return quarters().quantize(16)


def see_through() -> Image.Image:
    return quarters(colours=[(*RED, 255), (0, 0, 0, 0), (*BLUE, 255), (*YELLOW, 255)])


SEE_THROUGH = "red nothing blue yellow"


@pytest.mark.parametrize(
    ("make", "looks", "bits", "channels"),
    [
        pytest.param(lambda: encoded(quarters(), "JPEG"), QUARTERS, 8, 3, id="jpeg"),
        pytest.param(lambda: encoded(bands_of_grey(), "JPEG"), GREYS, 8, 1, id="jpeg-grey"),
        pytest.param(lambda: encoded(quarters(), "JPEG", progressive=True), QUARTERS, 8, 3, id="jpeg-progressive"),
        pytest.param(lambda: encoded(quarters(), "JPEG", keep_rgb=True), QUARTERS, 8, 3, id="jpeg-rgb"),
        pytest.param(lambda: encoded(quarters(), "JPEG", restart_marker_rows=1), QUARTERS, 8, 3, id="jpeg-restarts"),
        pytest.param(lambda: encoded(quarters().convert("CMYK"), "JPEG"), QUARTERS, 8, 4, id="jpeg-cmyk"),
        pytest.param(lambda: ycck_jpeg(quarters()), QUARTERS, 8, 4, id="jpeg-ycck"),
        pytest.param(lambda: encoded(quarters(), "PNG"), QUARTERS, 8, None, id="png"),
        pytest.param(lambda: encoded(see_through(), "PNG"), SEE_THROUGH, 8, None, id="png-rgba"),
        pytest.param(lambda: encoded(bands_of_grey(), "PNG"), GREYS, 8, None, id="png-grey"),
        pytest.param(lambda: encoded(bands_of_grey().convert("LA"), "PNG"), GREYS, 8, None, id="png-grey-alpha"),
        pytest.param(lambda: encoded(bands_of_grey().convert("1"), "PNG"), GREYS, 1, None, id="png-two-colours"),
        pytest.param(lambda: encoded(palette(), "PNG"), QUARTERS, 2, None, id="png-palette"),
        pytest.param(lambda: encoded(see_through().quantize(16), "PNG"), SEE_THROUGH, 4, None, id="png-palette-alpha"),
        pytest.param(
            lambda: encoded(quarters(), "PNG", transparency=RED), "nothing green blue yellow", 8, None, id="png-key"
        ),
        pytest.param(
            lambda: encoded(bands_of_grey(), "PNG", transparency=0),
            "nothing white white nothing",
            8,
            None,
            id="png-grey-key",
        ),
        pytest.param(
            lambda: encoded(bands_of_grey().convert("I;16").point(lambda v: v * 257), "PNG"),
            GREYS,
            16,
            None,
            id="png-grey-16",
        ),
        pytest.param(lambda: deep_png(quarters()), QUARTERS, 16, None, id="png-16"),
        pytest.param(lambda: deep_png(see_through()), SEE_THROUGH, 16, None, id="png-rgba-16"),
        pytest.param(lambda: deep_png(bands_of_grey().convert("LA")), GREYS, 16, None, id="png-grey-alpha-16"),
        pytest.param(lambda: interlaced_png(quarters()), QUARTERS, 8, None, id="png-interlaced"),
        pytest.param(lambda: encoded(palette(), "GIF"), QUARTERS, 8, 3, id="gif"),
        pytest.param(lambda: encoded(see_through(), "GIF"), SEE_THROUGH, 8, 3, id="gif-transparent"),
        pytest.param(lambda: encoded(bands_of_grey(), "GIF"), GREYS, 8, 3, id="gif-grey"),
        pytest.param(lambda: encoded(quarters(), "WEBP"), QUARTERS, 8, None, id="webp"),
        pytest.param(lambda: encoded(quarters(), "WEBP", lossless=True), QUARTERS, 8, None, id="webp-lossless"),
        pytest.param(lambda: encoded(see_through(), "WEBP"), SEE_THROUGH, 8, None, id="webp-alpha"),
        pytest.param(
            lambda: encoded(see_through(), "WEBP", lossless=True), SEE_THROUGH, 8, None, id="webp-lossless-alpha"
        ),
        pytest.param(lambda: encoded(quarters(), "AVIF"), QUARTERS, 8, None, id="avif"),
        pytest.param(lambda: encoded(see_through(), "AVIF"), SEE_THROUGH, 8, None, id="avif-alpha"),
    ],
)
def test_every_mode_keeps_its_colours(
    rendered: Rendered, make: Callable[[], bytes], looks: str, bits: int, channels: int | None
):
    data = make()
    made = rendered(data, medium=60)
    assert made.medium
    assert (made.original.bits, made.original.channels) == (bits, channels)
    assert pixels(made.original.path) == pixels(data)
    assert (seen(made.medium.path), seen(made.thumb.path)) == (looks, looks)
    kinds = {opened(file.path).format for file in files(made)}
    assert kinds == {opened(data).format}


def test_grey_of_16_bits_keeps_its_shades(rendered: Rendered):
    made = rendered(deep_png(Image.new("L", (120, 80), 60)), medium=60)
    assert made.medium
    assert opened(made.medium.path).convert("RGB").getpixel((30, 20)) == (60, 60, 60)


def test_half_transparency_is_kept(rendered: Rendered):
    for kind in ("PNG", "WEBP", "AVIF"):
        made = rendered(encoded(Image.new("RGBA", (120, 80), (*RED, 100)), kind), medium=60)
        for file in (made.medium, made.thumb):
            assert file
            assert opened(file.path).getchannel("A").getextrema() == pytest.approx((100, 100), abs=3)


ODD_SIZES: dict[tuple[int, int], tuple[int, int] | None] = {
    (1, 1): None,
    (1, 4000): None,
    (4000, 1): (500, 1),
    (501, 2): (500, 2),
    (500, 3): None,
}
"""Each with the size of its medium."""


@pytest.mark.parametrize(
    ("format", "size", "medium"),
    [
        pytest.param(kind, size, medium, id=f"{kind}-{size[0]}x{size[1]}")
        for kind in (*STORED, *CONVERTED)
        for size, medium in ODD_SIZES.items()
        if (kind, size) != ("heic", (1, 1))  # the encoder of the tests makes none
    ],
)
def test_odd_sizes_have_all_their_files(
    rendered: Rendered, format: str, size: tuple[int, int], medium: tuple[int, int] | None
):
    made = rendered(sample(format, size))
    assert (made.original.width, made.original.height) == size
    assert opened(made.thumb.path).size == (160, 160)
    assert (opened(made.medium.path).size if made.medium else None) == medium


# Sizes


@pytest.mark.parametrize("format", STORED)
@pytest.mark.parametrize(
    ("size", "medium"),
    [((1151, 898), (500, 390)), ((501, 301), (500, 300)), ((500, 900), None), ((640, 480), (500, 375))],
    ids=["seed", "one-more", "not-wider", "640x480"],
)
def test_the_medium_is_500_wide_where_the_original_is_wider(
    rendered: Rendered, format: str, size: tuple[int, int], medium: tuple[int, int] | None
):
    picture = quarters(*size) if format == "gif" else gradient(*size)  # a medium of a GIF's gradient is larger than it
    made = rendered(encoded(picture, PILLOW_NAMES[format]))
    assert (opened(made.medium.path).size if made.medium else None) == medium
    assert (made.original.width, made.original.height) == size


@pytest.mark.parametrize("format", STORED)
@pytest.mark.parametrize("size", [(900, 300), (300, 900), (160, 160), (40, 20), (161, 160)], ids=str)
def test_the_thumb_is_the_centre_of_the_picture(rendered: Rendered, format: str, size: tuple[int, int]):
    side = min(size)
    image = Image.new("RGB", size, RED)  # red is what must be cut off
    image.paste(quarters(side, side), ((size[0] - side) // 2, (size[1] - side) // 2))
    thumb = rendered(encoded(image, PILLOW_NAMES[format])).thumb
    shown = opened(thumb.path).convert("RGB")
    assert shown.size == (thumb.width, thumb.height) == (160, 160)
    assert seen(shown) == QUARTERS
    edge = Image.new("RGB", (160, 160))
    edge.paste(shown.crop((150, 10, 160, 70)))
    red, green, _ = shown.crop((152, 10, 159, 70)).resize((1, 1)).getpixel((0, 0))  # pyright: ignore[reportGeneralTypeIssues]
    assert green > red


def test_what_a_rendition_says_about_its_file_is_true(rendered: Rendered):
    for kind in [*STORED, *CONVERTED]:
        made = rendered(sample(kind), medium=60)
        assert made.original.format == CONVERTED.get(kind, kind)
        for file in files(made):
            data = file.path.read_bytes()
            assert file.size == len(data)
            assert (file.width, file.height) == opened(data).size
            assert file.format == made.original.format
            assert file.path.suffix == f".{file.format}"
        assert len({file.path for file in files(made)}) == 3


@pytest.mark.parametrize("format", STORED)
def test_width_resizes_the_original(rendered: Rendered, format: str):
    made = rendered(encoded(quarters(200, 100), PILLOW_NAMES[format]), width=80, medium=60)
    assert made.medium
    assert (made.original.width, made.original.height) == opened(made.original.path).size == (80, 40)
    assert opened(made.medium.path).size == (60, 30)
    assert {seen(file.path) for file in files(made)} == {QUARTERS}
    assert {file.format for file in files(made)} == {format}


@pytest.mark.parametrize("width", [120, 121, 5000])
def test_width_never_enlarges(rendered: Rendered, width: int):
    made = rendered(sample("png"), width=width)
    assert made.original.width == 120
    assert pixels(made.original.path) == pixels(sample("png"))


# Converted formats


@pytest.mark.parametrize(
    ("image", "format", "becomes", "looks"),
    [
        (quarters(), "HEIF", "jpg", QUARTERS),
        (see_through(), "HEIF", "png", SEE_THROUGH),
        (quarters(), "TIFF", "jpg", QUARTERS),
        (see_through(), "TIFF", "png", SEE_THROUGH),
        (quarters().convert("CMYK"), "TIFF", "jpg", QUARTERS),
        (bands_of_grey(), "TIFF", "jpg", GREYS),
        (bands_of_grey().convert("1"), "TIFF", "jpg", GREYS),
        (palette(), "TIFF", "jpg", QUARTERS),
        (quarters(), "BMP", "png", QUARTERS),
        (bands_of_grey(), "BMP", "png", GREYS),
        (palette(), "BMP", "png", QUARTERS),
    ],
    ids=lambda value: getattr(value, "mode", None),  # an address would be another in each process
)
def test_formats_of_no_browser_are_converted(
    rendered: Rendered, image: Image.Image, format: str, becomes: str, looks: str
):
    made = rendered(encoded(image, format), medium=60)
    assert {file.format for file in files(made)} == {becomes}
    assert {opened(file.path).format for file in files(made)} == {PILLOW_NAMES[becomes]}
    assert {seen(file.path) for file in files(made)} == {looks}


# Colours


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_derived_pictures_are_srgb(rendered: Rendered, format: str, mode: str):
    if (format, mode) == ("JPEG", "RGBA"):
        mode = "RGB"
    profile = exchanging_profile()
    made = rendered(encoded(quarters().convert(mode), format, icc_profile=profile), medium=60)
    assert made.medium
    assert (seen(made.medium.path), seen(made.thumb.path)) == ("blue green red grey",) * 2  # the name nearest to cyan
    assert opened(made.original.path).info["icc_profile"] == profile
    assert "icc_profile" not in opened(made.medium.path).info
    assert "icc_profile" not in opened(made.thumb.path).info


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_a_profile_counts_when_the_original_is_made_anew(rendered: Rendered, format: str):
    data = encoded(quarters(colours=[RED, BLUE, BLUE, RED]), format, icc_profile=exchanging_profile())
    made = rendered(data, width=100)
    assert seen(made.original.path) == "blue red red blue"
    assert "icc_profile" not in opened(made.original.path).info


@pytest.mark.parametrize("profile", [b"", b"no profile", exchanging_profile()[:300]], ids=["empty", "none", "cut"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_profile_that_cannot_be_used_counts_as_none(rendered: Rendered, format: str, profile: bytes):
    made = rendered(encoded(quarters(), format, icc_profile=profile), medium=60)
    assert made.medium
    assert (seen(made.medium.path), seen(made.thumb.path)) == (QUARTERS, QUARTERS)


@pytest.mark.parametrize("mode", ["L", "LA", "CMYK", "P"])
def test_a_profile_for_another_mode_counts_as_none(rendered: Rendered, mode: str):
    image = quarters().convert(mode) if mode == "CMYK" else bands_of_grey().convert(mode)
    data = encoded(image, "JPEG" if mode == "CMYK" else "PNG", icc_profile=exchanging_profile())
    assert seen(rendered(data).thumb.path) == (QUARTERS if mode == "CMYK" else GREYS)


# Animations


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
@pytest.mark.parametrize("loop", [0, 3])
def test_an_animation_stays_one(rendered: Rendered, format: str, loop: int):
    made = rendered(animation(format, duration=[50, 80, 1000, 20], loop=loop), medium=60)
    assert made.medium
    assert made.frames == 4
    assert [seen(frame) for frame in frames(made.medium.path)] == [" ".join([name] * 4) for name in MOVING]
    assert delays(made.medium.path) == [50, 80, 1000, 20]
    assert opened(made.medium.path).info["loop"] == loop
    assert opened(made.medium.path).size == (60, 40)
    assert getattr(opened(made.thumb.path), "n_frames", 1) == 1
    assert seen(made.thumb.path) == "red red red red"


def test_a_gif_that_says_nothing_of_loops_runs_once(rendered: Rendered):
    made = rendered(animation("GIF", duration=50), medium=60)
    assert made.medium
    assert "loop" not in opened(made.original.path).info
    assert "loop" not in opened(made.medium.path).info


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_an_animation_can_do_without_a_medium(rendered: Rendered, format: str):
    made = rendered(animation(format, duration=50), medium=60, animate=False)
    assert made.medium is None
    assert made.frames == 4
    assert len(frames(made.original.path)) == 4
    assert seen(made.thumb.path) == "red red red red"


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_width_keeps_an_animation(rendered: Rendered, format: str):
    made = rendered(animation(format, duration=[50, 80, 1000, 20], loop=2), width=100, medium=60)
    assert made.medium
    assert made.frames == 4
    for file, size in ((made.original, (100, 67)), (made.medium, (60, 40))):
        assert (opened(file.path).size, len(frames(file.path))) == (size, 4)
        assert delays(file.path) == [50, 80, 1000, 20]
        assert opened(file.path).info["loop"] == 2


@pytest.mark.parametrize("format", ["GIF"])  # Pillow writes no animated WebP that is seen through
def test_frames_may_be_seen_through(rendered: Rendered, format: str):
    """Each frame replaces the frame before, and nothing of that may shine through."""
    pictures = [Image.new("RGBA", (120, 80)) for _ in range(4)]
    for n, picture in enumerate(pictures):
        picture.paste((*RED, 255), (n % 2 * 60, n // 2 * 40, n % 2 * 60 + 60, n // 2 * 40 + 40))
    data = encoded(pictures[0], format, save_all=True, append_images=pictures[1:], duration=50, disposal=2)
    made = rendered(data, medium=60)
    assert made.medium
    expected = ["red nothing nothing nothing", "nothing red nothing nothing"]
    expected += ["nothing nothing red nothing", "nothing nothing nothing red"]
    assert [seen(frame) for frame in frames(data)] == expected
    assert [seen(frame) for frame in frames(made.medium.path)] == expected
    assert seen(made.thumb.path) == expected[0]


def test_partial_frames_are_put_together(rendered: Rendered):
    """Pillow writes only the part of a frame that differs from the frame before."""
    pictures = [quarters()]
    for n in range(3):
        pictures.append(pictures[-1].copy())
        pictures[-1].paste((BLUE, RED, YELLOW)[n], (n % 2 * 60, n // 2 * 40, n % 2 * 60 + 60, n // 2 * 40 + 40))
    data = encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=50)
    made = rendered(data, medium=60)
    assert made.medium
    assert [seen(frame) for frame in frames(made.medium.path)] == [seen(picture) for picture in pictures]


def test_no_webp_is_turned(rendered: Rendered):
    exif = Image.Exif()
    exif[0x0112] = 6
    pictures = [quarters(120, 80), quarters(120, 80, [RED] * 4)]
    for more in ([], pictures[1:]):
        data = encoded(pictures[0], "WEBP", save_all=True, append_images=more, duration=40, exif=exif)
        made = rendered(data, medium=60)
        assert made.medium
        assert (made.original.width, made.original.height) == (120, 80)
        assert seen(next(iter(frames(made.medium.path)))) == QUARTERS
        assert seen(made.thumb.path) == QUARTERS
        assert not opened(made.original.path).getexif()


@pytest.mark.parametrize("format", ["PNG", "AVIF"])
def test_animations_whose_medium_cannot_move_have_none(rendered: Rendered, format: str):
    data = animation(format, duration=50)
    made = rendered(data, medium=60)
    assert made.medium is None
    assert made.frames == 4
    if format == "PNG":
        assert pixels(made.original.path) == pixels(data)
    with pytest.raises(TooLargeImage, match="without `width`"):
        rendered(data, width=60)


@pytest.mark.parametrize("size", [(60, 40), (600, 400)], ids=["small", "large"])
@pytest.mark.parametrize(
    ("bits", "colour", "value"), [(1, 0, 1), (2, 0, 2), (4, 0, 3), (8, 0, 9), (16, 0, 700), (16, 2, 700)]
)
def test_one_transparent_value_is_a_hole(rendered: Rendered, bits: int, colour: int, value: int, size: tuple[int, int]):
    width, height = size
    count = 3 if colour else 1
    row = b"\0" + _row(width, bits, count, value)
    data = png_of(
        png_header(width, height, bits, colour),
        png_chunk(b"tRNS", struct.pack(">H", value) * count),
        png_chunk(b"IDAT", zlib.compress(row * height)),
    )
    made = rendered(data, medium=30)
    assert made.medium
    alpha = opened(made.medium.path).convert("RGBA").getchannel("A")
    assert (alpha.getpixel((3, 9)), alpha.getpixel((26, 9))) == (0, 255)


def _row(width: int, bits: int, samples: int, value: int) -> bytes:
    """Half a row of *value*, half of 0."""
    pixels = [value] * (width // 2 * samples) + [0] * ((width - width // 2) * samples)
    number = 0
    for pixel in pixels:
        number = number << bits | pixel
    length = (len(pixels) * bits + 7) // 8
    return (number << (8 * length - len(pixels) * bits)).to_bytes(length)


def test_a_soft_palette_stays_soft(rendered: Rendered):
    picture = gradient(600, 400)
    picture.putalpha(Image.linear_gradient("L").resize((600, 400)))
    made = rendered(encoded(picture.quantize(200, Image.Quantize.FASTOCTREE), "PNG"), medium=60)
    assert made.medium
    for file in (made.medium.path, made.thumb.path):
        alpha = opened(file).convert("RGBA").getchannel("A")
        assert sum(1 for part in alpha.histogram()[30:220] if part) > 3


def test_a_gif_shows_nothing_where_no_frame_was_painted(rendered: Rendered):
    head = b"GIF89a" + struct.pack("<HHBBB", 120, 80, 0x80, 1, 0) + bytes([250, 0, 0, 0, 250, 0])
    whole = encoded(Image.new("P", (60, 40)), "GIF")
    frame = whole[whole.index(b"\x2c") : -1]
    made = rendered(head + b"\x21\xf9\4\0\5\0\0\0" + frame + b"\x3b", medium=60)
    assert made.medium
    alpha = opened(made.medium.path).convert("RGBA").getchannel("A")
    assert (alpha.getpixel((5, 5)), alpha.getpixel((50, 30))) == (255, 0)


def test_a_medium_has_no_more_bytes_than_its_original(rendered: Rendered):
    assert rendered(encoded(noise(700, 400).convert("1"), "PNG"), medium=699).medium is None
    small = rendered(encoded(Image.new("1", (700, 400)), "PNG")).medium
    assert small
    assert small.size < 24 * 1024


def test_the_medium_of_a_scan_has_16_colours_if_more_would_be_too_large(rendered: Rendered):
    scan = encoded(noise(1200, 800).convert("1"), "PNG")
    made = rendered(scan)
    assert made.medium
    assert made.medium.size < len(scan)
    grey = opened(made.medium.path)
    assert 8 < len(grey.convert("L").getcolors() or ()) <= 16
    assert abs(mean(grey) - mean(opened(scan))) < 3


def mean(image: Image.Image) -> float:
    return ImageStat.Stat(image.convert("L")).mean[0]


def test_a_thumb_has_at_most_28_kilobytes(rendered: Rendered):
    assert rendered(encoded(noise(300, 300), "PNG")).thumb.size <= 28 * 1024


# Damage


def damaged(format: str) -> bytes:
    """A picture of noise: a decoder needs every byte of it."""
    image = noise(48, 32, seed=5)
    if format in {"gif", "animation"}:
        more = [noise(48, 32, seed) for seed in (6, 7)] if format == "animation" else []
        return encoded(image, "GIF", save_all=bool(more), append_images=more)
    if format == "progressive":
        return encoded(noise(96, 64), "JPEG", progressive=True)
    names = {"jpg": "JPEG", "heic": "HEIF"}
    return encoded(image, names.get(format, format.upper()))


KINDS = [*STORED, *CONVERTED, "animation", "progressive"]


def outcome(rendered: Rendered, data: bytes) -> str:
    """`rendered`; `refused`; or `not ours` if the bytes are no longer of a known format."""
    try:
        made = rendered(data, medium=20)
    except NotAnImage:
        return "refused"
    except FormatRefused:
        return "not ours"
    for file in files(made):
        opened(file.path)
    return "rendered"


@pytest.mark.parametrize("more", [0, 40], ids=["as many bytes as it needs", "more"])
@pytest.mark.parametrize("size", [(120, 80), (600, 400)], ids=["small", "large"])
def test_a_png_is_shown_however_its_pixels_are_packed(rendered: Rendered, size: tuple[int, int], more: int):
    image = quarters(*size)
    rows = [b"\0" + image.crop((0, y, image.width, y + 1)).tobytes() for y in range(image.height)]
    packed = zlib.compress(b"".join(rows) + bytes(more))
    blocks = [chunk(b"IDAT", block) for block in (packed[:50], packed[50:])]
    data = png_of(png_header(*size), *blocks)
    assert seen(rendered(data).thumb.path) == QUARTERS


ENDINGS = {"jpg": 4, "png": 12, "gif": 1}
"""Bytes of the endings that are written where they are missing. A JPEG's last two bytes before may be padding."""


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cut_is_refused(rendered: Rendered, kind: str):
    data = damaged(kind)
    assert outcome(rendered, data) == "rendered"
    cuts = {*range(0, 40, 3), *range(40, len(data), len(data) // 25), *range(len(data) - 4, len(data))}
    outcomes = {cut: outcome(rendered, data[:cut]) for cut in sorted(cuts)}
    ending = ENDINGS.get(recognise(data), 0)  # it is written, so that a file without it is taken
    assert {cut: said for cut, said in outcomes.items() if said != "refused" and cut < len(data) - ending} == {}


def test_a_jpeg_that_is_cut_between_two_scans_is_refused_in_words(rendered: Rendered):
    data = damaged("progressive")
    scans = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    assert len(scans) > 5
    for scan in scans[1:]:
        for cut in (data[: data.rindex(b"\xff\xc4", 0, scan)], data[:scan]):  # without and with the next one's tables
            with pytest.raises(NotAnImage, match="cut within the picture"):
                rendered(cut)
    assert rendered(data[:-2]).original.size == len(data)
