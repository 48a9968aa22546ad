"""Keys that objects already have: which of them are pictures in date folders, thumbs and mediums."""

import re
from dataclasses import dataclass
from datetime import date

from imges.storage import InvalidKey, checked_key

FORMATS = {
    "jpg": "jpg",
    "jpeg": "jpg",
    "jpe": "jpg",
    "jfif": "jpg",
    "png": "png",
    "apng": "png",
    "gif": "gif",
    "webp": "webp",
    "avif": "avif",
}
"""Extensions, in small letters, and the format that each stands for."""

_DAY = re.compile(r"(?!9999)([1-9]\d{3})/(\d\d)/(\d\d)/[^/]+", re.ASCII)
"""A key in the folder of a day. The years 0 to 999 and 9999 are none: no picture is that old or new, and the first and
the last day of the calendar do not exist in every time zone."""

_PICTURE = re.compile(r"(.*/)?[^/]+\.(?P<extension>[A-Za-z]+)")
_DERIVED = re.compile(r"(?P<stem>.+)\.(th|md)")


def is_in_date_folder(key: str) -> bool:
    """Returns whether *key* lies in the folder of a day, where imges puts objects."""
    return _DAY.fullmatch(key) is not None


@dataclass(frozen=True, slots=True)
class OldKey:
    """The *key* of a picture, the *day* of its folder if it lies in one, and the *extension* as it is written."""

    key: str
    day: date | None
    extension: str

    @classmethod
    def read(cls, key: str) -> "OldKey | None":
        """Returns `None` if *key* does not look like a picture, or does not lie in the folder of a day."""
        found = cls.anywhere(key)
        return found if found and found.day else None

    @classmethod
    def anywhere(cls, key: str) -> "OldKey | None":
        """Returns `None` if *key* does not look like a picture."""
        match = _PICTURE.fullmatch(key)
        if match is None or match["extension"].lower() not in FORMATS:
            return None
        try:
            return cls(checked_key(key), _day(key), match["extension"])
        except InvalidKey:
            return None

    @property
    def _stem(self) -> str:
        return self.key.removesuffix(f".{self.extension}")

    @property
    def format(self) -> str:
        """The format by the name. The bytes may be of another one, and they decide."""
        return FORMATS[self.extension.lower()]

    @property
    def thumb(self) -> str:
        return f"{self._stem}.th.{self.extension}"

    @property
    def medium(self) -> str:
        return f"{self._stem}.md.{self.extension}"

    @property
    def original(self) -> "str | None":
        """The key of the original, if this is a thumb or medium; `None` if this is an original."""
        match = _DERIVED.fullmatch(self._stem)
        return f"{match['stem']}.{self.extension}" if match else None

    @property
    def has_room(self) -> bool:
        """Whether thumb and medium, whose names are longer, can lie beside it."""
        try:
            return all(map(checked_key, (self.thumb, self.medium)))
        except InvalidKey:
            return False


def _day(key: str) -> date | None:
    match = _DAY.fullmatch(key)
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None
