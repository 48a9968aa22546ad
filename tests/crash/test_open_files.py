"""No more files can be opened: clients wait or get an error, the loop does not spin, and the server recovers."""

import errno
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from tests import drawn
from tests.crash.held import Call, Watch
from tests.crash.operations import held_server
from tests.crash.test_disk import SMALL, ready, tried
from tests.served import IMGES, Served

FILES = 48
"""A dozen more than an idle server has."""


def seconds_of_cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def test_more_connections_than_files_can_be_open(tmp_path: Path):
    served = Served(tmp_path, ["prlimit", f"--nofile={FILES}:{FILES}", *IMGES, "serve"])
    try:
        served.wait_until_it_answers()
        url = served.upload(SMALL)["url"]
        process = psutil.Process(served.process.pid)
        idle = process.num_fds()
        with ExitStack() as held:
            for _ in range(2 * FILES):
                client = held.enter_context(socket.create_connection(("127.0.0.1", served.port), 5))
                with suppress(OSError):
                    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")  # and no end of it
            began = seconds_of_cpu(process)
            time.sleep(2)
            assert seconds_of_cpu(process) - began < 1, "it spins"
            with suppress(OSError):
                assert tried(served, SMALL)[0] in {200, 503}
        deadline = time.monotonic() + 10
        while process.num_fds() > idle and time.monotonic() < deadline:
            time.sleep(0.1)
        assert process.num_fds() <= idle
        assert tried(served, SMALL)[0] == 200
        assert served.get(url) == (200, SMALL)
        assert served.log.count("accept") <= 1, served.log[:2000]
        assert "Traceback" not in served.log
    finally:
        served.process.kill()
        served.process.wait()


def test_an_upload_that_gets_no_file_is_refused_and_nothing_else(tmp_path: Path):
    """`EMFILE` at each place where a file is opened: on the spool, in the storage, in the catalog."""
    served, holder = held_server(tmp_path)
    try:
        url = served.upload(SMALL)["url"]
        for place in ("spool/upload-", "images"):

            def fails(call: Call, place: str = place) -> int:
                return errno.EMFILE if call.name == "openat" and call.path.startswith(place) else 0

            holder.watch(Watch(failing=fails))
            status, answer = tried(served, drawn.png())
            assert (status, answer["status_code"]) == (503, 503), (place, answer)
            holder.leave()
            assert served.get(url) == (200, SMALL)
            assert ready(served) == (200, {})
            assert tried(served, drawn.png())[0] == 200
    finally:
        served.process.kill()
        served.process.wait()
