import os
import subprocess
import sys
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from imges.errors import SettingsError
from imges.options import Rate, read_yaml
from imges.settings import Section, Settings, load_settings, prepare_data_dir

EXAMPLE = Path(__file__).parent.parent / "settings.yaml"


@pytest.fixture(autouse=True)
def nothing_around(tmp_path, monkeypatch):
    """An empty working directory, so that no settings.yaml of somebody's is read."""
    monkeypatch.chdir(tmp_path)


def from_file(text: str, environ: dict[str, str] | None = None) -> Settings:
    Path("settings.yaml").write_text(text, encoding="utf-8")
    return load_settings(environ=environ or {})


def from_environment(**texts: str) -> Settings:
    return load_settings(environ={f"IMGES__{name}": text for name, text in texts.items()})


def complaints(read, *args, **kwargs) -> list[str]:
    with pytest.raises(SettingsError) as error:
        read(*args, **kwargs)
    return list(error.value.problems)


# The model and the example file


def test_without_a_file_the_defaults_hold():
    assert load_settings(environ={}) == Settings()


def test_the_defaults_are_those_of_the_contract():
    settings = Settings()
    assert (settings.server.host, settings.server.port, settings.server.workers) == ("127.0.0.1", 8080, 1)
    assert settings.server.trusted_proxies == (ip_network("127.0.0.0/8"), ip_network("::1"))
    assert settings.storages == {"disk": {"type": "datefolder", "root": Path("data/images")}}
    assert (settings.images.max_size, settings.images.max_pixels) == (20 * 2**20, 40 * 10**6)
    assert settings.limits.uploads == Rate(100, timedelta(minutes=1))
    assert settings.privacy.keep_addresses == timedelta(days=30)
    assert settings.site.time_zone.key == "UTC"


def names_of(section: type[Section], above: str = "") -> set[str]:
    names: set[str] = set()
    for name, about in section.model_fields.items():
        if isinstance(about.annotation, type) and issubclass(about.annotation, Section):
            names |= names_of(about.annotation, f"{above}{name}.")
        else:
            names.add(f"{above}{name}")
    return names


def names_in(tree: dict[str, Any], known: set[str], above: str = "") -> set[str]:
    names: set[str] = set()
    for name, value in tree.items():
        full = f"{above}{name}"
        names |= {full} if full in known or not isinstance(value, dict) else names_in(value, known, f"{full}.")
    return names


def uncommented() -> str:
    return "\n".join(line.removeprefix("# ") for line in EXAMPLE.read_text("utf-8").splitlines())


def test_the_example_file_changes_nothing():
    assert read_yaml(EXAMPLE.read_text("utf-8")) is None


def test_the_example_file_names_exactly_our_settings():
    known = names_of(Settings)
    assert names_in(read_yaml(uncommented()), known) == known


def test_the_example_file_names_the_defaults():
    assert from_file(uncommented()) == Settings()


@pytest.mark.parametrize("line", [line for line in EXAMPLE.read_text("utf-8").splitlines() if line[:2] == "# "])
def test_each_line_of_the_example_file_has_its_meaning(line):
    assert "#" in line[2:] or line.endswith(":")


def test_a_section_whose_lines_are_commented_out_is_the_default():
    assert from_file("server:\nimages:\n  thumb:\nstorages:\n") == Settings()


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().server.port = 1  # pyright: ignore[reportAttributeAccessIssue]  (that is the point)


# Where values come from


def test_the_file_that_is_named_is_the_only_one(tmp_path):
    Path("settings.yaml").write_text("server: {port: 1}", encoding="utf-8")
    named = tmp_path / "other.yaml"
    named.write_text("server: {host: other}", encoding="utf-8")
    settings = load_settings(named, environ={})
    assert (settings.server.host, settings.server.port) == ("other", 8080)


def test_the_working_directory_comes_before_the_users_folder(tmp_path):
    config = tmp_path / "config"
    (config / "imges").mkdir(parents=True)
    (config / "imges/settings.yaml").write_text("server: {port: 2}", encoding="utf-8")
    environ = {"XDG_CONFIG_HOME": str(config)}
    assert load_settings(environ=environ).server.port == 2
    assert from_file("server: {port: 1}", environ).server.port == 1


def test_the_users_folder_is_dot_config_where_nothing_else_is_said(tmp_path):
    (tmp_path / ".config/imges").mkdir(parents=True)
    (tmp_path / ".config/imges/settings.yaml").write_text("server: {port: 3}", encoding="utf-8")
    assert load_settings(environ={"HOME": str(tmp_path)}).server.port == 3
    assert load_settings(environ={"HOME": str(tmp_path), "XDG_CONFIG_HOME": "relative"}).server.port == 3


def test_the_environment_wins_over_the_file():
    settings = from_file("server: {host: file, port: 1}", {"IMGES__SERVER__PORT": "2"})
    assert (settings.server.host, settings.server.port) == ("file", 2)


@pytest.mark.parametrize(
    ("name", "text", "read", "value"),
    [
        pytest.param("API__KEY", "abc #def", lambda s: s.api.key, "abc #def", id="text-is-raw"),
        pytest.param("API__KEY", "12345", lambda s: s.api.key, "12345", id="digits-stay-text"),
        pytest.param("API__KEY", "[x", lambda s: s.api.key, "[x", id="text-is-no-yaml"),
        pytest.param("SITE__NAME", "off", lambda s: s.site.name, "off", id="off-as-a-name"),
        pytest.param("API__KEY", "null", lambda s: s.api.key, None, id="null"),
        pytest.param("SITE__LANGUAGE", "no", lambda s: s.site.language, "no", id="norwegian"),
        pytest.param("DATA_DIR", "/srv/a: b", lambda s: s.data_dir, Path("/srv/a: b"), id="a-path-is-raw"),
        pytest.param("URLS__ENABLED", "off", lambda s: s.urls.enabled, False, id="off"),
        pytest.param("LIMITS__UPLOADS", "null", lambda s: s.limits.uploads, None, id="no-rate"),
        pytest.param("IMAGES__MAX_SIZE", "1048576", lambda s: s.images.max_size, 2**20, id="plain-bytes"),
        pytest.param(
            "URLS__ALLOW_PRIVATE",
            "[127.0.0.1/32]",
            lambda s: s.urls.allow_private,
            (ip_network("127.0.0.1/32"),),
            id="list",
        ),
        pytest.param(
            "IMAGES__THUMB",
            "{width: 100, height: 90}",
            lambda s: (s.images.thumb.width, s.images.thumb.height),
            (100, 90),
            id="mapping",
        ),
        pytest.param("IMAGES__QUALITY__JPEG", "70", lambda s: s.images.quality.jpeg, 70, id="nested-deeper"),
        pytest.param(
            "STORAGES__S3", "{type: s3, n: 5}", lambda s: s.storages["s3"], {"type": "s3", "n": 5}, id="place"
        ),
        pytest.param(
            "STORAGES__DISK__ROOT", "/a", lambda s: s.storages["disk"], {"type": "datefolder", "root": "/a"}, id="disk"
        ),
    ],
)
def test_a_variable_is_read_by_the_type_of_its_setting(name, text, read, value):
    assert read(from_environment(**{name: text})) == value


def test_names_of_places_are_lower_cased_from_the_environment():
    settings = from_environment(STORAGES__S3__TYPE="s3", STORAGES__S3__SECRET_KEY="#5: [", STORAGE="s3")
    assert settings.storages["s3"] == {"type": "s3", "secret_key": "#5: ["}
    assert settings.storages.keys() == {"disk", "s3"}


def test_a_mapping_from_the_environment_is_added_to_the_files():
    settings = from_file("images: {thumb: {width: 10, height: 20}}", {"IMGES__IMAGES__THUMB": "{width: 30}"})
    assert (settings.images.thumb.width, settings.images.thumb.height) == (30, 20)


@pytest.mark.parametrize(
    ("content", "key"), [("secret\n", "secret"), ("secret\n\n", "secret\n"), ("sec ret", "sec ret"), ("1 # 2", "1 # 2")]
)
def test_a_value_is_read_from_a_file(tmp_path, content, key):
    (tmp_path / "key").write_text(content, encoding="utf-8")
    assert from_environment(API__KEY__FILE=str(tmp_path / "key")).api.key == key


def test_a_backends_secret_is_read_from_a_file(tmp_path):
    (tmp_path / "secret").write_text("hunter2\n", encoding="utf-8")
    settings = from_environment(STORAGES__S3__TYPE="s3", STORAGES__S3__SECRET_KEY__FILE=str(tmp_path / "secret"))
    assert settings.storages["s3"]["secret_key"] == "hunter2"


def test_other_variables_are_not_ours():
    assert load_settings(environ={"IMGES_PORT": "x", "PATH": "/bin", "IMGES": "x"}) == Settings()


def test_disk_stays_unless_it_is_defined_anew():
    settings = from_file("storage: vault\nstorages: {vault: {type: other}}")
    assert settings.storages["disk"] == {"type": "datefolder", "root": Path("data/images")}
    assert from_file("storages: {disk: {type: other}}").storages == {"disk": {"type": "other"}}


def test_the_disks_root_follows_the_data_folder():
    assert from_file("data_dir: /srv/imges").storages["disk"]["root"] == Path("/srv/imges/images")


# What is wrong is said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: {port: 99999}", "server.port is 99999: should be less than or equal to 65535"),
        ("server: {port: '8080'}", "server.port is '8080': should be a whole number"),
        ("server: {port: true}", "server.port is true: should be a whole number"),
        ("server: {host: 5}", "server.host is 5: should be text; put it in quotes"),
        ("server: {host: ''}", "server.host is '': should have at least 1 character"),
        ("server: {prot: 80}", "server.prot: there is no such setting; did you mean server.port?"),
        ("port: 80", "port: there is no such setting; did you mean server.port?"),
        ("imagse: {}", "imagse: there is no such setting; did you mean images?"),
        (
            "images: {medium: {height: 5}}",
            "images.medium.height: there is no such setting; did you mean images.thumb.height?",
        ),
        ("5: x", "5: there is no such setting"),
        ("server: 5", "server is a number: should hold settings of its own, one a line"),
        ("server: {workers: 0}", "server.workers is 0: should be greater than or equal to 1"),
        (
            "server: {trusted_proxies: 10.0.0.0/8}",
            "server.trusted_proxies is '10.0.0.0/8': should be a list, such as [a, b]",
        ),
        (
            "server: {trusted_proxies: [10.0.0.1/8]}",
            "server.trusted_proxies[0] is '10.0.0.1/8': should be the network itself, 10.0.0.0/8",
        ),
        (
            "server: {accel_redirect: protected}",
            "server.accel_redirect is 'protected': should be an internal location of nginx",
        ),
        (f"server: {{unix_socket: /{'s' * 108}}}", "should be at most 107 bytes long, as paths of sockets are"),
        ("data_dir: ''", "data_dir is '': should be the path of a file or folder"),
        ("data_dir: null", "data_dir is null: should be the path of a file or folder"),
        ("api: {prefixes: []}", "api.prefixes is a list: should name at least one, and none twice"),
        ("api: {prefixes: [a/b]}", "api.prefixes[0] is 'a/b': should be one part of a path, such as api"),
        ("api: {prefixes: [..]}", "api.prefixes[0] is '..': should be one part of a path, such as api"),
        ("api: {guest_uploads: 'yes'}", "api.guest_uploads is 'yes': should be true or false"),
        ("storage: nowhere", "storage is 'nowhere': should name one of the storages: disk"),
        ("storages: {s3: {bucket: b}}", "storages.s3: should say its type, such as `type: datefolder`"),
        ("storages: {S3: {type: s3}}", "storages.S3: names of places are made of a-z, 0-9, _ and -"),
        ("storages: {s3: null}", "storages.s3 is null: should hold names and values, one a line"),
        ("storages: [s3]", "storages is a list: should hold names and values, one a line"),
        ("images: {processor: magic}", "images.processor is 'magic': should be 'auto', 'vips' or 'pillow'"),
        ("images: {formats: [jpeg]}", "images.formats[0] is 'jpeg': should be 'jpg', 'png', 'gif'"),
        ("images: {formats: [jpg, jpg]}", "images.formats is a list: should name at least one, and none twice"),
        ("images: {max_size: many}", "images.max_size is 'many': should be a size such as 20 MB"),
        ("images: {max_pixels: 40 MB}", "images.max_pixels is '40 MB': should be a number of pixels such as 40 MP"),
        ("images: {max_size: 0}", "images.max_size is 0: should be greater than or equal to 1"),
        ("images: {thumb: {width: 5000}}", "images.thumb.width is 5000: should be less than or equal to 2048"),
        ("images: {quality: {png: 10}}", "images.quality.png is 10: should be less than or equal to 9"),
        ("images: {timeout: 8}", "images.timeout is 8: should be a duration with its unit, such as 8 s"),
        ("images: {timeout: 0}", "images.timeout is 0: should be longer than 0"),
        (
            "images: {expire: {default: 3 days, max: 1 day}}",
            "images.expire.default is '3 days': should not be longer than images.expire.max",
        ),
        ("urls: {ports: [0]}", "urls.ports[0] is 0: should be greater than or equal to 1"),
        ("limits: {uploads: 100}", "limits.uploads is 100: should be a rate such as 100/minute or 5/10 s"),
        ("site: {accent: red}", "site.accent is 'red': should be a colour such as '#336699', in quotes"),
        ("site: {logo: nowhere.png}", "site.logo is 'nowhere.png': there is no such file"),
        ("site: {links: [{name: Imprint}]}", "site.links[0].url is missing"),
        (
            "site: {links: [{name: x, url: 'javascript:alert(1)'}]}",
            "site.links[0].url is 'javascript:alert(1)': should be an address",
        ),
        (
            "site: {links: [{name: x, url: //evil.example}]}",
            "site.links[0].url is '//evil.example': should be an address",
        ),
        (
            "site: {time_zone: Mars/Base}",
            "site.time_zone is 'Mars/Base': should be a time zone such as UTC or Europe/Berlin",
        ),
        ("site: {time_zone: ../UTC}", "site.time_zone is '../UTC': should be a time zone"),
        ("site: {time_zone: Europe}", "site.time_zone is 'Europe': should be a time zone"),
        ("site: {language: false}", "site.language is false: should be text; put it in quotes"),
        ("log: {level: loud}", "log.level is 'loud': should be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_wrong_setting_is_told_by_name_value_and_what_would_be_right(text, said):
    (problem,) = complaints(from_file, text)
    assert said in problem
    assert problem.endswith(" [settings.yaml]")


@pytest.mark.parametrize(
    "url",
    [
        "https://img.example.org/pictures",
        "https://img.example.org?x",
        "ftp://img.example.org",
        "img.example.org",
        "https://",
        "https://me:hunter2@img.example.org",
        "https://img.example.org:99999",
        "https://img.example.org:0",
        "https://[::1",
        "https://img example.org",
        "https://bücher.example",
        "https://img.example.org\n",
    ],
)
def test_a_public_url_is_scheme_and_host(url):
    (problem,) = complaints(from_environment, SERVER__PUBLIC_URL=url)
    assert problem.startswith("server.public_url is ")
    assert "should be scheme and host without a path, such as https://img.example.org" in problem


@pytest.mark.parametrize("url", ["https://img.example.org", "http://127.0.0.1:8080", "http://[::1]:8080"])
def test_a_public_url_may_end_with_a_slash(url):
    assert from_environment(SERVER__PUBLIC_URL=url).server.public_url == url
    assert from_environment(SERVER__PUBLIC_URL=url + "/").server.public_url == url


@pytest.mark.parametrize(
    "texts",
    [
        {"API__KEY__X": "hunter2"},
        {"API": "hunter2"},
        {"API__KYE": "hunter2"},
        {"KEY": "hunter2"},
        {"API__KEY__FILE": "hunter2"},
        {"API__KEY__FILE": "hunter2\0"},
        {"CATALOG__URL": "mysql://me:hunter2@host"},
        {"CATALOG__URL__FILE": "/proc/self/mem"},
        {"LIMITS__REDIS_URL": "me:hunter2@host"},
        {"STORAGES": "hunter2"},
        {"STORAGES": "[hunter2]"},
        {"STORAGES": "hunter2: ["},
        {"STORAGES__S3": "hunter2"},
        {"STORAGES__S3__SECRET_KEY": "hunter2"},
        {"SERVER__PORT": "[hunter2"},
    ],
    ids=str,
)
def test_a_secret_is_never_shown(texts):
    problems = complaints(from_environment, **texts)
    assert problems
    assert "hunter2" not in "\n".join(problems)


def test_a_secret_is_not_in_the_repr():
    settings = from_environment(
        API__KEY="hunter2",
        CATALOG__URL="postgresql://me:hunter2@host/imges",
        LIMITS__REDIS_URL="redis://:hunter2@host",
        STORAGES__S3="{type: s3, secret_key: hunter2}",
    )
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "server: {port: 1}\nserver: {host: hunter2}", "line 2, column 1: server is there twice", id="twice"
        ),
        pytest.param("api: {key: hunter2\nserver:", "line 2", id="syntax"),
        pytest.param("api:\n\tkey: hunter2", "line 2, column 1", id="tab"),
        pytest.param("- hunter2", "should hold names and values, such as `storage: disk`", id="list"),
        pytest.param("hunter2", "should hold names and values, such as `storage: disk`", id="text"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_name_and_line(text, said):
    (problem,) = complaints(from_file, text)
    assert problem.startswith("settings.yaml cannot be read: ")
    assert said in problem
    assert "hunter2" not in problem


def test_a_file_that_is_not_utf8_is_told():
    Path("settings.yaml").write_bytes(b"site: {name: caf\xe9}")
    assert complaints(load_settings, environ={}) == ["settings.yaml cannot be read: it is not UTF-8"]


def test_a_file_that_is_named_must_be_there(tmp_path):
    path = tmp_path / "nowhere.yaml"
    assert complaints(load_settings, path, {}) == [f"{path} cannot be read: No such file or directory"]


def test_a_folder_is_no_settings_file():
    Path("settings.yaml").mkdir()
    assert complaints(load_settings, environ={}) == ["settings.yaml cannot be read: Is a directory"]


def test_all_problems_are_told_at_once_and_where_each_was_read():
    text = "server: {port: 99999, prot: 1}\nstorage: nowhere\nimages: {max_size: many}"
    environ = {"IMGES__LOG__LEVEL": "loud", "IMGES__SITE__LINKS": "[", "IMGES__SITE__NAMES": "x"}
    assert complaints(from_file, text, environ) == [
        "site.links: line 1, column 2: it is not YAML; look at indentation, colons and quotes [IMGES__SITE__LINKS]",
        "site.names: there is no such setting; did you mean site.name? [IMGES__SITE__NAMES]",
        "server.port is 99999: should be less than or equal to 65535 [settings.yaml]",
        "server.prot: there is no such setting; did you mean server.port? [settings.yaml]",
        "storage is 'nowhere': should name one of the storages: disk [settings.yaml]",
        "images.max_size is 'many': should be a size such as 20 MB [settings.yaml]",
        "log.level is 'loud': should be 'debug', 'info', 'warning' or 'error' [IMGES__LOG__LEVEL]",
    ]


def test_a_variable_and_its_file_exclude_each_other(tmp_path):
    (tmp_path / "key").write_text("b", encoding="utf-8")
    (problem,) = complaints(from_environment, API__KEY="a", API__KEY__FILE=str(tmp_path / "key"))
    assert problem == "api.key is given by both IMGES__API__KEY and IMGES__API__KEY__FILE; keep one"


@pytest.mark.parametrize(
    "name", ["IMGES__", "IMGES____PORT", "IMGES__FILE", "IMGES__SERVER__PORT__X", "IMGES__X__FILE"]
)
def test_no_variable_of_ours_passes_unknown(name):
    (problem,) = complaints(load_settings, environ={name: "/proc/self/mem"})
    assert "there is no such setting" in problem
    assert problem.endswith(f"[{name}]")


# The data folder


def test_the_data_folder_is_made_and_lets_a_proxy_through(tmp_path):
    folder = tmp_path / "srv/data"
    before = os.umask(0o077)
    try:
        prepare_data_dir(Settings(data_dir=folder))
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o711
    assert list(folder.iterdir()) == []


def test_a_data_folder_that_is_there_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o750)
    prepare_data_dir(Settings(data_dir=tmp_path))
    assert tmp_path.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("folder", ["/proc/imges", "a-file", "a-file/data"])
def test_a_data_folder_that_cannot_be_written_is_told(folder):
    Path("a-file").touch()
    (problem,) = complaints(prepare_data_dir, Settings(data_dir=Path(folder)))
    assert problem.startswith(f"data_dir is '{folder}': should be a folder that can be written (")


def test_settings_are_loaded_without_the_heavy_parts():
    heavy = {"aiohttp", "sqlalchemy", "PIL", "pyvips", "email_validator", "pydantic.v1", "pydantic.networks", "asyncio"}
    code = "import sys, imges.settings as s; s.load_settings(environ={}); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy & set(ran.stdout.split()) == set()
