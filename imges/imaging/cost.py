"""What a picture will cost, estimated from its header: memory for its admission, time for animations.

A header may lie, so a worker's memory is limited to the estimate as well (see `worker.limited`). The figures were
measured with pictures of 40 megapixels, and animations of 40 and 200 frames, on two cores of 2024.
"""

from imges.imaging import sizes
from imges.imaging.sizes import Size
from imges.imaging.types import ANIMATED, Header, Recipe

ALWAYS = 24 * 2**20
"""Bytes that any picture takes, for encoders and buffers."""

BYTES_PER_PIXEL = {
    "vips": {"jpg": 0.5, "png": 1.5, "webp": 5},
    "pillow": {"jpg": 5, "png": 8.5, "webp": 16.5},
}
"""Bytes per pixel of the original. libvips reads most formats a strip at a time; Pillow decodes them whole."""
BY_PILLOW = {"gif": 12, "avif": 12, "heic": 12, "tiff": 12, "bmp": 9}
"""The same for formats that Pillow always decodes."""
DEEP = 1.5
"""A picture of more than 8 bits a channel takes so many times as much."""

FRAME_BYTES = {"gif": 3, "webp": 5}
"""Bytes per pixel of an encoded animation, over all frames: they are in memory together."""
FRAME_SECONDS = {"gif": (20e-9, 70e-9), "webp": (30e-9, 130e-9)}
"""Seconds per pixel: of the original's frames for decoding and shrinking, of the result's frames for encoding."""


def is_animated(header: Header, recipe: Recipe) -> bool:
    """Whether *recipe* has an animation encoded."""
    return recipe.animate and header.frames > 1 and header.format in ANIMATED and bool(_results(header, recipe))


def _results(header: Header, recipe: Recipe) -> list[tuple[Size, Size]]:
    """The sizes from and to which a picture is scaled: for the original if `width` is asked for, and for the medium."""
    size = header.displayed
    results: list[tuple[Size, Size]] = []
    if recipe.width is not None and recipe.width < size[0]:
        results.append((size, sizes.at_width(size, recipe.width)))
        size = results[0][1]
    if (medium := sizes.medium_size(size, recipe.medium)) is not None:
        results.append((size, medium))
    return results


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def memory(processor: str, header: Header, recipe: Recipe) -> int:
    """The most bytes that *processor* takes to render the picture."""
    per_pixel = BYTES_PER_PIXEL[processor].get(header.format) or BY_PILLOW[header.format]
    if header.progressive and header.format == "jpg":
        per_pixel += 2 * (header.channels or 4)  # the coefficients
    elif header.progressive and processor == "vips":
        per_pixel += 4  # an interlaced PNG is read whole; Pillow does so with every picture
    if header.bits > 8:
        per_pixel *= DEEP
    needed = ALWAYS + header.file_size + per_pixel * _pixels(header.displayed)
    results = [_pixels(to) for _, to in _results(header, recipe)]
    if is_animated(header, recipe):
        needed += FRAME_BYTES[header.format] * header.frames * max(results)
    return round(needed + 8 * sum(results))


def seconds(header: Header, recipe: Recipe) -> float:
    """About how many seconds of CPU the animations of *recipe* take; 0 if there are none."""
    if not is_animated(header, recipe):
        return 0.0
    decode, encode = FRAME_SECONDS[header.format]
    return header.frames * sum(decode * _pixels(a) + encode * _pixels(b) for a, b in _results(header, recipe))
