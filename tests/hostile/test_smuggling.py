"""I16 behind the proxies for which we ship configuration.

If the end of a request is in doubt, what follows it is not answered, and no client gets another client's answer.
"""

import http.client
import socket
import ssl
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import drawn
from tests.hostile import framing
from tests.hostile.wire import connecting, request, say
from tests.served import Served, multipart, serving
from tests.shipping.proxies import HOST, Site, running_proxy

SETTINGS = {"nginx": {"SERVER__ACCEL_REDIRECT": "/protected"}, "haproxy": {}, "caddy": {}}
DOUBTFUL = ["nginx", "haproxy"]
"""Proxies that pass doubtful requests on, or refuse them. Caddy repairs them and sends what it has understood."""
CONTENTS = [drawn.png(20 + n, 10) for n in range(3)]
ANSWERED = 3.0
"""Seconds after which the test gives up a connection that a proxy keeps open."""
REFUSED = set(range(400, 500)) | {501}
MERGED = {"CL.CL, alike", "CL list"}
"""Repeated lengths that a proxy may merge into one (RFC 9110, section 8.6). The end is then not in doubt."""


@dataclass
class Behind:
    """*others* are paths that other clients request, each with its bytes."""

    served: Served
    proxy: Site
    tls: ssl.SSLContext
    others: dict[str, bytes]

    def sent(self, data: bytes, number: int) -> list[int]:
        """Returns the statuses that answer *data* with its tail. Other clients request pictures meanwhile."""
        connect = connecting(self.proxy.https, tls=self.tls, name=HOST)
        whole = (data + framing.tail(number)).replace(b"img.test", HOST.encode())
        said = say(connect, whole, wait=ANSWERED, answers=2)
        self.look_around()
        return [answer.status for answer in said.answers]

    def look_around(self) -> None:
        """Checks that other clients get their own answers, over connections to imges that the proxy reuses."""
        for path, content in self.others.items():
            with closing(http.client.HTTPConnection("127.0.0.1", self.proxy.https)) as connection:
                plain = socket.create_connection(("127.0.0.1", self.proxy.https), timeout=20)
                connection.sock = self.tls.wrap_socket(plain, server_hostname=HOST)
                for _ in range(2):
                    connection.request("GET", path, headers={"Host": HOST})
                    answer = connection.getresponse()
                    assert (answer.status, answer.read()) == (200, content), path


@pytest.fixture(scope="module", params=list(SETTINGS))
def behind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Behind]:
    folder: Path = tmp_path_factory.mktemp(request.param)
    for above in (folder, *folder.parents[:2]):
        above.chmod(0o711)  # nginx reads the pictures as another user
    with serving(folder, **SETTINGS[request.param]) as served:
        images = folder / "data/images"
        with running_proxy(request.param, folder / "proxy", served.port, images) as proxy:
            tls = ssl.create_default_context(cafile=str(proxy.folder / "fullchain.pem"))
            tls.check_hostname = False  # the process is ours, whatever its name is
            others = {"/" + served.upload(content)["url"].split("/", 3)[3]: content for content in CONTENTS}
            yield Behind(served, proxy, tls, others)


@pytest.mark.parametrize("behind", DOUBTFUL, indirect=True)
def test_the_tail_is_not_answered_and_no_client_gets_anothers_answer(behind: Behind):
    behind.look_around()
    wrong: list[str] = []
    for number, (name, data) in enumerate(framing.PAIRS):
        told = behind.sent(data, number)
        if name in MERGED:
            continue
        if len(told) != 1 or told[0] not in REFUSED:
            wrong.append(f"{name}: {told}")
        if f"/smuggled/{number} " in behind.served.log:
            wrong.append(f"{name}: the tail came to imges")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("behind", "target"),
    [("nginx", "/"), ("nginx", "img.test:443"), ("haproxy", "/"), ("caddy", "/"), ("caddy", "img.test:443")],
    indirect=["behind"],
)
def test_bytes_after_a_request_for_a_tunnel_are_not_answered(behind: Behind, target: str):
    """To imges CONNECT has no body; to a proxy it may have one. (haproxy reads the second form as imges does.)"""
    number = 700 + len(target)
    tail = framing.tail(number).replace(b"img.test", HOST.encode())
    head = f"CONNECT {target} HTTP/1.1\r\nHost: img.test\r\nContent-Length: {len(tail)}\r\n\r\n"
    told = behind.sent(head.encode(), number)
    assert len(told) <= 1
    assert set(told) <= REFUSED
    assert f"/smuggled/{number} " not in behind.served.log


@pytest.mark.parametrize("behind", DOUBTFUL, indirect=True)
def test_a_repaired_request_is_answered_to_the_client_that_sent_it(behind: Behind):
    """Proxies accept some chunks that imges alone would refuse, and pass them on repaired.

    The tail is then a request of the same client. No other client may get its answer.
    """
    wrong: list[str] = []
    for number, (name, data) in enumerate(framing.LENGTHS, 500):
        told = behind.sent(data, number)
        if told not in ([], [504]) and (told[0] not in REFUSED or told[1:] not in ([], [404])):
            wrong.append(f"{name}: {told}")
    assert not wrong, "\n".join(wrong)


def test_a_body_that_looks_like_a_request_is_a_body(behind: Behind):
    """The control: the tests above would notice a smuggled request."""
    connect = connecting(behind.proxy.https, tls=behind.tls, name=HOST)
    tail = framing.tail(999).replace(b"img.test", HOST.encode())
    body = multipart(drawn.png(), "a.png") + tail
    kind, key = b"Content-Type: multipart/form-data; boundary=x", b"X-API-Key: " + behind.served.key.encode()
    said = say(connect, request(b"POST", b"/api/1/upload", body, kind, key, host=HOST.encode()), answers=1)
    assert said.status == 200
    assert "/smuggled/999 " not in behind.served.log
    say(connect, tail, answers=1)
    assert "/smuggled/999 " in behind.served.log
