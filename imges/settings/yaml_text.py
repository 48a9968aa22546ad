"""Reads YAML without its traps."""

from typing import Any

import yaml
import yaml.scanner


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice (YAML keeps the last one silently), and reads dates as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  (PyYAML's signature)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and str(key.value) in seen:
                raise _Twice(f"{key.value} is there twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


class _Twice(yaml.MarkedYAMLError):
    def __init__(self, problem: str, mark: yaml.Mark) -> None:
        super().__init__(problem=problem, problem_mark=mark)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(text: str) -> Any:
    """Returns the value of the YAML *text*.

    Raises `ValueError` if it is not YAML. The message quotes nothing of the text, which may contain secrets, except a
    name that stands twice.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{where}{_yaml_problem(error)}") from None
    except (yaml.YAMLError, ValueError):  # a character that YAML forbids; a number such as 0x_
        raise ValueError("it is not YAML") from None


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    if isinstance(error, _Twice | yaml.scanner.ScannerError):  # messages of other errors may quote the text
        return str(error.problem)
    return "it is not YAML; look at indentation, colons and quotes"
