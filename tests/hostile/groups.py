"""The groups of hostile requests. Each runs against a server that also serves other clients before and after it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests import drawn
from tests.hostile import clients, forms, framing, images, reading, texts
from tests.hostile.cases import Case, Figures, run
from tests.hostile.wire import connecting
from tests.served import Served


@dataclass(frozen=True)
class Group:
    """*rows* are those of the list of threats. *long* groups run only by command. *settings*: environment variables."""

    name: str
    rows: str
    run: Callable[[Served], Figures]
    long: bool = False
    settings: dict[str, str] = field(default_factory=dict[str, str])


def _path(url: str) -> bytes:
    return b"/" + url.split("/", 3)[3].encode()


def _sent(cases: list[Case], served: Served) -> Figures:
    return run(cases, connecting(served.port))


def _framing(served: Served) -> Figures:
    figures = _sent(framing.cases(), served)
    assert "/smuggled/" not in served.log
    return figures


def _reading(served: Served) -> Figures:
    image = served.upload(drawn.png())
    with canaries(served):
        return _sent(reading.cases(served.key.encode(), _path(image["url"]), _path(image["url_viewer"])), served)


@contextmanager
def canaries(served: Served) -> Generator[None]:
    """Files beside and among the pictures that must not be served, and links out of their folder."""
    data = served.folder / "data"
    places = (
        "../canary.txt",
        "canary.txt",
        "images/.canary",
        "images/.staging/canary",
        "images/canary.tmp",
        "images/unknown.png",
    )
    for place in places:
        (data / place).write_bytes(reading.CANARY)
    (data / "images/link").symlink_to(data)
    (data / "images/link.png").symlink_to(data / "canary.txt")
    yield
    for place in (*places, "images/link", "images/link.png"):
        (data / place).unlink()


def _polyglots(served: Served) -> Figures:
    """Checks that nothing behind or beside the pictures is served."""
    figures = _sent(images.cases(served.key.encode()), served)
    for name, kind, content in images.polyglots():
        status, body = served.get(served.upload(content)["url"])
        assert status == 200
        for word in (b"<script", b"<?php", b"META-INF", b"%PDF", b"PK\3\4"):
            assert word not in body, f"{name} of {kind}: {word!r}"
    return figures


GROUPS = [
    Group("framing", "I16", _framing),
    Group("forms", "I1 I12 I14", lambda served: _sent(forms.cases(served.key.encode()), served)),
    Group("texts-and-names", "I11 I13", lambda served: _sent(texts.cases(served.key.encode()), served)),
    Group("reading", "A4 A5 A7 A8 A12", _reading),
    Group("pictures", "I2 I4-I10", _polyglots),
    Group(
        "all-formats",
        "I2 I4-I10",
        lambda served: _sent(images.cases(served.key.encode(), all_formats=True), served),
        long=True,
        settings={"IMAGES__FORMATS": "[jpg, png, gif, webp, avif, heic, tiff, bmp]"},
    ),
    Group("heavy-pictures", "I4 F14", lambda served: _sent(images.heavy(served.key.encode()), served), long=True),
    Group("gone", "I15", clients.gone),
    Group("lies", "I15 I16", clients.lies),
    Group("at-once", "F10", clients.at_once),
    Group("at-once-two-processes", "F10", clients.at_once, settings={"SERVER__WORKERS": "2"}),
    Group("slow", "I17", clients.slow, long=True),
]
