"""The conformance suite finds what is wrong with each backend that is broken on purpose."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from .broken import CAUGHT_BY

BROKEN = Path(__file__).with_name("broken.py")
CASES = [(suite.__name__, f"test_{test}") for suite, tests in CAUGHT_BY.items() for test in tests]


def outcomes(report, *arguments):
    """What became of each test: (class, name without parameters) → whether any of its cases failed."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments],
        cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, timeout=300, check=False,
    )  # fmt: skip
    failed: dict[tuple[str, str], bool] = {}
    for case in ET.parse(report).iter("testcase"):
        name = case.attrib["classname"].rpartition(".")[2], re.sub(r"\[.*", "", case.attrib["name"], flags=re.DOTALL)
        failed[name] = failed.get(name, False) or any(child.tag == "failure" for child in case)
    return failed


@pytest.fixture(scope="module")
def caught(tmp_path_factory):
    tests = [f"{BROKEN}::{suite}::{test}" for suite, test in CASES]
    return outcomes(tmp_path_factory.mktemp("broken") / "report.xml", *tests)


@pytest.mark.parametrize("case", CASES, ids=".".join)
def test_a_broken_backend_is_caught(caught, case):
    assert caught[case]


def test_a_right_backend_passes(tmp_path):
    failed = outcomes(tmp_path / "report.xml", f"{BROKEN}::TestUnbroken")
    assert len(failed) > 30
    assert not any(failed.values()), failed
