r"""Makes file names and object keys from the names that clients give their pictures.

The rules are API v1's. A name keeps its script: NFC, letters and digits of any language, and `.-_`. Spaces become `-`;
other characters are dropped. A name has at most 200 bytes with suffix and extension. The extension follows the bytes of
the picture, never the client's name.

    "C:\Fotos\Grüße aus Köln.PNG"  →  base_name   "Grüße aus Köln.PNG"       (API v1's original_filename)
                                   →  clean_stem  "Grüße-aus-Köln"
                                   →  object_keys "2014/06/04/Grüße-aus-Köln.png", ".md.png", ".th.png"
"""

import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import date

LONGEST_NAME = 200
"""Bytes of a file name, with suffix, `.md` and extension."""

LONGEST_BASE_NAME = 255
"""Bytes of an `original_filename`. File systems allow no more, so no real name is cut."""

_EXTENSION = re.compile(
    r"\.(jpe?g|jpe|jfif|pjpeg|png|apng|gif|webp|avif|hei[cf]|tiff?|bmp|dib|svgz?|ico|jxl|jp2)\Z", re.IGNORECASE
)
"""Extensions of pictures. The client's is dropped: the one that fits the bytes takes its place."""

_SCRIPT = re.compile(
    r"\.(?=(?:php[0-9]?|phtml|phar|phps|pht|inc|cgi|fcgi|pl|py|rb|sh|bash|asp|aspx|asa|cer|jsp|jspx|shtml?|html?|xhtml|"
    r"svgz?|js|mjs|htaccess)(?:\.|\Z))",
    re.IGNORECASE,
)
"""The dot before an extension of scripts and pages. Some web servers look at all extensions of a name."""

_OWN_ENDING = re.compile(r"\.(th|md)\Z", re.IGNORECASE)
"""Endings of thumbs and mediums. An original with such an ending would take the object key of another's thumb."""

_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9])(\.|\Z)", re.IGNORECASE)
"""Devices of Windows, with or without an extension. Nobody could save a download of this name there."""

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the order in which a name is shown: `gnp.exe` would appear as `exe.png`."""

_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Invisible characters that Unicode counts as letters or marks: fillers and variation selectors."""

_PLAIN = re.compile(r"[A-Za-z0-9._-]*")

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Lower case only, for disks that ignore case, and no two characters that look alike."""


@dataclass(frozen=True, slots=True)
class ObjectKeys:
    """The object keys of one picture. That of the medium is reserved even if the picture has none."""

    original: str
    medium: str
    thumb: str


def base_name(client_name: str) -> str:
    """Returns the client's name of the file, safe to be shown: API v1's `original_filename`.

    Path parts (of Windows too), control characters and those that change the direction of writing are dropped. A lone
    surrogate (from bytes that were not text) becomes U+FFFD. Returns `""` if nothing is left.
    """
    text = client_name
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    name = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    shown = (name if name.isprintable() else "".join(char for char in name if not _is_control(char))).strip()
    return "" if shown in {".", ".."} else _cut(shown, LONGEST_BASE_NAME)


def clean_stem(name: str) -> str | None:
    """Returns a `base_name` without its extension, as API v1 allows it; `None` if nothing of *name* is left.

    A letter keeps the marks that belong to it (vowel signs of Hindi or Thai, accents without a composed form). Dots
    inside stay, except before the extension of a script: `a.php.png` becomes `a-php`. We serve such a picture with its
    true type, but a web server that serves the folder may run what has `.php` anywhere in its name.
    """
    text = _EXTENSION.sub("", unicodedata.normalize("NFC", name).strip())
    stem = _tidy(_SCRIPT.sub("-", unicodedata.normalize("NFC", _allowed(text))))
    if _RESERVED.match(stem):
        stem = f"_{stem}"
    return stem or None


def object_keys(folder_date: date, stem: str, extension: str, suffix: str | None) -> ObjectKeys:
    """Returns the object keys of a picture: `2014/06/04/stem-suffix.extension` and those of its medium and thumb.

    *folder_date* is in the site's time zone. *stem* comes from `clean_stem` or `random_stem`; it is cut so that the
    longest of the names has at most 200 bytes.
    """
    ending = f"-{suffix}" if suffix else ""
    stem = _tidy(_cut(stem, LONGEST_NAME - len(f"{ending}.md.{extension}".encode())))
    path = f"{folder_date.year:04}/{folder_date.month:02}/{folder_date.day:02}/{stem}{ending}"
    return ObjectKeys(f"{path}.{extension}", f"{path}.md.{extension}", f"{path}.th.{extension}")


def random_stem() -> str:
    """Returns a name for a picture without one: 65 random bits, impossible to guess."""
    return _random(13)


def random_suffix() -> str:
    """Returns 40 random bits that distinguish a picture from others of its name."""
    return _random(8)


def _random(length: int) -> str:
    """Returns *length* letters of five random bits each."""
    bits = secrets.randbits(5 * length)
    return "".join([_ALPHABET[bits >> 5 * position & 31] for position in range(length)])


def _is_control(char: str) -> bool:
    return char in _BIDI_CONTROLS or unicodedata.category(char) in {"Cc", "Zl", "Zp"}


def _allowed(text: str) -> str:
    """Returns *text* without what a file name may not contain. A mark is kept or dropped with its letter."""
    if _PLAIN.fullmatch(text):
        return text
    kept: list[str] = []
    on_letter = False
    for char in _INVISIBLE.sub("", text):
        category = unicodedata.category(char)
        on_letter = category[0] == "L" or (on_letter and category in {"Mn", "Mc"})
        if on_letter or category == "Nd" or char in ".-_":
            kept.append(char)
        elif char.isspace():
            kept.append("-")
    return "".join(kept)


def _tidy(stem: str) -> str:
    """Returns *stem* without surrounding dots and dashes, and without the endings of thumbs and mediums."""
    while (tidy := _OWN_ENDING.sub("", stem.strip(".-"))) != stem:
        stem = tidy
    return stem


def _cut(text: str, limit: int) -> str:
    """Returns the beginning of *text*, at most *limit* bytes long. A letter stays together with its marks."""
    beginning = text.encode()[:limit].decode(errors="ignore")
    if unicodedata.category(text[len(beginning) :][:1] or " ")[0] != "M":
        return beginning
    whole = len(beginning)
    while whole and unicodedata.category(beginning[whole - 1])[0] == "M":
        whole -= 1
    return beginning[: whole - 1] if whole > 1 else beginning
