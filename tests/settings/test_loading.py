"""Where settings come from, and how problems are reported."""

import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from imges.settings import Settings, load_settings
from tests.settings.reading import complaints, from_environment, from_file


def test_a_named_file_is_the_only_one_that_is_read(tmp_path):
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


def test_the_users_folder_is_dot_config_by_default(tmp_path):
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


def test_disk_stays_unless_it_is_redefined():
    settings = from_file("storage: vault\nstorages: {vault: {type: other}}")
    assert settings.storages["disk"] == {"type": "datefolder", "root": Path("data/images")}
    assert from_file("storages: {disk: {type: other}}").storages == {"disk": {"type": "other"}}


def test_the_disks_root_follows_the_data_folder():
    assert from_file("data_dir: /srv/imges").storages["disk"]["root"] == Path("/srv/imges/images")


# What is wrong


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
def test_a_file_that_cannot_be_read_is_reported_by_name_and_line(text, said):
    (problem,) = complaints(from_file, text)
    assert problem.startswith("settings.yaml cannot be read: ")
    assert said in problem
    assert "hunter2" not in problem


def test_a_file_that_is_not_utf8_is_reported():
    Path("settings.yaml").write_bytes(b"site: {name: caf\xe9}")
    assert complaints(load_settings, environ={}) == ["settings.yaml cannot be read: it is not UTF-8"]


def test_a_named_file_must_exist(tmp_path):
    path = tmp_path / "nowhere.yaml"
    assert complaints(load_settings, path, {}) == [f"{path} cannot be read: No such file or directory"]


def test_a_folder_is_no_settings_file():
    Path("settings.yaml").mkdir()
    assert complaints(load_settings, environ={}) == ["settings.yaml cannot be read: Is a directory"]


def test_all_problems_are_reported_at_once_with_their_origins():
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
def test_an_unknown_variable_of_ours_is_reported(name):
    (problem,) = complaints(load_settings, environ={name: "/proc/self/mem"})
    assert "there is no such setting" in problem
    assert problem.endswith(f"[{name}]")


def test_settings_are_loaded_without_the_heavy_parts():
    heavy = {"aiohttp", "sqlalchemy", "PIL", "pyvips", "email_validator", "pydantic.v1", "pydantic.networks", "asyncio"}
    code = "import sys, imges.settings as s; s.load_settings(environ={}); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy & set(ran.stdout.split()) == set()
