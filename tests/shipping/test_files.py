"""Files that are shipped beside the program: they are valid, and name what the program has."""

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from imges.cli.main import main
from imges.settings import load_settings
from tests.shipping.proxies import DEPLOY
from tests.web.conftest import Server, running

REPOSITORY = DEPLOY.parent


def test_the_reference_of_settings_is_current():
    reference = runpy.run_path(str(REPOSITORY / "release/settings_reference.py"))["reference"]
    assert (REPOSITORY / "docs/settings.md").read_text() == reference(), "make settings-reference"


async def counted(server: Server) -> str:
    return (await server.get("/metrics")).text


async def test_alerts_and_dashboard_ask_for_metrics_that_exist(tmp_path: Path):
    async with running(tmp_path / "data") as server:
        known = set(re.findall(r"^# TYPE (\w+)", await counted(server), re.MULTILINE))
    rules = (DEPLOY / "alerts.yaml").read_text()
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    asked = rules + " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    for name in set(re.findall(r"\bimges_\w+", asked)):
        assert {name, name.removesuffix("_bucket")} & known, name


def test_the_page_on_metrics_names_them_all():
    page = (REPOSITORY / "docs/observability.md").read_text()
    source = (REPOSITORY / "imges/metrics.py").read_text()
    for name in re.findall(r'"(imges_\w+)"', source):
        assert name in page, name


@pytest.mark.parametrize("name", ["compose.yaml", "compose.three-nodes.yaml"])
def test_compose_files_set_settings_that_exist(name: str):
    written: Any = yaml.safe_load((DEPLOY / name).read_text())
    ours = [service for service in written["services"].values() if "build" in service]
    assert ours
    for service in ours:
        load_settings(environ=service["environment"])
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    named = {volume.split(":")[0] for service in written["services"].values() for volume in service.get("volumes", [])}
    assert {volume for volume in named if not volume.startswith(".")} == set(written["volumes"])


def test_systemd_understands_the_units(tmp_path: Path):
    verify = shutil.which("systemd-analyze")
    if verify is None:  # a container has none
        pytest.skip("there is no systemd here")
    for name in ("imges.service", "imges.socket"):
        text = (DEPLOY / name).read_text().replace("/usr/local/bin/imges", shutil.which("true") or "/bin/true")
        (tmp_path / name).write_text(text)
    said = subprocess.run(
        [verify, "verify", tmp_path / "imges.service", tmp_path / "imges.socket"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "imges" not in said.stderr, said.stderr


COMMANDS = re.compile(r"^(?:sudo -u imges )?(imges [a-z]+.*?)(?:\s+>.*|\s+#.*)?$", re.MULTILINE)


PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_the_pages_exist(page: Path):
    """Each line `imges …` of a code block names a command that exists, and options of it."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    for line in COMMANDS.findall("\n".join(blocks)):
        words = line.split()[1:]
        command: click.Command | None = main
        while words and isinstance(command, click.Group) and not words[0].startswith("-"):
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, line
        options = {name for param in command.params for name in param.opts} | {"--help"}
        for word in words:
            if word.startswith("--"):
                assert word.split("=")[0] in options, f"{line}: {word}"
