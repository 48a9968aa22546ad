"""The model of settings.yaml: defaults, the example file, and what is refused."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from imges.settings import Section, Settings, load_settings
from imges.settings.units import Rate
from imges.settings.yaml_text import read_yaml
from tests.settings.reading import complaints, from_environment, from_file

EXAMPLE = Path(__file__).parents[2] / "settings.yaml"


def test_without_a_file_the_defaults_apply():
    assert load_settings(environ={}) == Settings()


def test_the_defaults_are_those_of_the_contract():
    settings = Settings()
    assert (settings.server.host, settings.server.port, settings.server.workers) == ("127.0.0.1", 8080, 1)
    assert settings.server.trusted_proxies == (ip_network("127.0.0.0/8"), ip_network("::1"))
    assert settings.storages == {"disk": {"type": "datefolder", "root": Path("data/images")}}
    assert (settings.images.max_size, settings.images.max_pixels) == (50 * 2**20, 250 * 10**6)
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


# What is refused


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
def test_a_wrong_setting_is_reported_with_name_value_and_advice(text, said):
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
