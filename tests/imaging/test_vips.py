"""libvips: which of its readers may start, what it decodes and what Pillow does, and how its files are written."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import pyvips
from PIL import Image

from imges.errors import NotAnImage
from imges.imaging import header, vips
from imges.imaging.pillow import PillowPicture
from imges.imaging.types import MEDIA_TYPES, Header, Picture, Quality
from imges.imaging.vips import SmallPicture, VipsPicture, VipsProcessor
from tests.drawn import encoded, gradient, noise
from tests.imaging.pictures import BLUE, QUARTERS, RED, opened, quarters, seen, turned, ycck_jpeg

LOADED = """
import json, sys
from pathlib import Path

import pyvips

def outcomes():
    found = {}
    for file in sorted(Path(sys.argv[1]).iterdir()):
        more = (8, 8, 3) if file.name == "rawload" else ()
        calls = {file.name: (str(file), *more)}
        if pyvips.type_find("VipsOperation", file.name + "_buffer"):
            calls[file.name + "_buffer"] = (file.read_bytes(), *more)
        for name, given in calls.items():
            try:
                pyvips.Operation.call(name, *given).avg()
                found[name] = "loaded"
            except pyvips.Error as error:
                found[name] = "blocked" if "operation is blocked" in str(error) else str(error)
    return found

before = outcomes()
from imges.imaging import vips
vips.restrict()
print(json.dumps([before, outcomes()]))
"""

PILLOW_WRITES = {"jpegload": "JPEG", "pngload": "PNG", "webpload": "WEBP", "gifload": "GIF", "tiffload": "TIFF",
                 "heifload": "AVIF"}  # fmt: skip
BY_HAND = {
    "svgload": b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>',
    "csvload": b"1,2\n3,4\n",
    "matrixload": b"2 2\n1 2\n3 4\n",
    "rawload": bytes(8 * 8 * 3),
}
ALLOWED = {f"{kind}load{way}" for kind in ("jpeg", "png", "webp") for way in ("", "_buffer")}
REFUSED = {f"{kind}load{way}" for kind in ("gif", "tiff", "svg", "heif") for way in ("", "_buffer")} | {
    "csvload",
    "matrixload",
    "rawload",
    "vipsload",
}


def test_only_the_readers_of_jpeg_png_and_webp_may_start(tmp_path: Path):
    """Each reader is given a file that it can read. It loads the file before the block, and refuses it afterwards."""
    for loader, name in PILLOW_WRITES.items():
        (tmp_path / loader).write_bytes(encoded(quarters(8, 8), name))
    for loader, data in BY_HAND.items():
        (tmp_path / loader).write_bytes(data)
    pyvips.Image.black(8, 8).write_to_file(str(tmp_path / "picture.v"))
    (tmp_path / "picture.v").rename(tmp_path / "vipsload")
    told = subprocess.run([sys.executable, "-c", LOADED, tmp_path], capture_output=True, text=True, check=True)
    before, after = json.loads(told.stdout)
    assert before == dict.fromkeys(ALLOWED | REFUSED, "loaded")
    assert after == dict.fromkeys(ALLOWED, "loaded") | dict.fromkeys(REFUSED, "blocked")


@pytest.fixture(scope="module")
def processor() -> VipsProcessor:
    return VipsProcessor()


@pytest.fixture
def inspected(tmp_path: Path) -> Callable[[bytes], tuple[Path, Header]]:
    def inspected(data: bytes) -> tuple[Path, Header]:
        file = tmp_path / "file"
        file.write_bytes(data)
        return file, header.inspect(file, frozenset(MEDIA_TYPES))

    return inspected


def decoded(processor: VipsProcessor, given: tuple[Path, Header], size: tuple[int, int]) -> Picture:
    file, found = given
    return processor.decode(file, found, size)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_large_pictures_are_decoded_by_libvips(processor: VipsProcessor, inspected: Any, format: str):
    picture = decoded(processor, inspected(encoded(quarters(600, 400), format)), (60, 40))
    assert isinstance(picture, VipsPicture)
    assert picture.size == (60, 40)
    assert seen(picture.encode(Header("png", 60, 40), Quality())) == QUARTERS


@pytest.mark.parametrize(
    ("width", "by"), [(256, SmallPicture), (257, VipsPicture)], ids=["as many as are small", "a column more"]
)
def test_small_pictures_are_decoded_by_pillow(processor: VipsProcessor, inspected: Any, width: int, by: type):
    assert type(decoded(processor, inspected(encoded(gradient(width, 256), "PNG")), (64, 64))) is by


@pytest.mark.parametrize("format", ["GIF", "AVIF"])
def test_gif_and_avif_are_decoded_by_pillow(processor: VipsProcessor, inspected: Any, format: str):
    assert type(decoded(processor, inspected(encoded(quarters(600, 400), format)), (60, 40))) is PillowPicture


def test_a_jpeg_for_printers_is_decoded_by_pillow(processor: VipsProcessor, inspected: Any):
    assert type(decoded(processor, inspected(ycck_jpeg(quarters(600, 400))), (60, 40))) is PillowPicture
    grey = decoded(processor, inspected(encoded(gradient(600, 400).convert("L"), "JPEG")), (60, 40))
    assert isinstance(grey, VipsPicture)
    assert grey.image.bands == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_large_pictures_are_upright(processor: VipsProcessor, inspected: Any, format: str, orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(turned(quarters(600, 400), orientation), format, exif=exif)
    picture = decoded(processor, inspected(data), (60, 40))
    assert picture.size == (60, 40)
    assert seen(picture.encode(Header("png", 60, 40), Quality())) == QUARTERS
    assert picture.covering((20, 40)).size == (20, 40)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_large_picture_that_is_cut_is_refused(processor: VipsProcessor, inspected: Any, format: str):
    data = encoded(noise(600, 400), format)
    file, found = inspected(data)
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(NotAnImage):
        processor.decode(file, found, (300, 200))


def test_out_of_memory_is_no_fault_of_the_picture():
    with pytest.raises(MemoryError), vips.decoding():
        raise pyvips.Error("vips2png: out of memory")
    with pytest.raises(NotAnImage), vips.decoding():
        raise pyvips.Error("bad seek")


@pytest.mark.parametrize(
    ("wanted", "by"),
    [
        ((750, 500), 1),
        ((749, 499), 1),
        ((500, 333), 2),
        ((333, 222), 2),
        ((250, 166), 4),
        ((126, 84), 4),
        ((125, 83), 8),
    ],
)
def test_a_jpeg_is_shrunk_while_it_is_decoded_but_half_as_large_again_is_left(
    inspected: Any, monkeypatch: pytest.MonkeyPatch, wanted: tuple[int, int], by: int
):
    file, found = inspected(encoded(gradient(1500, 1000), "JPEG"))
    asked: list[dict[str, Any]] = []
    load = pyvips.Image.jpegload

    def jpegload(name: str, **options: Any) -> pyvips.Image:
        asked.append(options)
        return load(name, **options)

    monkeypatch.setattr(pyvips.Image, "jpegload", jpegload, raising=False)
    image = vips.shrunk(str(file), found, wanted)
    assert (image.width, image.height) == wanted
    assert asked == [{"shrink": by, "access": "sequential", "fail_on": "error"}]


def in_vips(image: Image.Image) -> VipsPicture:
    return VipsPicture(vips.in_vips(image))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pixels_go_between_pillow_and_libvips(mode: str):
    image = quarters(30, 20).convert(mode)
    raw = vips.in_vips(image)
    assert str(raw.interpretation) == ("srgb" if mode.startswith("RGB") else "b-w")
    assert vips.in_pillow(raw).tobytes() == image.tobytes()
    assert vips.in_pillow(raw).mode == mode


@pytest.mark.parametrize(
    ("size", "palette", "by_vips"),
    [((2048, 1024), False, False), ((2049, 1024), False, True), ((8, 8), True, True), ((8, 8), False, False)],
)
def test_which_pngs_libvips_writes(size: tuple[int, int], palette: bool, by_vips: bool):
    assert vips.is_for_vips(size, Header("png", 1, 1, palette=palette)) is by_vips


def test_pngs_of_libvips_are_as_small_as_the_setting_says_and_have_no_metadata():
    picture = in_vips(gradient(100, 80))
    cast("Any", picture.image).set_type(pyvips.GValue.blob_type, "exif-data", b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    for palette in (False, True):
        told = Header("png", 100, 80, palette=palette)
        large, small = (vips.png(picture.image, told, Quality(png=level)) for level in (0, 9))
        assert len(small) < len(large)
        assert (opened(small).mode == "P") is palette
        assert b"eXIf" not in large


def test_small_pngs_keep_their_palette(processor: VipsProcessor, inspected: Any):
    data = encoded(quarters(120, 80).quantize(16), "PNG")
    picture = decoded(processor, inspected(data), (60, 40))
    assert isinstance(picture, SmallPicture)
    for smaller in (picture, picture.resized((30, 20)), picture.covering((20, 20))):
        assert isinstance(smaller, SmallPicture)
        small = opened(smaller.encode(Header("png", 1, 1, palette=True), Quality()))
        assert (small.mode, small.size) == ("P", smaller.size)
    assert opened(picture.encode(Header("png", 1, 1), Quality())).mode == "RGB"
    assert opened(picture.encode(Header("jpg", 1, 1), Quality())).format == "JPEG"


def test_the_centre_is_what_covers():
    image = Image.new("RGB", (90, 30), RED)
    image.paste(BLUE, (30, 0, 60, 30))
    picture = in_vips(image).covering((10, 10))
    assert picture.size == (10, 10)
    assert vips.in_pillow(picture.image).getcolors() == [(100, BLUE)]
    tall = in_vips(image.rotate(90, expand=True)).covering((10, 10))
    assert vips.in_pillow(tall.image).getcolors() == [(100, BLUE)]
    assert in_vips(image).covering((1, 100)).size == (1, 100)


def test_what_cannot_be_seen_does_not_shine_through_at_edges():
    image = Image.new("RGBA", (40, 40), (*RED, 255))
    image.paste((*BLUE, 0), (0, 0, 20, 40))
    small = vips.in_pillow(in_vips(image).resized((5, 5)).image)
    edge = [pixel for pixel in zip(*[iter(small.tobytes())] * 4, strict=True) if 20 < pixel[3] < 250]
    assert edge
    assert all(red > 200 and blue < 60 for red, _, blue, _ in edge), edge


def test_one_thread_and_nothing_cached(processor: VipsProcessor):
    assert processor.name == "vips"
    assert pyvips.cache_get_max() == 0
    assert pyvips.vips_lib.vips_concurrency_get() == 1


def test_large_webps_of_sizes_that_do_not_divide_are_exact(inspected: Any):
    file, found = inspected(encoded(gradient(601, 399), "WEBP"))
    for size in ((60, 40), (59, 40), (601, 399), (100, 66)):
        image = vips.shrunk(str(file), found, size)
        assert (image.width, image.height) == size
