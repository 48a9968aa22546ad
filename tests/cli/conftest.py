"""A server that the tests of one file share, and an upload to it."""

from collections.abc import Generator

import pytest

from tests.served import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as served:
        yield served
