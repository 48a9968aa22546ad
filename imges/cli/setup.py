"""`imges setup`: all files of a service on this machine, and the commands that are left to type."""

import os
import pwd
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from imges.cli.check_print import filled, printed
from imges.cli.errors import reporting_errors, reporting_os_errors
from imges.durable import PRIVATE, make_folders, write_whole
from imges.errors import ImgesError, SettingsError
from imges.settings import load_settings
from imges.settings.model import Settings

USER = "imges"
DATA = Path("/var/lib/imges")
SETTINGS = Path("/etc/imges/settings.yaml")
PROGRAM = Path("/usr/local/bin/imges")
MARK = "# imges"
"""How files of ours begin: `setup` may replace such a file, if the owner has not changed the first line."""


@dataclass(frozen=True)
class _File:
    path: Path
    text: str
    mode: int = 0o644
    stays: bool = False
    """Whether a file that is there is the owner's, and stays as it is."""


@click.command()
@click.argument("host")
@click.option("--proxy", type=click.Choice(["nginx", "caddy"]), default="nginx", show_default=True, help="In front.")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), help="Write below this folder; run nothing.")
def setup(host: str, proxy: str, root: Path | None) -> None:
    """Set up imges as a service that serves https://HOST on this machine.

    Makes the user, the folders, /etc/imges/settings.yaml, /etc/imges/secrets.env, the unit for systemd and the file for
    the proxy. Settings and secrets that are there already stay. Then it prints the commands that are left to type. With
    --root it only writes the files, for you to look at.
    """
    if not re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})+", host):
        raise click.BadParameter(
            "should be a name in the DNS, in small letters, such as img.example.org", param_hint="HOST"
        )
    with reporting_errors():
        if root is None and os.geteuid() != 0:
            raise ImgesError(
                "setup makes a user and writes to /etc: run it as root, or look at its files with --root DIR"
            )
        with reporting_os_errors(root or SETTINGS):
            _set_up(host, proxy, root)


def _set_up(host: str, proxy: str, root: Path | None) -> None:
    below = root or Path("/")
    owner = _made_user() if root is None else None
    data = below / DATA.relative_to("/")
    make_folders(data, 0o711)
    if owner is not None and data.stat().st_uid == 0:
        os.chown(data, *owner)
    for file in _files(host, proxy, below):
        path = below / file.path.relative_to("/")
        make_folders(path.parent, 0o755)
        written = _write(path, file)
        if owner is not None and file.mode == PRIVATE and written:
            os.chown(path, *owner)
    click.echo("\nNow type:\n")
    for line in _left(host, proxy):
        click.echo(f"  {line}")


def _made_user() -> tuple[int, int]:
    """Makes the user of the service if there is none. Returns its numbers. Raises `ImgesError` if that fails."""
    try:
        pwd.getpwnam(USER)
    except KeyError:
        made = subprocess.run(
            ["/usr/sbin/useradd", "--system", "--user-group", "--no-create-home", "--home-dir=/var/lib/imges", "imges"],
            check=False,
        )
        if made.returncode != 0:
            raise ImgesError(f"useradd could not make the user {USER}; make it, and run this again") from None
        click.echo(f"made the user {USER}")
    found = pwd.getpwnam(USER)
    return found.pw_uid, found.pw_gid


def _files(host: str, proxy: str, below: Path) -> Iterator[_File]:
    accel = "  accel_redirect: /protected  # nginx sends the files" if proxy == "nginx" else ""
    text = filled("settings.yaml", {"HOST": host, "ACCEL": accel}).rstrip("\n") + "\n"
    yield _File(SETTINGS, text, stays=True)
    yield _File(Path("/etc/imges/secrets.env"), filled("secrets.env", {}), PRIVATE, stays=True)
    settings = load_settings(below / SETTINGS.relative_to("/"), environ={})
    if settings.server.public_url != f"https://{host}":
        raise SettingsError(f"{SETTINGS} says server.public_url: {settings.server.public_url}; make it https://{host}")
    yield _File(Path("/etc/systemd/system/imges.service"), printed("systemd", settings))
    yield from _proxy_files(proxy, settings)


def _proxy_files(proxy: str, settings: Settings) -> Iterator[_File]:
    if proxy == "caddy":
        yield _File(Path("/etc/caddy/imges.caddy"), printed("caddy", settings))
        return
    yield _File(Path("/etc/nginx/sites-available/imges"), printed("nginx", settings))
    hook = f"#!/bin/sh\n{MARK}: nginx reads a renewed certificate.\nsystemctl reload nginx\n"
    yield _File(Path("/etc/letsencrypt/renewal-hooks/deploy/imges"), hook, 0o755)


def _write(path: Path, file: _File) -> bool:
    """Writes *file* to *path*, or beside it if somebody else's file is there. Returns whether it is at *path* now."""
    there = path.read_text() if path.exists() else None
    if there == file.text or (there is not None and file.stays):
        click.echo(f"kept {path}")
        return False
    if there is not None and MARK not in there[:100]:
        path = path.with_name(f"{path.name}.new")
        click.echo(f"wrote {path}, because another file has its name: compare the two")
    else:
        click.echo(f"wrote {path}")
    write_whole(path, file.text.encode())
    path.chmod(file.mode)
    return not path.name.endswith(".new")


def _left(host: str, proxy: str) -> Iterator[str]:
    """Yields the commands that the operator types: for what needs the network, and what starts services."""
    if not PROGRAM.exists():
        ours = Path(sys.argv[0]).absolute()
        yield f"install -m 0755 {ours} {PROGRAM}" if hasattr(sys, "frozen") else f"ln -s {ours} {PROGRAM}"
    if proxy == "caddy":
        yield "apt install caddy"
        yield "echo 'import imges.caddy' >> /etc/caddy/Caddyfile"
        yield "systemctl enable --now imges"
        yield "systemctl reload caddy"
    else:
        yield "apt install nginx certbot"
        yield f"certbot certonly --webroot --webroot-path /var/www/html --domain {host}"
        yield "ln -s ../sites-available/imges /etc/nginx/sites-enabled/imges"
        yield "systemctl enable --now imges"
        yield "nginx -t && systemctl reload nginx"
    yield "imges check --public"
