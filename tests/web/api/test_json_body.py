"""JSON bodies: the same fields in whatever pieces they arrive."""

import json
from typing import Any

import pytest

from imges.errors import MalformedBody
from imges.web.api.form_fields import Field
from imges.web.api.json_body import MAX_SCALAR, JsonBody

SENT: dict[str, Any] = {
    "a\\u": 'x\\\\u12 \U0001f600 é\n"]/',
    "empty": "",
    "tags": ["a", "b,c"],
    "numbers": [1, True],
    "nsfw": 1.50,
    "flag": False,
    "nothing": None,
    "backslashes": "\\\\\\u0041\\",
    "long": "y" * 3000,
}
READ = SENT | {"tags": "a,b,c", "numbers": "1,true", "nsfw": "1.5", "flag": "false"}
del READ["nothing"]


def fields(body: bytes, size: int = 2**20) -> dict[str, str]:
    """What is read from *body* in pieces of *size* bytes."""
    parser, found, name = JsonBody(), dict[str, bytes](), ""
    events = [event for at in range(0, len(body), size) for event in parser.parse(body[at : at + size])]
    for event in (*events, *parser.parse(b"", last=True)):
        if isinstance(event, Field):
            name = event.name
            found[name] = b""
        elif event is not None:
            found[name] += event
    return {name: value.decode("utf-8", "surrogatepass") for name, value in found.items()}


@pytest.mark.parametrize("size", [*range(1, 20), 2**20])
@pytest.mark.parametrize("in_ascii", [True, False])
def test_fields_in_pieces(size: int, in_ascii: bool):
    assert fields(json.dumps(SENT, ensure_ascii=in_ascii, indent=1).encode(), size) == READ
    assert fields(json.dumps(SENT, ensure_ascii=in_ascii).replace("/", "\\/").encode(), size) == READ


@pytest.mark.parametrize("body", [b"{}", b" { } \n", b"\xef\xbb\xbf{}"])
def test_no_fields(body: bytes):
    assert fields(body) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"a"',
        b'{"a":',
        b'{"a":"',
        b'{"a":"b"',
        b'{"a":"b",',
        b'{"a":"b",}',
        b'{"a":"b"}x',
        b"{'a': 1}",
        b'{"a":{"b":1}}',
        b'{"a":[[1]]}',
        b'{"a":nul}',
        b'{"a":"\\x"}',
        b'{"a":"\\u12"}',
        b'{"a":"\xff"}',
        b'{"a":' + b"1" * (MAX_SCALAR + 10) + b"}",
        b'{"a":' + b"[" * 5000 + b"]}",
        b'{"' + b"a" * 300 + b'":1}',
        b"{" + b",".join(b'"%d":1' % number for number in range(300)) + b"}",
    ],
)
@pytest.mark.parametrize("size", [1, 2**20])
def test_what_is_no_object_of_fields_is_refused(body: bytes, size: int):
    with pytest.raises(MalformedBody):
        fields(body, size)
