"""What an operator sees: health, metrics, and the thread from an answer to its lines in the log."""

import hashlib
import json
import logging
import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from imges import log
from imges.imaging.workers import OutOfTime
from tests import drawn
from tests.web.conftest import Answer, Server, Start

FROM_OUTSIDE = {"X-Forwarded-For": "203.0.113.9"}


async def measured(server: Server) -> dict[tuple[str, tuple[str, ...]], float]:
    """Name and label values, in the order of the labels' names → value."""
    answer = await server.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_uploads_are_counted_by_result_and_source(imges: Server):
    before = await measured(imges)
    await imges.uploaded(drawn.png())
    await imges.upload(b"no picture")
    await imges.post(data={"key": imges.key, "source": "R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="})
    await imges.post(data={"key": "wrong", "source": "x"})
    after = await measured(imges)

    def grown(name: str, *labels: str) -> float:
        return after[name, labels] - before.get((name, labels), 0)

    assert grown("imges_uploads_total", "stored", "file") == 1
    assert grown("imges_uploads_total", "NotAnImage", "file") == 1
    assert grown("imges_uploads_total", "stored", "base64") == 1
    assert grown("imges_uploads_total", "KeyWrong", "text") == 1
    assert grown("imges_upload_bytes_total", "file") == len(drawn.png()) + len(b"no picture")
    for step in ("receive", "take", "render", "reserve", "put", "publish"):
        assert grown("imges_upload_step_seconds_count", step) >= 2, step
    assert grown("imges_storage_seconds_count", "put", "disk") >= 2  # of all files of a picture
    assert grown("imges_catalog_seconds_count", "write") >= 4
    assert grown("imges_requests_total", "POST", "/api/1/upload", "200") == 2
    assert after["imges_decoders", ("busy",)] == 0
    assert after["imges_decoders", ("limit",)] >= 1
    assert after["imges_disk_free_bytes", ("data",)] > 0
    assert any(name == "process_resident_memory_bytes" for name, _ in after)


async def test_no_client_makes_up_a_label(imges: Server):
    await imges.get("/surely/not/here-1")
    await imges.get("/images/2014/06/04/surely-not-here.png")
    await imges.request("PROPFIND", "/surely/not/here-2")
    await imges.request("BREW", "/surely/not/here-3")  # which is not HTTP
    answer = await imges.get("/metrics")
    assert "surely" not in answer.text
    assert "BREW" not in answer.text
    assert "PROPFIND" not in answer.text
    assert 'method="other",route="none",status="404"' in answer.text
    assert 'method="other",route="none",status="400"' in answer.text


async def test_what_is_looked_up_twice_comes_from_memory(imges: Server):
    image = await imges.uploaded(drawn.png())
    before = await measured(imges)
    await imges.get(image["url"])
    await imges.get(image["url"])
    after = await measured(imges)
    assert after["imges_lookups_total", ("miss",)] - before["imges_lookups_total", ("miss",)] == 1
    assert after["imges_lookups_total", ("hit",)] - before.get(("imges_lookups_total", ("hit",)), 0) == 1


async def test_metrics_are_for_trusted_clients_alone(imges: Server, start: Start):
    assert (await imges.get("/metrics", headers=FROM_OUTSIDE)).status == 403
    assert (await imges.get("/metrics", headers={"X-Forwarded-For": "203.0.113.9, 127.0.0.1"})).status == 403
    async with start(SERVER__TRUSTED_PROXIES="[192.0.2.0/24]") as server:
        assert (await server.get("/metrics")).status == 403
        assert (await server.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})).status == 403


async def test_readyz_says_what_is_out_of_reach_and_why(start: Start):
    async with start() as server:
        assert (await server.get("/readyz")).json == {"ready": True}
        images = server.data_dir / "images"
        images.rename(server.data_dir / "elsewhere")
        images.write_text("no folder")
        answer = await server.get("/readyz")
        assert answer.status == 503
        assert answer.json["ready"] is False
        assert list(answer.json["reasons"]) == ["storage disk"]
        assert answer.headers["Cache-Control"] == "no-store"
        upload = await server.upload(drawn.png())
        assert upload.status == 503
        assert upload.json["error"]["message"].endswith(f"(request {upload.headers['X-Request-ID']})")
        failed = await measured(server)
        assert failed["imges_storage_errors_total", ("put", "StorageUnavailable", "disk")] >= 1
        assert (await server.get("/healthz")).status == 200


async def test_a_server_without_room_is_ready_to_serve_pictures(start: Start):
    async with start() as server:
        kept = await server.uploaded(drawn.png())
    async with start(LIMITS__DISK_RESERVE="900 TB") as server:
        assert (await server.upload(drawn.png())).status == 507
        answer = await server.get("/readyz")
        assert (answer.status, answer.json["ready"], answer.json["uploads"]) == (200, True, False)
        assert list(answer.json["reasons"]) == ["spool"]
        assert (await server.get("/readyz?uploads")).status == 503
        assert (await server.get("/" + kept["url"].split("/", 3)[3])).status == 200


async def test_readyz_tells_the_truth_about_workers_that_hang(start: Start, monkeypatch: pytest.MonkeyPatch):
    """They hang with their pipe open. Each is ended and replaced. If the next ones work, the server is ready."""
    async with start(IMAGES__WORKERS="1") as server:
        await server.uploaded(drawn.png())
        imaging: Any = server.pictures.health._imaging
        workers = imaging._workers
        (only,) = workers._workers
        before = (await measured(server)).get(("imges_decoder_deaths_total", ("timeout",)), 0)
        for _ in range(2):
            async with workers.one() as one:
                with pytest.raises(OutOfTime):
                    await one.call(hashlib.pbkdf2_hmac, "sha256", b"", b"", 10**9, seconds=3)  # long enough to begin
        assert (await measured(server))["imges_decoder_deaths_total", ("timeout",)] == before + 2
        monkeypatch.setattr(only, "_spool", server.data_dir / "imges.db")  # no folder, so no process can start
        answer = await server.get("/readyz?uploads")
        assert (answer.status, list(answer.json["reasons"])) == (503, ["decoders"])
        assert (await server.upload(drawn.png())).status in {422, 503}
        monkeypatch.undo()
        assert (await server.get("/readyz?uploads")).json == {"ready": True}, (
            "and no upload was needed to find that out"
        )
        await server.uploaded(drawn.png())


ANSWERS = ["/", "/healthz", "/api/1/nothing", "/images/x.png", "/static/style.css", "/surely/not/here"]


@pytest.mark.parametrize("path", ANSWERS)
async def test_every_answer_has_an_id(imges: Server, path: str):
    ids = [(await imges.get(path)).headers["X-Request-ID"] for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)
    assert ids[0] != ids[1]


async def test_an_answer_leads_to_its_line_in_the_log(
    imges: Server, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.INFO, "imges")
    caplog.handler.setFormatter(log.JsonFormatter())
    answer = await imges.get("/api/1/nothing?key=SECRET")
    lines = [json.loads(line) for line in caplog.handler.stream.getvalue().splitlines()]
    (line,) = [line for line in lines if line["logger"] == "imges.requests"]
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert (line["path"], line["status"]) == ("/api/1/nothing", 404)
    assert "SECRET" not in caplog.text


async def test_a_proxys_id_is_kept_where_it_is_trusted_and_sensible(imges: Server, start: Start):
    async def told(server: Server, given: str) -> str:
        return (await server.get("/healthz", headers={"X-Request-ID": given})).headers["X-Request-ID"]

    assert await told(imges, "from-nginx_1.2") == "from-nginx_1.2"
    assert await told(imges, "x" * 65) != "x" * 65
    assert await told(imges, "a b") != "a b"
    async with start(SERVER__TRUSTED_PROXIES="[192.0.2.0/24]") as server:
        assert await told(server, "from-nginx_1.2") != "from-nginx_1.2"


async def test_malformed_http_is_answered_with_an_id(imges: Server):
    answer: Answer = await imges.get("/" + "x" * 20_000)
    assert answer.status == 400
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-ID"])
