"""What is counted where several processes serve."""

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


def test_of_several_processes_each_tells_of_all(tmp_path: Path):
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
    assert 'imges_decoders{state="limit"} 4.0' in lines  # the first is gone, the second was never missed
    metrics.clear(tmp_path / "metrics")
    assert list((tmp_path / "metrics").iterdir()) == []
