"""What is counted, for Prometheus.

No label has a value that a client chooses: routes are the router's, places those of the settings, outcomes the classes
of `imges.errors`. Each process counts for itself; where several serve, `share` lets each of them tell of all.
"""

import os
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TypeVar, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    multiprocess,
    values,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which the library learns where the processes leave what they counted."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = {"GET", "HEAD", "POST", "OPTIONS"}

# Every metric has a label, so that the library makes none before `share` has been called.
_registry = CollectorRegistry()
_requests = Counter("imges_requests", "Answered requests by route.", ["method", "route", "status"], registry=_registry)
_request_seconds = Histogram(
    "imges_request_seconds", "From headers to answer.", ["route"], buckets=SECONDS, registry=_registry
)
_uploads = Counter(
    "imges_uploads",
    "Uploads by what came of them (stored, duplicate, aborted, or the class of an error) and by how they were sent.",
    ["result", "source"],
    registry=_registry,
)
_upload_bytes = Counter("imges_upload_bytes", "Bytes of pictures that were received.", ["source"], registry=_registry)
_step_seconds = Histogram(
    "imges_upload_step_seconds",
    "Time of an upload by step: receive (the body), take (decode or fetch), render, reserve, put, publish.",
    ["step"],
    buckets=SECONDS,
    registry=_registry,
)
_decoders = Gauge(
    "imges_decoders",
    "Decoding processes (`limit`), how many of them work (`busy`), and pictures that wait for one (`waiting`).",
    ["state"],
    multiprocess_mode="livesum",
    registry=_registry,
)
_decoder_memory = Gauge(
    "imges_decoder_memory_bytes",
    "Memory for decoding (`limit`), and what is taken up by estimate (`busy`).",
    ["state"],
    multiprocess_mode="livesum",
    registry=_registry,
)
_decoder_deaths = Counter(
    "imges_decoder_deaths", "Decoding processes that died (`crash`) or were ended (`timeout`).", ["why"],
    registry=_registry,
)  # fmt: skip
_storage_seconds = Histogram(
    "imges_storage_seconds", "Calls of a storage.", ["place", "call"], buckets=SECONDS, registry=_registry
)
_storage_errors = Counter(
    "imges_storage_errors", "Calls of a storage that failed.", ["place", "call", "error"], registry=_registry
)
_catalog_seconds = Histogram(
    "imges_catalog_seconds", "Transactions of the catalog.", ["kind"], buckets=SECONDS, registry=_registry
)
_catalog_errors = Counter(
    "imges_catalog_errors", "Transactions of the catalog that failed.", ["kind", "error"], registry=_registry
)
_lookups = Counter(
    "imges_lookups", "Addresses of pictures looked up: in memory (`hit`), in the catalog (`miss`).", ["result"],
    registry=_registry,
)  # fmt: skip
_disk_free = Gauge(
    "imges_disk_free_bytes", "Room on the disk of the data folder.", ["folder"], multiprocess_mode="mostrecent",
    registry=_registry,
)  # fmt: skip
_info = Gauge("imges_info", "1, labelled with the version.", ["version"], multiprocess_mode="max", registry=_registry)


# Several processes


def share(folder: Path) -> None:
    """Leave what this process counts in *folder*, where the others' counts lie; before anything is counted."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ[FOLDER] = str(folder)
    values.ValueClass = values.get_value_class()


def clear(folder: Path) -> None:
    """Forget what processes of an earlier start counted; before any of this one begins."""
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


def forget_process(pid: int) -> None:
    """The process *pid* has ended: it holds nothing any more. What it counted stays counted."""
    multiprocess.mark_process_dead(pid)  # pyright: ignore[reportUnknownMemberType]


def text() -> bytes:
    """All that is counted, of all processes that share, as `CONTENT_TYPE`."""
    if FOLDER not in os.environ:
        return generate_latest(_registry)
    everybody = CollectorRegistry()
    multiprocess.MultiProcessCollector(everybody)
    return generate_latest(everybody)


def begin(version: str) -> None:
    """Note that this process serves; `share`, if at all, comes before."""
    _info.labels(version).set(1)
    if FOLDER not in os.environ and not _process_collectors:
        _process_collectors.extend([ProcessCollector(registry=_registry), PlatformCollector(registry=_registry)])


_process_collectors: list[ProcessCollector | PlatformCollector] = []
"""Memory, descriptors and the like of the one process; of several, the library knows none of them."""

# What is told

M = TypeVar("M", Counter, Gauge, Histogram)

_parts: dict[tuple[object, tuple[str, ...]], Counter | Gauge | Histogram] = {}


def _part(metric: M, *labels: str) -> M:
    """What *metric* counts under these labels; kept, for the library takes longer to find it than to count."""
    found = _parts.get((metric, labels))
    if found is None:
        found = _parts[metric, labels] = metric.labels(*labels)
    return cast("M", found)


class _Timed:
    """The seconds of its block are observed; where it raises one of *failures*, that is counted too."""

    __slots__ = ("_began", "_errors", "_failures", "_labels", "_seconds")

    def __init__(
        self,
        seconds: Histogram,
        labels: tuple[str, ...],
        errors: Counter | None = None,
        failures: tuple[type[Exception], ...] = (),
    ) -> None:
        self._seconds = seconds
        self._labels = labels
        self._errors = errors
        self._failures = failures

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        _part(self._seconds, *self._labels).observe(time.perf_counter() - self._began)
        if error is not None and self._errors is not None and isinstance(error, self._failures):
            _part(self._errors, *self._labels, type(error).__name__).inc()


def request(method: str, route: str, status: int, seconds: float) -> None:
    """An answered request; *route* as the router has it, with `{key}` and not with a key."""
    _part(_requests, method if method in METHODS else "other", route, str(status)).inc()
    _part(_request_seconds, route).observe(seconds)


def upload(result: str, source: str) -> None:
    """An upload has ended; *source* is `file`, `base64` or `url`; of one that failed `file`, `text` or `none`."""
    _part(_uploads, result, source).inc()


def received(source: str, size: int) -> None:
    """A picture of *size* bytes lies on the spool."""
    _part(_upload_bytes, source).inc(size)


def step(name: str) -> AbstractContextManager[None]:
    """The block is that step of an upload; one that fails counts as well."""
    return _Timed(_step_seconds, (name,))


def decoders(*, limit: int, busy: int, waiting: int, memory_limit: int, memory: int) -> None:
    """How things stand with the decoding processes; memory in bytes."""
    for state, count in (("limit", limit), ("busy", busy), ("waiting", waiting)):
        _part(_decoders, state).set(count)
    _part(_decoder_memory, "limit").set(memory_limit)
    _part(_decoder_memory, "busy").set(memory)


def decoder_died(why: str) -> None:
    """*why* is `crash` or `timeout`."""
    _part(_decoder_deaths, why).inc()


def storage(place: str, call: str, failures: tuple[type[Exception], ...]) -> AbstractContextManager[None]:
    """The block is a call of the storage *place*; it failed where it raises one of *failures*."""
    return _Timed(_storage_seconds, (place, call), _storage_errors, failures)


def catalog(kind: str, failure: type[Exception]) -> AbstractContextManager[None]:
    """The block is a transaction of the catalog (`read`, `write`), waiting for its turn included."""
    return _Timed(_catalog_seconds, (kind,), _catalog_errors, (failure,))


def lookup(*, hit: bool) -> None:
    """An address was looked up."""
    _part(_lookups, "hit" if hit else "miss").inc()


def disk_free(size: int) -> None:
    """Bytes that are free where the data folder is."""
    _part(_disk_free, "data").set(size)
