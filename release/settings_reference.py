"""Writes docs/settings.md: every setting, its default and its meaning, from the model and from settings.yaml.

The names and defaults are the model's, the meanings those of settings.yaml; a test holds the three together.
"""

import re
import sys
from pathlib import Path

from pydantic import BaseModel

from imges.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "settings.md"
HEAD = """# Settings

<!-- Written by `make settings-reference` from the settings model and settings.yaml. -->

Everything has a default: imges runs without any file. Write your changes into a YAML file. imges reads the first of
`./settings.yaml`, `$XDG_CONFIG_HOME/imges/settings.yaml` and `/etc/imges/settings.yaml`, or the file that
`--settings PATH` names. `settings.yaml` beside the README lists all settings, ready to be uncommented.

The environment wins over the file: `IMGES__SERVER__PORT=9000` is `server.port`,
`IMGES__STORAGES__S3__BUCKET=pictures` is the `bucket` of the place `s3`, and `IMGES__API__KEY__FILE=/run/secrets/key`
reads `api.key` from a file. Secrets may stand in `/etc/imges/secrets.env`, a line `NAME=VALUE` for each. They win
over the settings file, and the environment wins over them. In the environment text needs no quotes; other values are
YAML (`off`, `[80, 443]`). Relative paths start at the working directory. 1 KB is 1024 bytes, 1 MP is 1,000,000 pixels.

An unknown name or a wrong value stops the start, and the message says what would be right. `imges check` finds further
problems. `systemctl reload imges`, or SIGHUP, reloads most settings. The log names those that need a restart.
"""


def main() -> None:
    PAGE.write_text(reference())


def reference() -> str:
    """Returns the page. Exits if settings.yaml lacks a setting of the model."""
    written = lines()
    names = [name for name, _ in leaves(Settings)]
    if missing := [name for name in names if name not in written]:
        sys.exit(f"settings.yaml says nothing of {', '.join(missing)}")
    parts, section = [HEAD], ""
    for name in names:
        above = name.partition(".")[0] if "." in name else ""
        if above != section or len(parts) == 1:
            parts.append(f"\n## {above or 'The top'}\n\n| setting | default | meaning |\n|---|---|---|\n")
            section = above
        default, meaning = written[name]
        parts.append(f"| `{name}` | `{default}` | {meaning.replace('|', chr(92) + '|')} |\n")
    return "".join(parts)


def leaves(model: type[BaseModel], above: str = "") -> list[tuple[str, object]]:
    """Returns every setting and its default. A group on one line, such as `images.thumb`, is one setting."""
    found: list[tuple[str, object]] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and f"{above}{name}" not in lines():
            found += leaves(kind, f"{above}{name}.")
        else:
            found.append((above + name, field.default))
    return sorted(found, key=lambda entry: "." in entry[0]) if not above else found


def lines() -> dict[str, tuple[str, str]]:
    """Returns default and meaning of each setting by its name, as settings.yaml has them."""
    found: dict[str, tuple[str, str]] = {}
    above: list[str] = []
    for line in (ROOT / "settings.yaml").read_text().splitlines():
        entry = re.fullmatch(r"# ((?:  )*)([a-z_0-9]+):(.*?)(?:\s+# (.*))?", line)
        if entry is None:
            continue
        depth, name, default, meaning = len(entry[1]) // 2, entry[2], entry[3].strip(), entry[4] or ""
        above = [*above[:depth], name]
        if default or name == "storages":
            found[".".join(above)] = (default or "{disk: {type: datefolder}}", meaning)
    return found


if __name__ == "__main__":
    main()
