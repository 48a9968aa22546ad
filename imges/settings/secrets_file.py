"""The file of secrets: what the settings file should not hold, for the service and for every command alike."""

from pathlib import Path

PATH = Path("/etc/imges/secrets.env")


def read_secrets(file: Path) -> dict[str, str]:
    """Returns the variables in *file*: lines `NAME=VALUE`; empty lines and those that begin with `#` count for nothing.

    A value may stand in quotes, as in files for systemd. Raises `OSError` if the file cannot be read, and `ValueError`,
    which shows no value, if a line is something else.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        name, sign, value = line.strip().partition("=")
        if not line.strip() or name.startswith("#"):
            continue
        if not sign or not name.startswith("IMGES__"):
            raise ValueError(f"line {number} should be a setting and its value, such as IMGES__API__KEY=…")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[name] = value
    return found
