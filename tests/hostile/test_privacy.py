"""A11 through the server: no served size of a picture reveals who took it, where or when. exiftool judges."""

import json
import subprocess
from collections.abc import Generator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageOps, PngImagePlugin

from tests import drawn
from tests.hostile.wire import connecting, picture, say
from tests.imaging.pictures import chunk, quarters, riff_chunk, segment, turned, with_chunks, with_segments
from tests.served import Served, serving

SECRET = "Somebody Somewhere"
ORIENTATION = 6
TAGS = [
    "-GPSLatitude=48.8", "-GPSLatitudeRef=N", "-GPSLongitude=2.3", "-GPSLongitudeRef=E", "-GPSAltitude=35",
    "-GPSDateStamp=2014:06:04",
    *(f"-{tag}={SECRET}" for tag in (
        "Artist", "Copyright", "Make", "Model", "Software", "SerialNumber", "LensSerialNumber", "OwnerName",
        "UserComment", "Comment",
        "ImageDescription", "XMP:Creator", "XMP:Description", "XMP-xmpMM:DocumentID", "XMP-iptcExt:PersonInImage",
        "XMP-photoshop:City",
        "IPTC:Keywords", "IPTC:City", "IPTC:By-line", "Photoshop:CopyrightFlag#", "PNG:Author", "PNG:Title",
        "XPAuthor", "HostComputer",
    )),
    "-DateTimeOriginal=2014:06:04 12:00:00", "-CreateDate=2014:06:04 12:00:00", f"-Orientation#={ORIENTATION}",
]  # fmt: skip
STRUCTURE = {
    "ExifTool", "System", "File", "Composite", "JFIF", "PNG", "GIF", "RIFF", "QuickTime", "Meta", "ICC",
    "ICC_Profile", "Adobe",
    "Track1", "AV1", "VP8", "VP8L", "Animation", "APP14",
}  # fmt: skip
"""Groups of exiftool, up to their first dash, that describe how a file is made."""
HARMLESS = {
    "Orientation",
    "XResolution",
    "YResolution",
    "ResolutionUnit",
    "YCbCrPositioning",
    "ExifByteOrder",
    "ExifVersion",
    "ColorSpace",
}
TELLING = {
    "Comment", "Author", "Title", "Description", "Software", "CreateDate", "ModifyDate", "MediaCreateDate",
    "CreationTime", "Artist",
    "Copyright",
}  # fmt: skip


def _tells(tag: str) -> bool:
    """Returns whether *tag* (`group:name`) may reveal who took the picture, when or where."""
    group, _, name = tag.partition(":")
    return name not in HARMLESS and (group.partition("-")[0] not in STRUCTURE or name in TELLING)


def _base(format: str) -> bytes:
    return drawn.encoded(turned(quarters(900, 700), ORIENTATION), format)


def _jpeg() -> bytes:
    """A JPEG with a thumbnail, a maker's notes, and a second picture after the first."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x927C] = b"Nikon\0" + SECRET.encode() * 9
    data = drawn.encoded(turned(quarters(900, 700), ORIENTATION), "JPEG", exif=exif)
    parts = [segment(0xE0 + n, SECRET.encode()) for n in range(3, 13)] + [segment(0xFE, SECRET.encode())]
    return with_segments(data, parts) + drawn.encoded(quarters(64, 48), "JPEG", comment=SECRET) + SECRET.encode()


def _png() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", SECRET)
    info.add_text("Comment", SECRET, zip=True)
    info.add_itxt("Title", SECRET, "en", "Title")
    data = drawn.encoded(quarters(900, 700), "PNG", pnginfo=info)
    return with_chunks(data, [chunk(b"prVt", SECRET.encode()), chunk(b"tIME", b"\x07\xde\6\4\1\2\3")]) + SECRET.encode()


def _gif() -> bytes:
    frames = [quarters(900, 700).rotate(90 * n).convert("P") for n in range(3)]
    return (
        drawn.encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=80, comment=SECRET)
        + SECRET.encode()
    )


def _webp() -> bytes:
    file = BytesIO()
    frames = [quarters(900, 700).rotate(90 * n) for n in range(3)]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=80)
    data = file.getvalue() + riff_chunk(b"priv", SECRET.encode())
    return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]


SOURCES = {
    "jpeg": _jpeg, "png": _png, "gif": _gif, "webp": lambda: _base("WEBP"), "moving-webp": _webp,
    "avif": lambda: _base("AVIF"),
    "heic": lambda: _base("HEIF"), "tiff": lambda: _base("TIFF"),
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    formats = "[jpg, png, gif, webp, avif, heic, tiff]"
    with serving(tmp_path_factory.mktemp("privacy"), IMAGES__FORMATS=formats) as served:
        yield served


@pytest.fixture(scope="module")
def sent(served: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The served bytes of each source, by size. exiftool has written all tags that it can into the source."""
    folder: Path = tmp_path_factory.mktemp("sources")
    for name, make in SOURCES.items():
        (folder / f"{name}.{name.rpartition('-')[2]}").write_bytes(make())
    files = sorted(folder.iterdir())
    subprocess.run(["exiftool", "-quiet", "-quiet", "-m", "-overwrite_original", *TAGS, *files], check=False)
    found: dict[str, dict[str, bytes]] = {}
    for file in files:
        content = file.read_bytes()
        assert SECRET.encode() in content or SECRET.encode("utf-16-le") in content, file
        said = say(connecting(served.port), picture(served.key.encode(), content, file.name.encode()))
        assert said.status == 200, said.raw[-500:]
        image = said.answers[0].json["image"]
        assert image["original_exifdata"] is None
        sizes = {"original": image, "medium": image["medium"], "thumb": image["thumb"]}
        found[file.stem] = {size: served.get(each["url"])[1] for size, each in sizes.items()}
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_no_served_picture_reveals_who_took_it(sent: dict[str, dict[str, bytes]], tmp_path: Path, source: str):
    for size, content in sent[source].items():
        assert SECRET.encode() not in content
        assert SECRET.encode("utf-16-le") not in content
        (tmp_path / size).write_bytes(content)
    judged = subprocess.run(
        ["exiftool", "-json", "-G1", "-a", "-u", "-ee", *tmp_path.iterdir()], capture_output=True, check=True
    )
    for told in json.loads(judged.stdout):
        tags = [tag for tag in told if ":" in tag]
        assert tags
        assert not [tag for tag in tags if _tells(tag)], told["SourceFile"]


def test_a_picture_is_shown_the_right_way_up(sent: dict[str, dict[str, bytes]]):
    """The orientation was applied, or kept in the original, before the other metadata was removed."""
    for size, content in sent["jpeg"].items():
        image = ImageOps.exif_transpose(Image.open(BytesIO(content)))
        assert image.width >= image.height, size
