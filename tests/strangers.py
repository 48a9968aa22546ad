"""A Python that other users can run, with imges in it: that of the tests may lie in root's home."""

import atexit
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

STRANGER = 54_321
"""A user that no machine has."""


@cache
def python() -> str:
    """Returns the path of the program. Skips the test if this machine has none that other users can run."""
    if _runs(sys.executable):
        return sys.executable
    folder = Path(mkdtemp(prefix="imges-venv-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", folder], check=False).returncode == 0
    for packages in folder.glob("lib/python*/site-packages"):
        ours = sysconfig.get_path("purelib")
        (packages / "imges-of-tests.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    found = str(folder / "bin/python")
    if not (made and _runs(found)):
        pytest.skip("no other user can run the Python of these tests")
    return found


def _runs(program: str) -> bool:
    command = [program, "-c", "import imges.app, imges.backends, pyvips"]
    try:
        return (
            subprocess.run(command, user=STRANGER, group=STRANGER, extra_groups=[], cwd="/", check=False).returncode
            == 0
        )
    except PermissionError:
        return False
