"""`imges upload`, to a running server and to others."""

import os
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests import drawn
from tests.served import IMGES, Served, serving


def upload(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`imges upload ARGUMENTS` in *folder*, with variables such as `IMGES_KEY`."""
    env = os.environ | environ
    return subprocess.run(
        [*IMGES, "upload", *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_uploads_print_the_links_asked_for_and_go_on_after_a_refusal(served: Served, tmp_path: Path):
    (tmp_path / "a.png").write_bytes(drawn.png())
    (tmp_path / "b.png").write_bytes(b"no picture")
    (tmp_path / "c.webp").write_bytes(drawn.webp())
    server = {"IMGES_SERVER": f"http://127.0.0.1:{served.port}", "IMGES_KEY": served.key}
    said = upload(tmp_path, "a.png", "b.png", "c.webp", **server)
    assert said.returncode == 1
    assert "b.png: the file b.png that came as `source` is a text" in said.stderr
    assert [served.get(url)[1] for url in said.stdout.split()] == [drawn.png(), drawn.webp()]
    for form, begins in (("viewer", "http"), ("html", "<a href="), ("markdown", "[![]("), ("bbcode", "[url=")):
        said = upload(tmp_path, "a.png", "--copy", form, **server)
        assert (said.returncode, said.stdout.startswith(begins)) == (0, True)
    wrong = upload(tmp_path, "a.png", **(server | {"IMGES_KEY": "wrong"}))
    assert (wrong.returncode, "key" in wrong.stderr) == (1, True)
    nobody = upload(tmp_path, "a.png", **(server | {"IMGES_SERVER": "http://127.0.0.1:1"}))
    assert (nobody.returncode, "did not answer" in nobody.stderr) == (1, True)


def test_a_file_that_is_too_large_is_refused_in_the_servers_words(tmp_path: Path):
    """The length comes first. Else the server ends the connection while the file is sent, and its words are lost."""
    (tmp_path / "large.png").write_bytes(bytes(9 * 2**20))
    with serving(tmp_path, IMAGES__MAX_SIZE="1 MB") as served:
        said = upload(tmp_path, "large.png", IMGES_SERVER=f"http://127.0.0.1:{served.port}", IMGES_KEY=served.key)
    assert (said.returncode, said.stdout) == (1, "")
    assert "1 MB" in said.stderr


def test_a_pipe_is_not_uploaded(served: Served, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "a.png").write_bytes(drawn.png())
    server = {"IMGES_SERVER": f"http://127.0.0.1:{served.port}", "IMGES_KEY": served.key}
    said = upload(tmp_path, "pipe.png", "a.png", **server)
    assert (said.returncode, said.stdout.count("\n")) == (1, 1)
    assert said.stderr.strip() == "pipe.png: it cannot be read: it is no file"


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"{}"), (502, b""), (200, b'{"image": 1}'), (500, b'{"error": "x"}')]
)
def test_an_answer_of_another_server_is_no_refusal(tmp_path: Path, status: int, body: bytes):
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    (tmp_path / "a.png").write_bytes(drawn.png())
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        Thread(target=other.serve_forever).start()
        server = {"IMGES_SERVER": f"http://127.0.0.1:{other.server_port}", "IMGES_KEY": "key"}
        said = upload(tmp_path, "a.png", **server)
        other.shutdown()
    assert (said.returncode, "did not answer as an API v1 server" in said.stderr) == (1, True)
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_key_goes_to_no_other_host_and_its_words_not_to_the_terminal(tmp_path: Path, status: int):
    reached: list[str] = []

    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reached.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            body = b'{"error": {"message": "\\u001b]0;x\\u0007 no"}}'
            if self.path == "/api/1/upload":
                self.send_response(status)
                self.send_header("Location", f"http://localhost:{self.server.server_port}/elsewhere")  # type: ignore[attr-defined]
            else:
                self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    (tmp_path / "a.png").write_bytes(drawn.png())
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        Thread(target=other.serve_forever).start()
        server = f"http://127.0.0.1:{other.server_port}"
        said = upload(tmp_path, "a.png", IMGES_SERVER=server, IMGES_KEY="key")
        words = upload(tmp_path, "a.png", IMGES_SERVER=f"{server}/sub", IMGES_KEY="key")
        other.shutdown()
    assert reached == ["/api/1/upload", "/sub/api/1/upload"]
    assert (said.returncode, "redirects to http://localhost" in said.stderr) == (1, True)
    assert words.returncode == 1
    assert "\x1b" not in words.stderr
    assert "\\x1b]0;x\\x07 no" in words.stderr
