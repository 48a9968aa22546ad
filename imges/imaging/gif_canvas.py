"""The canvas of a GIF after each of its frames, as browsers show it, whichever library decodes the frames.

Pillow paints what no frame covers with a colour of the palette, and lets any frame enlarge the canvas. In browsers the
former is transparent, and only the first frame enlarges the canvas. So Pillow decodes each frame by itself here.
"""

import struct
from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from imges.errors import NotAnImage
from imges.imaging.formats import gif
from imges.imaging.sizes import Size

STAYS, CLEAR, RESTORE = 1, 2, 3
"""Disposals: the frame's part of the canvas stays, becomes transparent, or what it was before the frame."""
LARGER = 4
"""How many times as large as the canvas a frame may be. Browsers show the part that is on the canvas."""


def canvases(data: bytes, size: Size) -> Iterator[Image.Image]:
    """The canvas of *size*, in RGB or RGBA, with each frame of the GIF *data*. The next frame is painted onto it.

    Raises `NotAnImage` if a frame is far larger than the canvas, and what Pillow raises over a damaged frame.
    """
    frames = gif.frames(data)
    whole = (0, 0, *size)
    first = frames[0]
    is_opaque = first.transparent is None and first.box == whole and all(one.disposal != CLEAR for one in frames)
    canvas = Image.new("RGB" if is_opaque and first.disposal != RESTORE else "RGBA", size)
    for frame in frames:
        left, top, right, bottom = frame.box
        if (right - left) * (bottom - top) > LARGER * size[0] * size[1]:
            raise NotAnImage("the GIF is damaged: a frame is far larger than the picture")
        before = canvas.copy() if frame.disposal == RESTORE else None
        shown = (min(left, size[0]), min(top, size[1]), min(right, size[0]), min(bottom, size[1]))
        if shown[0] < shown[2] and shown[1] < shown[3]:
            _paint(canvas, frame, shown)
        yield canvas
        if frame.disposal == CLEAR:
            canvas.paste((0, 0, 0, 0), shown)
        elif before is not None:
            canvas = before


def _paint(canvas: Image.Image, frame: gif.Frame, shown: tuple[int, int, int, int]) -> None:
    """Paint the part of *frame* that is *shown*; its transparent pixels leave the canvas as it is."""
    left, top, right, bottom = shown
    with Image.open(BytesIO(_alone(frame)), formats=["GIF"]) as image:
        image.load()
        pixels = image.convert("RGB" if frame.transparent is None else "RGBA")
    if pixels.size != (right - left, bottom - top):
        pixels = pixels.crop((0, 0, right - left, bottom - top))
    canvas.paste(pixels, shown, pixels if frame.transparent is not None else None)


def _alone(frame: gif.Frame) -> bytes:
    """A GIF of *frame* alone, on a canvas of its own size."""
    left, top, right, bottom = frame.box
    size = struct.pack("<HH", right - left, bottom - top)
    colours = len(frame.palette) // 3
    flags = 0x80 | (colours.bit_length() - 2) if colours >= 2 else 0
    control = b""
    if frame.transparent is not None:
        control = b"\x21\xf9\x04\x01\0\0" + bytes([frame.transparent]) + b"\0"
    head = b"GIF89a" + size + bytes([flags, 0, 0]) + (frame.palette if flags else b"")
    return b"".join([head, control, b"\x2c\0\0\0\0", size, frame.pixels, b"\x3b"])
