"""What a picture is estimated to cost: memory for its admission, and seconds for an animation."""

from dataclasses import replace

import pytest

from imges.imaging import cost, formats
from imges.imaging.types import Header, Recipe
from tests.drawn import encoded, gradient

MB = 2**20
STILL = Recipe(animate=False)
SMALL_MEDIUM = 8 * 500 * 250
"""Bytes of the medium that is made of 1000 by 500 pixels."""


def picture(format: str, **more: object) -> Header:
    return replace(Header(format, 1000, 500), **more)


@pytest.mark.parametrize(
    ("format", "by_vips", "by_pillow"),
    [
        ("jpg", 0.1, 5), ("png", 0.5, 4.5), ("webp", 0.6, 16), ("gif", 12, 12), ("avif", 9, 9), ("heic", 8.3, 8.3),
        ("tiff", 10, 10), ("bmp", 10, 10),
    ],
)  # fmt: skip
def test_memory_is_that_of_the_pixels_the_medium_and_what_any_picture_takes(format, by_vips, by_pillow):
    for processor, per_pixel in (("vips", by_vips), ("pillow", by_pillow)):
        needed = cost.memory(processor, picture(format, file_size=777), STILL)
        assert needed == 24 * MB + per_pixel * 500_000 + SMALL_MEDIUM


def test_the_file_counts_if_it_is_larger_than_the_pixels():
    assert cost.memory("vips", picture("jpg", file_size=10 * MB), STILL) == 34 * MB + SMALL_MEDIUM


def test_a_picture_without_a_medium_takes_no_memory_for_it():
    assert cost.memory("vips", Header("jpg", 500, 1000), STILL) == 24 * MB + 50_000
    assert cost.memory("vips", Header("jpg", 501, 1000), STILL) == 24 * MB + 50_100 + 8 * 500 * 998


def test_an_original_that_is_resized_takes_memory_too():
    recipe = Recipe(width=600, animate=False)
    assert cost.memory("vips", picture("jpg"), recipe) == 24 * MB + 50_000 + 8 * 600 * 300 + SMALL_MEDIUM
    for width in (1000, 2000):
        assert cost.memory("vips", picture("jpg"), replace(recipe, width=width)) == 24 * MB + 50_000 + SMALL_MEDIUM
    assert cost.memory("vips", picture("jpg"), replace(recipe, width=400)) == 24 * MB + 50_000 + 8 * 400 * 200


def test_sizes_are_those_that_are_shown():
    lying = Header("jpg", 500, 1000, orientation=6)
    assert cost.memory("vips", lying, STILL) == cost.memory("vips", picture("jpg"), STILL)


@pytest.mark.parametrize(("width", "times"), [(999, 1), (1999, 1), (2000, 2), (4000, 4), (8000, 8), (16000, 8)])
def test_pillow_shrinks_a_jpeg_while_it_decodes_it(width: int, times: int):
    needed = cost.memory("pillow", Header("jpg", width, 1000), STILL) - 8 * 500 * round(500 * 1000 / width)
    assert needed == pytest.approx(24 * MB + 5 * width * 1000 / times**2, abs=9000)


def test_libvips_leaves_cmyk_to_pillow():
    header = picture("jpg", channels=4)
    assert cost.memory("vips", header, STILL) == cost.memory("pillow", header, STILL)


@pytest.mark.parametrize("processor", ["vips", "pillow"])
@pytest.mark.parametrize("samples", [1, 1.5, 3, 4])
def test_a_progressive_jpeg_is_held_with_its_coefficients(processor, samples):
    header = picture("jpg", samples=samples)
    more = cost.memory(processor, replace(header, progressive=True), STILL) - cost.memory(processor, header, STILL)
    assert more == 2 * samples * 500_000


@pytest.mark.parametrize(("subsampling", "samples"), [(0, 3), (1, 2), (2, 1.5)])
def test_the_samples_of_a_jpeg_are_read(subsampling: int, samples: float):
    data = encoded(gradient(64, 48), "JPEG", subsampling=subsampling)
    assert formats.read("jpg", data).samples == samples


@pytest.mark.parametrize(("format", "per_pixel"), [("png", 3.75), ("webp", 5)])
def test_what_is_held_as_a_whole_by_libvips(format, per_pixel):
    whole, plain = picture(format, progressive=True), picture(format)
    assert cost.memory("vips", whole, STILL) == 24 * MB + per_pixel * 500_000 + SMALL_MEDIUM
    assert cost.memory("pillow", whole, STILL) == cost.memory("pillow", plain, STILL)


def test_a_lossless_webp_is_held_as_a_whole():
    assert formats.read("webp", encoded(gradient(9, 9), "WEBP", lossless=True)).progressive
    assert not formats.read("webp", encoded(gradient(9, 9), "WEBP")).progressive


def test_a_transparent_value_takes_memory():
    masked = encoded(gradient(9, 9), "PNG", transparency=(1, 2, 3))
    assert formats.read("png", masked).is_masked
    more = cost.memory("pillow", picture("png", is_masked=True), STILL) - cost.memory("pillow", picture("png"), STILL)
    assert more == 4 * 500_000


@pytest.mark.parametrize(("bits", "factor"), [(8, 1), (10, 1.5), (12, 1.5)])
def test_deep_avifs_take_half_as_much_again(bits, factor):
    needed = cost.memory("vips", picture("avif", bits=bits), STILL)
    assert needed == 24 * MB + factor * 9 * 500_000 + SMALL_MEDIUM


@pytest.mark.parametrize(("format", "decoded", "kept"), [("gif", 12, 1), ("webp", 5, 5)])
def test_all_frames_of_an_animation_are_in_memory_as_they_are_encoded(format, decoded, kept):
    still = 24 * MB + decoded * 500_000 + SMALL_MEDIUM
    header = picture(format, frames=10)
    assert cost.memory("vips", header, STILL) == still
    assert cost.memory("vips", header, Recipe()) == still + kept * 10 * 500 * 250
    resized = cost.memory("vips", header, Recipe(width=800))
    assert resized == still + 8 * 800 * 400 + kept * 10 * 800 * 400


@pytest.mark.parametrize(
    ("header", "recipe", "animated"),
    [
        pytest.param(picture("gif", frames=2), Recipe(), True, id="GIF"),
        pytest.param(picture("webp", frames=2), Recipe(), True, id="WebP"),
        pytest.param(picture("gif", frames=1), Recipe(), False, id="one frame"),
        pytest.param(picture("png", frames=2), Recipe(), False, id="APNG"),
        pytest.param(picture("gif", frames=2), STILL, False, id="stills are asked for"),
        pytest.param(Header("gif", 500, 500, frames=2), Recipe(), False, id="no medium"),
        pytest.param(Header("gif", 500, 500, frames=2), Recipe(width=499), True, id="resized"),
        pytest.param(Header("gif", 500, 500, frames=2), Recipe(width=500), False, id="not resized"),
    ],
)
def test_what_is_encoded_as_an_animation(header, recipe, animated):
    assert cost.is_animated(header, recipe) is animated
    assert (cost.seconds(header, recipe) > 0) is animated


def test_seconds_are_those_of_decoding_and_encoding_each_frame():
    gif, webp = picture("gif", frames=10), picture("webp", frames=10)
    assert cost.seconds(gif, Recipe()) == pytest.approx(10 * (500_000 * 20e-9 + 125_000 * 70e-9))
    assert cost.seconds(webp, Recipe()) == pytest.approx(10 * (500_000 * 22e-9 + 125_000 * 95e-9))
    both = 500_000 * 20e-9 + 320_000 * 70e-9 + 320_000 * 20e-9 + 125_000 * 70e-9
    assert cost.seconds(gif, Recipe(width=800)) == pytest.approx(10 * both)
