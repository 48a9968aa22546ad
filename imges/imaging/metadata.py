"""EXIF in words, for sites that keep it."""

from pathlib import Path
from typing import cast

from PIL import ExifTags, Image

LONGEST = 500
"""Most characters of one value. Maker notes and thumbnails are longer, and nobody reads them."""


def described(file: Path) -> dict[str, str] | None:
    """The EXIF tags of *file* by their names; `None` if it has none that can be read."""
    try:
        with Image.open(file) as image:
            exif = image.getexif()
            tags = {ExifTags.TAGS.get(tag): value for tag, value in exif.items()}
            tags |= {ExifTags.TAGS.get(tag): value for tag, value in exif.get_ifd(ExifTags.IFD.Exif).items()}
            tags |= {ExifTags.GPSTAGS.get(tag): value for tag, value in exif.get_ifd(ExifTags.IFD.GPSInfo).items()}
    except Exception:  # noqa: BLE001 - a broken block of EXIF is no reason to refuse a picture
        return None
    words = {name: _in_words(value) for name, value in tags.items() if name}
    return {name: value for name, value in words.items() if value and len(value) <= LONGEST} or None


def _in_words(value: object) -> str:
    if isinstance(value, bytes):
        value = value.rstrip(b"\0").decode("ascii", "ignore")
    text = ", ".join(map(str, cast("tuple[object, ...]", value))) if isinstance(value, tuple) else str(value)
    return "".join(character for character in text if character.isprintable()).strip()
