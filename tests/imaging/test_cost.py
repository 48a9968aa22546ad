"""What a picture is estimated to cost: memory for its admission, and seconds for an animation."""

from dataclasses import replace

import pytest

from imges.imaging import cost
from imges.imaging.types import Header, Recipe

MB = 2**20
STILL = Recipe(animate=False)
SMALL_MEDIUM = 8 * 500 * 250
"""Bytes of the medium that is made of 1000 by 500 pixels."""


def picture(format: str, **more: object) -> Header:
    return replace(Header(format, 1000, 500), **more)


@pytest.mark.parametrize(
    ("format", "by_vips", "by_pillow"),
    [
        ("jpg", 0.5, 5), ("png", 1.5, 8.5), ("webp", 5, 16.5), ("gif", 12, 12), ("avif", 12, 12), ("heic", 12, 12),
        ("tiff", 12, 12), ("bmp", 9, 9),
    ],
)  # fmt: skip
def test_memory_is_that_of_the_pixels_the_medium_the_file_and_what_any_picture_takes(format, by_vips, by_pillow):
    for processor, per_pixel in (("vips", by_vips), ("pillow", by_pillow)):
        needed = cost.memory(processor, picture(format, file_size=777), STILL)
        assert needed == 24 * MB + 777 + per_pixel * 500_000 + SMALL_MEDIUM


def test_a_picture_without_a_medium_takes_no_memory_for_it():
    assert cost.memory("vips", Header("jpg", 500, 1000), STILL) == 24 * MB + 250_000
    assert cost.memory("vips", Header("jpg", 501, 1000), STILL) == 24 * MB + round(501_000 * 0.5) + 8 * 500 * 998


def test_an_original_that_is_resized_takes_memory_too():
    recipe = Recipe(width=600, animate=False)
    assert cost.memory("vips", picture("jpg"), recipe) == 24 * MB + 250_000 + 8 * 600 * 300 + SMALL_MEDIUM
    for width in (1000, 2000):
        assert cost.memory("vips", picture("jpg"), replace(recipe, width=width)) == 24 * MB + 250_000 + SMALL_MEDIUM
    assert cost.memory("vips", picture("jpg"), replace(recipe, width=400)) == 24 * MB + 250_000 + 8 * 400 * 200
    wide = replace(recipe, width=999)
    assert cost.memory("vips", picture("jpg"), wide) == 24 * MB + 250_000 + 8 * 999 * 500 + SMALL_MEDIUM


def test_sizes_are_those_that_are_shown():
    lying = Header("jpg", 500, 1000, orientation=6)
    assert cost.memory("vips", lying, STILL) == cost.memory("vips", picture("jpg"), STILL)


@pytest.mark.parametrize("processor", ["vips", "pillow"])
@pytest.mark.parametrize(("channels", "factor"), [(1, 2), (3, 6), (4, 8), (None, 8)])
def test_a_progressive_jpeg_is_held_with_its_coefficients(processor, channels, factor):
    header = picture("jpg", channels=channels)
    more = cost.memory(processor, replace(header, progressive=True), STILL) - cost.memory(processor, header, STILL)
    assert more == factor * 500_000


def test_an_interlaced_png_is_held_as_a_whole_by_libvips():
    for processor, factor in (("vips", 4), ("pillow", 0)):
        plain, interlaced = (picture("png", progressive=progressive) for progressive in (False, True))
        more = cost.memory(processor, interlaced, STILL) - cost.memory(processor, plain, STILL)
        assert more == factor * 500_000


@pytest.mark.parametrize(("bits", "factor"), [(1, 1), (8, 1), (9, 1.5), (16, 1.5)])
def test_deep_pictures_take_half_as_much_again(bits, factor):
    needed = cost.memory("vips", picture("png", bits=bits), STILL)
    assert needed == 24 * MB + factor * 750_000 + SMALL_MEDIUM


@pytest.mark.parametrize(("format", "decoded", "encoded"), [("gif", 12, 3), ("webp", 5, 5)])
def test_all_frames_of_an_animation_are_in_memory_as_they_are_encoded(format, decoded, encoded):
    still = 24 * MB + decoded * 500_000 + SMALL_MEDIUM
    header = picture(format, frames=10)
    assert cost.memory("vips", header, STILL) == still
    assert cost.memory("vips", header, Recipe()) == still + encoded * 10 * 500 * 250
    resized = cost.memory("vips", header, Recipe(width=800))
    assert resized == still + 8 * 800 * 400 + encoded * 10 * 800 * 400


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
    assert cost.seconds(webp, Recipe()) == pytest.approx(10 * (500_000 * 30e-9 + 125_000 * 130e-9))
    both = 500_000 * 20e-9 + 320_000 * 70e-9 + 320_000 * 20e-9 + 125_000 * 70e-9
    assert cost.seconds(gif, Recipe(width=800)) == pytest.approx(10 * both)
