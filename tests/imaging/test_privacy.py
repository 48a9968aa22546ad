"""exiftool finds nothing in stored files about the photographer, the place or the camera."""

import json
import subprocess
from pathlib import Path

import pytest

from tests import drawn
from tests.drawn import encoded
from tests.imaging.conftest import Rendered
from tests.imaging.pictures import quarters

SECRET = "Somebody Somewhere"
TAGS = [
    "-GPSLatitude=48.8", "-GPSLatitudeRef=N", "-GPSLongitude=2.3", "-GPSLongitudeRef=E", f"-Artist={SECRET}",
    f"-Make={SECRET}", f"-Model={SECRET}", f"-SerialNumber={SECRET}", f"-UserComment={SECRET}", f"-Comment={SECRET}",
    f"-XMP:Creator={SECRET}", f"-XMP:Description={SECRET}", f"-IPTC:Keywords={SECRET}", f"-PNG:Author={SECRET}",
    "-DateTimeOriginal=2014:06:04 12:00:00",
]  # fmt: skip
FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "TIFF"]


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_personal_is_in_any_stored_file(rendered: Rendered, tmp_path: Path, format: str):
    file = tmp_path / f"in.{format.lower()}"
    file.write_bytes(encoded(quarters(640, 480), format))
    subprocess.run(["exiftool", "-quiet", "-ignoreMinorErrors", "-overwrite_original", *TAGS, file], check=True)
    assert SECRET.encode() in file.read_bytes()
    made = rendered(file.read_bytes())
    assert made.medium
    for stored in (made.original, made.medium, made.thumb):
        assert SECRET.encode() not in stored.path.read_bytes()
        judged = subprocess.run(["exiftool", "-json", "-a", "-u", stored.path], capture_output=True, check=True)
        (told,) = json.loads(judged.stdout)
        assert not [tag for tag in told if tag.startswith(("GPS", "Serial", "Date", "Creator", "XMP", "Make", "Model"))]


def test_metadata_that_a_setting_keeps_is_reported(rendered: Rendered):
    made = rendered(drawn.jpeg(), keep_metadata=True)
    assert made.original.path.read_bytes() == drawn.jpeg()
    assert made.exif is not None
    assert made.exif["Make"] == "Maker of cameras"
