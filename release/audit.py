"""`make audit`: asks PyPI's advisories for known holes of everything in requirements.lock, and says what was not asked.

Exit status: 0 if all packages were asked and none has a known hole, 1 if one has, 2 if not all of them could be asked.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from imges.imaging import libraries

ROOT = Path(__file__).parents[1]
HOW = "look them up at https://osv.dev, or in the news of your distribution"


def main() -> int:
    answer = asked()
    if answer is None:
        return 2
    lines, status = report(answer, dict(libraries.loaded()))
    print("\n".join(lines))
    return status


def asked() -> Sequence[Mapping[str, Any]] | None:
    """Returns what pip-audit found out about each package; `None` if it could not work at all."""
    command = [Path(sys.executable).with_name("pip-audit"), "--disable-pip", "--require-hashes", "--format", "json"]
    command += ["--progress-spinner", "off", "--requirement", ROOT / "requirements.lock"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        print(f"nothing was asked: pip-audit failed: {last[0]}", file=sys.stderr)
        return None


def report(packages: Sequence[Mapping[str, Any]], native: Mapping[str, Mapping[str, str]]) -> tuple[list[str], int]:
    """Returns the lines to print and the exit status. *native* are the libraries inside each wheel."""
    skipped = [str(package["name"]) for package in packages if "skip_reason" in package]
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, fixed in {', '.join(hole['fix_versions']) or 'none'}"
        for package in packages
        for hole in package.get("vulns", ())
    ]
    lines = [f"asked PyPI about {len(packages) - len(skipped)} of {len(packages)} packages", *holes]
    if not holes and len(skipped) < len(packages):
        lines.append("no known holes in those that were asked")
    if skipped:
        lines.append(f"NOT asked, because PyPI's advisories could not be read for them: {', '.join(skipped)}")
    for wheel, versions in native.items():
        inside = ", ".join(f"{name} {version}" for name, version in versions.items())
        lines.append(f"NOT asked, because PyPI has no advisories for libraries inside {wheel}: {inside}")
    lines.append(f"for what was not asked: {HOW}")
    return lines, 1 if holes else 2 if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
