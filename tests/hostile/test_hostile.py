"""Sends the hostile requests, group by group, to a server with default settings."""

from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.hostile.groups import GROUPS, Group
from tests.hostile.watch import settled, watched
from tests.served import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serving(tmp_path_factory.mktemp("hostile")) as served:
        settled(served)
        yield served


@pytest.mark.parametrize("group", [group for group in GROUPS if not group.long], ids=lambda group: group.name)
def test_no_hostile_request_does_any_harm(served: Served, group: Group, tmp_path: Path):
    with serving(tmp_path, **group.settings) if group.settings else nullcontext(served) as server:
        if group.settings:
            settled(server)
        with watched(server):
            group.run(server)
