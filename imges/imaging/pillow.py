"""The processor that uses Pillow alone. The one on libvips borrows from it where Pillow is quicker."""

import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, cast

from PIL import GifImagePlugin, Image, ImageChops, ImageCms, ImageMath, ImageSequence

from imges.errors import ImgesError, NotAnImage
from imges.imaging import colour, sizes
from imges.imaging.formats import gif, png
from imges.imaging.formats.parts import MAX_ICC
from imges.imaging.gif_canvas import CLEAR, STAYS, canvases
from imges.imaging.palettes import mapped, of_16_colours, with_palette
from imges.imaging.sizes import Size
from imges.imaging.types import Header, Quality

Image.MAX_IMAGE_PIXELS = None  # our own limits are judged from the header, before Pillow sees the file
GifImagePlugin.LOADING_STRATEGY = GifImagePlugin.LoadingStrategy.RGB_ALWAYS

NAMES = {
    "jpg": "JPEG",
    "png": "PNG",
    "gif": "GIF",
    "webp": "WEBP",
    "avif": "AVIF",
    "heic": "HEIF",
    "tiff": "TIFF",
    "bmp": "BMP",
}
"""Pillow's names of the formats. None of its other readers ever sees a file."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn what is stored with this EXIF orientation, so that it is upright."""
COLOURED = {"L": "RGB", "LA": "RGBA"}
GREY = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L"}

GAP = 2.0
"""Decoders and box filters may shrink a picture to so many times the wanted size; Lanczos does the rest."""
AVIF_SPEED = 9
"""The highest is 10. A medium takes 40 ms; at 8 it would take 165 ms and three quarters of the bytes."""
WEBP_METHOD = 4
"""The highest is 6. This is libwebp's own default."""
WEBP_ANIMATED = 2
"""The method for animations, which have many frames: it takes two fifths of the time of 4, and costs 0.3 dB."""
WEBP_LESS = 1
"""By how much the quality is lowered at that method. Files are then 5 % larger than at method 4, instead of 9 %."""
SAMPLE = 128
"""Width and height, in pixels, of the sample in which colours are searched."""


@contextmanager
def decoding() -> Generator[None]:
    """Raises `NotAnImage` for whatever a decoder raises over a damaged picture, but not for errors of the system."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ImgesError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise NotAnImage from error


@dataclass(frozen=True, slots=True)
class PillowPicture:
    """See `imges.imaging.types.Picture`."""

    image: Image.Image
    profile: bytes | None = None
    """The ICC profile of its colours, which goes into a file; `None` for sRGB."""

    @property
    def size(self) -> Size:
        return self.image.size

    def resized(self, size: Size) -> "PillowPicture":
        return PillowPicture(scaled(self.image, size))

    def covering(self, size: Size) -> "PillowPicture":
        return PillowPicture(scaled(self.image, size, sizes.centre(self.image.size, size)))

    def encode(self, header: Header, quality: Quality) -> bytes:
        image = self.image
        if header.palette and is_soft(image):
            image = image.quantize(256, Image.Quantize.FASTOCTREE)  # the only one that counts alpha as a colour
        elif header.format == "gif" or header.palette:
            image = with_palette(image)
        elif header.format == "png" and self.profile is None and image.width * image.height <= png.AT_ONCE:
            return png.written(image.tobytes(), *image.size, quality.png)
        file = BytesIO()
        image.save(file, NAMES[header.format], icc_profile=self.profile, **_options(header.format, quality))
        return file.getvalue()

    def filtered_png(self) -> bytes:
        file = BytesIO()
        self.image.save(file, "PNG", compress_level=9)
        return file.getvalue()

    def png_of_16_colours(self) -> bytes:
        file = BytesIO()
        of_16_colours(self.image).save(file, "PNG", bits=4, compress_level=9)
        return file.getvalue()


class PillowProcessor:
    """See `imges.imaging.types.Processor`."""

    name = "pillow"

    def decode(self, file: Path, header: Header, size: Size) -> PillowPicture:
        stored = sizes.turned(size, header.orientation)
        if header.format == "gif":
            with decoding():
                return PillowPicture(scaled(next(canvases(file.read_bytes(), size_of(header))), stored))
        with decoding(), opened(_source(file, header), header) as image:
            if header.format == "jpg":
                image.draft(None, (round(stored[0] * GAP), round(stored[1] * GAP)))
            profile = image.info.get("icc_profile")
            image.load()
            shrunk = scaled(plain(_with_hole(image, header)), stored)
            return PillowPicture(upright(in_srgb(shrunk, profile_of(header, profile)), header.orientation))

    def animate(self, file: Path, header: Header, size: Size, quality: Quality) -> bytes:
        return (
            animated_gif(file, header, size) if header.format == "gif" else animated_webp(file, header, size, quality)
        )


def as_it_is(file: Path, header: Header) -> PillowPicture:
    """The whole picture in *file* in its own colours.

    What a picture of 8 bits for screens cannot have, such as the brightness of PQ and HLG or a printer's colours, is
    brought to sRGB. Raises `NotAnImage` if the file is damaged.
    """
    with decoding(), opened(file, header) as image:
        profile = profile_of(header, image.info.get("icc_profile"))
        image.load()
        picture = scaled(plain(image), image.size)
    usual = profile and picture.mode in {"RGB", "RGBA"} and profile[16:20] == b"RGB " and len(profile) <= MAX_ICC
    if usual and not (header.colour and header.colour.is_hdr):
        return PillowPicture(picture, profile)
    return PillowPicture(in_srgb(picture, profile))


def size_of(header: Header) -> Size:
    """Width and height as stored."""
    return header.width, header.height


def _source(file: Path, header: Header) -> Path | BytesIO:
    """What Pillow reads: *file*, or the same picture in a form that takes less time.

    Raises `NotAnImage` if it is a PNG and incomplete: Pillow would show the rest in black.
    """
    if header.format != "png":
        return file
    data = file.read_bytes()
    if header.width * header.height <= png.AT_ONCE and (inflated := png.inflated(data)):
        return BytesIO(inflated)
    if not png.is_whole(data):
        raise NotAnImage("the PNG is incomplete")
    return file


@contextmanager
def opened(file: Path | BytesIO, header: Header) -> Generator[Image.Image]:
    """The picture, not decoded yet. Raises `NotAnImage` if Pillow finds another size than our own reader of headers.

    The limits were checked against our own reader's size, so a file that says two sizes could pass them.
    """
    with Image.open(file, formats=[NAMES[header.format]]) as image:
        if image.size != (header.width, header.height):
            raise NotAnImage("the image is damaged: it tells two sizes")
        yield image


def _with_hole(image: Image.Image, header: Header) -> Image.Image:
    """A PNG whose one transparent value (tRNS) counts in the 8 bits that Pillow makes of other depths."""
    value = image.info.get("transparency")
    if header.format != "png" or header.palette or header.bits == 8 or value is None:
        return image
    if header.bits < 8:
        image = image.convert("L")
        image.info["transparency"] = value if header.bits == 1 else value * 255 // (2**header.bits - 1)
    elif isinstance(value, tuple):
        image.info["transparency"] = tuple(part >> 8 for part in cast("tuple[int, ...]", value))
    else:
        seen = ImageMath.lambda_eval(
            lambda given: given["convert"]((given["all"] != value) * 255, "L"), all=image.convert("I")
        )
        image = Image.merge("LA", [_grey(image), seen])
    return image


def is_soft(image: Image.Image) -> bool:
    """Whether it is half transparent somewhere: a palette of ours knows only all or nothing."""
    return "A" in image.getbands() and any(image.getchannel("A").histogram()[1:255])


def plain(image: Image.Image) -> Image.Image:
    """The picture in 8 bits a channel and without a palette: grey, RGB or RGBA, or still CMYK."""
    if image.mode in {"RGB", "RGBA", "LA", "L", "CMYK"} and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in GREY:
        return _grey(image)
    return image.convert("RGB")


def _grey(image: Image.Image) -> Image.Image:
    """Pillow reads 16 bits of grey as numbers, which `convert` would clip."""
    if image.mode.startswith("I"):
        image = mapped(image.convert("I"), _high_byte)
    return image.convert("L")


def _high_byte(value: Any) -> Any:
    """The upper 8 of 16 bits. Pillow calls this with an expression of its own to find the factor."""
    return value * (1 / 256)


def profile_of(header: Header, found: bytes | None) -> bytes | None:
    """The ICC profile of a picture: that which its *header* means, else the one that was *found* in the file."""
    return colour.profile(header.colour) if header.colour else found


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The colours that *profile* means, in sRGB. A profile that cannot be used counts as none, as in browsers."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            target = cast("Any", ImageCms).createProfile("sRGB")
            if image.mode in COLOURED and profile[16:20] == b"RGB ":
                image = image.convert(COLOURED[image.mode])
            mode = "RGBA" if image.mode == "RGBA" else "RGB"
            if image.mode != "LA":
                image = ImageCms.profileToProfile(image, source, target, outputMode=mode) or image
                image.info.clear()  # sRGB's own profile: browsers assume it
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image.convert("RGB") if image.mode == "CMYK" else image


def scaled(
    image: Image.Image,
    size: Size,
    box: tuple[float, float, float, float] | None = None,
    by: Image.Resampling | None = None,
) -> Image.Image:
    """The part of *image* in *box*, else all of it, in exactly *size*, without anything but its pixels.

    It is enlarged as libvips does it: Lanczos would ring, which makes PNGs half as large again.
    """
    if by is None:
        by = Image.Resampling.LANCZOS if size[0] < image.width else Image.Resampling.BICUBIC
    result = image.resize(size, by, box, GAP)  # pyright: ignore[reportUnknownMemberType] - numpy's
    result.info.clear()  # encoders would write what the decoder left there, such as a comment
    return result


def upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _options(format: str, quality: Quality) -> dict[str, Any]:
    """Pillow's encoder settings."""
    return {
        "jpg": {"quality": quality.jpeg},
        "png": {"compress_level": quality.png},
        "gif": {},
        "webp": {"quality": quality.webp, "method": WEBP_METHOD},
        "avif": {"quality": quality.avif, "speed": AVIF_SPEED, "max_threads": 1},
    }[format]


# Animations


def animated_gif(file: Path, header: Header, size: Size) -> bytes:
    """See `Processor.animate`. The colours are the original's own, so that none have to be searched.

    That is ten times faster than libvips, which searches the best palette of each frame.
    """
    data = file.read_bytes()
    frames = gif.frames(data)
    shared = len({frame.palette for frame in frames}) == 1
    whole = (0, 0, header.width, header.height)

    def shrunk() -> Iterator[Image.Image]:
        with decoding():
            for frame, canvas in zip(frames, canvases(data, size_of(header)), strict=True):
                picture = scaled(canvas, size)
                yield with_palette(picture, _colours(frame) if shared or frame.box == whole else sampled(picture))

    pictures = shrunk()
    first = next(pictures)
    see_through = "transparency" in first.info or any(frame.disposal >= CLEAR for frame in frames)
    parts = _parts(chain([first], pictures), see_through=see_through)
    delays = [frame.delay for frame in frames]
    return gif.joined(size, parts, delays, gif.loops(data), CLEAR if see_through else STAYS)


def _parts(pictures: Iterator[Image.Image], *, see_through: bool) -> Iterator[tuple[bytes, Size]]:
    """Of each picture, which has a palette, the part that must be painted, as a GIF; and its left upper corner.

    It is what differs from the picture before, or if that is cleared away, all of it. A part has a pixel at least.
    """
    before: Image.Image | None = None
    for picture in pictures:
        box = (0, 0, *picture.size)
        if not see_through:
            seen = picture.copy().convert("RGB")  # a copy, because Pillow would change the palette itself
            if before is not None:
                box = ImageChops.difference(seen, before).getbbox() or (0, 0, 1, 1)
            before = seen
        file = BytesIO()
        picture.crop(box).save(file, "GIF", interlace=False)
        yield file.getvalue(), box[:2]


def sampled(image: Image.Image) -> bytes:
    """Good colours for *image*, chosen from a sample in a tenth of the time. A frame is shown only briefly."""
    few = scaled(image.convert("RGB"), (SAMPLE, SAMPLE), by=Image.Resampling.NEAREST)
    return bytes(few.quantize(255, Image.Quantize.MEDIANCUT).getpalette() or ())


def _colours(frame: gif.Frame) -> bytes | None:
    """The palette of *frame* without the entry that means "transparent"; `None` if nothing else is in it."""
    at = frame.transparent
    left = frame.palette if at is None else frame.palette[: 3 * at] + frame.palette[3 * at + 3 :]
    return left or None


def animated_webp(file: Path, header: Header, size: Size, quality: Quality) -> bytes:
    """See `Processor.animate`."""
    with decoding(), opened(file, header) as image:
        profile = image.info.get("icc_profile")
        pictures: list[Image.Image] = []
        delays: list[int] = []
        for source in ImageSequence.Iterator(image):
            shrunk = scaled(plain(source), size)
            pictures.append(in_srgb(shrunk, profile))
            delays.append(int(source.info["duration"]))
        loops = image.info.get("loop")
    options = {"quality": max(0, quality.webp - WEBP_LESS), "method": WEBP_ANIMATED}
    return _joined(iter(pictures), "WEBP", delays, loops, **options)


def _joined(frames: Iterator[Image.Image], format: str, delays: list[int], loops: int | None, **options: Any) -> bytes:
    """The frames as one file; *delays* in milliseconds."""
    file = BytesIO()
    if loops is not None:
        options["loop"] = loops
    next(frames).save(file, format, save_all=True, append_images=frames, duration=delays, **options)
    return file.getvalue()
