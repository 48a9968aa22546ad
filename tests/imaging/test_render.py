"""The steps by which a received file becomes the files of a picture."""

from pathlib import Path

import pytest
from PIL import Image

from imges.imaging import header, worker
from imges.imaging.pillow import PillowPicture
from imges.imaging.render import convert, exactly, render
from imges.imaging.types import MEDIA_TYPES, Given, Processor, Recipe, Renditions
from tests import drawn
from tests.drawn import encoded, gradient
from tests.imaging.pictures import opened


@pytest.fixture(scope="module")
def pillow() -> Processor:
    loaded = worker.load("pillow")
    assert loaded is not None
    return loaded


def made(processor: Processor, folder: Path, data: bytes, *, ours: bool = False, **recipe: object) -> Renditions:
    source = folder / "received"
    source.write_bytes(data)
    found = header.inspect(source, frozenset(MEDIA_TYPES))
    return render(processor, Given(source, len(data), ours=ours), found, Recipe(**recipe), folder)  # pyright: ignore[reportArgumentType]


def test_a_file_says_its_size_and_what_it_shows(pillow: Processor, tmp_path: Path):
    files = made(pillow, tmp_path, drawn.jpeg(orientation=6), medium=100)
    for file in (files.original, files.thumb, files.medium):
        assert file is not None
        data = file.path.read_bytes()
        assert file.size == len(data)
        assert (file.format, file.bits, file.channels) == ("jpg", 8, 3)
    assert (files.original.width, files.original.height) == (480, 640)
    assert files.medium is not None
    assert (files.medium.width, files.medium.height) == (100, 133)
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["medium.jpg", "original.jpg", "received", "thumb.jpg"]


@pytest.mark.parametrize("ours", [True, False])
def test_a_file_of_ours_without_anything_to_take_off_is_the_original(pillow: Processor, tmp_path: Path, ours: bool):
    clean = encoded(gradient(64, 48), "PNG")
    files = made(pillow, tmp_path, clean, ours=ours)
    assert files.original.path == tmp_path / ("received" if ours else "original.png")
    assert files.original.path.read_bytes() == clean
    assert files.medium is None
    dirty = made(pillow, tmp_path, drawn.jpeg(), ours=ours)
    assert dirty.original.path == tmp_path / "original.jpg"
    kept = made(pillow, tmp_path, drawn.jpeg(), ours=ours, keep_metadata=True)
    assert kept.original.path == tmp_path / ("received" if ours else "original.jpg")
    assert kept.exif is not None
    assert dirty.exif is None


def test_what_is_converted_is_of_high_quality(tmp_path: Path):
    image = gradient(64, 48)
    (tmp_path / "file").write_bytes(encoded(image, "TIFF"))
    found = header.inspect(tmp_path / "file", frozenset(MEDIA_TYPES))
    name, data = convert(tmp_path / "file", found)
    assert name == "jpg"
    assert opened(data).tobytes() == opened(encoded(image, "JPEG", quality=92)).tobytes()


def test_a_resized_original_leaves_no_file_behind_that_is_taken_for_it(pillow: Processor, tmp_path: Path):
    files = made(pillow, tmp_path, drawn.jpeg(), width=639, medium=100)
    assert files.original.width == 639
    assert files.original.path == tmp_path / "original.jpg"
    same = made(pillow, tmp_path, drawn.jpeg(), width=640, keep_metadata=True)
    assert same.original.path.read_bytes() == drawn.jpeg()


def test_a_picture_of_the_right_size_is_not_scaled_again():
    picture = PillowPicture(Image.new("RGB", (8, 6)))
    assert exactly(picture, (8, 6)) is picture
    assert exactly(picture, (8, 5)).size == (8, 5)
