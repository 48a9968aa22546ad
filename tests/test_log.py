"""What is logged, and what never is."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Literal

import pytest

from imges import log
from imges.log import configure, log_request

logger = logging.getLogger("imges.test")


@pytest.fixture(autouse=True)
def root_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("imges")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers.clear()  # `configure` would close pytest's own
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def as_text(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def as_json(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    (line,) = capsys.readouterr().err.splitlines()
    return json.loads(line)


def test_a_text_line_has_time_level_logger_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "text")
    logger.info("three %s", "pictures")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO imges\.test: three pictures\n", as_text(capsys))


def test_a_json_line_is_one_object_with_its_extra_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    logger.warning("line one\nline two", extra={"key": "shop"})
    line = as_json(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("time")))
    assert line == {"level": "warning", "logger": "imges.test", "message": "line one\nline two", "key": "shop"}


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_only_lines_from_the_level_on_are_written(capsys: pytest.CaptureFixture[str], level: str, lines: int) -> None:
    configure("debug", "json")
    configure(level, "text")  # the last one counts, and nothing comes twice
    for severity in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logger.log(severity, "x")
    assert len(as_text(capsys).splitlines()) == lines


def test_debug_lines_of_libraries_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug", "text")
    logging.getLogger("aiosqlite").debug("INSERT INTO secrets VALUES ('s3cret')")
    logger.debug("ours")
    assert "s3cret" not in (written := as_text(capsys))
    assert "ours" in written


def test_lines_of_one_request_have_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    token = log.request_id.set("r1")
    try:
        configure("info", "text")
        logger.info("x")
        assert "imges.test [r1]: x" in as_text(capsys)
        configure("info", "json")
        logger.info("x")
        assert as_json(capsys)["request_id"] == "r1"
    finally:
        log.request_id.reset(token)


def test_a_request_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "text")
    log_request("POST", "/api/1/upload", 200, 0.0567)
    assert as_text(capsys).endswith("imges.requests: POST /api/1/upload 200 57 ms\n")
    configure("info", "json")
    log_request("GET", "/images/2014/06/04/öl.png", 304, 0.0012)
    line = as_json(capsys)
    assert {name: line[name] for name in ("method", "path", "status", "seconds")} == {
        "method": "GET",
        "path": "/images/2014/06/04/öl.png",
        "status": 304,
        "seconds": 0.0012,
    }


@pytest.mark.parametrize("style", ["text", "json"])
def test_the_token_of_a_delete_link_is_never_written(capsys: pytest.CaptureFixture[str], style: str) -> None:
    configure("info", "json" if style == "json" else "text")
    path = "/image/L/delete/s3cret-T0ken_"
    log_request("POST", path, 200, 0.01)
    logger.warning("POST %s: failed", path)
    logger.error("x", exc_info=ValueError(path))
    written = as_text(capsys)
    assert written.count("/image/L/delete/") >= 3
    assert "s3cret" not in written


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize(
    "path",
    ["/a\n2014-06-04T12:00:00.000Z INFO x: forged", "/a\r\x1b[2J", "/\u202ea", "/\u2028a", "/\udc80", "/\x00"],
)
def test_what_a_client_sends_stays_on_its_line(capsys: pytest.CaptureFixture[str], style: str, path: str) -> None:
    configure("info", "json" if style == "json" else "text")
    log_request("GET", path, 404, 0.001)
    written = as_text(capsys)
    assert len(written.splitlines()) == 1
    assert written.removesuffix("\n").replace("…", "").isprintable()


def test_a_traceback_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "text")
    logger.error("failed", exc_info=ValueError("x\n2014-06-04T12:00:00.000Z INFO x: forged"))
    first, *below = as_text(capsys).splitlines()
    assert first.endswith("ERROR imges.test: failed")
    assert all(line.startswith("  ") for line in below)
    assert "ValueError: x" in "\n".join(below)


def test_a_traceback_is_a_field_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    logger.error("failed", exc_info=ValueError("x"))
    assert str(as_json(capsys)["traceback"]).endswith("ValueError: x")


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize(
    "path", ["/imgur/s3cretKEY/3/upload.xml", "/smms/s3cretKEY/api/v2/upload", "/plain/s3cretKEY/up/x.png"]
)
def test_a_key_in_the_address_of_a_dialect_is_never_written(
    capsys: pytest.CaptureFixture[str], style: Literal["text", "json"], path: str
):
    configure("debug", style)
    log_request("POST", path, 200, 0.1)
    logger.warning("POST %s: broken", path)
    written = capsys.readouterr().err
    assert "s3cretKEY" not in written
    assert path.split("/")[1] in written
