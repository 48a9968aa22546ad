# What we use of `atheris`, which brings no types of its own.

from collections.abc import Callable
from contextlib import AbstractContextManager

def instrument_imports(include: list[str] | None = ...) -> AbstractContextManager[None]: ...
def Setup(  # noqa: N802
    arguments: list[str],
    target: Callable[[bytes], None],
    *,
    custom_mutator: Callable[[bytes, int, int], bytes] | None = ...,
) -> list[str]: ...
def Fuzz() -> None: ...  # noqa: N802
def Mutate(data: bytes, most: int) -> bytes: ...  # noqa: N802
