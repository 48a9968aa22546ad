"""I15, I17, F10: clients that disconnect, that are slow, or that come all at once."""

import hashlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from tests import drawn
from tests.hostile.cases import Figures
from tests.hostile.wire import Said, connecting, picture, request, say
from tests.served import Served

LARGE = drawn.encoded(drawn.noise(300, 300), "PNG")
POINTS = 40
MEANWHILE = 2.0
"""Seconds that a good upload may take while other clients are slow."""
SLOW = 200
CUT_WITHIN = 33.0
"""Seconds after which a slow client is disconnected: 30, plus the delay of a loaded machine."""


# I15


def gone(served: Served) -> Figures:
    """Breaks off uploads and downloads at points all over them: by a close, a reset or a half-close."""
    connect = connecting(served.port)
    whole = picture(served.key.encode(), LARGE)
    image = request(b"GET", b"/" + served.upload(LARGE)["url"].split("/", 3)[3].encode())
    ends: list[Callable[[socket.socket], None]] = [lambda sock: sock.close(), _reset, _half_closed]
    count = 0
    for number in range(POINTS + 1):
        at = len(whole) * number // POINTS
        for end in ends:
            sock = connect()
            with suppress(ConnectionError), sock:
                sock.sendall(whole[:at])
                end(sock)
            count += 1
    for size in (0, 1, 1000, 100_000):
        for end in ends:
            sock = connect()
            with suppress(ConnectionError), sock:
                sock.sendall(image)
                sock.recv(size)
                end(sock)
            count += 1
    return Figures(Counter({0: count}), 0)


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _half_closed(sock: socket.socket) -> None:
    """Half-closes the connection and keeps reading for a moment."""
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(2)
    with suppress(TimeoutError):
        while sock.recv(65536):
            pass


def lies(served: Served) -> Figures:
    """Sends bodies shorter or longer than announced, and more requests at once than the client reads answers."""
    connect, key = connecting(served.port), served.key.encode()
    whole = picture(key, LARGE)
    head, _, body = whole.partition(b"\r\n\r\n")
    honest = b"Content-Length: %d" % len(body)
    statuses, longest = Counter[int](), 0.0
    for length, expect in ((1, 400), (len(body) // 2, 400), (0, 400)):
        said = say(connect, head.replace(honest, b"Content-Length: %d" % length) + b"\r\n\r\n" + body)
        assert said.status == expect, said.raw[:300]
        assert len(said.answers) == 1
        statuses[said.status] += 1
        longest = max(longest, said.seconds)
    for length in (10**9, 10**18, 2**63 - 1, 101 * 2**20 + 8193):
        said = say(connect, head.replace(honest, b"Content-Length: %d" % length) + b"\r\n\r\n" + body[:1000], answers=1)
        assert said.status in {400, 413}, said.raw[:300]
        statuses[said.status] += 1
        longest = max(longest, said.seconds)
    gets = request(b"GET", b"/robots.txt", close=False) * 2000
    said = say(connect, [gets, request()], wait=60)
    assert len(said.answers) == 2001, len(said.answers)
    statuses[200] += 2001
    return Figures(statuses, longest)


# I17


def slow(served: Served) -> Figures:
    """Opens 200 connections of each kind: silent, slow in their headers, slow in their body.

    The server disconnects all of them, and good uploads do not become slow meanwhile.
    """
    whole = picture(served.key.encode(), LARGE)
    begins = {"idle": b"", "headers": whole[:10], "body": whole[: whole.index(b"\r\n\r\n") + 60]}
    lasted: dict[str, list[float]] = {name: [] for name in begins}
    with _crowd(served, begins) as ended:
        began = time.monotonic()
        uploads: list[float] = []
        while not ended.is_set():
            before = time.monotonic()
            served.upload(drawn.png())
            uploads.append(time.monotonic() - before)
            time.sleep(0.5)
            if time.monotonic() - began > CUT_WITHIN + 5:
                break
        assert ended.wait(1), "slow clients are still connected"
    for name, seconds in ended.lasted.items():
        lasted[name] += seconds
        assert len(seconds) == SLOW
        assert max(seconds) < CUT_WITHIN, f"{name}: {max(seconds):.1f} s"
    assert max(uploads) < MEANWHILE, f"an upload took {max(uploads):.1f} s"
    return Figures(Counter({0: 3 * SLOW, 200: len(uploads)}), max(uploads))


class _Ended(threading.Event):
    def __init__(self) -> None:
        super().__init__()
        self.lasted: dict[str, list[float]] = {}


@contextmanager
def _crowd(served: Served, begins: dict[str, bytes]) -> Generator[_Ended]:
    """Opens connections that send *begins* and then a byte a second; measures how long each one lasted."""
    connect, ended = connecting(served.port), _Ended()
    open_ones: list[tuple[str, socket.socket, float]] = []
    for name, begin in begins.items():
        ended.lasted[name] = []
        for _ in range(SLOW):
            sock = connect()
            sock.sendall(begin)
            sock.setblocking(False)
            open_ones.append((name, sock, time.monotonic()))

    def trickle() -> None:
        while open_ones:
            for one in [*open_ones]:
                name, sock, began = one
                if _over(sock, talks=name != "idle"):
                    ended.lasted[name].append(time.monotonic() - began)
                    sock.close()
                    open_ones.remove(one)
            time.sleep(1)
        ended.set()

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield ended
    finally:
        for one in [*open_ones]:
            one[1].close()
        open_ones.clear()
        thread.join()


def _over(sock: socket.socket, *, talks: bool) -> bool:
    """Returns whether the server has closed, or has answered: what follows is then an error."""
    try:
        sock.recv(65536)
    except BlockingIOError:
        pass
    except OSError:
        return True
    else:
        return True
    if talks:
        with suppress(OSError):
            sock.send(b"x")
    return False


# F10


def at_once(served: Served) -> Figures:
    """Uploads 40 of one name and 40 of the same bytes at the same moment, then deletes one picture 20 times."""
    figures = Counter[int]()
    contents = [drawn.encoded(drawn.noise(16, 16, seed), "PNG") for seed in range(POINTS)]
    longest = 0.0
    for sent in (contents, [LARGE] * POINTS):
        answers = _together([picture(served.key.encode(), content, b"same.png") for content in sent], served)
        assert {said.status for said in answers} == {200}, [said.raw[:400] for said in answers if said.status != 200]
        images = [said.answers[0].json["image"] for said in answers]
        assert len({image["url"] for image in images}) == POINTS
        assert len({image["id_encoded"] for image in images}) == POINTS
        for image, content in zip(images, sent, strict=True):
            assert image["md5"] == hashlib.md5(content).hexdigest()
            assert served.get(image["url"]) == (200, content)
        figures[200] += POINTS
        longest = max(longest, *(said.seconds for said in answers))
    image = served.upload(drawn.png())
    path = b"/" + image["delete_url"].split("/", 3)[3].encode()
    deletions = _together([request(b"POST", path, b"", b"Accept: application/json")] * 20, served)
    told = Counter(said.status for said in deletions)
    assert told[200] >= 1
    assert set(told) <= {200, 404, 410}, told
    assert served.get(image["url"])[0] == 410
    return Figures(figures + told, longest)


def _together(requests: list[bytes], served: Served) -> list[Said]:
    """Sends all but the last byte of each request, then the last bytes at the same moment."""
    connect, ready = connecting(served.port), threading.Barrier(len(requests))

    def one(data: bytes) -> Said:
        def pieces() -> Generator[bytes]:
            yield data[:-1]
            ready.wait(30)
            yield data[-1:]

        return say(connect, pieces())

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(one, requests))
