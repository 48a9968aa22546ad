"""A JSON object as the body of an upload. A picture in base64 is never whole in memory."""

import codecs
import json
import re
from collections.abc import Generator, Iterator
from enum import Enum
from typing import Any, Literal, cast

from imges.errors import MalformedBody
from imges.web.api.form_fields import MAX_FIELD_NAME, MAX_FIELDS, Event, Field

MAX_SCALAR = 16 * 1024
"""Characters of a value that is no string: a number, or a list of tags or of 1,000 ids."""

_INSIDE = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
"""A string up to its end, or up to a backslash behind which nothing has come yet."""

_SPACE = re.compile(r"[ \t\r\n]*")

_HALF_ESCAPE = re.compile(r"\\u(?:[dD][89abAB][0-9a-fA-F]{2}(?:\\u?[0-9a-fA-F]{0,3})?|[0-9a-fA-F]{0,3})\Z")
"""The end of a piece that may be the first half of an escape, or of a pair of surrogates."""


class _More(Enum):
    MORE = "more"


MORE = _More.MORE
"""What the parser yields if it needs more of the body."""
Needing = Literal[_More.MORE]


class JsonBody:
    """Parses `{"name": "value", …}` and passes strings on as they come.

    Numbers and booleans are passed on as text, a list with commas between its items. `null` is left out.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._last = "", 0, False
        self._events = self._object()

    def parse(self, chunk: bytes, *, last: bool = False) -> Iterator[Event]:
        """Yields the fields that *chunk* brings. Raises `MalformedBody` if the body is no JSON object of fields."""
        try:
            self._text = self._text[self._at :] + self._decoder.decode(chunk, last)
        except UnicodeDecodeError as error:
            raise MalformedBody("the JSON of the body is not UTF-8") from error
        self._at, self._last = 0, last
        for event in self._events:
            if event is MORE:
                return
            yield event

    def _object(self) -> Iterator[Event | Needing]:
        yield from self._character("{")
        following = yield from self._character('"}')
        for number in range(MAX_FIELDS + 1):
            if following == "}":
                break
            if number == MAX_FIELDS:
                raise MalformedBody(f"the JSON of the body has more than {MAX_FIELDS} fields")
            name = yield from self._name()
            yield from self._character(":")
            yield from self._value(name)
            following = yield from self._character(",}")
            if following == ",":
                yield from self._character('"')
        while not self._text[self._at :].strip():
            self._text, self._at = "", 0
            yield MORE
        raise MalformedBody("something follows the JSON object of the body")

    def _more(self) -> Iterator[Needing]:
        if self._last:
            raise MalformedBody("the JSON of the body ends too early")
        yield MORE

    def _character(self, allowed: str) -> Generator[Needing, None, str]:
        """Returns the next character that is no white space. Raises `MalformedBody` if it is none of *allowed*."""
        found = yield from self._peek()
        if found not in allowed:
            raise MalformedBody(f"the JSON of the body has {found!r} where {' or '.join(allowed)} belongs")
        self._at += 1
        return found

    def _peek(self) -> Generator[Needing, None, str]:
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            yield from self._more()

    def _name(self) -> Generator[Needing, None, str]:
        name = ""
        for piece in self._pieces():
            if piece is MORE:
                yield MORE
            elif len(name := name + piece) > MAX_FIELD_NAME:
                raise MalformedBody("the name of a field is too long")
        return name

    def _value(self, name: str) -> Iterator[Event | Needing]:
        begins = yield from self._peek()
        if begins == "{":
            raise MalformedBody(f"the field `{name[:40]}` of the JSON is an object; send text: base64 or an address")
        if begins != '"':
            yield from self._scalar(name, "]" if begins == "[" else ",}")
            return
        self._at += 1
        yield Field(name)
        for piece in self._pieces():
            yield piece if piece is MORE else piece.encode("utf-8", "surrogatepass")
        yield None

    def _pieces(self) -> Iterator[str | Needing]:
        """Yields a string unescaped, as it comes. The quotation mark that begins it has been read."""
        while True:
            found = _INSIDE.match(self._text, self._at)
            end = found.end() if found else self._at
            ended = self._text[end : end + 1] == '"'
            piece = self._text[self._at : end]
            if not ended:
                piece = piece[: _whole(piece)]
            self._at += len(piece) + ended
            if piece:
                yield _unescaped(piece)
            if ended:
                return
            yield from self._more()

    def _scalar(self, name: str, ends: str) -> Iterator[Event | Needing]:
        """A number, `true`, `false`, `null`, or a list of strings and numbers."""
        while (end := min((at for c in ends if (at := self._text.find(c, self._at)) >= 0), default=-1)) < 0:
            if len(self._text) - self._at > MAX_SCALAR:
                raise MalformedBody(f"the field {name[:40]!r} of the JSON is too long")
            yield from self._more()
        text = self._text[self._at : end + (ends == "]")]
        self._at += len(text)
        value = _listed(name, text.strip())
        if value is not None:
            yield Field(name)
            yield value.encode("utf-8", "surrogatepass")
            yield None


def _whole(piece: str) -> int:
    """Returns the length of *piece* without an escape at its end that may go on in the next piece."""
    cut = _HALF_ESCAPE.search(piece, max(0, len(piece) - 11))
    if cut is None:
        return len(piece)
    before = piece[: cut.start()]
    escaped = (len(before) - len(before.rstrip("\\"))) % 2  # the backslash is an escaped one
    return len(piece) if escaped else cut.start()


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return json.loads(f'"{text}"', strict=False)
    except ValueError as error:
        raise MalformedBody("an escape in the JSON of the body is malformed") from error


def _listed(name: str, text: str) -> str | None:
    """Returns the JSON *text* as the text of a field; `None` for `null`."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"the field {name[:40]!r} of the JSON is malformed") from error
    is_list = isinstance(value, list)
    items: list[Any] = cast("list[Any]", value) if is_list else [value]
    if any(isinstance(item, list | dict) for item in items):
        raise MalformedBody(f"the field {name[:40]!r} of the JSON is no text; send one text for each field")
    if is_list:
        return ",".join(item if isinstance(item, str) else json.dumps(item) for item in items)
    return None if value is None else text
