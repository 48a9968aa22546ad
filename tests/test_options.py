from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imges.errors import SettingsError
from imges.options import FromEnvironment, Rate, duration, network, pixels, rate, read_options, read_yaml, size


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (size, "20 MB", 20 * 1024 * 1024),
        (size, "10GB", 10 * 2**30),
        (size, "1.5 kb", 1536),
        (size, "512", 512),
        (size, 0, 0),
        (pixels, "40 MP", 40_000_000),
        (pixels, "0.5 MP", 500_000),
        (pixels, 64, 64),
        (duration, "8 s", timedelta(seconds=8)),
        (duration, "250 ms", timedelta(milliseconds=250)),
        (duration, "5 minutes", timedelta(minutes=5)),
        (duration, "1 hour", timedelta(hours=1)),
        (duration, "30 days", timedelta(days=30)),
        (duration, "2 weeks", timedelta(weeks=2)),
        (duration, 0, timedelta(0)),
        (rate, "100/minute", Rate(100, timedelta(minutes=1))),
        (rate, "5/10 s", Rate(5, timedelta(seconds=10))),
        (rate, "1000 / hour", Rate(1000, timedelta(hours=1))),
        (rate, "2/day", Rate(2, timedelta(days=1))),
        (network, "10.0.0.0/8", ip_network("10.0.0.0/8")),
        (network, "127.0.0.1", ip_network("127.0.0.1/32")),
        (network, "fd00::/8", ip_network("fd00::/8")),
    ],
)
def test_a_value_is_read_as_people_write_it(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        *((size, wrong) for wrong in ("many", "", "20 MX", "-1 MB", "20 MP", True, 1.5, None, [1], "9" * 5000, "٣ MB")),
        *((pixels, wrong) for wrong in ("40 MB", "4 x 4", False)),
        *((duration, wrong) for wrong in ("8", 8, True, "1 month", "-1 s", "soon", None, "9 9 s")),
        *((rate, wrong) for wrong in ("100", 100, "0/minute", "5/0 s", "5/fortnight", "/minute", "5/", "-5/minute")),
        *((network, wrong) for wrong in ("10.0.0.300", "example.org", "", 7, None, "10.0.0.0/33", "10.0.0.0/8/8")),
    ],
)
def test_what_is_no_such_value_is_refused_with_what_would_be_right(read, wrong):
    with pytest.raises(ValueError, match=r"^should be .* such as "):
        read(wrong)


def test_a_size_beyond_what_can_be_counted_is_refused():
    assert size("8388607 TB") == 8388607 * 2**40
    with pytest.raises(ValueError, match="less than"):
        size("8388608 TB")


def test_a_duration_beyond_the_calendar_is_refused():
    with pytest.raises(ValueError, match="at most 36500 days"):
        duration("99999999999 weeks")


def test_an_address_with_a_mask_is_told_its_network():
    with pytest.raises(ValueError, match=r"should be the network itself, 10\.1\.0\.0/16"):
        network("10.1.2.3/16")


@given(st.text())
def test_no_text_does_more_than_be_refused(text):
    for read in (size, pixels, duration, rate, network, read_yaml):
        try:
            read(text)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: hunter2\na: hunter2\n", "line 2, column 1: a is there twice"),
        ("a: {b: 1, b: 2}", "line 1, column 11: b is there twice"),
        ("key: *hunter2", "line 1, column 6: it is not YAML"),
        ("key: !hunter2 x", "line 1, column 6: it is not YAML"),
        ("key: @hunter2", "line 1, column 6: found character '@' that cannot start any token"),
        ("a: [hunter2\nb: c", "line 2"),
        ("key: hunter2\x07", "it is not YAML"),
        ("key: 0x_", "it is not YAML"),
        ("? [hunter2]\n: x", "it is not YAML"),
    ],
)
def test_broken_yaml_is_told_by_its_place_and_never_quoted(text, said):
    with pytest.raises(ValueError, match=r".") as error:
        read_yaml(text)
    assert said in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_date_in_yaml_is_text():
    assert read_yaml("name: 2014-06-04") == {"name": "2014-06-04"}


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
def test_wrong_options_are_told_by_name_and_never_show_a_secret(given, said):
    assert complaints(given) == said


def test_all_wrong_options_are_told_at_once():
    assert len(complaints({"buckte": "b", "parts": "many", "public": "perhaps"})) == 4
