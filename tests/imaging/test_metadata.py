"""EXIF in words."""

from pathlib import Path

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from imges.imaging import metadata
from tests.drawn import encoded, gradient


def described(folder: Path, exif: Image.Exif | None, format: str = "JPEG") -> dict[str, str] | None:
    file = folder / "file"
    file.write_bytes(encoded(gradient(8, 8), format, **({} if exif is None else {"exif": exif})))
    return metadata.described(file)


def test_tags_are_returned_by_their_names(tmp_path: Path):
    exif = Image.Exif()
    exif[0x010F] = "  Maker of\tcameras\n"
    exif[0x0112] = 6
    exif[0x9C9B] = b"title\0\0"
    exif[0xFFF0] = "a tag without a name"
    exif.get_ifd(0x8769)[0xA431] = "serial"
    exif.get_ifd(0x8769)[0x829D] = IFDRational(28, 10)
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.5)})
    found = described(tmp_path, exif)
    assert found is not None
    assert found["Make"] == "Maker ofcameras"
    assert found["Orientation"] == "6"
    assert found["XPTitle"] == "title"
    assert found["BodySerialNumber"] == "serial"
    assert found["FNumber"] == "2.8"
    assert found["GPSLatitudeRef"] == "N"
    assert found["GPSLatitude"] == "52.0, 31.0, 12.5"
    assert "a tag without a name" not in found.values()


@pytest.mark.parametrize(("length", "told"), [(500, True), (501, False)])
def test_long_values_are_left_out(tmp_path: Path, length: int, told: bool):
    exif = Image.Exif()
    exif[0x010F] = "x" * length
    assert (described(tmp_path, exif) is not None) is told


def test_bytes_that_are_no_text_and_empty_values_are_left_out(tmp_path: Path):
    exif = Image.Exif()
    exif[0x010F] = "   "
    exif[0x9C9B] = b"\xff\xfe\0"
    assert described(tmp_path, exif) is None


def test_a_file_without_exif_and_a_broken_one_have_no_tags(tmp_path: Path):
    assert described(tmp_path, None) is None
    (tmp_path / "broken").write_bytes(b"\xff\xd8\xff")
    assert metadata.described(tmp_path / "broken") is None
    assert metadata.described(tmp_path / "none") is None
