"""Text sources: which text is a URL, and what base64 decodes to."""

import random
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imges.errors import FileTooLarge, NoSource, NotBase64, UrlRefused
from imges.receiving import text as module
from imges.receiving.text import HEAD, Text, base64_text_limit
from tests.receiving.refusals import refused

CONTENT = bytes(range(256)) * 5
BASE64 = b64encode(CONTENT)


def source(folder: Path, content: bytes, *, form_encoded: bool = False) -> Text:
    (folder / "text").write_bytes(content)
    return Text(folder / "text", form_encoded)


def decoded(text: Text, limit: int = 2**20) -> bytes:
    spooled = text.decode(text.path.with_name("decoded"), limit)
    content = spooled.path.read_bytes()
    assert len(content) == spooled.size
    return content


@pytest.fixture(params=[1, 2, 3, 7, 2**20])
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes blocks so small that their borders fall everywhere."""
    monkeypatch.setattr(module, "BLOCK", request.param)


# URLs


@pytest.mark.parametrize(
    ("content", "address"),
    [
        (b"http://a.example/a.png", "http://a.example/a.png"),
        (b" \r\n\tHTTPS://a.example/ \n", "HTTPS://a.example/"),
        (b"ftp://a.example/", "ftp://a.example/"),
        ("http://a.example/é".encode(), "http://a.example/é"),
        (b"data:image/png;base64,AAAA", None),
        (b" DATA:,x", None),
        (b"AAAA", None),
        (b"1a:b", None),
        (b"a b:c", None),
    ],
)
def test_a_text_that_begins_with_a_scheme_is_a_url(tmp_path: Path, content: bytes, address: str | None):
    assert source(tmp_path, content).address() == address


@pytest.mark.parametrize("content", [b"", b" \t\r\n\f\v"])
def test_an_empty_text_is_no_source(tmp_path: Path, content: bytes):
    with pytest.raises(NoSource):
        source(tmp_path, content).address()


def test_a_url_that_is_not_utf8_is_refused(tmp_path: Path):
    with refused(UrlRefused):
        source(tmp_path, b"http://a.example/\xff").address()


@pytest.mark.parametrize(("length", "accepted"), [(HEAD - 1, True), (HEAD, True), (HEAD + 1, False)])
def test_a_url_has_at_most_8192_bytes_without_white_space(tmp_path: Path, length: int, *, accepted: bool):
    assert HEAD == 8192
    text = source(tmp_path, b"  " + b"http://a.example/".ljust(length, b"a") + b"\n")
    if accepted:
        assert len(text.address() or "") == length
    else:
        with refused(UrlRefused):
            text.address()


# Base64


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "content",
    [
        BASE64,
        BASE64.rstrip(b"="),
        urlsafe_b64encode(CONTENT),
        b" \n" + BASE64 + b"\r\n",
        b"\r\n".join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76)),
        b" ".join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76)),
        BASE64.replace(b"+", b" "),
        BASE64 + b" = \n",
    ],
)
def test_every_spelling_of_base64_is_decoded(tmp_path: Path, content: bytes):
    assert decoded(source(tmp_path, content)) == CONTENT


@pytest.mark.parametrize("head", [b"data:image/png;base64,", b" Data:;charset=x; Base64 ,"])
def test_the_head_of_a_data_uri_is_dropped(tmp_path: Path, head: bytes):
    assert decoded(source(tmp_path, head + BASE64)) == CONTENT


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "content",
    [
        BASE64,
        quote_plus(BASE64).encode(),
        b"".join(b"%%%02x" % byte for byte in BASE64),
        BASE64.replace(b"/", b"%2f").replace(b"+", b"%2b").replace(b"=", b"%3d") + b"%0d%0a%20",
        BASE64[:40] + b" " + BASE64[40:],
    ],
)
def test_escapes_of_a_form_are_decoded(tmp_path: Path, content: bytes):
    assert decoded(source(tmp_path, content, form_encoded=True)) == CONTENT


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("content", [b"AAAA%4", b"A%41+%"])
def test_an_escape_that_is_cut_off_is_no_base64(tmp_path: Path, content: bytes):
    with pytest.raises(NotBase64):
        decoded(source(tmp_path, content, form_encoded=True))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "content",
    [
        b"A", b"AAAAA", b"AAA!", b"AAAA=A", b"AA==AAAA", b"=A", b"AA\x00A", "ÄÄÄÄ".encode(), b"data:image/png,AAAA",
        b"data:image/png;base64", b"data:" + b"x" * 201 + b";base64,AAAA", b"javascript:AAAA",
    ],
)  # fmt: skip
def test_anything_else_is_not_base64(tmp_path: Path, content: bytes):
    with pytest.raises(NotBase64):
        decoded(source(tmp_path, content))


def test_a_picture_of_exactly_the_limit_is_decoded(tmp_path: Path):
    assert decoded(source(tmp_path, BASE64), limit=len(CONTENT)) == CONTENT
    with pytest.raises(FileTooLarge):
        decoded(source(tmp_path, BASE64), limit=len(CONTENT) - 1)


@given(content=st.binary(max_size=300), block=st.integers(1, 9))
def test_base64_in_blocks_of_any_size_is_decoded(content: bytes, block: int):
    text = b64encode(content)
    blocks = (text[at : at + block] for at in range(0, len(text), block))
    assert b"".join(module._decoded(blocks, b"")) == content


@pytest.mark.parametrize("limit", [1, 1000, 2**20])
def test_a_picture_of_the_limit_fits_as_escaped_and_wrapped_text(limit: int):
    text = b64encode(random.Random(limit).randbytes(limit))
    lines = b"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    assert len(b"data:image/png;base64," + lines) < len(quote_plus(lines)) + 100 < base64_text_limit(limit)
