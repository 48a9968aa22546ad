"""Pictures for tests, made as they are needed."""

import random
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def gradient(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A smooth picture that no encoder finds odd."""
    bands = [Image.linear_gradient("L").resize((width, height)).rotate(turn) for turn in (0, 90, 180)]
    return Image.merge("RGB", [band.resize((width, height)) for band in bands]).convert(mode)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture that no encoder makes small."""
    return Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(width * height * 3))


@cache
def png(width: int = 8, height: int = 8) -> bytes:
    return encoded(gradient(width, height), "PNG")


@cache
def jpeg(width: int = 640, height: int = 480, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker of cameras"
    exif.get_ifd(0x8825)[1] = "N"
    return encoded(gradient(width, height), "JPEG", quality=90, exif=exif)


@cache
def gif(width: int = 32, height: int = 32, frames: int = 1) -> bytes:
    pictures = [gradient(width, height).rotate(90 * n).convert("P") for n in range(frames)]
    return encoded(pictures[0], "GIF", save_all=frames > 1, append_images=pictures[1:], duration=80, loop=0)


@cache
def webp(width: int = 64, height: int = 48) -> bytes:
    return encoded(gradient(width, height), "WEBP", quality=80)


@cache
def avif(width: int = 64, height: int = 48) -> bytes:
    return encoded(gradient(width, height), "AVIF", quality=60)
