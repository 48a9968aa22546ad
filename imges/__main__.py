"""`python -m imges`, and the `imges` command."""

import gc
import os
import sys
from collections.abc import Mapping

YOUNG = 20_000
"""Objects made and kept after which Python looks for cycles among them; its own 700 costs an import a tenth."""


def main() -> None:
    gc.set_threshold(YOUNG)
    add_plugins(os.environ)
    from imges.cli.main import main

    main()


def add_plugins(environ: Mapping[str, str]) -> None:
    """Let what lies in the folders of `IMGES_PLUGINS` be found: so the one-file binary gets the backends of others."""
    sys.path.extend(folder for folder in environ.get("IMGES_PLUGINS", "").split(os.pathsep) if folder)


if __name__ == "__main__":
    main()
