"""The languages of pages: gettext catalogs, and how each writes sizes, dates and lengths of time.

English stands in the sources. Every other language is one file, `templates/languages/LANGUAGE.po`, read at start.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import Literal

from aiohttp import web
from babel import Locale
from babel.dates import format_date, format_time, format_timedelta
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from babel.units import format_unit

from imges.bytesize import scaled
from imges.errors import SettingsError

SOURCE = "en"
"""The language that the texts are written in."""

Unit = Literal["year", "day", "hour", "minute", "second"]

_UNITS: tuple[tuple[Unit, int], ...] = (
    ("year", 31_536_000),
    ("day", 86_400),
    ("hour", 3600),
    ("minute", 60),
    ("second", 1),
)


def N_(text: str) -> str:  # noqa: N802  (gettext's own name)
    """Marks a text that is translated where it is shown."""
    return text


class Language:
    """One language that pages speak.

    `direction` is that of its writing, `ltr` or `rtl`. `for_scripts` holds the texts of scripts; `None` for English.
    """

    def __init__(self, tag: str, catalog: Catalog | None = None) -> None:
        self.tag = tag
        self.locale = Locale.parse(tag.replace("-", "_"))
        self.direction = self.locale.text_direction
        self.translations = NullTranslations() if catalog is None else _compiled(catalog)
        self.for_scripts = None if catalog is None else self._script_texts(catalog)

    def _script_texts(self, catalog: Catalog) -> str:
        """Returns as JSON the texts of scripts by the English ones, and the form that each plural takes."""
        texts: dict[str, str | list[str]] = {}
        for message in catalog:
            if message.id and message.string and any(file.endswith(".js") for file, _ in message.locations):
                first = message.id if isinstance(message.id, str) else message.id[0]
                texts[first] = message.string if isinstance(message.string, str) else list(message.string)
        return json.dumps({"texts": texts, "plurals": self._plurals()}, ensure_ascii=False, separators=(",", ":"))

    def _plurals(self) -> dict[str, int]:
        """Returns the form of the catalog for each plural category: scripts name categories, catalogs count forms."""
        form = self.translations.plural  # type: ignore[attr-defined]  (gettext makes it when it reads a catalog)
        return {self.locale.plural_form(count): form(count) for count in range(1000, -1, -1)}

    def number(self, value: float) -> str:
        """Returns *value* with at most one decimal."""
        return str(format_decimal(round(value, 1), locale=self.locale, group_separator=False))

    def size(self, size: int) -> str:
        """Returns *size* in bytes as people read it: 1024-based, at most one decimal."""
        value, unit = scaled(size)
        return f"{self.number(value)} {unit}"

    def pixels(self, count: int) -> str:
        return str(format_unit(round(count / 10**6, 1), "graphics-megapixel", locale=self.locale))

    def span(self, length: timedelta) -> str:
        """Returns a length of time in the largest unit that divides it: `30 days`, `36 hours`, `10 minutes`."""
        seconds = int(length.total_seconds())
        whole = [(unit, worth) for unit, worth in _UNITS if seconds >= worth and seconds % worth == 0]
        unit, worth = whole[0] if whole else _UNITS[-1]
        return str(format_unit(seconds // worth, f"duration-{unit}", locale=self.locale))

    def distance(self, length: timedelta) -> str:
        """Returns roughly how far a moment is from now: `in 3 days`, or `3 days ago` if it has passed."""
        seconds = abs(length.total_seconds())
        unit = next((found for found in _UNITS if seconds >= found[1]), _UNITS[-1])[0]
        return format_timedelta(length, granularity=unit, threshold=2**40, add_direction=True, locale=self.locale)

    def moment(self, moment: datetime) -> str:
        """Returns date and time, to the second and with the zone."""
        date = format_date(moment, "long", locale=self.locale)
        time = format_time(moment, "HH:mm:ss z", tzinfo=moment.tzinfo, locale=self.locale)  # type: ignore[arg-type]
        return f"{date}, {time}"

    def date(self, moment: datetime) -> str:
        return format_date(moment, "medium", locale=self.locale)


def _compiled(catalog: Catalog) -> Translations:
    file = BytesIO()
    write_mo(file, catalog)
    file.seek(0)
    return Translations(file)


class Languages:
    """All languages that pages speak. *fallback* is the tag of the one for visitors who read none of them."""

    def __init__(self, spoken: Mapping[str, Language], fallback: str) -> None:
        self.spoken = spoken
        self._fallback = find(spoken, fallback) or spoken[SOURCE]
        self.best = lru_cache(256)(self._best)

    def _best(self, accepted: str) -> Language:
        """Returns the first language by weight in `Accept-Language` that pages speak."""
        for tag in _by_weight(accepted):
            if language := find(self.spoken, tag):
                return language
        return self._fallback


LANGUAGES = web.AppKey("LANGUAGES", Languages)


def find(spoken: Mapping[str, Language], tag: str) -> Language | None:
    """Returns the language of *tag*, or the one that *tag* is a kind of: German for `de-AT`."""
    parts = tag.lower().split("-")
    for length in range(len(parts), 0, -1):
        if language := spoken.get("-".join(parts[:length])):
            return language
    return None


def _by_weight(accepted: str) -> list[str]:
    weights: dict[str, float] = {}
    for given in accepted[:500].split(","):
        tag, _, weight = (part.strip() for part in given.partition(";"))
        found = re.fullmatch(r"q\s*=\s*([01](?:\.\d{0,3})?)", weight)
        if re.fullmatch(r"[A-Za-z0-9-]{1,35}", tag):
            weights[tag] = float(found[1]) if found else 1.0
    return sorted((tag for tag, weight in weights.items() if weight > 0), key=lambda tag: -weights[tag])


def folder() -> Traversable:
    """Returns the folder of the catalogs."""
    return files("imges.templates").joinpath("languages")


def open_languages(fallback: str) -> Languages:
    """Returns English and every language with a catalog. Raises `SettingsError` if *fallback* is none of them."""
    spoken = _read()
    if find(spoken, fallback) is None:
        known = ", ".join(sorted(language.tag for language in spoken.values()))
        raise SettingsError(f"site.language is {fallback!r}: should be a language that pages speak: {known}")
    return Languages(spoken, fallback)


def _read() -> dict[str, Language]:
    """Returns the languages by their tags in lower case."""
    spoken = {SOURCE: Language(SOURCE)}
    for file in folder().iterdir():
        if file.name.endswith(".po"):
            tag = file.name.removesuffix(".po").replace("_", "-")
            with file.open("rb") as opened:
                spoken[tag.lower()] = Language(tag, read_po(opened, locale=tag.replace("-", "_")))
    return spoken
