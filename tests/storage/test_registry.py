"""Storages by name and type: what the settings say is checked before anything is opened."""

import re

import pytest

from imges.errors import SettingsError
from imges.options import FromEnvironment
from imges.storage import InvalidKey, checked_key, open_storage
from imges.testing.conformance import BAD_KEYS, GOOD_KEYS

THIRD_PARTY = """
from dataclasses import dataclass, field
from imges.storage import OptionError

@dataclass
class Options:
    bucket: str
    password: str = field(default="", metadata={"secret": True})
    retries: int = 3
    secure: bool = True

class Storage:
    Options = Options

    def __init__(self, options):
        self.options = options

    @classmethod
    async def connect(cls, options):
        if options.bucket == "taken":
            raise OptionError("bucket", "somebody else has it; choose another")
        return cls(options)
"""


@pytest.fixture(autouse=True)
def third_party(tmp_path, monkeypatch):
    """A backend that another distribution has installed, and one whose module is broken."""
    (tmp_path / "third_party.py").write_text(THIRD_PARTY)
    folder = tmp_path / "third_party-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[imges.storages]\nbucketfs = third_party:Storage\nbroken = third_party_missing:Storage\n"
        "poor = third_party_missing:Storage [server]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        pytest.param({}, r"storages\.p\.type is missing; there are broken, bucketfs, datefolder, poor.*", id="no-type"),
        pytest.param(
            {"type": "datefoldr"},
            r"storages\.p\.type is 'datefoldr': there are .*; did you mean datefolder\?",
            id="misspelt-type",
        ),
        pytest.param(
            {"type": 3}, r"storages\.p\.type is 3: there are broken, bucketfs, datefolder, poor.*", id="type-of-no-text"
        ),
        pytest.param(
            {"type": "broken"},
            r"storages\.p\.type is 'broken': this backend cannot be loaded: No module named 'third_party_missing'",
            id="backend-that-cannot-be-loaded",
        ),
        pytest.param(
            {"type": "poor"},
            r"storages\.p\.type is 'poor': this backend needs an extra: pip install 'third-party\[server\]' \(No .+\)",
            id="extra-that-is-not-installed",
        ),
        pytest.param({"type": "datefolder"}, r"storages\.p\.root is missing", id="missing-option"),
        pytest.param(
            {"type": "datefolder", "root": "x", "rot": "/secret"},
            r"storages\.p\.rot: there is no such setting; did you mean storages\.p\.root\?",
            id="misspelt-option",
        ),
        pytest.param({"type": "datefolder", "root": 3}, r"storages\.p\.root is 3: .+", id="wrong-type"),
        pytest.param(
            {"type": "bucketfs", "bucket": "b", "retries": "many"},
            r"storages\.p\.retries is 'many': .+",
            id="no-number",
        ),
        pytest.param(
            {"type": "bucketfs", "bucket": "taken"},
            r"storages\.p\.bucket: somebody else has it; choose another",
            id="what-the-backend-refuses",
        ),
    ],
)
async def test_wrong_settings_stop_the_start_with_their_name(given, sentence):
    with pytest.raises(SettingsError) as raised:
        await open_storage("p", given)
    assert len(raised.value.problems) == 1
    assert re.fullmatch(sentence, raised.value.problems[0]), raised.value.problems[0]


async def test_a_secret_is_never_shown():
    with pytest.raises(SettingsError) as raised:
        await open_storage("p", {"type": "bucketfs", "password": ["hunter2"], "pasword": "hunter2"})
    assert len(raised.value.problems) == 3
    assert "hunter2" not in str(raised.value)


async def test_options_are_typed_also_from_the_environment():
    given = {
        "type": FromEnvironment("bucketfs"),
        "bucket": FromEnvironment("0123"),
        "retries": FromEnvironment("5"),
        "secure": FromEnvironment("off"),
    }
    storage = await open_storage("p", given)
    options = storage.options  # pyright: ignore[reportAttributeAccessIssue]  (the third party's own)
    assert (options.bucket, options.retries, options.secure) == ("0123", 5, False)


@pytest.mark.parametrize("key", GOOD_KEYS.values(), ids=GOOD_KEYS)
def test_a_good_key_passes(key):
    assert checked_key(key) == key


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_key_is_refused_by_a_message_that_can_be_written_anywhere(key):
    with pytest.raises(InvalidKey) as raised:
        checked_key(key)
    assert str(raised.value).isascii()
    assert str(raised.value).isprintable()
