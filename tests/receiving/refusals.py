"""How the tests of this room expect a refusal."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest

from imges.errors import ImgesError, UrlRefused


@contextmanager
def refused(kind: type[ImgesError] = UrlRefused) -> Generator[None]:
    """Expects an error of *kind* with its usual message, which reveals nothing of what was found."""
    with pytest.raises(kind) as info:
        yield
    assert type(info.value) is kind
    assert info.value.message == kind().message
