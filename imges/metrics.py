"""Counts for Prometheus.

A client must not be able to fill the memory with labels, so it chooses no value of a label: routes come from the
router, places from the settings, results from the classes of `imges.errors`. Each process counts for itself. If several
processes serve, each one reports the sums of all after `share`.
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
"""The environment variable in which the library looks for the folder of the processes' counts."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = {"GET", "HEAD", "POST", "OPTIONS"}

# A metric without a label would be made at once, before `share` is called; so every metric has one.
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
_sign_ins = Counter(
    "imges_sign_ins", "Owners that signed in at /admin (`good`), or the class of the error.", ["result"],
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
    """Stores the counts of this process in *folder*, beside those of the others. Call it before anything is counted."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ[FOLDER] = str(folder)
    values.ValueClass = values.get_value_class()


def clear(folder: Path) -> None:
    """Deletes the counts of an earlier start. Call it before any process of this one begins."""
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


def forget_process(pid: int) -> None:
    """Drops the gauges of the process *pid*, which has ended. Its counters stay in the sums."""
    multiprocess.mark_process_dead(pid)  # pyright: ignore[reportUnknownMemberType]


def text() -> bytes:
    """Returns all metrics as `CONTENT_TYPE`, of all processes that share a folder."""
    if FOLDER not in os.environ:
        return generate_latest(_registry)
    everybody = CollectorRegistry()
    multiprocess.MultiProcessCollector(everybody)
    return generate_latest(everybody)


def begin(version: str) -> None:
    """Sets the metrics of a process that begins to serve. Call `share` before it, if at all."""
    _info.labels(version).set(1)
    if FOLDER not in os.environ and not _process_collectors:
        _process_collectors.extend([ProcessCollector(registry=_registry), PlatformCollector(registry=_registry)])


_process_collectors: list[ProcessCollector | PlatformCollector] = []
"""Memory, descriptors and the like of a single process. The library cannot collect them from several."""

# What is counted

M = TypeVar("M", Counter, Gauge, Histogram)

_parts: dict[tuple[object, tuple[str, ...]], Counter | Gauge | Histogram] = {}


def _part(metric: M, *labels: str) -> M:
    """Returns the part of *metric* with these labels. Cached: the library takes longer to find it than to count."""
    found = _parts.get((metric, labels))
    if found is None:
        found = _parts[metric, labels] = metric.labels(*labels)
    return cast("M", found)


class _Timed:
    """Observes the seconds of its block, and counts an error if the block raises one of *failures*."""

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
    """Counts an answered request. *route* is the router's pattern, with `{key}` instead of a key."""
    _part(_requests, method if method in METHODS else "other", route, str(status)).inc()
    _part(_request_seconds, route).observe(seconds)


def upload(result: str, source: str) -> None:
    """Counts a finished upload. *source* is `file`, `base64` or `url`; if it failed: `file`, `text` or `none`."""
    _part(_uploads, result, source).inc()


def received(source: str, size: int) -> None:
    """Counts a picture of *size* bytes that has been received."""
    _part(_upload_bytes, source).inc(size)


def step(name: str) -> AbstractContextManager[None]:
    """Times the block as the step *name* of an upload, also if it fails."""
    return _Timed(_step_seconds, (name,))


def decoders(*, limit: int, busy: int, waiting: int, memory_limit: int, memory: int) -> None:
    """Sets the state of the decoding processes. Memory is in bytes."""
    for state, count in (("limit", limit), ("busy", busy), ("waiting", waiting)):
        _part(_decoders, state).set(count)
    _part(_decoder_memory, "limit").set(memory_limit)
    _part(_decoder_memory, "busy").set(memory)


def decoder_died(why: str) -> None:
    """Counts the end of a decoding process. *why* is `crash` or `timeout`."""
    _part(_decoder_deaths, why).inc()


def sign_in(result: str) -> None:
    """Counts an attempt to sign in at /admin. *result* is `good` or the class of the error."""
    _part(_sign_ins, result).inc()


def storage(place: str, call: str, failures: tuple[type[Exception], ...]) -> AbstractContextManager[None]:
    """Times the block as a *call* of the storage *place*, and counts it as failed if it raises one of *failures*."""
    return _Timed(_storage_seconds, (place, call), _storage_errors, failures)


def catalog(kind: str, failure: type[Exception]) -> AbstractContextManager[None]:
    """Times the block as a transaction of the catalog (`read`, `write`), including the wait for its turn."""
    return _Timed(_catalog_seconds, (kind,), _catalog_errors, (failure,))


def lookup(*, hit: bool) -> None:
    """Counts a lookup of a picture's address: in memory (*hit*) or in the catalog."""
    _part(_lookups, "hit" if hit else "miss").inc()


def disk_free(size: int) -> None:
    """Sets the free bytes on the disk of the data folder."""
    _part(_disk_free, "data").set(size)
