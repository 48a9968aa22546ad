"""The options of a storage backend."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imges.errors import SettingsError
from imges.settings.options import FromEnvironment, read_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    bucket: str
    root: Path | None = None
    parts: int = 8
    public: bool = False
    regions: list[str] = field(default_factory=list[str])
    secret_key: str | None = field(default=None, metadata={"secret": True})

    def __post_init__(self):
        if self.public and not self.bucket:
            raise ValueError("a public place should name its bucket")


def complaints(given) -> list[str]:
    with pytest.raises(SettingsError) as error:
        read_options(Options, given, "storages.s3")
    return list(error.value.problems)


def test_options_of_a_backend_are_typed():
    options = read_options(Options, {"bucket": "pictures", "root": "/srv", "parts": 4, "public": True}, "storages.s3")
    assert options == Options(bucket="pictures", root=Path("/srv"), parts=4, public=True)


def test_options_from_the_environment_are_read_by_their_type():
    texts = {"bucket": "123", "root": "null", "parts": "4", "public": "off", "regions": "[a, b]", "secret_key": "#: ["}
    given = {name: FromEnvironment(text) for name, text in texts.items()}
    expected = Options(bucket="123", root=None, parts=4, public=False, regions=["a", "b"], secret_key="#: [")
    assert read_options(Options, given, "storages.s3") == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ["storages.s3.bucket is missing"]),
        (
            {"bucket": "b", "buckte": "hunter2"},
            ["storages.s3.buckte: there is no such setting; did you mean storages.s3.bucket?"],
        ),
        ({"bucket": 5}, ["storages.s3.bucket is 5: should be text; put it in quotes"]),
        ({"bucket": "b", "secret_key": 5}, ["storages.s3.secret_key is (hidden): should be text; put it in quotes"]),
        (
            {"bucket": "b", "secret_key": ["hunter2"]},
            ["storages.s3.secret_key is (hidden): should be text; put it in quotes"],
        ),
        ({"bucket": "", "public": True}, ["storages.s3: a public place should name its bucket"]),
        (
            {"bucket": "b", "parts": FromEnvironment("{")},
            ["storages.s3.parts is '{': should be a whole number"],
        ),
    ],
)
def test_wrong_options_are_reported_by_name_and_never_show_a_secret(given, said):
    assert complaints(given) == said


def test_all_wrong_options_are_reported_at_once():
    assert len(complaints({"buckte": "b", "parts": "many", "public": "perhaps"})) == 4
