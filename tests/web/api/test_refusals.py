"""Refusals teach: what came, what is wrong, what to change. Each is a wrong request that people really send."""

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests import drawn
from tests.web.conftest import Server

PNG = drawn.encoded(drawn.noise(20, 20), "PNG")
TEXT = base64.b64encode(PNG).decode()
URLENCODED = "application/x-www-form-urlencoded"
BOUND = "multipart/form-data; boundary=x"
SEND = "curl -F source=@x.png"


@dataclass(frozen=True)
class Wrong:
    """A request with the right key, unless *key* is another one, and the message that refuses it."""

    body: bytes | dict[str, str]
    message: str
    kind: str | None = None
    key: str | None = "abc #def"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    status: int = 400


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


END = b"--x--\r\n"

WRONG = {
    "curl -d @x.png": Wrong(
        PNG.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b""),
        "the body is a damaged picture without a form: `curl -d` drops line ends and zeros of a file; send it with "
        "-F source=@x.png",
        URLENCODED,
        status=415,
    ),
    "curl -F source=x.png": Wrong(
        part("source", b"/home/me/x.png") + END,
        "`source` came as the text `/home/me/x.png`, the name of a file without the file; send the file itself: "
        'curl -F source=@x.png, or enctype="multipart/form-data" in an HTML form',
        BOUND,
    ),
    "curl -d source=@x.png": Wrong(
        {"source": "@x.png"},
        "`source` came as the text `@x.png`; curl sends a file with -F source=@x.png, not with -d or --form-string",
    ),
    "JavaScript wrote an object": Wrong(
        {"source": "[object File]"},
        "`source` came as the text `[object File]`: the program wrote a value down instead of the picture; send the "
        "file, or its bytes in base64",
    ),
    "Python wrote bytes": Wrong(
        {"source": "b'iVBORw0KGgo='"},
        "`source` came as the text `b'iVBORw0KGgo='`: the program wrote a value down instead of the picture; send the "
        "file, or its bytes in base64",
    ),
    "an address of the browser's own": Wrong(
        {"source": "blob:https://app.example/2f1e"},
        "`source` came as `blob:https://app.example/2f1e`, an address that only your own device can open; "
        "send the file itself",
    ),
    "a path of Windows": Wrong(
        {"source": "C:\\Users\\me\\x.png"},
        "`source` came as `C:\\Users\\me\\x.png`, an address that only your own device can open; send the file itself",
    ),
    "neither": Wrong(
        {"source": "what is this?"},
        "`source` is neither a file, nor base64, nor an http(s) address; it begins with `what is this?`",
    ),
    "base64 of something else": Wrong(
        {"source": "aGVsbG8="},
        "`source` came as the text `aGVsbG8=`, which decodes to no picture, or to a damaged one",
        status=415,
    ),
    "a stream that was read before": Wrong(
        part("source", b"", "x.png") + END,
        "the field `source` came without content, 0 bytes; choose a file, or open it anew if your program has read it "
        "to the end already",
        BOUND,
    ),
    "base64 by another name": Wrong(
        {"img": TEXT, "title": "T"},
        f"the fields `img`, `title` came, and no picture; send the picture as `source`: {SEND}",
    ),
    "nothing": Wrong(
        {"format": "json"}, f"the request brings no picture; send a form with the file as `source`: {SEND}"
    ),
    "two files": Wrong(
        part("a", PNG, "x.png") + part("b", PNG, "y.png") + END,
        "2 files came, none of them as `source`; send one picture a request",
        BOUND,
    ),
    "text as the body": Wrong(
        b"hello",
        "the body came with text/plain and is neither a form, nor a JSON object, nor a picture; send a form with the "
        f"file as `source`: {SEND}",
        "text/plain",
    ),
    "a list in JSON": Wrong(
        b'["x"]',
        f"the body came with application/json and is JSON; send a form with the file as `source`: {SEND}",
        "application/json",
    ),
    "an HTML page that was saved as a picture": Wrong(
        part("source", b"<!DOCTYPE html><p>Not found", "x.png") + END,
        "the file x.png that came as `source` is an HTML page; send the picture itself",
        BOUND,
        status=415,
    ),
    "a picture that was read as text": Wrong(
        part("source", PNG.decode("utf-8", "replace").encode(), "x.png") + END,
        "the file x.png that came as `source` is a picture that was read as text on the way, which destroys it; send "
        "the picture itself",
        BOUND,
        status=415,
    ),
    "base64 in a file": Wrong(
        part("source", TEXT.encode(), "x.png") + END,
        "the file x.png that came as `source` is base64 text; send the picture itself",
        BOUND,
        status=415,
    ),
    "a form without its boundary": Wrong(
        b"source=x",
        "the Content-Type `multipart/form-data` came without its `boundary`, and the body does not begin with one; let "
        "your HTTP library set Content-Type",
        "multipart/form-data",
    ),
    "a form that was compressed": Wrong(
        b"\x1f\x8b\x08",
        "the body came with Content-Encoding: gzip; send the picture without",
        BOUND,
        headers={"Content-Encoding": "gzip"},
        status=415,
    ),
    "a body that was lost": Wrong(
        b"",
        f"the body came empty, 0 bytes, with {BOUND}; send a form with the file as `source`: {SEND}",
        BOUND,
    ),
    "a form that was cut": Wrong(
        part("source", PNG, "x.png"),
        "the multipart body ends before its last line `--boundary--`; send it whole, with its length",
        BOUND,
    ),
    "a form with the line ends of Unix": Wrong(
        (part("source", PNG, "x.png") + END).replace(b"\r\n", b"\n"),
        "the multipart body has lines that end in LF; end them in CR LF",
        BOUND,
    ),
    "an address without its scheme": Wrong(
        {"source": "//i.example.com/x.png"},
        "`source` came as the text `//i.example.com/x.png`, an address without its beginning; write https:// before it",
    ),
    "an address without anything": Wrong(
        {"source": "www.example.com/x.png"},
        "`source` came as the text `www.example.com/x.png`, an address without its beginning; write https:// before it",
    ),
    "an address of another protocol": Wrong(
        {"source": "ftp://example.com/x.png"},
        "this address is not fetched: no public http(s) server has it; send the file itself",
    ),
    "an empty canvas": Wrong(
        {"source": "data:image/png;base64,"},
        "the field `source` came as `data:image/png;base64,`, without a picture in it",
    ),
    "nothing was written down": Wrong(
        {"source": "null"},
        "`source` came as the text `null`: the program wrote a value down instead of the picture; send the file, or "
        "its bytes in base64",
        status=415,
    ),
    "React Native's object": Wrong(
        b'{"source": {"uri": "file:///x.png"}}',
        "the field `source` of the JSON is an object; send text: base64 or an address",
        "application/json",
    ),
    "a text file": Wrong(
        part("source", "Grüße\n".encode(), "x.txt") + END,
        "the file x.txt that came as `source` is a text that begins with `Grüße`; send the picture itself",
        BOUND,
        status=415,
    ),
    "a format that is switched off": Wrong(
        part("source", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "x.svg") + END,
        "this site does not take SVG images; it takes JPG, PNG, GIF, WEBP, AVIF",
        BOUND,
        status=415,
    ),
    "a title in another charset": Wrong(
        part("title", b"Gr\xfc\xdfe") + part("source", PNG, "x.png") + END,
        "the field 'title' is not UTF-8; send text as UTF-8, or declare `charset=ISO-8859-1`",
        BOUND,
    ),
    "a time in words": Wrong(
        {"source": TEXT, "expiration": "never"},
        "expiration came as `never`; send a duration such as PT5M or P3D, or a number of seconds",
    ),
    "the key as a password": Wrong(
        {"source": TEXT},
        "the API key is missing: it may be what came as a password in the header Authorization; send it as the "
        "parameter `key` or in the header X-API-Key",
        key=None,
        headers={"Authorization": "Basic YWJjOg=="},
        status=401,
    ),
    "a key behind Imgur's word": Wrong(
        {"source": TEXT},
        "the API key came in the header Authorization behind the word `Client-ID`; leave the word out",
        key=None,
        headers={"Authorization": "Client-ID abc #def"},
        status=401,
    ),
    "the key in capitals": Wrong(
        {"source": TEXT, "KEY": "abc"},
        "the API key is missing: it may be what came as `KEY`; send it as the parameter `key` or in the header "
        "X-API-Key",
        key=None,
        status=401,
    ),
    "the key by another name": Wrong(
        {"source": TEXT, "api_key": "abc"},
        "the API key is missing: it may be what came as `api_key`; send it as the parameter `key` or in the header "
        "X-API-Key",
        key=None,
        status=401,
    ),
    "the key in another header": Wrong(
        {"source": TEXT},
        "the API key is missing: it may be what came in the header X-Auth-Token; send it as the parameter `key` or in "
        "the header X-API-Key",
        key=None,
        headers={"X-Auth-Token": "abc"},
        status=401,
    ),
    "no key": Wrong(
        {"source": TEXT},
        "the API key is missing: none came; send it as the parameter `key` or in the header X-API-Key",
        key=None,
        status=401,
    ),
    "a key in quotation marks": Wrong(
        {"source": TEXT},
        "the API key came in the header X-API-Key with quotation marks around it; leave them out",
        key='"abc #def"',
        status=401,
    ),
    "the example's key": Wrong(
        {"source": TEXT, "key": "YOUR_API_KEY"},
        "what came as the parameter `key` is the placeholder of an example; put your API key there",
        key=None,
        status=401,
    ),
    "a key that was cut": Wrong(
        {"source": TEXT},
        "the API key that came in the header Authorization (6 characters) is wrong; copy it once more, whole",
        key=None,
        headers={"Authorization": "Bearer abc #d"},
        status=401,
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_each_refusal_teaches(imges: Server, case: str):
    wrong = WRONG[case]
    headers = wrong.headers | ({"X-API-Key": wrong.key} if wrong.key else {})
    headers |= {"Content-Type": wrong.kind} if wrong.kind else {}
    answer = await imges.post(data=wrong.body, headers=headers)
    told: dict[str, Any] = answer.json["error"]
    assert (answer.status, told["message"]) == (wrong.status, wrong.message)
    assert {"content_type", "fields", "files"} <= set(told["details"])
    assert "abc" not in told["message"]


@pytest.mark.parametrize("path", ["/upload", "/API/1/upload", "/api"])
async def test_a_post_to_a_wrong_address_gets_the_right_one(imges: Server, path: str):
    answer = await imges.post(path, data={"source": TEXT, "key": imges.key}, headers={"Accept": "application/json"})
    assert answer.status in {404, 405}
    assert answer.json["error"]["message"].endswith("; pictures are uploaded to /api/1/upload")


async def test_get_without_a_picture(imges: Server):
    answer = await imges.get("/api/1/upload", params={"key": imges.key})
    assert answer.json["error"]["message"] == (
        "GET came without a picture; send its http(s) address as `source`, or a file by POST"
    )


async def test_details_hold_the_values_of_a_message(imges: Server):
    body = part("title", b"x" * 400) + part("source", PNG, "x.png") + END
    answer = await imges.post(data=body, headers={"Content-Type": BOUND, "X-API-Key": imges.key})
    assert answer.json["error"]["details"] == {
        "field": "title",
        "limit": 300,
        "content_type": "multipart/form-data",
        "fields": ["title"],
        "files": [{"field": "source", "name": "x.png"}],
    }
    answer = await imges.upload(PNG, width="99999999")
    told = answer.json["error"]["details"]
    assert (told["field"], told["limit"] > 500) == ("width", True)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": " abc #def "},
        {"Authorization": "abc #def"},
        {"Authorization": "Api-Key abc #def"},
        {"Authorization": "bearer  abc #def "},
        {"Authorization": "Token abc #def"},
    ],
)
async def test_where_a_key_may_stand(imges: Server, headers: dict[str, str]):
    assert (await imges.post(data={"source": TEXT}, headers=headers)).status == 200


@pytest.mark.parametrize("key", ["abc #def\n", " abc #def", "\tabc #def\r\n"])
async def test_white_space_around_a_key_is_dropped(imges: Server, key: str):
    assert (await imges.post(data={"source": TEXT, "key": key})).status == 200
    assert (await imges.post(params={"key": key}, data={"source": TEXT})).status == 200
    wrong = await imges.post(data={"source": TEXT, "key": key}, headers={"Authorization": "Basic eDp5"})
    assert wrong.status == 200, "a password for the proxy is no key"
