"""TIFF 6.0. It is converted on arrival, so there is no filter.

Only what becomes the same picture is taken: one page, at most 16 unsigned bits a sample. The rest would be destroyed.
"""

from itertools import islice

from imges.errors import FormatRefused, NotAnImage
from imges.imaging.formats import exif
from imges.imaging.types import Header

KIND, WIDTH, HEIGHT, BITS, PHOTOMETRIC, PLANES, INNER, SAMPLES, DNG = 254, 256, 257, 258, 262, 284, 330, 339, 50706
REDUCED = 1
"""The bit of `KIND` that says that this is a smaller version of another picture."""
WHITE_IS_ZERO = 0
SENSOR = {32803, 34892}
"""Values of `PHOTOMETRIC` for what a camera's sensor saw (CFA, LinearRaw)."""
UNSIGNED = {1, 4}
"""Values of `SAMPLES`: unsigned numbers, and undefined ones, which are read as such."""
MOST_PAGES = 100
"""Most pages that are counted."""


def read(data: bytes) -> Header:
    """The header, from the first directory.

    Raises `NotAnImage` if that is broken or does not say the size, or the picture would not survive the conversion;
    and `FormatRefused` if it is a camera's raw file.
    """
    try:
        tags = exif.first_directory(data)
        width, height = tags[WIDTH][0], tags[HEIGHT][0]
    except (ValueError, KeyError) as error:
        raise NotAnImage("the TIFF is damaged") from error
    _check_raw(tags)
    bits = max(tags.get(BITS, (1,)))
    _check_samples(tags, bits)
    if (pages := _pages(data)) > 1:
        raise NotAnImage(f"the TIFF has {pages} pages, and only one would be kept; send each as a picture")
    turned = tags.get(exif.ORIENTATION, (1,))[0]
    return Header("tiff", width, height, turned if 1 <= turned <= 8 else 1, bits=bits)


def _check_raw(tags: dict[int, tuple[int, ...]]) -> None:
    """Raises `FormatRefused` for a camera's raw file: its first directory is a preview of another one."""
    if DNG in tags:
        raise FormatRefused("dng")
    preview = tags.get(KIND, (0,))[0] & REDUCED and INNER in tags
    if preview or tags.get(PHOTOMETRIC, (1,))[0] in SENSOR:
        raise FormatRefused("camera raw files")


def _check_samples(tags: dict[int, tuple[int, ...]], bits: int) -> None:
    """Raises `NotAnImage` for samples that Pillow would read as something else."""
    if not UNSIGNED.issuperset(tags.get(SAMPLES, (1,))) or bits > 16:
        raise NotAnImage("the TIFF has floating-point, signed or 32-bit samples; convert it to 8 or 16 bits")
    planar = len(tags.get(BITS, (1,))) > 1 and tags.get(PLANES, (1,))[0] != 1
    if bits > 8 and (planar or tags.get(PHOTOMETRIC, (1,))[0] == WHITE_IS_ZERO):
        raise NotAnImage(f"the TIFF has {bits} bits in an order that is not read here; convert it to 8 bits")


def _pages(data: bytes) -> int:
    """The directories that follow each other, without those that are smaller versions of another."""
    later = islice(exif.directories(data), 1, MOST_PAGES)
    return 1 + sum(not tags.get(KIND, (0,))[0] & REDUCED for tags in later)
