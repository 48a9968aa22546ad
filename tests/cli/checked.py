"""`imges check` with sound settings, some of which a test changes."""

import os
import subprocess
from pathlib import Path

from tests.served import IMGES

SOUND = {"LIMITS__DISK_RESERVE": "1 MB", "SERVER__PORT": "0", "SERVER__PUBLIC_URL": "https://img.example.org"}


def check(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    given = {f"IMGES__{name}": value for name, value in (SOUND | settings).items()}
    return subprocess.run(
        [*IMGES, "check", *arguments], cwd=folder, env=os.environ | given, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
