"""Runs the commands as a user runs them."""

import os
import subprocess
from pathlib import Path

from tests.served import IMGES


def environment(environ: dict[str, str]) -> dict[str, str]:
    return os.environ | {f"IMGES__{name}": value for name, value in environ.items()}


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs `imges ARGUMENTS` in *folder*, with settings from the environment, such as `SITE__NAME="x"`."""
    return subprocess.run(
        [*IMGES, *arguments],
        cwd=folder, env=environment(environ), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
