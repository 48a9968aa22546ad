"""Runs many commands in one process: `python -m tests.cli.walking`.

Standard input has a list of `[arguments, variables]` as JSON. Standard output gets `[status, output, error]` of each;
*error* names an exception that the command has not caught.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from imges.cli.main import main
from tests.strangers import python

ROOT = Path(__file__).parents[2]
Walk = tuple[list[str], dict[str, str]]


def walked(folder: Path, walks: list[Walk], uid: int | None = None) -> list[tuple[int, str, str]]:
    """Returns what came of each of *walks* in *folder*, run by the user *uid*."""
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable if uid is None else python(), "-m", "tests.cli.walking"], cwd=folder, env=environ,
        input=json.dumps(walks), stdout=subprocess.PIPE, text=True, timeout=300, check=True,
        user=uid, group=uid, extra_groups=None if uid is None else [],
    )  # fmt: skip
    return [(status, output, error) for status, output, error in json.loads(done.stdout.splitlines()[-1])]


def _walk(arguments: list[str], variables: dict[str, str]) -> tuple[int, str, str]:
    environ = {f"IMGES__{name}": value for name, value in variables.items()}
    result: Any = CliRunner().invoke(main, arguments, env=environ)
    error = "" if isinstance(result.exception, SystemExit | None) else repr(result.exception)
    return result.exit_code, result.output, error


if __name__ == "__main__":
    found = [_walk(*each) for each in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)
