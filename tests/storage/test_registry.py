"""Storages by name and type: what the settings say is checked before anything is opened."""

import re

import pytest

from imges.errors import SettingsError
from imges.settings import load_settings
from imges.settings.options import FromEnvironment
from imges.storage import InvalidKey, checked_key, open_storage
from imges.storage.places import open_places, prove
from imges.testing.conformance import BAD_KEYS, GOOD_KEYS

THIRD_PARTY = """
from dataclasses import dataclass, field
import imges.storage
from imges.storage import OptionError, StorageRefused
from tests.storage.memory import MemoryStorage

@dataclass
class Options:
    bucket: str
    password: str = field(default="", metadata={"secret": True})
    retries: int = 3
    secure: bool = True

class Storage(MemoryStorage):
    Options = Options

    def __init__(self, options):
        self.options = options

    @classmethod
    async def connect(cls, options):
        if options.bucket == "taken":
            raise OptionError("bucket", "somebody else has it; choose another")
        if options.bucket == "missing":
            raise StorageRefused("bucket", "make it first")
        return cls(options)

    async def check(self):
        if self.options.bucket == "locked":
            raise StorageRefused("bucket", "unlock it first")

class Alike:
    # it has all the methods, and is no Storage
    Options = Options
    connect, put, open, stat, delete = Storage.connect, Storage.put, Storage.open, Storage.stat, Storage.delete
    scan, sweep, local_path = Storage.scan, Storage.sweep, Storage.local_path
    url, check, close = Storage.url, Storage.check, Storage.close

class Half(imges.storage.Storage):
    Options = Options
    async def connect(cls, options): pass
    async def put(self, key, file, **about): pass

class Untyped(Storage):
    Options = dict

a_function = Storage.connect
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
        "poor = third_party_missing:Storage [server]\nalike = third_party:Alike\nhalf = third_party:Half\n"
        "untyped = third_party:Untyped\nfunction = third_party:a_function\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        pytest.param({}, r"storages\.p\.type is missing; there are alike, broken, bucketfs, .*", id="no-type"),
        pytest.param(
            {"type": "datefoldr"},
            r"storages\.p\.type is 'datefoldr': there are .*; did you mean datefolder\?",
            id="misspelt-type",
        ),
        pytest.param(
            {"type": 3}, r"storages\.p\.type is 3: there are alike, broken, bucketfs, .*", id="type-of-no-text"
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
        pytest.param(
            {"type": "alike"},
            r"storages\.p\.type is 'alike': this backend cannot be used: third_party:Alike does not inherit from "
            r"imges\.storage\.Storage",
            id="class-that-does-not-inherit",
        ),
        pytest.param(
            {"type": "function"},
            r"storages\.p\.type is 'function': this backend cannot be used: third_party:a_function does not inherit .*",
            id="no-class",
        ),
        pytest.param(
            {"type": "half"},
            r"storages\.p\.type is 'half': this backend cannot be used: third_party:Half lacks check, close, delete, "
            r"local_path, open, scan, stat, sweep, url",
            id="class-that-lacks-methods",
        ),
        pytest.param(
            {"type": "untyped"},
            r"storages\.p\.type is 'untyped': .* third_party:Untyped lacks Options, a dataclass",
            id="class-without-options",
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


# Where an option was read

FAULTS = {
    "what-the-backend-rejects": ("bucket", "taken", "storages.p.bucket: somebody else has it; choose another"),
    "what-the-store-rejects": ("bucket", "missing", "storages.p.bucket: make it first"),
    "what-the-store-rejects-when-it-is-tried": ("bucket", "locked", "storages.p.bucket: unlock it first"),
    "wrong-type": ("retries", "many", "storages.p.retries is 'many': should be a whole number"),
    "misspelt-option": (
        "bukket",
        "b",
        "storages.p.bukket: there is no such setting; did you mean storages.p.bucket\\?",
    ),
    "misspelt-type": ("type", "bucketfz", "storages.p.type is 'bucketfz': there are .*; did you mean bucketfs\\?"),
    "secret": ("password", "[hush]", r"storages.p.password is \(hidden\): should be text; put it in quotes"),
}


async def problems_of(settings):
    """What stops a start with these *settings*, as the start finds it."""
    with pytest.raises(SettingsError) as raised:
        async with open_places(settings.storages, "p") as places:
            await prove(places, "p")
    return raised.value.problems


@pytest.fixture
def settings_yaml(tmp_path):
    """Writes a settings file; its place `p` is good but for what is given."""

    def write(**options):
        file = tmp_path / "settings.yaml"
        given = {"type": "bucketfs", "bucket": "b"} | options
        lines = "".join(f"    {name}: {value}\n" for name, value in given.items())
        file.write_text(f"data_dir: {tmp_path / 'data'}\nstorage: p\nstorages:\n  p:\n{lines}")
        return file

    return write


@pytest.mark.parametrize(("option", "value", "sentence"), FAULTS.values(), ids=FAULTS)
async def test_a_wrong_option_of_a_backend_names_the_file_it_was_read_from(settings_yaml, option, value, sentence):
    file = settings_yaml(**{option: value})
    (problem,) = await problems_of(load_settings(file, {}))
    assert re.fullmatch(rf"{sentence} \[{file}\]", problem), problem


@pytest.mark.parametrize("from_file", [False, True], ids=["variable", "variable-that-names-a-file"])
@pytest.mark.parametrize(
    ("option", "value", "sentence"), [fault for fault in FAULTS.values() if fault[0] != "password"]
)
async def test_a_wrong_option_of_a_backend_names_the_variable_it_was_read_from(
    tmp_path, settings_yaml, option, value, sentence, from_file
):
    variable, text = f"IMGES__STORAGES__P__{option.upper()}", value
    if from_file:
        (tmp_path / "value").write_text(f"{value}\n")
        variable, text = f"{variable}__FILE", str(tmp_path / "value")
    (problem,) = await problems_of(load_settings(settings_yaml(), {variable: text}))
    assert re.fullmatch(rf"{sentence} \[{variable}\]", problem), problem


async def test_an_option_that_is_missing_names_the_file_that_it_belongs_in(settings_yaml):
    file = settings_yaml()
    file.write_text(file.read_text().replace("    bucket: b\n", ""))
    assert await problems_of(load_settings(file, {})) == (f"storages.p.bucket is missing [{file}]",)


async def test_every_wrong_option_is_reported_with_where_it_was_read(settings_yaml):
    file = settings_yaml(retries="many")
    variable = "IMGES__STORAGES__P__SECURE"
    assert sorted(await problems_of(load_settings(file, {variable: "maybe"}))) == [
        f"storages.p.retries is 'many': should be a whole number [{file}]",
        f"storages.p.secure is 'maybe': should be true or false [{variable}]",
    ]


async def test_a_wrong_option_names_the_variable_that_set_the_whole_place(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    variables = {"IMGES__STORAGES": "{p: {type: bucketfs, bucket: taken}}"}
    (problem,) = await problems_of(load_settings(environ=variables | {"HOME": str(tmp_path)}))
    assert problem == "storages.p.bucket: somebody else has it; choose another [IMGES__STORAGES]"


async def test_options_that_come_from_nowhere_name_nothing():
    with pytest.raises(SettingsError, match=r"^storages\.p\.bucket: somebody else has it; choose another$"):
        await open_storage("p", {"type": "bucketfs", "bucket": "taken"})


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
