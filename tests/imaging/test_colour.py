"""Colours that a file says by code points or numbers, as ICC profiles. The values are those that chromium 150 shows."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageCms

from imges.imaging import colour, formats, pillow
from imges.imaging.colour import Colour, coded, measured
from imges.imaging.render import render
from imges.imaging.types import Given, Quality, Recipe
from tests.drawn import encoded, gradient
from tests.imaging import samples
from tests.imaging.conftest import Rendered

P3 = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
GREYS = (32, 64, 96, 128, 160, 192)


def shown(grey: int, of: Colour) -> int:
    pixel = pillow.in_srgb(Image.new("RGB", (1, 1), (grey,) * 3), colour.profile(of)).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel[0]


@pytest.mark.parametrize(
    ("transfer", "values"),
    [(16, (5, 30, 70, 132, 213, 255)), (18, (14, 43, 71, 99, 135, 189)), (8, (99, 137, 165, 188, 208, 225)),
     (5, (10, 40, 72, 106, 142, 179))],
)  # fmt: skip
def test_greys_are_shown_as_a_browser_shows_them(transfer, values):
    of = coded(9, transfer, video=True)
    assert of
    assert [shown(grey, of) for grey in GREYS] == pytest.approx(values, abs=3)


def test_the_transfer_function_of_video_counts_in_pngs_alone():
    assert coded(1, 1, video=True) is None
    of = coded(1, 1, video=False)
    assert of
    assert [shown(grey, of) for grey in GREYS] == pytest.approx((20, 54, 87, 121, 155, 189), abs=2)


@pytest.mark.parametrize(("primaries", "transfer"), [(1, 13), (2, 2), (1, 6), (22, 13)])
def test_srgb_needs_no_profile(primaries, transfer):
    assert coded(primaries, transfer, video=True) is None


def test_chromaticities_and_gamma():
    assert measured(None, None) is None
    assert measured(2.2, None) is None
    assert measured(2.2, colour.SRGB) is None
    assert measured(2.2, P3) == Colour(P3, 2.2)
    assert measured(1.0, None) == Colour(colour.SRGB, 1.0)
    assert measured(0.0, None) is None
    assert measured(2.2, (0.3, 0.0, *P3[2:])) is None


def test_a_profile_is_one_that_others_read():
    of = coded(12, 13, video=True)
    assert of
    found: Any = ImageCms.ImageCmsProfile(BytesIO(colour.profile(of))).profile
    assert found.red_colorant is not None
    assert [round(part, 3) for part in found.red_colorant[0]] == [0.515, 0.241, -0.001]  # Display P3's, by Apple


def png(*chunks: bytes, mode: str = "RGB") -> bytes:
    data = encoded(gradient(64, 48, mode), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


@pytest.mark.parametrize(
    ("chunks", "told"),
    [
        ([(b"gAMA", b"\0\1\x86\xa0")], Colour(colour.SRGB, 1.0)),
        ([(b"gAMA", b"\0\1\x86\xa0"), (b"sRGB", b"\0")], None),
        ([(b"cICP", b"\x0c\x0d\0\1"), (b"sRGB", b"\0")], Colour(P3, 0)),
        ([(b"cICP", b"\x0c\x0d\1\1")], None),
        ([(b"gAMA", bytes(4))], None),
    ],
)
def test_what_a_png_says(chunks, told):
    assert formats.read("png", png(*[samples.png_chunk(*chunk) for chunk in chunks])).colour == told


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P"])
def test_thumb_and_medium_are_in_srgb(rendered: Rendered, mode: str):
    linear = samples.png_chunk(b"gAMA", b"\0\1\x86\xa0")
    made = rendered(png(linear, mode=mode), medium=32)
    assert made.medium
    for file in (made.medium.path, made.thumb.path):
        with Image.open(file) as image:
            assert "gamma" not in image.info
            before = gradient(64, 48).convert("L").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
            after = image.convert("RGB").convert("L").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
            assert isinstance(before, int)
            assert isinstance(after, int)
            assert after > before + 20


def test_a_converted_heic_keeps_its_pixels_and_says_its_colours(tmp_path):
    pytest.importorskip("pillow_heif")
    from imges.imaging.render import load_heic

    load_heic()
    data = encoded(gradient(64, 48), "HEIF", quality=90)
    at = data.index(b"colrnclx")
    data = data[: at + 8] + b"\0\x0c\0\x0d" + data[at + 12 :]
    source = tmp_path / "source"
    source.write_bytes(data)
    header = formats.read("heic", data)
    assert header.colour == Colour(P3, 0)
    made = render(pillow.PillowProcessor(), Given(source, len(data)), header, Recipe(quality=Quality()), tmp_path)
    with Image.open(made.original.path) as image:
        assert image.info["icc_profile"] == colour.profile(header.colour)
