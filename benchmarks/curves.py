"""Encoders: time, bytes and PSNR of a medium by setting, against the default's. `python -m benchmarks.curves`."""

import math
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pyvips
from PIL import Image, ImageChops, ImageStat

from benchmarks import corpus
from imges.imaging.formats.png import written

TIMES = 5
Encode = Callable[[], bytes]


def cost(encode: Encode, picture: Any) -> tuple[float, int, float]:
    """Milliseconds of CPU, bytes, dB to *picture*."""
    made = encode()
    began = time.process_time()
    for _ in range(TIMES):
        encode()
    taken = 1000 * (time.process_time() - began) / TIMES
    with Image.open(BytesIO(made)) as image:
        error = ImageStat.Stat(ImageChops.difference(image.convert("RGB"), in_pillow(picture)))
    mean = sum(error.sum2) / (3 * picture.width * picture.height)
    return taken, len(made), 10 * math.log10(255**2 / max(mean, 1e-5))


def in_pillow(picture: Any) -> Image.Image:
    return Image.frombuffer("RGB", (picture.width, picture.height), picture.write_to_memory())


def by_pillow(image: Image.Image, format: str, **options: Any) -> Encode:
    def encode() -> bytes:
        file = BytesIO()
        image.save(file, format, **options)
        return file.getvalue()

    return encode


def show(title: str, pictures: list[Any], settings: dict[str, Callable[[Any], Encode]], default: str) -> None:
    found = {name: [cost(make(picture), picture) for picture in pictures] for name, make in settings.items()}
    sums = {name: [sum(column) for column in zip(*costs, strict=True)] for name, costs in found.items()}
    time_, bytes_, quality = sums[default]
    print(f"\n{title}, against {default}")
    for name, (taken, size, psnr) in sums.items():
        better = (psnr - quality) / len(pictures)
        print(f"  {name:28} time {taken / time_:5.0%}  bytes {size / bytes_:5.0%}  PSNR {better:+.2f} dB")


def main() -> None:
    pictures = corpus.made(Path("build/benchmarks"))
    image = cast("Any", pyvips.Image)

    def mediums(kind: str) -> list[Any]:
        return [image.thumbnail(str(one.path), 500).copy_memory() for one in pictures[kind]]

    def png(level: int) -> Callable[[Any], Encode]:
        return lambda picture: lambda: written(picture.write_to_memory(), picture.width, picture.height, level)

    def png_of_libvips(level: int, kind: str) -> Callable[[Any], Encode]:
        return lambda picture: lambda: picture.pngsave_buffer(compression=level, filter=kind, keep=0)

    def jpeg(**options: Any) -> Callable[[Any], Encode]:
        return lambda picture: by_pillow(in_pillow(picture), "JPEG", **options)

    def webp(method: int, quality: int = 80) -> Callable[[Any], Encode]:
        return lambda picture: by_pillow(in_pillow(picture), "WEBP", quality=quality, method=method)

    def avif(speed: int) -> Callable[[Any], Encode]:
        return lambda picture: by_pillow(in_pillow(picture), "AVIF", quality=60, speed=speed, max_threads=1)

    levels = {f"level {level}": png(level) for level in range(1, 10)}
    theirs = {f"libvips, filter {kind}": png_of_libvips(6, kind) for kind in ("none", "sub", "up")}
    show("PNG of screenshots", mediums("screenshot"), levels | theirs, "level 6")
    photos = mediums("photo-2mp") + mediums("photo-12mp")
    qualities = {f"quality {quality}": jpeg(quality=quality) for quality in (75, 80, 84, 85, 86, 90)}
    extra = {"85, optimised": jpeg(quality=85, optimize=True), "85, progressive": jpeg(quality=85, progressive=True)}
    show("JPEG of photographs", photos, qualities | extra, "quality 85")
    methods = {
        f"quality {quality}, method {method}": webp(method, quality) for quality in (79, 80) for method in range(7)
    }
    show("WebP", mediums("webp"), methods, "quality 79, method 2")
    show("AVIF, quality 60", photos[:2], {f"speed {speed}": avif(speed) for speed in (6, 7, 8, 9, 10)}, "speed 9")


if __name__ == "__main__":
    main()
