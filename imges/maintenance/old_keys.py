"""Names that objects already have: which are pictures in date folders, and what belongs to them."""

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
"""Endings of names, in small letters, and the format that each tells of."""

_DAY = re.compile(r"(?!9999)([1-9]\d{3})/(\d\d)/(\d\d)/[^/]+", re.ASCII)
"""Years of four digits, but for the last one: no picture is of another, and the calendar's ends have no moment in some
time zones."""

_PICTURE = re.compile(r"(.*/)?[^/]+\.(?P<extension>[A-Za-z]+)")
_DERIVED = re.compile(r"(?P<stem>.+)\.(th|md)")


def is_in_date_folder(key: str) -> bool:
    """Whether *key* lies where imges puts objects, whatever it is."""
    return _DAY.fullmatch(key) is not None


@dataclass(frozen=True, slots=True)
class OldKey:
    """The *key* of a picture, the *day* of its folder if that is one, and the *extension* as it is written."""

    key: str
    day: date | None
    extension: str

    @classmethod
    def read(cls, key: str) -> "OldKey | None":
        """`None` for what is no picture by its name, or is not in the folder of a day."""
        found = cls.anywhere(key)
        return found if found and found.day else None

    @classmethod
    def anywhere(cls, key: str) -> "OldKey | None":
        """`None` for what is no picture by its name."""
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
        """What the name says; the bytes decide."""
        return FORMATS[self.extension.lower()]

    @property
    def thumb(self) -> str:
        return f"{self._stem}.th.{self.extension}"

    @property
    def medium(self) -> str:
        return f"{self._stem}.md.{self.extension}"

    @property
    def original(self) -> "str | None":
        """The key of the original that this is the thumb or medium of; `None` for an original."""
        match = _DERIVED.fullmatch(self._stem)
        return f"{match['stem']}.{self.extension}" if match else None

    @property
    def has_room(self) -> bool:
        """Whether thumb and medium, which have longer names, can lie beside it."""
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
