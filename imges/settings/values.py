"""The types of our own settings, each with its check: paths, URLs, names, counts."""

import os
import re
from collections.abc import Hashable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from imges.settings.units import Duration, Pixels, Size

H = TypeVar("H", bound=Hashable)


def _path(value: object) -> Path:
    if not isinstance(value, str | Path) or value == "" or "\0" in str(value):
        raise ValueError("should be the path of a file or folder")
    return Path(value)


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _socket_path(path: Path) -> Path:
    if len(os.fsencode(path)) > 107:  # the size of sun_path on Linux, minus the closing zero byte
        raise ValueError("should be at most 107 bytes long, as paths of sockets are")
    return path


def _time_zone(value: object) -> ZoneInfo:
    try:
        return value if isinstance(value, ZoneInfo) else ZoneInfo(str(value))
    except (KeyError, ValueError, OSError):
        raise ValueError("should be a time zone such as UTC or Europe/Berlin") from None


def _public_url(text: str) -> str:
    advice = "should be scheme and host without a path, such as https://img.example.org"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(advice) from None
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+/?", text) or not url.hostname or port == 0:
        raise ValueError(advice)
    return text.removesuffix("/")


_SAFE = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_HOST = r"(?:[A-Za-z0-9._-]*|%2F[^@/?#,]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
_POSTGRESQL = re.compile(rf"postgresql://(?:{_SAFE}(?::{_SAFE})?@)?{_HOST}(?:,{_HOST})*(?:/[^@/?#]*)?(?:\?\S*)?")


def catalog_url(text: str) -> str:
    """Returns *text* if it is the address of a catalog. Raises `ValueError`, which shows nothing of it."""
    if text.startswith("sqlite:///") and text != "sqlite:///":
        return text
    if text.startswith("postgres://"):
        raise ValueError("begins with postgres://, an old name; write postgresql:// instead")
    if not text.startswith("postgresql://"):
        raise ValueError("should be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
    if not _POSTGRESQL.fullmatch(text):
        raise ValueError(
            "should be postgresql://USER:PASSWORD@HOST/NAME; in the password write %40 for @, %2F for /, %3A for :, "
            "%5B for [, %23 for #, %3F for ? and %25 for %"
        )
    return text


def _shaped(pattern: str, advice: str) -> AfterValidator:
    """Returns a check that a whole text matches *pattern*. It refuses other texts with *advice*."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(advice)
        return text

    return AfterValidator(check)


def _distinct(values: tuple[H, ...]) -> tuple[H, ...]:
    if not values or len(set(values)) != len(values):
        raise ValueError("should name at least one, and none twice")
    return values


def _positive(length: timedelta) -> timedelta:
    if not length:
        raise ValueError("should be longer than 0")
    return length


def _short_drain(length: timedelta) -> timedelta:
    if length > timedelta(seconds=20):
        raise ValueError("should be at most 20 s: all of stopping takes at most 30")
    return length


def _typed_place(options: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(options.get("type"), str):
        raise ValueError("should say its type, such as `type: datefolder`")  # noqa: TRY004  (pydantic's own rule)
    return options


Text = Annotated[str, Field(min_length=1)]
HeaderText = Annotated[str, _shaped(r"[\x21-\x7e][\x20-\x7e]*", "should be one line of plain ASCII")]
AnyPath = Annotated[Path, BeforeValidator(_path)]
SocketPath = Annotated[AnyPath, AfterValidator(_socket_path)]
ExistingFile = Annotated[AnyPath, AfterValidator(_existing_file)]
Count = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[int, Field(ge=1, le=100)]
ThumbSide = Annotated[int, Field(ge=1, le=2048)]
SomeBytes = Annotated[Size, Field(ge=1)]
SomePixels = Annotated[Pixels, Field(ge=1)]
SomeTime = Annotated[Duration, AfterValidator(_positive)]
Drain = Annotated[Duration, AfterValidator(_short_drain)]
TimeZone = Annotated[ZoneInfo, BeforeValidator(_time_zone)]
A_LIST = Field(strict=False)  # takes a list of YAML for a tuple; the items stay strict
DISTINCT = AfterValidator(_distinct)
PlaceName = Annotated[str, _shaped(r"[a-z0-9_-]+", "names of places are made of a-z, 0-9, _ and -")]
PlaceOptions = Annotated[dict[str, Any], AfterValidator(_typed_place)]
Format = Literal["jpg", "png", "gif", "webp", "avif", "heic", "tiff", "bmp"]
Dialect = Literal["imgbb", "imgur", "lsky", "smms", "zipline", "plain"]
Prefix = Annotated[str, _shaped(r"[A-Za-z0-9_-]+", "should be one part of a path, such as api")]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
LinkUrl = Annotated[
    str, _shaped(r"(https?://|mailto:|/(?!/))\S+", "should be an address such as https://example.org/imprint")
]
HostName = Annotated[
    str,
    _shaped(r"[a-z0-9-]+(\.[a-z0-9-]+)*", "should be a name such as img.example.org, in lower case, without a port"),
]
Location = Annotated[str, _shaped(r"/[^\s?#]+", "should be an internal location of nginx, such as /protected")]
CatalogUrl = Annotated[str, AfterValidator(catalog_url)]
RedisUrl = Annotated[str, _shaped(r"(rediss?|redis\+unix)://.+", "should be an address such as redis://HOST:6379/0")]
Contact = Annotated[
    str,
    _shaped(
        r"https://[!-~]+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+",
        "should be a mail address such as security@example.org, or an https address",
    ),
]
Colour = Annotated[str, _shaped("#[0-9A-Fa-f]{6}", "should be a colour such as '#336699', in quotes")]
Language = Annotated[str, _shaped("[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", "should be a language such as en")]
