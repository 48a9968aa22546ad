"""Checks that answers are right, because a server that does less would measure faster."""

import math
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pyvips
from PIL import Image

from benchmarks.corpus import Picture
from benchmarks.load import Connection

SECRET = b"private person"
"""The photographer's name in the metadata of the pictures."""

BEST = 99.0
"""dB that are reported for a medium without any loss."""


def check(port: int, picture: Picture) -> float | None:
    """Upload *picture* and check all answers. Returns the PSNR of the medium in dB, or `None` if there is none.

    Raises `AssertionError` if an answer is wrong.
    """
    sent = picture.path.read_bytes()
    with Connection(port) as connection:
        said = connection.upload(sent, picture.extension)
        original = _got(connection, said["url"])
        thumb = _got(connection, said["thumb"]["url"])
        medium = _got(connection, said["medium"]["url"]) if said["medium"]["url"] else None
    with Image.open(BytesIO(sent)) as before, Image.open(BytesIO(original)) as after:
        assert before.size == after.size == (said["width"], said["height"]), picture
        assert getattr(before, "n_frames", 1) == getattr(after, "n_frames", 1), picture
        assert before.convert("RGBA").tobytes() == after.convert("RGBA").tobytes(), picture
    assert SECRET not in original, picture
    with Image.open(BytesIO(thumb)) as small:
        assert small.size == (160, 160), picture
    if medium is None:
        assert said["width"] <= 500, picture
        return None
    with Image.open(BytesIO(medium)) as middle:
        assert middle.size == (500, round(said["height"] * 500 / said["width"])), picture
        assert getattr(middle, "n_frames", 1) == said_frames(sent), picture
    return psnr(picture.path, medium)


def said_frames(sent: bytes) -> int:
    with Image.open(BytesIO(sent)) as image:
        return getattr(image, "n_frames", 1)


def psnr(original: Path, medium: bytes) -> float:
    """Returns the PSNR of *medium* to the whole original, decoded in full and scaled down by Lanczos."""
    image = cast("Any", pyvips.Image)
    made = image.new_from_buffer(medium, "").colourspace("srgb")
    full = image.new_from_file(str(original)).colourspace("srgb")
    if full.hasalpha():
        full, made = full.flatten(background=255), made.flatten(background=255) if made.hasalpha() else made
    scaled = full.resize(made.width / full.width, vscale=made.height / full.height)
    error = ((scaled - made) ** 2).avg()
    return min(BEST, 10 * math.log10(255**2 / max(error, 1e-9)))


def _got(connection: Connection, url: str) -> bytes:
    status, body = connection.get("/" + url.split("/", 3)[3])
    assert status == 200, url
    return body
