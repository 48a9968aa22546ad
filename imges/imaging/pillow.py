"""The processor that stands on Pillow. The one on libvips borrows from it where Pillow is quicker."""

import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, cast

from PIL import GifImagePlugin, Image, ImageCms, ImageSequence

from imges.errors import ImgesError, NotAnImage
from imges.imaging import sizes
from imges.imaging.formats import gif, png
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
"""Pillow's names of the formats; no other of its readers is ever asked."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
GREY = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L"}

GAP = 2.0
"""Decoders and box filters may shrink down to so many times the size that is wanted; Lanczos does the rest."""
AVIF_SPEED = 9
"""Of 10; 40 ms for a medium, where 8 takes 165, and a third more bytes than there."""
WEBP_METHOD = 4
"""Of 6; libwebp's own choice."""
WEBP_ANIMATED = 2
"""The method for animations, whose frames are many: two fifths of the time of 4, and 0.3 dB less."""
WEBP_LESS = 1
"""By how much a quality is lowered at that method: else files would be 9 % larger than 4 makes them, so it is 5 %."""
SAMPLE = 128
"""Pixels, of width and height."""
UNPAINTED = [255 if alpha < 128 else 0 for alpha in range(256)]
"""A palette knows no half transparency: which alphas count as full."""


@contextmanager
def decoding() -> Generator[None]:
    """Whatever a decoder raises over a damaged picture is NotAnImage; errors of the system are not."""
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

    @property
    def size(self) -> Size:
        return self.image.size

    def resized(self, size: Size) -> "PillowPicture":
        return PillowPicture(scaled(self.image, size))

    def covering(self, size: Size) -> "PillowPicture":
        return PillowPicture(scaled(self.image, size, sizes.centre(self.image.size, size)))

    def encode(self, header: Header, quality: Quality) -> bytes:
        image = self.image
        if header.format == "gif" or header.palette:
            image = with_palette(image)
        elif header.format == "png" and image.width * image.height <= png.AT_ONCE:
            return png.written(image.tobytes(), *image.size, quality.png)
        file = BytesIO()
        image.save(file, NAMES[header.format], **_options(header.format, quality))
        return file.getvalue()


class PillowProcessor:
    """See `imges.imaging.types.Processor`."""

    name = "pillow"

    def decode(self, file: Path, header: Header, size: Size) -> PillowPicture:
        stored = sizes.turned(size, header.orientation)
        with decoding(), opened(_source(file, header), header) as image:
            if header.format == "jpg":
                image.draft(None, (round(stored[0] * GAP), round(stored[1] * GAP)))
            profile = image.info.get("icc_profile")
            image.load()
            shrunk = scaled(plain(image), stored)
            return PillowPicture(upright(in_srgb(shrunk, profile), header.orientation))

    def animate(self, file: Path, header: Header, size: Size, quality: Quality) -> bytes:
        return (
            animated_gif(file, header, size) if header.format == "gif" else animated_webp(file, header, size, quality)
        )


def _source(file: Path, header: Header) -> Path | BytesIO:
    """What Pillow reads: *file*, or its like that takes less time. Raises: NotAnImage for a PNG that is incomplete."""
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
    """The picture, not decoded yet. Raises: NotAnImage where it is of another size than its header told us."""
    with Image.open(file, formats=[NAMES[header.format]]) as image:
        if image.size != (header.width, header.height):
            raise NotAnImage("the image is damaged: it tells two sizes")
        yield image


def plain(image: Image.Image) -> Image.Image:
    """8 bits a channel and no palette: grey, RGB, RGBA, or CMYK as yet."""
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
        image = _mapped(image.convert("I"), _high_byte)
    return image.convert("L")


def _high_byte(value: Any) -> Any:
    """Pillow works out from an expression what to multiply by."""
    return value * (1 / 256)


def _mapped(image: Image.Image, function: Any) -> Image.Image:
    return image.point(function)  # pyright: ignore[reportUnknownMemberType] - numpy's


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The colours that *profile* means, in sRGB; a profile that cannot be used counts as none."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            target = cast("Any", ImageCms).createProfile("sRGB")
            mode = "RGBA" if image.mode == "RGBA" else "RGB"
            if image.mode != "LA":
                image = ImageCms.profileToProfile(image, source, target, outputMode=mode) or image
                image.info.clear()  # sRGB's own profile, which goes without saying
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image.convert("RGB") if image.mode == "CMYK" else image


def scaled(
    image: Image.Image,
    size: Size,
    box: tuple[float, float, float, float] | None = None,
    by: Image.Resampling | None = None,
) -> Image.Image:
    """The part of *image* in *box*, else all of it, in exactly *size*, and the pixels alone.

    Enlarged as libvips does: Lanczos would ring, which makes PNGs half as large again.
    """
    if by is None:
        by = Image.Resampling.LANCZOS if size[0] < image.width else Image.Resampling.BICUBIC
    result = image.resize(size, by, box, GAP)  # pyright: ignore[reportUnknownMemberType] - numpy's
    result.info.clear()  # a comment, a profile: encoders would write what the decoder left there
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


# Palettes


def with_palette(image: Image.Image, palette: bytes | None = None) -> Image.Image:
    """*image* in 256 colours: those of *palette* (RGB triples), else the best; transparent where it is half so."""
    mask = _mapped(image.getchannel("A"), UNPAINTED) if "A" in image.getbands() else None
    colours = 256 if mask is None or not mask.getbbox() else 255
    rgb = image.convert("RGB")
    if palette is None:
        result = rgb.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    else:
        given = Image.new("P", (1, 1))
        given.putpalette(palette[: 3 * colours])
        result = rgb.quantize(palette=given, dither=Image.Dither.NONE)
    if mask is not None and colours == 255:
        entries = result.getpalette() or []
        nothing = len(entries) // 3  # an entry of its own; writers drop what the palette does not have
        result.putpalette([*entries, 0, 0, 0])
        result.paste(nothing, mask=mask)
        result.info["transparency"] = nothing
    return result


# Animations


def animated_gif(file: Path, header: Header, size: Size) -> bytes:
    """See `Processor.animate`. The colours are the original's own, so that nothing has to be searched for.

    Ten times faster than libvips, which looks for the best palette of each frame.
    """
    data = file.read_bytes()
    frames = gif.frames(data)
    shared = len({frame.palette for frame in frames}) == 1

    def shrunk() -> Iterator[Image.Image]:
        with decoding(), opened(file, header) as image:
            for frame, source in zip(frames, ImageSequence.Iterator(image), strict=True):
                picture = scaled(plain(source), size)
                yield with_palette(picture, _colours(frame) if shared or frame.whole else sampled(picture))

    pictures = shrunk()
    first = next(pictures)
    see_through = "transparency" in first.info or any(frame.cleared for frame in frames)
    delays = [frame.delay * 10 for frame in frames]
    return _joined(chain([first], pictures), "GIF", delays, gif.loops(data), disposal=2 if see_through else 1)


def sampled(image: Image.Image) -> bytes:
    """Good colours for *image*, found in a sample of it: a tenth of the time, and frames are looked at briefly."""
    few = scaled(image.convert("RGB"), (SAMPLE, SAMPLE), by=Image.Resampling.NEAREST)
    return bytes(few.quantize(255, Image.Quantize.MEDIANCUT).getpalette() or ())


def _colours(frame: gif.Frame) -> bytes | None:
    """The palette without the entry that stands for "transparent"."""
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
            pictures.append(upright(in_srgb(shrunk, profile), header.orientation))
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
