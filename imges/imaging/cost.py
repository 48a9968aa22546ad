"""What a picture will cost, estimated from its header: memory for its admission, time for animations.

A header may lie, so a worker's memory is limited to the estimate as well (see `worker.limited`). The figures were
measured with pictures of 24 megapixels and animations of 60 frames; docs/performance.md has them beside the estimates.
"""

from imges.imaging import sizes
from imges.imaging.sizes import Size
from imges.imaging.types import ANIMATED, Header, Recipe

ALWAYS = 24 * 2**20
"""Bytes that any picture takes, for encoders and buffers."""

BYTES_PER_PIXEL = {
    "vips": {"jpg": 0.1, "png": 0.5, "webp": 0.6},
    "pillow": {"jpg": 5, "png": 4.5, "webp": 16},
}
"""Bytes per pixel of the original. libvips reads most formats a strip at a time; Pillow decodes them whole."""
BY_PILLOW = {"gif": 12, "avif": 9, "heic": 8.3, "tiff": 10, "bmp": 10}
"""The same for formats that Pillow always decodes."""
HELD = {"png": 3.75, "webp": 5}
"""The same for what libvips has to hold as a whole: an interlaced PNG, a WebP that is lossless or an animation."""
MASKED = 4
"""Bytes per pixel that Pillow takes besides for a PNG with a transparent value."""
DEEP = 1.5
"""An AVIF or HEIC of more than 8 bits a channel takes so many times as much."""
CMYK = 4

FRAME_BYTES = {"gif": 1, "webp": 5}
"""Bytes per pixel of an encoded animation, over all frames: they are in memory together."""
FRAME_SECONDS = {"gif": (20e-9, 70e-9), "webp": (22e-9, 95e-9)}
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
    """The most bytes that *processor* takes to render the picture.

    The file is in memory while it is filtered, the pixels afterwards.
    """
    results = [_pixels(to) for _, to in _results(header, recipe)]
    needed = ALWAYS + max(header.file_size, _per_pixel(processor, header, recipe) * _pixels(header.displayed))
    if is_animated(header, recipe):
        needed += header.file_size + FRAME_BYTES[header.format] * header.frames * max(results)
    return round(needed + 8 * sum(results))


def _per_pixel(processor: str, header: Header, recipe: Recipe) -> float:
    """Bytes per pixel of the original."""
    if header.format in BY_PILLOW:
        return BY_PILLOW[header.format] * (DEEP if header.bits > 8 and header.format in {"avif", "heic"} else 1)
    is_cmyk = header.format == "jpg" and header.channels == CMYK  # which Pillow decodes
    per_pixel = BYTES_PER_PIXEL["pillow" if is_cmyk else processor][header.format]
    if header.format == "jpg":
        if is_cmyk or processor == "pillow":
            per_pixel /= _shrunk(header, recipe) ** 2
        return per_pixel + (2 * header.samples if header.progressive else 0)  # the coefficients
    if processor == "vips":
        whole = header.progressive or (header.format == "webp" and header.frames > 1)
        return HELD[header.format] if whole else per_pixel
    return per_pixel + (MASKED if header.format == "png" and header.is_masked else 0)


def _shrunk(header: Header, recipe: Recipe) -> int:
    """By how much Pillow shrinks a JPEG on both sides while it decodes it, which leaves twice the wanted size."""
    wanted = max((to[0] for _, to in _results(header, recipe)), default=header.displayed[0])
    times = header.displayed[0] / wanted / 2
    return next((by for by in (8, 4, 2) if times >= by), 1)


def seconds(header: Header, recipe: Recipe) -> float:
    """About how many seconds of CPU the animations of *recipe* take; 0 if there are none."""
    if not is_animated(header, recipe):
        return 0.0
    decode, encode = FRAME_SECONDS[header.format]
    return header.frames * sum(decode * _pixels(a) + encode * _pixels(b) for a, b in _results(header, recipe))
