"""Encoders: time and bytes of a medium by setting, in percent of the default's. `python -m benchmarks.curves`."""

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pyvips
from PIL import Image

from benchmarks import corpus

TIMES = 5
Encode = Callable[[], bytes]


def cost(encode: Encode) -> tuple[float, int]:
    """Milliseconds of CPU, bytes."""
    size = len(encode())
    began = time.process_time()
    for _ in range(TIMES):
        encode()
    return 1000 * (time.process_time() - began) / TIMES, size


def by_pillow(image: Image.Image, format: str, **options: Any) -> Encode:
    def encode() -> bytes:
        file = BytesIO()
        image.save(file, format, **options)
        return file.getvalue()

    return encode


def show(title: str, pictures: list[Any], settings: dict[str, Callable[[Any], Encode]], default: str) -> None:
    found = {name: [cost(make(picture)) for picture in pictures] for name, make in settings.items()}
    sums = {name: (sum(ms for ms, _ in costs), sum(size for _, size in costs)) for name, costs in found.items()}
    print(f"\n{title}, against {default}")
    for name, (taken, size) in sums.items():
        print(f"  {name:28} time {100 * taken / sums[default][0]:4.0f} %  bytes {100 * size / sums[default][1]:4.0f} %")


def main() -> None:
    pictures = corpus.made(Path("build/benchmarks"))
    image = cast("Any", pyvips.Image)

    def mediums(kind: str) -> list[Any]:
        return [image.thumbnail(str(one.path), 500).copy_memory() for one in pictures[kind]]

    def in_pillow(picture: Any) -> Image.Image:
        return Image.frombuffer("RGB", (picture.width, picture.height), picture.write_to_memory())

    def png(level: int, kind: str) -> Callable[[Any], Encode]:
        return lambda picture: lambda: picture.pngsave_buffer(compression=level, filter=kind, keep=0)

    def jpeg(**options: Any) -> Callable[[Any], Encode]:
        return lambda picture: by_pillow(in_pillow(picture), "JPEG", **options)

    def webp(method: int) -> Callable[[Any], Encode]:
        return lambda picture: by_pillow(in_pillow(picture), "WEBP", quality=80, method=method)

    def avif(speed: int) -> Callable[[Any], Encode]:
        return lambda picture: by_pillow(in_pillow(picture), "AVIF", quality=60, speed=speed, max_threads=1)

    levels = {
        f"level {level}, filter {kind}": png(level, kind) for kind in ("none", "sub", "up") for level in range(1, 10)
    }
    show("PNG of screenshots", mediums("screenshot"), levels, "level 6, filter none")
    photos = mediums("photo-2mp") + mediums("photo-12mp")
    qualities = {f"quality {quality}": jpeg(quality=quality) for quality in (75, 80, 85, 90)}
    extra = {"85, optimised": jpeg(quality=85, optimize=True), "85, progressive": jpeg(quality=85, progressive=True)}
    show("JPEG of photographs", photos, qualities | extra, "quality 85")
    show("WebP, quality 80", mediums("webp"), {f"method {method}": webp(method) for method in range(7)}, "method 4")
    show("AVIF, quality 60", photos[:2], {f"speed {speed}": avif(speed) for speed in (6, 7, 8, 9, 10)}, "speed 9")


if __name__ == "__main__":
    main()
