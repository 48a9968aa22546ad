"""The processor that uses libvips, and Pillow where that is several times quicker or takes less memory."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyvips
from PIL import Image

from imges.errors import NotAnImage
from imges.imaging import colour, formats, sizes
from imges.imaging.pillow import PillowPicture, PillowProcessor
from imges.imaging.sizes import Size
from imges.imaging.types import Header, Picture, Quality

LOADERS = ("VipsForeignLoadJpeg", "VipsForeignLoadPng", "VipsForeignLoadWebp")
"""The only readers of files that may start; each name stands for its readers from a file and from memory.

libvips chooses a reader by the content of a file, and some of its readers run large libraries that few have tested. A
file that passes our own look at its header must not reach one of them.
"""
BY_PILLOW = {"gif", "avif"}
"""Formats that Pillow decodes here too."""

PROFILE = "icc-profile-data"
CMYK = 4
"""Channels of a JPEG for printers. Without a profile libvips would assume one; Pillow and browsers do not."""

COLOURED = {"b-w": "srgb", "grey16": "rgb16"}
"""The spaces of grey, and those of colours with as many bits."""
EIGHT_BITS = {"rgb16": "srgb", "grey16": "b-w"}
"""The spaces of 16 bits a channel, and those of 8 bits with the same colours."""
UPRIGHT = {
    2: (pyvips.Image.fliphor,),
    3: (pyvips.Image.rot180,),
    4: (pyvips.Image.flipver,),
    5: (pyvips.Image.rot90, pyvips.Image.fliphor),
    6: (pyvips.Image.rot90,),
    7: (pyvips.Image.rot270, pyvips.Image.fliphor),
    8: (pyvips.Image.rot270,),
}
"""How to turn what is stored with this EXIF orientation, so that it is upright: the steps in their order."""
DCT = (8, 4, 2)
"""The factors by which libjpeg can shrink while it decodes."""
LEFT = 1.5
"""How many times the wanted size must be left for Lanczos. The loss is then at most 0.1 dB of 41, which is not seen."""
NOTHING = 0
"""VIPS_FOREIGN_KEEP_NONE: no metadata is written."""
SMALL = 256 * 256
"""Most pixels of a picture that Pillow decodes and scales: libvips starts threads for each step, which takes longer."""
UNFILTERED = 0x08
"""VIPS_FOREIGN_PNG_FILTER_NONE."""
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's name for so many channels."""


def restrict() -> None:
    """Block every reader but ours for the whole process, use one thread, and cache nothing."""
    pyvips.operation_block_set("VipsForeignLoad", state=True)
    for loader in LOADERS:
        pyvips.operation_block_set(loader, state=False)
    pyvips.cache_set_max(0)
    cast("Any", pyvips).vips_lib.vips_concurrency_set(1)


@contextmanager
def decoding() -> Generator[None]:
    """Raises `NotAnImage` if libvips finds a picture damaged, and `MemoryError` if it has no memory left."""
    try:
        yield
    except pyvips.Error as error:
        if "out of memory" in str(error):
            raise MemoryError from error
        raise NotAnImage from error


@dataclass(frozen=True, slots=True)
class VipsPicture:
    """See `imges.imaging.types.Picture`. The pixels are in memory: libvips reads a file only once, and in order."""

    image: pyvips.Image

    @property
    def size(self) -> Size:
        return self.image.width, self.image.height

    def resized(self, size: Size) -> "VipsPicture":
        return VipsPicture(scaled(self.image, size))

    def covering(self, size: Size) -> "VipsPicture":
        left, top, right, bottom = sizes.centre(self.size, size)
        across, down = max(1, round(right - left)), max(1, round(bottom - top))
        return VipsPicture(scaled(self.image.crop(int(left), int(top), across, down), size))

    def encode(self, header: Header, quality: Quality) -> bytes:
        """See `Picture.encode`. libvips writes PNGs with palettes and very large ones; the rest goes a quicker way."""
        if header.format != "png":
            return PillowPicture(in_pillow(self.image)).encode(header, quality)
        if is_for_vips(self.size, header):
            return png(self.image, header, quality)
        return formats.png.written(self.image.write_to_memory(), *self.size, quality.png)

    def filtered_png(self) -> bytes:
        return PillowPicture(in_pillow(self.image)).filtered_png()

    def png_of_16_colours(self) -> bytes:
        return PillowPicture(in_pillow(self.image)).png_of_16_colours()


@dataclass(frozen=True, slots=True)
class SmallPicture(PillowPicture):
    """A picture of Pillow's whose PNGs with palettes libvips writes."""

    def resized(self, size: Size) -> "SmallPicture":
        return SmallPicture(PillowPicture.resized(self, size).image)

    def covering(self, size: Size) -> "SmallPicture":
        return SmallPicture(PillowPicture.covering(self, size).image)

    def encode(self, header: Header, quality: Quality) -> bytes:
        if header.format == "png" and is_for_vips(self.size, header):
            return png(in_vips(self.image), header, quality)
        return PillowPicture.encode(self, header, quality)


class VipsProcessor:
    """See `imges.imaging.types.Processor`."""

    name = "vips"

    def __init__(self) -> None:
        restrict()
        self._pillow = PillowProcessor()

    def decode(self, file: Path, header: Header, size: Size) -> Picture:
        if header.format in BY_PILLOW or header.channels == CMYK:
            return self._pillow.decode(file, header, size)
        if header.width * header.height <= SMALL:
            return SmallPicture(self._pillow.decode(file, header, size).image)
        with decoding():
            image = shrunk(str(file), header, sizes.turned(size, header.orientation)).copy_memory()
            return VipsPicture(upright(in_srgb(image, header), header.orientation))

    def animate(self, file: Path, header: Header, size: Size, quality: Quality) -> bytes:
        return self._pillow.animate(file, header, size, quality)  # libvips would hold all frames in full size


def is_for_vips(size: Size, header: Header) -> bool:
    """Whether libvips writes a PNG."""
    return header.palette or size[0] * size[1] > formats.png.AT_ONCE


def png(image: pyvips.Image, header: Header, quality: Quality) -> bytes:
    if header.palette:
        return image.pngsave_buffer(compression=quality.png, palette=True, effort=1, keep=NOTHING)
    return image.pngsave_buffer(compression=quality.png, filter=UNFILTERED, keep=NOTHING)


def in_pillow(image: pyvips.Image) -> Image.Image:
    return Image.frombuffer(MODES[image.bands], (image.width, image.height), image.write_to_memory())


def in_vips(image: Image.Image) -> pyvips.Image:
    bands = len(image.getbands())
    made = pyvips.Image.new_from_memory(image.tobytes(), *image.size, bands, "uchar")
    return made.copy(interpretation="srgb" if bands > 2 else "b-w")


def shrunk(name: str, header: Header, size: Size) -> pyvips.Image:
    """The file in exactly *size*, as stored."""
    if header.format == "jpg":
        times = min(header.width / size[0], header.height / size[1])
        by = next((by for by in DCT if times >= by * LEFT), 1)
        image = pyvips.Image.jpegload(name, shrink=by, access="sequential", fail_on="error")
        return image.resize(size[0] / image.width, vscale=size[1] / image.height)
    if header.format == "webp":  # libwebp can scale while it decodes
        scale = size[0] / header.width
        image = pyvips.Image.webpload(name, scale=scale, access="sequential", fail_on="error")
        if (image.width, image.height) == size:
            return image
    return pyvips.Image.thumbnail(name, size[0], height=size[1], size="force", no_rotate=True, fail_on="error")


def scaled(image: pyvips.Image, size: Size) -> pyvips.Image:
    """*image* in exactly *size*."""
    if image.hasalpha():  # the colours of invisible pixels must not shine through at edges
        return image.thumbnail_image(size[0], height=size[1], size="force", no_rotate=True)
    return image.resize(size[0] / image.width, vscale=size[1] / image.height)


def in_srgb(image: pyvips.Image, header: Header) -> pyvips.Image:
    """The colours in sRGB or grey, 8 bits a channel.

    It is called after shrinking: `thumbnail` could do it too, but before shrinking, and takes three times as long.
    """
    if header.colour:
        space = COLOURED.get(str(image.interpretation))
        image = (image.colourspace(space) if space else image).copy()
        cast("Any", image).set_type(pyvips.GValue.blob_type, PROFILE, colour.profile(header.colour))
    if PROFILE in image.get_fields():
        with suppress(pyvips.Error):  # a profile that cannot be used counts as none, as in browsers
            image = image.icc_transform("srgb", embedded=True).copy_memory()
    space = EIGHT_BITS.get(str(image.interpretation))
    return image.colourspace(space) if space else image


def upright(image: pyvips.Image, orientation: int) -> pyvips.Image:
    for turn in UPRIGHT.get(orientation, ()):
        image = turn(image)
    return image.copy_memory() if orientation in UPRIGHT else image
