"""`imges check --print`: files for a proxy and for systemd, made from the present settings.

What stands in `deploy/` is printed by the same code, from `deploy/settings.yaml`.
"""

from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from imges.bytesize import size_formatted
from imges.errors import SettingsError
from imges.settings import Settings
from imges.settings.model import disk_roots

FILES = {"nginx": "nginx.conf", "caddy": "Caddyfile", "systemd": "imges.service"}

HOST = "img.example.org"
"""The host if the settings have no public address."""


def printed(kind: str, settings: Settings) -> str:
    """Returns the file of that *kind*. Raises `SettingsError` if it cannot be made from the settings."""
    values = {
        "HOST": urlsplit(settings.server.public_url or "").hostname or HOST,
        "MAX_SIZE": size_formatted(settings.images.max_size),
        "UPSTREAM": _upstream(kind, settings),
        "DATA_DIR": str(settings.data_dir.absolute()),
    }
    if kind == "nginx":
        values["SENT"] = _sent(settings)
    if kind == "systemd":
        values["STATE"] = _state_directory(settings.data_dir)
    return filled(FILES[kind], values)


def filled(name: str, values: dict[str, str]) -> str:
    """Returns the file *name* of `printed/`, with each `@KEY@` replaced by its value."""
    text = files("imges.cli").joinpath("printed", name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _upstream(kind: str, settings: Settings) -> str:
    server = settings.server
    if server.unix_socket is not None:
        path = server.unix_socket.absolute()
        return f"unix:{path}" if kind == "nginx" else f"unix/{path}"
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (asked, not bound)
    host = everywhere.get(server.host, server.host)
    return f"[{host}]:{server.port}" if ":" in host else f"{host}:{server.port}"


def _sent(settings: Settings) -> str:
    """Returns a location of nginx for each place on a disk of this machine."""
    location = settings.server.accel_redirect
    if location is None:
        return ""
    roots = disk_roots(settings.storages)
    return "".join(
        filled("nginx-sent.conf", {"PLACE": name, "LOCATION": location, "ROOT": str(root.absolute())})
        for name, root in sorted(roots.items())
    ).rstrip("\n")


def _state_directory(data_dir: Path) -> str:
    """Returns systemd's `StateDirectory`. Raises `SettingsError` if *data_dir* does not lie below /var/lib."""
    try:
        return str(data_dir.absolute().relative_to("/var/lib"))
    except ValueError:
        raise SettingsError(
            f"data_dir is '{data_dir}': for a service it should lie below /var/lib, such as /var/lib/imges"
        ) from None
