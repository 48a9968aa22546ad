"""The order of steps by which an upload becomes its files, whichever the processor."""

import hashlib
from dataclasses import replace
from pathlib import Path

from imges.errors import FormatRefused
from imges.imaging import cost, formats, metadata, pillow, sizes
from imges.imaging.formats.parts import Parts, unchanged
from imges.imaging.sizes import Size
from imges.imaging.types import Given, Header, Picture, Processor, Quality, Recipe, Rendition, Renditions

JPEG_QUALITY = 92
"""Of HEIC and TIFF that become JPEG on arrival: the stored original has to stand up to looking closely."""


def render(processor: Processor, source: Given, header: Header, recipe: Recipe, folder: Path) -> Renditions:
    """Make all files of *recipe* from *source* in *folder*.

    Raises: NotAnImage for what is damaged, FormatRefused where the library for HEIC is missing, OSError.
    """
    exif = metadata.described(source.path) if recipe.keep_metadata else None
    original, header = received(source, header, recipe, folder)
    if recipe.width is not None and recipe.width < header.displayed[0]:
        whole = original.path.rename(folder / f"received.{header.format}")
        encoded = resized(processor, whole, header, recipe, sizes.at_width(header.displayed, recipe.width))
        header = formats.read(header.format, encoded)
        original = written(folder, "original", [encoded], header)
    thumb, medium = derived(processor, original.path, header, recipe)
    return Renditions(
        original,
        written(folder, "thumb", [thumb], formats.read(header.format, thumb)),
        written(folder, "medium", [medium], formats.read(header.format, medium)) if medium else None,
        header.frames,
        exif,
    )


def received(source: Given, header: Header, recipe: Recipe, folder: Path) -> tuple[Rendition, Header]:
    """The original and its header: *source* itself where it may be and nothing comes off, or filtered, or converted."""
    if header.format in formats.CONVERTED:
        name, converted = convert(source.path, header)
        header = formats.read(name, converted)
        return written(folder, "original", [converted], header), header
    data = source.path.read_bytes()
    filtered = formats.strip(data, header)  # which also finds that a file is cut
    parts: Parts = [data] if recipe.keep_metadata else filtered
    if source.ours and unchanged(parts, data):
        return rendition(source.path, [data], header), header
    return written(folder, "original", parts, header), header


def convert(source: Path, header: Header) -> tuple[str, bytes]:
    """A format of the web and *source* in it, upright, without metadata: PNG for BMP and transparency, else JPEG."""
    if header.format == "heic":
        load_heic()
    width, height = header.displayed
    displayed = replace(header, width=width, height=height, orientation=1)  # Pillow turns these formats by itself
    picture = pillow.PillowProcessor().decode(source, displayed, (width, height))
    name = "png" if header.format == "bmp" or picture.image.has_transparency_data else "jpg"
    return name, picture.encode(replace(displayed, format=name), Quality(jpeg=JPEG_QUALITY))


def load_heic() -> None:
    """Make Pillow read HEIC. Raises: FormatRefused where the optional library is not installed."""
    try:
        import pillow_heif
    except ImportError as error:
        raise FormatRefused("heic") from error
    pillow_heif.register_heif_opener(thumbnails=False)  # pyright: ignore[reportUnknownMemberType]


def resized(processor: Processor, file: Path, header: Header, recipe: Recipe, size: Size) -> bytes:
    """The original in a smaller *size*."""
    if cost.is_animated(header, recipe):
        return processor.animate(file, header, size, recipe.quality)
    return processor.decode(file, header, size).encode(header, recipe.quality)


def derived(processor: Processor, file: Path, header: Header, recipe: Recipe) -> tuple[bytes, bytes | None]:
    """The thumb and, where the original is wide enough, the medium of *file*; it is decoded once.

    Only an animated medium is made apart: the thumb is of the first frame.
    """
    medium = sizes.medium_size(header.displayed, recipe.medium)
    animated = cost.is_animated(header, recipe)
    working = sizes.working_size(header.displayed, recipe.thumb, None if animated else medium)
    picture = processor.decode(file, header, working)
    thumb = picture.covering(recipe.thumb).encode(header, recipe.quality)
    if medium is None:
        return thumb, None
    if animated:
        return thumb, processor.animate(file, header, medium, recipe.quality)
    return thumb, exactly(picture, medium).encode(header, recipe.quality)


def exactly(picture: Picture, size: Size) -> Picture:
    return picture if picture.size == size else picture.resized(size)


def written(folder: Path, name: str, parts: Parts, header: Header) -> Rendition:
    """*parts* as a file of *folder*."""
    path = folder / f"{name}.{header.format}"
    with path.open("wb") as file:
        file.writelines(parts)
    return rendition(path, parts, header)


def rendition(path: Path, parts: Parts, header: Header) -> Rendition:
    """The file *path*, in which *parts* stand, its size and digest."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    width, height = header.displayed
    size = sum(map(len, parts))
    return Rendition(path, size, digest.hexdigest(), header.format, width, height, header.bits, header.channels)
