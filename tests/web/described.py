"""Checks whether an answer is as `openapi.yaml` describes it."""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from openapi_schema_validator import OAS31Validator

from imges.web.api.openapi import described_for


class Description:
    """The description of a site with the default prefixes."""

    def __init__(self) -> None:
        self.document = described_for(("sharexapi", "api"))
        self.seen: set[tuple[str, str, str]] = set()
        """Method, path and status of every answer that was checked."""

    def check(self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Raises `AssertionError` if the answer is not as it is described; what is not described at all passes."""
        found = self._path(path)
        if found is None:
            return
        item = self.document["paths"][found]
        operation = item.get(method.lower()) or (item.get("get") if method == "HEAD" else None)
        if operation is None:
            answer = self.document["components"]["responses"]["WrongMethod"]
            assert status in {400, 405}, f"{method} {path} is not described, and answered with {status}"
        else:
            assert str(status) in operation["responses"], f"{method} {path} answered with {status}: not described"
            self.seen.add((method, found, str(status)))
            answer = self._resolved(operation["responses"][str(status)])
        self._check_headers(answer, headers)
        if method != "HEAD" and body:
            self._check_body(answer, headers.get("Content-Type", ""), body)

    def _path(self, path: str) -> str | None:
        path = re.sub(r"^https?://[^/]+", "", path).partition("?")[0]
        if re.match(r"/api/(v[12]|upload|token)(/|$)", path):  # APIs of other hosts: theirs to describe
            return None
        return next((each for each, pattern in self._patterns if pattern.fullmatch(path)), None)

    @cached_property
    def _patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        """The patterns, those with the fewest placeholders first. The key of a picture has slashes."""
        ordered = sorted(self.document["paths"], key=lambda path: path.count("{"))
        return [
            (path, re.compile(re.sub(r"\{key\}", ".+", re.sub(r"\{(?!key)\w+\}", "[^/]+", path)) + "/?"))
            for path in ordered
        ]

    def _resolved(self, answer: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in answer:
            return answer
        return self.document["components"]["responses"][answer["$ref"].rpartition("/")[2]]

    def _check_headers(self, answer: dict[str, Any], headers: Mapping[str, str]) -> None:
        for name, header in answer.get("headers", {}).items():
            if name in headers:
                self._validate(header["schema"], headers[name])
            else:
                assert not header.get("required"), f"{name} is missing"

    def _check_body(self, answer: dict[str, Any], content_type: str, body: bytes) -> None:
        kinds, kind = answer.get("content", {}), content_type.partition(";")[0]
        told = kinds.get(kind, kinds.get(kind.partition("/")[0] + "/*"))
        assert told is not None, f"{content_type} is not described"
        if "schema" in told:
            self._validate(told["schema"], json.loads(body) if kind.endswith("json") else body.decode())

    def _validate(self, schema: dict[str, Any], value: object) -> None:
        validator = OAS31Validator({**schema, "components": self.document["components"]})
        problem = next(iter(validator.iter_errors(value)), None)
        assert problem is None, f"not as described: {problem}"


DESCRIPTION = Description()
