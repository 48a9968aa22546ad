"""What is counted, by one process and by several."""

import subprocess
import sys
from pathlib import Path

from imges import metrics

COUNT = """
import sys, pathlib
from imges import metrics
metrics.share(pathlib.Path(sys.argv[1]))
metrics.begin("1")
metrics.upload("stored", "file")
metrics.decoders(limit=2, busy=1, waiting=0, memory_limit=10, memory=5)
metrics.disk_free(7)
if sys.argv[2:]:
    metrics.forget_process(int(sys.argv[2]))
import os; print(os.getpid()); print(metrics.text().decode())
"""


def test_each_of_several_processes_reports_all(tmp_path: Path):
    def counted(*arguments: str) -> tuple[str, list[str]]:
        command = [sys.executable, "-c", COUNT, str(tmp_path / "metrics"), *arguments]
        pid, *lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return pid, lines

    first, _ = counted()
    _, lines = counted()
    assert 'imges_uploads_total{result="stored",source="file"} 2.0' in lines
    assert 'imges_decoders{state="limit"} 4.0' in lines
    assert 'imges_disk_free_bytes{folder="data"} 7.0' in lines
    _, lines = counted(first)
    assert 'imges_uploads_total{result="stored",source="file"} 3.0' in lines
    assert (
        'imges_decoders{state="limit"} 4.0' in lines
    )  # the first is forgotten; the second was never reported as ended
    metrics.clear(tmp_path / "metrics")
    assert list((tmp_path / "metrics").iterdir()) == []


EVERYTHING = """
from imges import metrics
metrics.begin("1.2")
metrics.begin("1.2")
metrics.request("GET", "/images/{key}", 200, 0.03)
metrics.request("BREW", "/", 404, 20)
metrics.upload("stored", "file")
metrics.received("url", 7)
metrics.received("url", 5)
metrics.decoders(limit=2, busy=1, waiting=3, memory_limit=10, memory=5)
metrics.decoder_died("crash")
metrics.lookup(hit=True)
metrics.lookup(hit=True)
metrics.lookup(hit=False)
metrics.disk_free(9)

def failing(block, error):
    try:
        with block:
            raise error
    except type(error):
        pass

with metrics.step("put"), metrics.storage("disk", "put", (OSError,)), metrics.catalog("write", OSError):
    pass
failing(metrics.step("put"), OSError())
failing(metrics.storage("disk", "put", (OSError,)), FileNotFoundError())
failing(metrics.storage("disk", "put", (OSError,)), KeyError())
failing(metrics.catalog("read", OSError), TimeoutError())
failing(metrics.catalog("read", OSError), KeyError())
print(metrics.text().decode())
"""


def test_everything_is_counted_under_its_name_and_labels():
    ran = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, check=True)
    lines = [line for line in ran.stdout.splitlines() if line.startswith("imges_")]
    assert "process_open_fds" in ran.stdout  # of a single process
    counted = [line for line in lines if not any(part in line for part in ("_created", "_bucket", "_sum"))]
    assert sorted(counted) == sorted(
        """\
imges_requests_total{method="GET",route="/images/{key}",status="200"} 1.0
imges_requests_total{method="other",route="/",status="404"} 1.0
imges_request_seconds_count{route="/images/{key}"} 1.0
imges_request_seconds_count{route="/"} 1.0
imges_uploads_total{result="stored",source="file"} 1.0
imges_upload_bytes_total{source="url"} 12.0
imges_upload_step_seconds_count{step="put"} 2.0
imges_decoders{state="limit"} 2.0
imges_decoders{state="busy"} 1.0
imges_decoders{state="waiting"} 3.0
imges_decoder_memory_bytes{state="limit"} 10.0
imges_decoder_memory_bytes{state="busy"} 5.0
imges_decoder_deaths_total{why="crash"} 1.0
imges_storage_seconds_count{call="put",place="disk"} 3.0
imges_storage_errors_total{call="put",error="FileNotFoundError",place="disk"} 1.0
imges_catalog_seconds_count{kind="write"} 1.0
imges_catalog_seconds_count{kind="read"} 2.0
imges_catalog_errors_total{error="TimeoutError",kind="read"} 1.0
imges_lookups_total{result="hit"} 2.0
imges_lookups_total{result="miss"} 1.0
imges_disk_free_bytes{folder="data"} 9.0
imges_info{version="1.2"} 1.0
""".splitlines()
    )
    for route, bounds in (("/images/{key}", {"0.025": 0, "0.05": 1, "+Inf": 1}), ("/", {"10.0": 0, "+Inf": 1})):
        for bound, count in bounds.items():
            assert f'imges_request_seconds_bucket{{le="{bound}",route="{route}"}} {count}.0' in lines
