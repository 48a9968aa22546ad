"""YAML without its traps."""

import pytest

from imges.settings.yaml_text import read_yaml


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
def test_broken_yaml_is_reported_by_its_position_and_never_quoted(text, said):
    with pytest.raises(ValueError, match=r".") as error:
        read_yaml(text)
    assert said in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_date_in_yaml_is_text():
    assert read_yaml("name: 2014-06-04") == {"name": "2014-06-04"}
