r"""File names and object keys, made from what clients call their pictures.

The rules are API v1's: names keep their script (NFC, letters and digits of any language, `.-_`; spaces become `-`;
the rest goes), at most 200 bytes with suffix and extension. The extension follows the bytes, never the client.

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
"""Bytes of a file name, suffix, `.md` and extension included."""

LONGEST_BASE_NAME = 255
"""Bytes of an `original_filename`: what file systems allow, so that no true name is cut."""

_EXTENSION = re.compile(
    r"\.(jpe?g|jpe|jfif|pjpeg|png|apng|gif|webp|avif|hei[cf]|tiff?|bmp|dib|svgz?|ico|jxl|jp2)\Z", re.IGNORECASE
)
"""Extensions of pictures: the client's goes, for the true one is put in its place."""

_OWN_ENDING = re.compile(r"\.(th|md)\Z", re.IGNORECASE)
"""What thumbs and mediums end in; an original that ended so would take another's thumb."""

_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9])(\.|\Z)", re.IGNORECASE)
"""Devices of Windows, with or without an extension: who downloads such a file cannot save it."""

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They show a name in another order than it has: `gnp.exe` as `exe.png`."""

_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks by Unicode's table that show nothing: fillers and variation selectors."""

_PLAIN = re.compile(r"[A-Za-z0-9._-]*")

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Small letters only, for disks that do not tell case, without those that are taken for another."""


@dataclass(frozen=True, slots=True)
class ObjectKeys:
    """The keys of one picture's objects; the medium's is reserved also where there is none."""

    original: str
    medium: str
    thumb: str


def base_name(client_name: str) -> str:
    """What the client calls the file, fit to be shown: API v1's `original_filename`.

    Without path parts (of Windows too), control characters and those that turn the direction of writing. A lone
    surrogate (bytes that were no text) becomes U+FFFD. `""` where nothing is left.
    """
    text = client_name
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    name = re.split(r"[/\\]", text.rstrip("/\\"))[-1]
    shown = (name if name.isprintable() else "".join(char for char in name if not _is_control(char))).strip()
    return "" if shown in {".", ".."} else _cut(shown, LONGEST_BASE_NAME)


def clean_stem(name: str) -> str | None:
    """A `base_name` without its extension, as API v1 allows it; `None` where nothing of *name* is left.

    A letter keeps the marks that belong to it (vowel signs of Hindi or Thai, accents without a composed form). Dots
    inside stay, so `a.php.png` is `a.php`: we serve it as what it is, and a web server that serves the folder must
    go by the last extension only.
    """
    text = _EXTENSION.sub("", unicodedata.normalize("NFC", name).strip())
    stem = _tidy(unicodedata.normalize("NFC", _allowed(text)))
    if _RESERVED.match(stem):
        stem = f"_{stem}"
    return stem or None


def object_keys(folder_date: date, stem: str, extension: str, suffix: str | None) -> ObjectKeys:
    """Where a picture of *folder_date* (the site's time zone) lies: `2014/06/04/stem-suffix.extension` and so on.

    *stem* comes from `clean_stem` or `random_stem`; it is cut so that the longest of the names has 200 bytes at most.
    """
    ending = f"-{suffix}" if suffix else ""
    stem = _tidy(_cut(stem, LONGEST_NAME - len(f"{ending}.md.{extension}".encode())))
    path = f"{folder_date.year:04}/{folder_date.month:02}/{folder_date.day:02}/{stem}{ending}"
    return ObjectKeys(f"{path}.{extension}", f"{path}.md.{extension}", f"{path}.th.{extension}")


def random_stem() -> str:
    """A name for a picture that has none: 65 random bits, not to be guessed."""
    return _random(13)


def random_suffix() -> str:
    """What tells a picture from another of its name: 40 random bits."""
    return _random(8)


def _random(length: int) -> str:
    """*length* letters of 32, five bits each."""
    bits = secrets.randbits(5 * length)
    return "".join([_ALPHABET[bits >> 5 * position & 31] for position in range(length)])


def _is_control(char: str) -> bool:
    return char in _BIDI_CONTROLS or unicodedata.category(char) in {"Cc", "Zl", "Zp"}


def _allowed(text: str) -> str:
    """*text* without what a file name does not keep; marks go with the letter that they stand on."""
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
    """*stem* without dots and dashes around it, nor the endings of thumbs and mediums."""
    while (tidy := _OWN_ENDING.sub("", stem.strip(".-"))) != stem:
        stem = tidy
    return stem


def _cut(text: str, limit: int) -> str:
    """The beginning of *text* that has at most *limit* bytes; a letter stays together with its marks."""
    beginning = text.encode()[:limit].decode(errors="ignore")
    if unicodedata.category(text[len(beginning) :][:1] or " ")[0] != "M":
        return beginning
    whole = len(beginning)
    while whole and unicodedata.category(beginning[whole - 1])[0] == "M":
        whole -= 1
    return beginning[: whole - 1] if whole > 1 else beginning
