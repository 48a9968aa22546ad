"""Names that clients send, and the object keys that are made of them."""

import re
import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imges.naming import base_name, clean_stem, object_keys, random_stem, random_suffix

JUNE_4 = date(2014, 6, 4)


@pytest.mark.parametrize(
    ("sent", "shown", "stem"),
    [
        pytest.param("example.png", "example.png", "example", id="seed"),
        pytest.param("example.PNG", "example.PNG", "example", id="capital-extension"),
        pytest.param("example.jfif", "example.jfif", "example", id="rare-extension"),
        pytest.param("example", "example", "example", id="no-extension"),
        pytest.param("photo.png.png", "photo.png.png", "photo.png", id="only-one-extension-goes"),
        pytest.param("notes.tar.gz", "notes.tar.gz", "notes.tar.gz", id="extension-of-no-picture"),
        pytest.param("my holiday.jpg", "my holiday.jpg", "my-holiday", id="space"),
        pytest.param("a\u00a0b\u3000c.jpg", "a\u00a0b\u3000c.jpg", "a-b-c", id="other-spaces"),
        pytest.param("  -a. .png", "-a. .png", "a", id="trailing-dots-and-spaces"),
        pytest.param("../../etc/passwd", "passwd", "passwd", id="traversal"),
        pytest.param(r"..\..\boot.ini", "boot.ini", "boot.ini", id="traversal-windows"),
        pytest.param(r"C:\Fotos/mixed\cat.png", "cat.png", "cat", id="both-slashes"),
        pytest.param("folder/cat.png/", "cat.png", "cat", id="trailing-slash"),
        pytest.param("..", "", None, id="dot-dot"),
        pytest.param("a/..", "", None, id="path-to-dot-dot"),
        pytest.param("", "", None, id="empty"),
        pytest.param(".png", ".png", None, id="extension-only"),
        pytest.param("a\0b.png", "ab.png", "ab", id="nul"),
        pytest.param("a\r\nSet-Cookie: b.png", "aSet-Cookie: b.png", "aSet-Cookie-b", id="crlf"),
        pytest.param("a\x7f\x85\u2028b.png", "ab.png", "ab", id="other-controls"),
        pytest.param("a\u202egnp.exe", "agnp.exe", "agnp.exe", id="right-to-left-override"),
        pytest.param("😀🎉.png", "😀🎉.png", None, id="emoji-only"),
        pytest.param("❤\ufe0f love.png", "❤\ufe0f love.png", "love", id="emoji-with-variation-selector"),
        pytest.param("1\ufe0f\u20e3.png", "1\ufe0f\u20e3.png", "1", id="keycap"),
        pytest.param(".htaccess", ".htaccess", "htaccess", id="htaccess"),
        pytest.param("a.php.png", "a.php.png", "a-php", id="double-extension"),
        pytest.param("a.PHTML.b.cgi.gif", "a.PHTML.b.cgi.gif", "a-PHTML.b-cgi", id="scripts-inside"),
        pytest.param("a.phpx.jsonic.png", "a.phpx.jsonic.png", "a.phpx.jsonic", id="no-scripts"),
        pytest.param("con.png", "con.png", "_con", id="reserved"),
        pytest.param("LPT1.tar.png", "LPT1.tar.png", "_LPT1.tar", id="reserved-with-extension"),
        pytest.param("console.png", "console.png", "console", id="not-reserved"),
        pytest.param("\udcff\udcfe.png", "\ufffd\ufffd.png", None, id="lone-surrogates"),
        pytest.param("\ud83d\ude00a.png", "😀a.png", "a", id="surrogate-pair"),
        pytest.param("cafe\u0301.png", "cafe\u0301.png", "caf\u00e9", id="nfd"),
        pytest.param("q\u0301.png", "q\u0301.png", "q\u0301", id="accent-without-composed-form"),
        pytest.param("\u0301x.png", "\u0301x.png", "x", id="accent-on-nothing"),
        pytest.param("ﬁn.png", "ﬁn.png", "ﬁn", id="ligature"),
        pytest.param("נחש-שלום.png", "נחש-שלום.png", "נחש-שלום", id="hebrew"),
        pytest.param("मेरी तस्वीर.jpg", "मेरी तस्वीर.jpg", "मेरी-तस्वीर", id="hindi"),
        pytest.param("รูปที่๑.jpg", "รูปที่๑.jpg", "รูปที่๑", id="thai-with-thai-digit"),
        pytest.param("写真_2014.jpg", "写真_2014.jpg", "写真_2014", id="japanese"),
        pytest.param("a\u200d\u200bb.png", "a\u200d\u200bb.png", "ab", id="zero-width"),
        pytest.param("\u3164\u115f.png", "\u3164\u115f.png", None, id="invisible-letters"),
        pytest.param("a.th.png", "a.th.png", "a", id="own-thumb"),
        pytest.param("a.md.th.TH.md.png", "a.md.th.TH.md.png", "a", id="own-endings-again"),
        pytest.param("a.th-..md.png", "a.th-..md.png", "a", id="own-endings-behind-dots"),
        pytest.param("a.the.png", "a.the.png", "a.the", id="not-own-ending"),
        pytest.param("<script>&\"'%2f?#.png", "<script>&\"'%2f?#.png", "script2f", id="markup-and-url-characters"),
    ],
)
def test_a_name_is_shown_as_sent_and_stored_as_allowed(sent, shown, stem):
    assert base_name(sent) == shown
    assert clean_stem(base_name(sent)) == stem


def test_keys_are_those_of_the_seed():
    keys = object_keys(JUNE_4, "example", "png", None)
    assert keys.original == "2014/06/04/example.png"
    assert keys.medium == "2014/06/04/example.md.png"
    assert keys.thumb == "2014/06/04/example.th.png"


def test_a_suffix_stands_before_the_endings():
    keys = object_keys(date(800, 12, 25), "example", "jpg", "x7")
    assert keys.original == "0800/12/25/example-x7.jpg"
    assert keys.thumb == "0800/12/25/example-x7.th.jpg"


@pytest.mark.parametrize(
    ("stem", "cut"),
    [
        pytest.param("a" * 300, "a" * 192, id="one-byte"),
        pytest.param("ab" + "語" * 100, "ab" + "語" * 63, id="three-bytes"),
        pytest.param("a" * 191 + "q\u0301z", "a" * 191, id="accent-stays-with-its-letter"),
        pytest.param("q" + "\u0301" * 200, "q" + "\u0301" * 95, id="nothing-but-accents"),
        pytest.param("a" * 189 + ".th" + "b" * 9, "a" * 189, id="own-ending-laid-bare-by-the-cut"),
        pytest.param("a" * 191 + "-b", "a" * 191, id="dash-laid-bare-by-the-cut"),
    ],
)
def test_a_long_name_is_cut_between_letters(stem, cut):
    assert object_keys(JUNE_4, stem, "webp", None).original == f"2014/06/04/{cut}.webp"


def test_own_endings_go_however_many_there_are():
    assert clean_stem(base_name("a" + ".th" * 84)) == "a"


names = st.text(st.characters(codec=None), max_size=300) | st.from_regex(r"(?i)[a.\-_ /\\]{0,9}(\.(th|md|png)){0,4}")


@given(names)
def test_any_name_is_shown_safely(sent):
    shown = base_name(sent)
    assert len(shown.encode()) <= 255
    assert shown not in {".", ".."}
    assert not re.search(r"[/\\\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


@given(names)
def test_any_stem_is_letters_marks_and_digits(sent):
    stem = clean_stem(base_name(sent))
    if stem is None:
        return
    assert {unicodedata.category(char)[0] for char in stem if char not in ".-_"} <= set("LMN")
    assert stem == unicodedata.normalize("NFC", stem)
    assert stem[0] not in ".-"
    assert not stem.lower().endswith((".th", ".md", ".", "-"))
    assert clean_stem(f"{stem}.png") == stem


@given(names, st.sampled_from(["png", "jpg", "webp", "avif"]), st.sampled_from([None, "a2b3c4d5"]))
def test_any_keys_fit_and_belong_to_one_picture(sent, extension, suffix):
    keys = object_keys(JUNE_4, clean_stem(base_name(sent)) or random_stem(), extension, suffix)
    for key in (keys.original, keys.medium, keys.thumb):
        folder, _, name = key.rpartition("/")
        assert folder == "2014/06/04"
        assert len(name.encode()) <= 200
        assert not name.startswith((".", "-"))
    stem = keys.original.removesuffix(f".{extension}")
    assert not stem.endswith((".th", ".md"))
    assert keys.medium == f"{stem}.md.{extension}"
    assert keys.thumb == f"{stem}.th.{extension}"


def test_made_up_names_are_plain_and_new_each_time():
    made = {make() for make in (random_stem, random_suffix) for _ in range(1000)}
    assert len(made) == 2000
    assert all(clean_stem(name) == name for name in made)
