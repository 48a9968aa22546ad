"""The native libraries that decode pictures, with their versions: the ones whose holes matter.

Wheels bring them along. A list of Python packages names the wheel alone, so nobody would find a known hole of libpng by
it. Pillow and pillow-heif say what they contain. libvips has its codecs compiled in, and only some leave their version.
"""

import mmap
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

MARKS = {
    "libaom": rb"AOMedia Project AV1 Decoder v([0-9.]+)",
    "libarchive": rb"\0libarchive ([0-9.]+)",
    "libjpeg-turbo": rb"libjpeg-turbo version ([0-9.]+)",
    "libtiff": rb"LIBTIFF, Version ([0-9.]+)",
    "libxml2": rb"\0libxml2 ([0-9.]+)",
    "mozjpeg": rb"mozjpeg version ([0-9.]+)",
    "libpng": rb"\0(1\.6\.[0-9]{1,3})\0",
    "zlib": rb"\0([0-9.]+\.zlib-ng)\0",
}
"""By library, the text with its version, as its own sources write it into what is compiled."""

UNNAMED = {
    "libheif": (b"heif",),
    "libwebp": (b"WebP",),
    "libexif": (b"libexif",),
    "lcms2": (b"lcms", b"Little CMS"),
    "librsvg": (b"librsvg", b"rsvg_handle"),
}
"""Libraries that leave no version, and what shows that they are there."""

UNKNOWN = "unknown"


def found_in(file: Path) -> dict[str, str]:
    """Returns the libraries that are compiled into the library *file*, with their versions or `UNKNOWN`.

    Raises `OSError` if it cannot be read.
    """
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        versions = {name: found[1].decode() for name, mark in MARKS.items() if (found := re.search(mark, content))}
        there = {name for name, marks in UNNAMED.items() if any(content.find(mark) >= 0 for mark in marks)}
    return versions | dict.fromkeys(sorted(there), UNKNOWN)


def loaded() -> Iterator[tuple[str, dict[str, str]]]:
    """Yields each package that decodes and is installed, with the native libraries that it uses and their versions."""
    with suppress(ImportError):
        import pyvips

        version = ".".join(str(pyvips.version(part)) for part in range(3))
        inside = [found_in(file) for file in _mapped("libvips")]
        yield "pyvips", {"libvips": version} | {name: each for found in inside for name, each in found.items()}
    with suppress(ImportError):
        from PIL import features

        names = ("libjpeg_turbo", "zlib_ng", "zlib", "webp", "avif", "libtiff", "jpg_2000", "littlecms2", "freetype2")
        versions = {name: features.version(name) for name in names}
        yield "Pillow", {name: version for name, version in versions.items() if version}
    with suppress(ImportError):
        import pillow_heif

        info: Any = cast("Any", pillow_heif).libheif_info()
        yield "pillow-heif", {"libheif": info["libheif"]} | _plugins(info["decoders"])


def _plugins(decoders: Mapping[str, str]) -> dict[str, str]:
    """Returns the codecs of libheif, which calls one `libde265 HEVC decoder, version 1.0.15`."""
    versions = {name: re.search(r"[0-9]+(\.[0-9]+)+", text) for name, text in decoders.items()}
    return {name: found[0] if found else UNKNOWN for name, found in versions.items()}


def _mapped(name: str) -> Iterator[Path]:
    """Yields the files of libraries that this process has in memory and whose own name begins with *name*."""
    with suppress(OSError):  # not Linux
        paths = {line.split(maxsplit=5)[5] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line}
        yield from (Path(path) for path in sorted(paths) if Path(path).name.startswith(name))
