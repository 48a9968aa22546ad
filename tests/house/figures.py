"""Holds the code to its sizes: `python -m tests.house.figures` prints each file, class and function that is too large.

When the rule was made, 99 of 100 functions had at most 24 lines, and few files had more than 400. A longer function
needs a reason in `LONGER`.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("imges", "backends")
FILE_LINES = 400
CLASS_METHODS = 15
"""Public methods, without those that are inherited."""
FUNCTION_LINES = 24
"""From the first line after the docstring to the last, comments and inner functions included."""

ONE_SUITE = {"imges/testing"}
"""Folders whose files and classes may be larger: a conformance suite is one class, which third parties inherit from."""
LONGER = {
    "imges/catalog/migrations": "the schema of one release, table by table; it never changes again",
    "image_object": "one dictionary: the fields of an answer, in API v1's order",
    "_example_image": "one call: the fields of a picture",
    "manifest": "one dictionary: the web app's manifest",
    "_opened": "one call: the options of botocore's client, each with its reason",
    "over": "one call for each use case: which of them stands on which",
    "running_parts": "part of create_app: what is opened, in order, and who gets which of it",
    "create_app": "the application is wired in one place, in the order in which its parts are opened",
}
"""Names of longer functions, or folders of such, and why each of them is better in one piece."""


def too_large(file: Path, source: str) -> Iterator[tuple[str, str]]:
    """Name and complaint for everything in *source*, the content of *file*, that is larger than the rules allow."""
    suite = any(file.is_relative_to(folder) for folder in ONE_SUITE)
    if (lines := source.count("\n")) > FILE_LINES and not suite:
        yield file.name, f"{file}: {lines} lines; split it by purpose ({FILE_LINES} at most)"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and (methods := _public_methods(node)) > CLASS_METHODS and not suite:
            yield node.name, f"{file}:{node.lineno}: {node.name} has {methods} public methods ({CLASS_METHODS} at most)"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := _body_lines(node)) > FUNCTION_LINES:
            yield node.name, f"{file}:{node.lineno}: {node.name} has {lines} lines ({FUNCTION_LINES} at most)"


def _public_methods(node: ast.ClassDef) -> int:
    methods = (child.name for child in node.body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))
    return len({name for name in methods if not name.startswith("_")})


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1 if body else 0


def complaints(root: Path) -> Iterator[str]:
    """What is too large below *root*, and reasons that no function needs any more."""
    needed: set[str] = set()
    for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py")):
        file = path.relative_to(root)
        for name, complaint in too_large(file, path.read_text(encoding="utf-8")):
            reasons = {given for given in LONGER if given == name or file.is_relative_to(given)}
            needed |= reasons
            if not reasons:
                yield complaint
    for name in LONGER.keys() - needed:
        yield f"tests/house/figures.py: nothing named {name} is too long any more; take its reason out"


def main() -> int:
    """Prints every complaint; returns the exit status."""
    found = list(complaints(ROOT))
    sys.stdout.writelines(f"{complaint}\n" for complaint in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
