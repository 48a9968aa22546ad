"""Probe of `imges check`: settings that are valid, and yet unsafe or not what their owner wants."""

import os
import stat
from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from pathlib import Path

from imges.cli.check_findings import Finding, good, note, wrong
from imges.settings import SECRETS, Server, Settings, settings_file, unread_variables
from imges.web.pages.languages import open_languages

SHORT_KEY, GUESSED_KEY = 16, 8
"""An API key with fewer characters may be guessed; with fewer than the second number it soon is."""
DOCKER = ip_network("172.16.0.0/12")
"""From where Docker takes its networks."""
MANY_WORKERS = 4
"""Processes for each core, beyond which they only stand in each other's way."""


def findings(settings: Settings, path: Path | None) -> Iterable[Finding]:
    """*path*: of the settings file, if it was given. Raises `SettingsError` if pages do not speak the language."""
    open_languages(settings.site.language)  # raises what `serve` raises
    found = [
        *_variables(),
        *_secrets(SECRETS),
        *_trusted_proxies(settings.server),
        *_public_url(settings.server),
        *_api_key(settings.api.key, settings_file(path)),
        *_workers(settings),
    ]
    return found or [good("")]


def _variables() -> Iterator[Finding]:
    for sentence in unread_variables():
        yield note(sentence)


def _secrets(file: Path) -> Iterator[Finding]:
    try:
        mode = file.stat().st_mode
    except OSError:
        return
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield wrong(
            f"{file} can be read by others (mode {stat.S_IMODE(mode):04o})",
            breaks="who reads it has the passwords in it",
            change=f"chmod 0600 {file}",
        )


def _trusted_proxies(server: Server) -> Iterator[Finding]:
    if any(network.prefixlen == 0 for network in server.trusted_proxies):
        yield wrong(
            "server.trusted_proxies trusts every address",
            breaks="every client can say that it is another: limits and blocks do not hold, /metrics is open to all",
            change="server: {trusted_proxies: [127.0.0.0/8]}, or the address of your proxy",
        )
        return
    for network in server.trusted_proxies:
        if network.is_global:
            yield note(
                f"server.trusted_proxies has {network}, a public network: each client in it is seen as a proxy",
                breaks="clients there can say that they are another, and may read /metrics",
                change="the addresses of the proxy alone; nothing, if only proxies are there",
            )
        elif network.num_addresses > 1 and network.overlaps(DOCKER):
            yield note(
                f"server.trusted_proxies has {network}, a network of Docker",
                breaks="IPv6 clients come as its gateway, and other containers are there: all are seen as proxies",
                change="the address of the proxy's container alone, as deploy/compose.yaml has it",
            )


def _public_url(server: Server) -> Iterator[Finding]:
    if server.public_url is None:
        names = "".join(f", {name}" for name in server.hosts)
        yield note(
            "server.public_url is not set: addresses of pictures are made from what each request calls the server, and "
            f"guests may upload on the page only under addresses, local names{names}",
            breaks="other names get 421; behind a proxy that does not pass the name on, links lead nowhere",
            change="server: {public_url: https://img.example.org}",
        )
    elif server.public_url.startswith("http://") and not _is_local(server.public_url):
        yield note(
            f"server.public_url is {server.public_url}, without TLS",
            breaks="API keys can be read on the way",
            change=f"server: {{public_url: {server.public_url.replace('http:', 'https:', 1)}}}, and TLS in the proxy",
        )


def _is_local(url: str) -> bool:
    return any(url.startswith(f"http://{host}") for host in ("127.", "localhost", "[::1]"))


def _api_key(key: str | None, file: Path | None) -> Iterator[Finding]:
    """*key* is the setting `api.key`; *file* is the settings file, if there is one."""
    if key is None:
        return
    if len(key) < SHORT_KEY:
        grade = wrong if len(key) < GUESSED_KEY else note
        yield grade(
            f"api.key has {len(key)} characters",
            breaks="it can be guessed, and then anybody uploads",
            change="api: {key: null}, and one is made and kept in data_dir/api.key",
        )
    if file is not None and file.stat().st_mode & stat.S_IROTH:
        yield note(f"{file} holds api.key, and every user of this machine can read it", change=f"chmod o-r {file}")


def _workers(settings: Settings) -> Iterator[Finding]:
    cores = os.cpu_count() or 1
    for name, count in (("server.workers", settings.server.workers), ("images.workers", settings.images.workers or 1)):
        if count > MANY_WORKERS * cores:
            yield note(
                f"{name} is {count}, and this machine has {cores} cores",
                breaks="they stand in each other's way, and take memory",
                change=f"{name.replace('.', ': {')}: {cores}}}",
            )
