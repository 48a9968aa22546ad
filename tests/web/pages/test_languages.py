"""The languages of pages: every text is in every catalog, and the visitor's language is the one that is shown."""

import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_file
from babel.messages.pofile import read_po
from jinja2 import Environment

from imges.errors import ImgesError, SettingsError
from imges.web.pages.languages import Language, find, open_languages
from imges.web.pages.sentences import SENTENCES
from tests import drawn
from tests.web.conftest import Server, Start

CATALOGS = sorted(Path("templates/languages").glob("*.po"))
TEMPLATES = sorted(Path("templates").glob("*.html"))
SOURCES: list[tuple[str, list[Path]]] = [
    ("python", sorted(Path("imges/web").rglob("*.py"))),
    ("javascript", sorted(Path("templates/static").glob("*.js"))),
    ("jinja2.ext:babel_extract", TEMPLATES),
]
KEYWORDS: Any = {"N_": None, "_": None, "gettext": None, "ngettext": DEFAULT_KEYWORDS["ngettext"]}
OPTIONS = {"trimmed": "true", "parse_template_string": "true"}
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def texts() -> dict[str, tuple[str, ...]]:
    """All texts of the sources, by their singular."""
    found: dict[str, tuple[str, ...]] = {}
    for method, files in SOURCES:
        for file in files:
            for _, message, _, _ in extract_from_file(
                method, file, KEYWORDS, options={"trimmed": "true", "parse_template_string": "true"}
            ):
                forms = (message,) if isinstance(message, str) else tuple(form for form in message if form)
                if len(forms) >= len(found.get(forms[0], ())):
                    found[forms[0]] = forms
    return found


def catalog(file: Path) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale=file.stem)


def forms(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s|\{\w+\}", text)) - {"%(num)s", "{count}"}


def markup(text: str) -> list[str]:
    return sorted(re.findall(r"</?\w+|\b(?:id|href)=\"[^\"]*\"", text))


def messages(file: Path) -> list[Message]:
    return [message for message in catalog(file) if message.id]


def test_the_sources_have_texts(texts: dict[str, tuple[str, ...]]):
    assert texts["Copied"] == ("Copied", "{count} copied")
    assert {"Delete for good", "Direct link", "Waiting"} <= texts.keys()


def test_none_is_overlooked_in_scripts(texts: dict[str, tuple[str, ...]]):
    """Babel does not see every call in a template literal."""
    for file in sorted(Path("templates/static").glob("*.js")):
        for text in re.findall(r'\b(?:_|ngettext)\(\s*"([^"]*)"', file.read_text()):
            assert text in texts, file.name


@pytest.mark.parametrize("file", CATALOGS, ids=lambda file: file.stem)
def test_no_text_is_missing(file: Path, texts: dict[str, tuple[str, ...]]):
    there = catalog(file)
    known = {forms(message.id)[0]: message for message in there if message.id}
    assert texts.keys() - known.keys() == set(), "missing: `make languages`"
    assert known.keys() - texts.keys() == set(), "not used any more: `make languages`"
    for first, message in known.items():
        assert not message.fuzzy, first
        assert forms(message.id) == texts[first], first
        assert all(forms(message.string)), f"not translated: {first}"
        assert len(forms(message.string)) == (1 if isinstance(message.id, str) else there.num_plurals), first


@pytest.mark.parametrize("file", CATALOGS, ids=lambda file: file.stem)
def test_translations_keep_what_is_filled_in_and_their_markup(file: Path):
    for message in messages(file):
        original = forms(message.id)[-1]
        filled = set[str]().union(*map(placeholders, forms(message.id)))
        for form in forms(message.string):
            assert placeholders(form) <= filled, form
            assert isinstance(message.id, tuple) or placeholders(form) == filled, form
            assert markup(form) == markup(original), form
            if "<" not in original:
                assert not re.search(r'["<>]', form), f"would end an attribute: {form}"


LETTERS = re.compile(r"[^\W\d_]{2,}")
NAMES = {
    *("ShareX", "ishare", "macOS", "Flameshot", "ksnip", "Spectacle", "KDE", "PicGo", "PicList", "uPic", "Typora"),
    *("iOS", "Shortcuts", "curl", "Python", "https"),
}


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_no_text_is_written_into_a_template(file: Path):
    """What is left of a template without its expressions and tags is no word of a language."""
    text = re.sub(r"{% trans.*?{% endtrans %}", "", file.read_text(), flags=re.DOTALL)
    tokens = Environment(extensions=["jinja2.ext.i18n"]).lex(text)
    bare = "".join(value if kind == "data" else "" for _, kind, value in tokens)
    shown = re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', bare)
    shown.append(re.sub(r"<[^>]*>", " ", re.sub(r"<(code|kbd)[^>]*>.*?</\1>", " ", bare, flags=re.DOTALL)))
    left = {word for part in shown for word in LETTERS.findall(part)} - NAMES
    assert not left


def test_no_text_is_written_into_a_script():
    """Texts with a blank and a capital stand in calls that translate."""
    for file in sorted(Path("templates/static").glob("*.js")):
        code = re.sub(r"^\s*(//|/?\*).*$| // .*$", "", file.read_text(), flags=re.MULTILINE)
        code = re.sub(r'\b(?:_|ngettext)\(("[^"]*"(?:, "[^"]*")?)', "", code)
        found = [text for text in re.findall(r'"([^"\n]*)"', code) if re.match(r"[A-Z][a-z]+\b.* ", text)]
        assert not found, file.name


@pytest.mark.parametrize(
    ("accepted", "shown"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("fr, de;q=0.5, en;q=0.7", "en"),
        ("de;q=0, en", "en"),
        ("xx-Latn-XX", "en"),
        ("*", "en"),
        ("DE", "de"),
        (";;q=,de_;q=zz,<>", "en"),
        ("en;q=0.1," * 200, "en"),
    ],
)
async def test_the_visitors_language_is_spoken(imges: Server, accepted: str, shown: str):
    page = await imges.get("/", headers=HTML | {"Accept-Language": accepted})
    assert (page.status, page.headers["Content-Language"]) == (200, shown)
    assert f'<html lang="{shown}" dir="ltr">' in page.text
    assert ("Bilder auswählen" in page.text) == (shown == "de")
    assert "Accept-Language" in page.headers["Vary"]


async def test_the_sites_language_is_for_visitors_who_read_none_of_ours(start: Start):
    async with start(SITE__LANGUAGE="de-CH") as server:
        assert 'lang="de"' in (await server.get("/", headers=HTML)).text
        assert 'lang="de"' in (await server.get("/", headers=HTML | {"Accept-Language": "fr"})).text
        assert 'lang="en"' in (await server.get("/", headers=HTML | {"Accept-Language": "en"})).text


def test_a_language_that_pages_do_not_speak_stops_the_start():
    with pytest.raises(SettingsError, match=r"site\.language is 'tlh': should be a language that pages speak: de, en"):
        open_languages("tlh")


async def test_errors_and_their_page_speak_it_too_but_the_api_does_not(imges: Server):
    german = {"Accept-Language": "de"}
    page = await imges.get("/image/nothing", headers=HTML | german)
    assert (page.status, "Hier ist nichts" in page.text) == (404, True)
    told = await imges.get("/api/1/upload", headers=german)
    assert "the API key is missing" in told.json["error"]["message"]


async def test_the_pages_form_is_refused_in_the_visitors_language_and_the_api_is_not(imges: Server):
    headers = {"Accept": "application/json", "Accept-Language": "de-AT, en;q=0.5"}
    refused = await imges.post("/", data={"source": BytesIO(bytes(51 * 2**20))}, headers=headers)
    assert refused.error == (413, 313)
    limit = refused.json["error"]["details"]["limit"]
    assert refused.json["error"]["message"] == (
        f"Die Datei ist zu groß. Diese Website nimmt bis zu {limit >> 20} MB an."
    )
    refused = await imges.post("/", data={"source": BytesIO(b"no picture")}, headers=headers)
    assert refused.json["error"]["message"] == "Die Datei ist kein Bild, oder sie ist beschädigt."
    english = headers | {"Accept-Language": "en"}
    refused = await imges.post("/", data={"source": BytesIO(b"no picture")}, headers=english)
    message = refused.json["error"]["message"]
    assert "that came as `source` is a text that begins with" in message
    by_api = await imges.post(data={"source": BytesIO(b"no picture"), "key": imges.key}, headers=headers)
    assert by_api.json["error"]["message"] == message


def test_sentences_are_of_errors_that_there_are():
    def classes(kind: type[ImgesError]) -> set[str]:
        return {kind.__name__}.union(*map(classes, kind.__subclasses__()))

    assert set(SENTENCES) <= classes(ImgesError)


async def test_numbers_and_dates_are_written_as_the_language_does(imges: Server):
    image = await imges.uploaded(drawn.encoded(drawn.noise(60, 40), "PNG"), "n.png", expiration="P30D")
    page = (await imges.get(image["url_viewer"], headers=HTML | {"Accept-Language": "de"})).text
    assert re.search(r"\d,\d KB", page)
    assert "in 30 Tagen" in page or "in 29 Tagen" in page
    assert re.search(r"\d\d?\. [A-ZÄ][a-zä]+ \d{4}, \d\d:\d\d:\d\d UTC", page)


def test_how_lengths_of_time_are_written():
    german, english = Language("de"), Language("en")
    assert english.span(timedelta(days=30)) == "30 days"
    assert english.span(timedelta(hours=36)) == "36 hours"
    assert english.span(timedelta(seconds=0)) == "0 seconds"
    assert german.span(timedelta(minutes=1)) == "1 Minute"
    assert english.distance(timedelta(seconds=-30)) == "30 seconds ago"
    assert german.distance(timedelta(days=-2)) == "vor 2 Tagen"
    assert german.moment(datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)) == "1. März 2026, 09:05:07 UTC"
    assert (english.size(53237), german.size(17848), german.size(0)) == ("52 KB", "17,4 KB", "0 B")


def test_a_regional_catalog_is_for_its_region_alone():
    spoken = {"en": Language("en"), "pt-br": Language("pt-BR")}
    assert find(spoken, "pt-BR") is spoken["pt-br"]
    assert find(spoken, "pt-PT") is None


def test_scripts_know_which_form_of_a_plural_to_take():
    """A language of three forms, as its catalog counts them."""
    there = Catalog(locale="pl")
    there.add(("{count} file", "{count} files"), ("plik", "pliki", "plików"), locations=[("a.js", 1)])
    there.add("not for scripts", "nie", locations=[("a.html", 1)])
    told = Language("pl", there).for_scripts
    assert told == '{"texts":{"{count} file":["plik","pliki","plików"]},"plurals":{"many":2,"few":1,"one":0}}'
