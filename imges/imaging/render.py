"""The steps by which a received file becomes the files of a picture, the same for both processors."""

from dataclasses import replace
from pathlib import Path

from imges.errors import FormatRefused, NotAnImage, TooLargeImage
from imges.imaging import cost, endings, formats, metadata, pillow, sizes
from imges.imaging.formats.parts import Filtered, Parts, unchanged
from imges.imaging.formats.removed import in_order
from imges.imaging.sizes import Size
from imges.imaging.types import (
    NOT_HASHED,
    Given,
    Header,
    Picture,
    Processor,
    Quality,
    Recipe,
    Rendition,
    Renditions,
)

SMALL_MEDIUM = 24 * 1024
"""Bytes up to which a medium may be larger than its original."""
LARGEST_THUMB = 28 * 1024
"""Bytes above which the thumb of a PNG is written in 256 colours."""
JPEG_QUALITY = 92
"""The quality of HEIC and TIFF that become JPEG on arrival: people look closely at a stored original."""
PNG_LEVEL = 2
"""The compression of what becomes PNG on arrival. 24 megapixels take 1.5 s; level 6 takes 6.6 s for a sixth less."""


def render(processor: Processor, source: Given, header: Header, recipe: Recipe, folder: Path) -> Renditions:
    """Make all files of *recipe* from *source* in *folder*.

    Raises `NotAnImage` if it is damaged, `FormatRefused` if the library for HEIC is missing, and `OSError`.
    """
    exif = metadata.described(source.path) if recipe.keep_metadata else None
    original, header, removed = received(source, header, recipe, folder)
    if recipe.width is not None and recipe.width < header.displayed[0]:
        if header.frames > 1 and not cost.is_animated(header, recipe):
            raise TooLargeImage("this animation cannot be resized; send it without `width`")
        given = original.path == source.path  # which may lie where nothing can be renamed
        whole = source.path if given else original.path.rename(folder / f"received.{header.format}")
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
        removed,
    )


def received(source: Given, header: Header, recipe: Recipe, folder: Path) -> tuple[Rendition, Header, tuple[str, ...]]:
    """The original, its header, and what was taken out of it.

    It is *source* converted, or filtered, or itself if it is ours and nothing comes off.
    """
    data = source.path.read_bytes()
    if header.format in formats.CONVERTED:
        found = in_order(formats.about(header.format, data))
        name, converted = convert(source.path, header)
        header = formats.read(name, converted)
        return written(folder, "original", [converted], header), header, found
    filtered = formats.strip(data, header)  # also where metadata is kept: it finds that a file is cut
    if header.format == "jpg" and filtered.mended and endings.is_cut(b"".join(filtered.parts), header):
        raise NotAnImage(formats.jpeg.CUT)
    if recipe.keep_metadata and not filtered.mended:
        filtered = Filtered([data])
    found = in_order(filtered.removed)
    if source.ours and unchanged(filtered.parts, data):
        return rendition(source.path, [data], header), header, found
    return written(folder, "original", filtered.parts, header), header, found


def convert(source: Path, header: Header) -> tuple[str, bytes]:
    """A format of the web, and *source* in it, upright and without metadata, in its own colours.

    The format is PNG for a BMP and for transparency, else JPEG.
    """
    if header.format == "heic":
        load_heic()
    width, height = header.displayed
    displayed = replace(header, width=width, height=height, orientation=1)  # Pillow turns these formats by itself
    picture = pillow.as_it_is(source, displayed)
    name = "png" if header.format == "bmp" or picture.image.has_transparency_data else "jpg"
    return name, picture.encode(replace(displayed, format=name), Quality(jpeg=JPEG_QUALITY, png=PNG_LEVEL))


def load_heic() -> None:
    """Make Pillow read HEIC. Raises `FormatRefused` if the optional library is not installed."""
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
    """The thumb of *file* and, if the original is wide enough, the medium. The file is decoded once.

    There is no medium if it would have more bytes than the original, or be a still of an animation. Only an animated
    medium is made separately: the thumb shows the first frame.
    """
    animated = cost.is_animated(header, recipe)
    would_stop = header.frames > 1 and not animated  # an animation's medium is never a still
    medium = None if would_stop else sizes.medium_size(header.displayed, recipe.medium)
    working = sizes.working_size(header.displayed, recipe.thumb, None if animated else medium)
    picture = processor.decode(file, header, working)
    most = max(file.stat().st_size, SMALL_MEDIUM)
    thumb = _thumb(picture.covering(recipe.thumb), header, recipe.quality)
    if medium is None:
        return thumb, None
    if animated:
        made = processor.animate(file, header, medium, recipe.quality)
    else:
        made = _medium(exactly(picture, medium), header, recipe.quality, most)
    return thumb, made if len(made) <= most else None


def _medium(picture: Picture, header: Header, quality: Quality, most: int) -> bytes:
    """The medium. A PNG of more than *most* bytes is tried with filters too.

    That of a scan, which has few colours itself and smooth edges only in the medium, is tried in 16 colours.
    """
    made = picture.encode(header, quality)
    if len(made) > most and header.format == "png":
        made = picture.filtered_png()
    if len(made) > most and header.format == "png" and header.bits < 8 and not header.is_masked:
        made = picture.png_of_16_colours()
    return made


def _thumb(picture: Picture, header: Header, quality: Quality) -> bytes:
    """The thumb; a PNG in 256 colours if it would be too large."""
    thumb = picture.encode(header, quality)
    if len(thumb) > LARGEST_THUMB and header.format == "png" and not header.palette:
        return min(thumb, picture.encode(replace(header, palette=True), quality), key=len)
    return thumb


def exactly(picture: Picture, size: Size) -> Picture:
    return picture if picture.size == size else picture.resized(size)


def written(folder: Path, name: str, parts: Parts, header: Header) -> Rendition:
    """*parts* as a file of *folder*."""
    path = folder / f"{name}.{header.format}"
    with path.open("wb") as file:
        file.writelines(parts)
    return rendition(path, parts, header)


def rendition(path: Path, parts: Parts, header: Header) -> Rendition:
    """Return the rendition for the file *path*, whose content is *parts*. The server adds digests: `handover`."""
    width, height = header.displayed
    size = sum(map(len, parts))
    return Rendition(
        path,
        size,
        NOT_HASHED,
        header.format,
        width,
        height,
        header.bits,
        header.channels,
        header.frames,
    )
