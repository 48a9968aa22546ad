"""The pictures that are uploaded: made, not fetched, and the same on every machine."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pyvips
from PIL import Image, ImageDraw, ImageFont

VERSION = 4
"""The version of these recipes. Pictures of another version are made anew."""

MIX = {"screenshot": 9, "photo-2mp": 6, "photo-12mp": 2, "webp": 2, "gif": 1, "icon": 4}
"""How many of each kind one round of uploads has. That is about what people send."""

COLOURS = ["#1f6feb", "#3fb950", "#d29922", "#f85149", "#8957e5", "#57606a"]
WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs", "while", "nobody", "reads", "what", "stands")
GPS = 0x8825
MAKE = 0x010F


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of the corpus, and the *kind* that it belongs to."""

    path: Path
    kind: str

    @property
    def extension(self) -> str:
        return self.path.suffix[1:]


def made(folder: Path) -> dict[str, list[Picture]]:
    """The pictures by kind, in *folder*. If they are not there, they are made in half a minute."""
    here = folder / f"corpus-{VERSION}"
    here.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, list[Picture]] = {}
    for name, make in _recipes().items():
        path, kind = here / name, name.rpartition("_")[0]
        if not path.exists():
            part = path.with_name(f"part-{path.name}")
            part.write_bytes(make())
            part.rename(path)
        pictures.setdefault(kind, []).append(Picture(path, kind))
    return pictures


def mixed(pictures: dict[str, list[Picture]], rounds: int, kinds: dict[str, int] | None = None) -> list[Picture]:
    """*rounds* times the mix, always shuffled alike. The quick ones come last, so that the end is no long wait."""
    chance = random.Random(1)
    many: list[Picture] = []
    for kind, count in (kinds or MIX).items():
        many += [pictures[kind][n % len(pictures[kind])] for n in range(count * rounds)]
    chance.shuffle(many)
    icons = [number for number, picture in enumerate(many) if picture.kind == "icon"]
    last = set(icons[-8:] if len(icons) < len(many) else ())
    return [picture for number, picture in enumerate(many) if number not in last] + [many[number] for number in last]


def _recipes() -> dict[str, Callable[[], bytes]]:
    return {
        "screenshot_1.png": lambda: _screenshot(1920, 1080, 1),
        "screenshot_2.png": lambda: _screenshot(1151, 898, 2),
        "screenshot_3.png": lambda: _screenshot(1366, 768, 3),
        "screenshot_4.png": lambda: _screenshot(2560, 1440, 4),
        "photo-2mp_1.jpg": lambda: _photo(1632, 1224, 5, 88),
        "photo-2mp_2.jpg": lambda: _photo(1224, 1632, 6, 92),
        "photo-2mp_3.jpg": lambda: _photo(1920, 1080, 7, 85),
        "photo-12mp_1.jpg": lambda: _photo(4032, 3024, 8, 90),
        "photo-12mp_2.jpg": lambda: _photo(3024, 4032, 9, 85),
        "webp_1.webp": lambda: _as(_scene(1280, 960, 10), ".webp[Q=80]"),
        "webp_2.webp": lambda: _as(_scene(1920, 1080, 11), ".webp[Q=75]"),
        "gif_1.gif": lambda: _animation(640, 360, 16, 12),
        "gif_2.gif": lambda: _animation(480, 270, 24, 13),
        "icon_1.png": lambda: _icon(64, 14),
        "icon_2.png": lambda: _icon(128, 15),
        "icon_3.png": lambda: _icon(256, 16),
        "icon_4.png": lambda: _icon(32, 17),
    }


def _noise(width: int, height: int, cell: int, seed: int) -> Any:
    return cast("Any", pyvips.Image).perlin(width, height, cell_size=cell, seed=seed)


def _scene(width: int, height: int, seed: int) -> Any:
    """Like a photograph: large soft shapes, detail of all sizes that gets fainter, hard edges, a sensor's grain."""
    channels: list[Any] = []
    for channel in range(3):
        field: Any = 128
        for octave, cell in enumerate((1024, 512, 256, 128, 64, 32, 16, 8)):
            strength = 70 / 1.45**octave
            shared = _noise(width, height, cell, seed * 100 + octave)
            own = _noise(width, height, cell, seed * 100 + octave + 20 * (channel + 1)) if octave < 3 else shared
            field = field + (shared * 0.7 + own * 0.3) * strength
        channels.append(field)
    picture = channels[0].bandjoin(channels[1:])
    edges = (_noise(width, height, 300, seed * 100 + 90) > 0.05).ifthenelse([25, 15, -10], [-20, -5, 20])
    grain = cast("Any", pyvips.Image).gaussnoise(width, height, sigma=3.5, mean=0, seed=seed)
    return (picture + edges + grain).cast("uchar").copy(interpretation="srgb")


def _as(picture: Any, suffix: str) -> bytes:
    return picture.write_to_buffer(suffix)


def _photo(width: int, height: int, seed: int, quality: int) -> bytes:
    """A JPEG as a camera writes it, with EXIF that nobody should get to see."""
    with Image.open(BytesIO(_as(_scene(width, height, seed), ".png[compression=1]"))) as picture:
        exif = Image.Exif()
        exif[MAKE] = "Camera of a private person"
        exif.get_ifd(GPS)[1] = "N"
        exif.get_ifd(GPS)[2] = (47.0, 22.0, 8.0)
        file = BytesIO()
        picture.save(file, "JPEG", quality=quality, exif=exif)
    return file.getvalue()


def _screenshot(width: int, height: int, seed: int) -> bytes:
    """Windows with text, a few pictures, plain surfaces."""
    chance = random.Random(seed)
    picture = Image.new("RGB", (width, height), "#f6f8fa")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(14)
    draw.rectangle((0, 0, width, 40), fill="#24292f")
    draw.rectangle((0, 40, width // 5, height), fill="#ffffff", outline="#d0d7de")
    for line in range(60, height - 20, 26):
        draw.text((16, line), " ".join(chance.choices(WORDS, k=3)), font=font, fill="#57606a")
    for line in range(60, height - 20, 19):
        indent = width // 5 + 24 + 22 * chance.randrange(5)
        for word in chance.choices(WORDS, k=chance.randrange(2, width // 110)):
            draw.text((indent, line), word, font=font, fill=chance.choice(COLOURS))
            indent += draw.textlength(word + " ", font=font)
    shot = BytesIO(_as(_scene(width // 4, height // 4, seed), ".png"))
    with Image.open(shot) as inset:
        picture.paste(inset, (width * 7 // 10, height * 6 // 10))
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _icon(side: int, seed: int) -> bytes:
    """A rounded square with a gradient and a letter on nothing."""
    chance = random.Random(seed)
    picture = cast("Any", Image).linear_gradient("L").resize((side, side)).convert("RGBA")
    tint = Image.new("RGBA", (side, side), chance.choice(COLOURS))
    picture = Image.blend(picture, tint, 0.7)
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).rounded_rectangle((1, 1, side - 2, side - 2), side // 5, fill=255)
    picture.putalpha(mask)
    ImageDraw.Draw(picture).text((side // 4, side // 8), "i", font=ImageFont.load_default(side * 2 // 3), fill="#fff")
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _animation(width: int, height: int, frames: int, seed: int) -> bytes:
    """A recorded screen: one background, something that moves over it."""
    with Image.open(BytesIO(_screenshot(width, height, seed))) as ground:
        still = ground.quantize(128)
    pictures: list[Image.Image] = []
    for number in range(frames):
        frame = still.copy()
        left = (width - 80) * number // frames
        ImageDraw.Draw(frame).rectangle((left, height // 2, left + 80, height // 2 + 60), fill=number % 100)
        pictures.append(frame)
    file = BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=60, loop=0)
    return file.getvalue()


def photo_of(side: int, quality: int, folder: Path) -> bytes:
    """A square photograph, to be served; kept in *folder*."""
    path = folder / f"corpus-{VERSION}" / f"square-{side}.jpg"
    if not path.exists():
        path.write_bytes(_photo(side, side, side, quality))
    return path.read_bytes()


def largest(folder: Path) -> Path:
    """A picture that takes as much memory as the defaults allow: a progressive JPEG of 40 megapixels."""
    path = folder / f"corpus-{VERSION}" / "largest.jpg"
    if not path.exists():
        path.write_bytes(_as(_scene(7290, 5480, 40), ".jpg[Q=70,interlace=true]"))
    return path
