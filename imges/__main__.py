"""`python -m imges`, and the `imges` command."""

import gc
import os
import sys
from collections.abc import Mapping

YOUNG = 20_000
"""Python searches for cycles after so many new objects. Its default of 700 makes imports a tenth slower."""


def main() -> None:
    gc.set_threshold(YOUNG)
    add_plugins(os.environ)
    from imges.cli.main import main

    main()


def add_plugins(environ: Mapping[str, str]) -> None:
    """Make modules in the folders of `IMGES_PLUGINS` importable: third parties' backends for the one-file binary."""
    sys.path.extend(folder for folder in environ.get("IMGES_PLUGINS", "").split(os.pathsep) if folder)


if __name__ == "__main__":
    main()
