"""Pictures in few colours."""

from typing import Any

from PIL import Image

UNPAINTED = [255 if alpha < 128 else 0 for alpha in range(256)]
"""For each alpha, whether a palette leaves the pixel unpainted: it knows no half transparency."""


def mapped(image: Image.Image, function: Any) -> Image.Image:
    return image.point(function)  # pyright: ignore[reportUnknownMemberType] - numpy's


def with_palette(image: Image.Image, palette: bytes | None = None) -> Image.Image:
    """*image* in 256 colours: those of *palette* (RGB triples), else the best ones.

    Pixels that are at least half transparent become fully so.
    """
    mask = mapped(image.getchannel("A"), UNPAINTED) if "A" in image.getbands() else None
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
        nothing = len(entries) // 3  # an entry of its own: writers drop an index that the palette does not have
        result.putpalette([*entries, 0, 0, 0])
        result.paste(nothing, mask=mask)
        result.info["transparency"] = nothing
    return result


def of_16_colours(image: Image.Image) -> Image.Image:
    """*image*, which is opaque, in 16 greys if it is grey, else in the best 16 colours, dithered."""
    rgb, few = image.convert("RGB"), Image.new("P", (1, 1))
    if image.mode == "L":
        few.putpalette([level for n in range(16) for level in (17 * n,) * 3])
    else:
        few = rgb.quantize(16, Image.Quantize.MEDIANCUT)
    return rgb.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG)
