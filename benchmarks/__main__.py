"""`python -m benchmarks [--quick] [--save]`: measures and prints the table."""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks import checks, corpus, latency, many_rows, servers, serving, starting, uploads
from benchmarks.corpus import MIX, Picture
from benchmarks.load import Background, Connection, upload_all
from benchmarks.servers import Server
from benchmarks.table import Report, Row, markdown
from tests.servers import running_postgres, running_seaweedfs

WORK = Path("build/benchmarks").absolute()
"""The folder of everything that is measured. It is on the disk that the server would use."""


class Bench:
    """Measures the rows of the table, each beside what it is compared with."""

    def __init__(self, report: Report, *, quick: bool) -> None:
        self._report = report
        self._quick = quick
        self._pictures = corpus.made(WORK)
        shutil.rmtree(WORK / "bare-loops", ignore_errors=True)  # not while rows are measured: see `bare_loops`
        self._stills = {kind: count for kind, count in MIX.items() if kind != "gif"}

    def _row(
        self, section: str, name: str, values: list[float], unit: str, goal: tuple[str, float] | None = None
    ) -> None:
        spread = (min(values), max(values)) if len(values) > 1 else None
        self._report.add(Row(section, name, median(values), unit, spread, goal))

    # Starting

    def starting(self) -> None:
        turns = range(2 if self._quick else 5)
        rows = [(starting.bare(), starting.version(), starting.serve(WORK / "start")) for _ in turns]
        bare, version, serve = (list(column) for column in zip(*rows, strict=True))
        self._row("start", "bare interpreter", bare, "s")
        self._row("start", "imges version", version, "s", ("<=", 0.15))
        self._row("start", "imges serve, to the first answer", serve, "s", ("<=", 1.5))

    # Uploads

    def mix(self) -> None:
        self._compare("uploads of the mix", MIX, 2 if self._quick else 4, 2 if self._quick else 4, peer=True, goal=0.92)

    def stills(self) -> None:
        self._compare("uploads of the mix without GIF", self._stills, 4, 3 if self._quick else 5, peer=True, goal=0.92)

    def tuned(self) -> None:
        """Uploads with the setting that pays by the curves of the encoders. The loops keep their own."""
        for name, kinds, turns in (("mix", MIX, 2), ("mix without GIF", self._stills, 3)):
            section = f"with quality.png 2: {name}"
            self._compare(section, kinds, 3, turns, peer=False, goal=1.0, IMAGES__QUALITY__PNG="2")

    def icons(self) -> None:
        self._compare("uploads of icons", {"icon": 1}, 200 if self._quick else 500, 3, peer=False, goal=0.75)

    def kinds(self) -> None:
        for kind in MIX:
            if kind != "icon":
                self._compare(f"uploads of {kind}", {kind: 1}, 8 if kind == "gif" else 32, 3, peer=False, goal=None)

    def others(self) -> None:
        """Another processor, another place, another catalog."""
        self._compare("with Pillow", self._stills, 3, 2, peer=False, goal=None, IMAGES__PROCESSOR="pillow")
        s3 = WORK / "seaweedfs"
        shutil.rmtree(s3, ignore_errors=True)
        s3.mkdir()
        with running_seaweedfs(s3) as store:
            given = store.settings(store.new_bucket())
            place = {f"STORAGES__S3__{name.upper()}": value for name, value in given.items()}
            self._compare("on S3", self._stills, 3, 2, peer=False, goal=None, STORAGE="s3", **place)
        with running_postgres() as database:
            url = database.new_database()
            self._compare("on PostgreSQL", self._stills, 3, 2, peer=False, goal=None, CATALOG__URL=url)

    def steps(self) -> None:
        command = [sys.executable, "-m", "benchmarks.steps", str(WORK)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for name, taken in json.loads(said).items():
            self._row("CPU of an upload by step", name, [taken], "ms")

    # The catalog

    def catalog(self, largest: int = 6) -> None:
        sizes = self._sizes(largest)
        try:
            self._catalog(
                "SQLite" if largest < 7 else "SQLite, up to 10^7",
                {rows: many_rows.sqlite_url(WORK, rows) for rows in sizes},
            )
        finally:
            for rows in sizes:
                many_rows.remove(WORK, rows)

    def catalogs(self) -> None:
        """Measures catalogs of up to ten million rows, in both databases. Takes half an hour."""
        self.catalog(7)
        with running_postgres() as database:
            self._catalog("PostgreSQL, up to 10^7", {rows: database.new_database() for rows in self._sizes(7)})

    def _sizes(self, largest: int) -> list[int]:
        """Numbers of rows up to 10^*largest*, as far as the disk has room."""
        sizes = [10**exponent for exponent in range(4, largest + 1)]
        fitting = [rows for rows in sizes if many_rows.has_room(WORK, rows)]
        if fitting != sizes:
            print(f"there is no room for {sizes[-1]:,} rows", file=sys.stderr)
        return fitting

    def _catalog(self, kind: str, urls: dict[int, str]) -> None:
        began = last = time.perf_counter()

        def told(text: str) -> None:
            nonlocal last
            if time.perf_counter() < last + 1:
                return
            last = time.perf_counter()
            print(f"\r{kind}, {time.perf_counter() - began:.0f} s: {text}\x1b[K", end="", file=sys.stderr, flush=True)

        found = asyncio.run(many_rows.compared(urls, told))
        print(file=sys.stderr)
        for name, taken in found.items():
            section = f"catalog in {kind}: {name}"
            for rows, milliseconds in taken.items():
                self._row(section, f"10^{len(str(rows)) - 1} rows", [milliseconds], "ms")
            goal = ("<=", 1.5) if name.startswith("upload") else None
            self._row(section, "most / 10^4 rows", [taken[max(taken)] / taken[min(taken)]], "", goal)

    def _compare(
        self,
        section: str,
        kinds: dict[str, int],
        rounds: int,
        turns: int,
        *,
        peer: bool,
        goal: float | None,
        **settings: str,
    ) -> None:
        pictures = corpus.mixed(self._pictures, rounds, kinds)
        with ExitStack() as stack:
            mine = stack.enter_context(servers.imges(WORK / "imges", **settings))
            other = stack.enter_context(servers.express(WORK / "peer")) if peer else None
            for server in filter(None, (mine, other)):
                upload_all(server.port, pictures[: len(pictures) // 3], uploads.CONNECTIONS)
            runs: list[tuple[uploads.Run, uploads.Run, uploads.Run | None]] = [
                (
                    uploads.bare_loops(pictures, WORK / "bare-loops"),
                    uploads.served(mine, pictures),
                    uploads.served(other, pictures) if other else None,
                )
                for _ in range(turns)
            ]
            if section == "uploads of the mix":
                self._row("memory", "under the mix, 8 connections", [mine.memory() / 2**20], "MB", ("<=", 350))
        self._row(section, "two bare loops of libvips", [limit.rate for limit, _, _ in runs], "/s")
        self._row(section, "imges", [mine.rate for _, mine, _ in runs], "/s")
        ratios = [mine.rate / limit.rate for limit, mine, _ in runs]
        self._row(section, "imges / bare loops", ratios, "", (">=", goal) if goal else None)
        costs = [mine.cpu / limit.cpu for limit, mine, _ in runs]
        self._row(section, "CPU of an upload / of the loops", costs, "", ("<=", 1.15) if goal == 0.92 else None)
        against = [mine.rate / other.rate for _, mine, other in runs if other]
        if against:
            self._row(section, "imges / express + sharp", against, "", (">=", 1.06))

    # Answers while uploads go on

    def latency(self) -> None:
        seconds = 3.0 if self._quick else 6.0
        pictures = corpus.mixed(self._pictures, 2, self._stills)
        section = "small GET while uploads saturate"
        with servers.imges(WORK / "imges") as mine, servers.express(WORK / "peer") as other:
            thumb, viewer = self._paths(mine)
            with Connection(other.port) as connection:
                said = connection.upload(self._pictures["icon"][0].path.read_bytes(), "png")
            of_other = "/" + said["url"].split("/", 3)[3]
            idle = latency.probed(mine.port, thumb, seconds / 2)
            self._row(section, "idle, p99", [latency.percentile(idle, 99)], "ms")
            with Background(mine.port, pictures, uploads.CONNECTIONS):
                busy = latency.probed(mine.port, thumb, seconds)
                page = latency.probed(mine.port, viewer, seconds)
            self._row(section, "p50", [latency.percentile(busy, 50)], "ms")
            self._row(section, "p99", [latency.percentile(busy, 99)], "ms", ("<=", 15))
            self._row(section, "viewer page, p50", [latency.percentile(page, 50)], "ms")
            self._row(section, "viewer page, p99", [latency.percentile(page, 99)], "ms")
            with Background(other.port, pictures, uploads.CONNECTIONS):
                theirs = latency.probed(other.port, of_other, seconds)
            self._row(section, "express, p99", [latency.percentile(theirs, 99)], "ms")
            quotient = latency.percentile(busy, 99) / latency.percentile(theirs, 99)
            self._row(section, "p99 / express's p99", [quotient], "", ("<=", 0.33))

    def _paths(self, server: Server) -> tuple[str, str]:
        """Returns the paths of a thumb and of a viewer page."""
        with Connection(server.port) as connection:
            said = connection.upload(self._pictures["icon"][0].path.read_bytes(), "png")
        thumb, viewer = ("/" + url.split("/", 3)[3] for url in (said["thumb"]["url"], said["url_viewer"]))
        return thumb, viewer

    def fairness(self) -> None:
        """Uploads icons during a flood, in the order of `imaging.slots` and in the order of arrival."""
        plain = (sys.executable, "-m", "benchmarks.first_come")
        times: dict[str, list[float]] = {"": [], ", first come first served": []}
        with servers.imges(WORK / "imges") as mine, servers.imges(WORK / "first", plain) as unordered:
            for taken, server in zip(times.values(), (mine, unordered), strict=True):
                taken.extend(self._icons_in_a_flood(server, 4 if self._quick else 6))
        section = "an icon's upload during a flood of 12 MP pictures"
        for name, taken in times.items():
            self._row(section, f"p50{name}", [latency.percentile(taken, 50)], "ms")
            self._row(section, f"p95{name}", [latency.percentile(taken, 95)], "ms")

    def _icons_in_a_flood(self, server: Server, seconds: float) -> list[float]:
        """Milliseconds of each upload of an icon, while sixteen connections send photographs."""
        icon = self._pictures["icon"][1].path.read_bytes()
        times: list[float] = []
        with Background(server.port, self._pictures["photo-12mp"], 16), Connection(server.port) as connection:
            until = time.perf_counter() + seconds
            while (began := time.perf_counter()) < until:
                connection.upload(icon, "png")
                times.append(1000 * (time.perf_counter() - began))
                time.sleep(0.05)
        return times

    # Serving

    def serving(self) -> None:
        seconds, turns = 2, 2
        with servers.imges(WORK / "imges", SERVER__ACCEL_REDIRECT="/protected") as behind:
            large = self._stored(behind)
            images = behind.folder / "data/images"
            with (
                servers.imges(WORK / "imges-alone") as alone,
                servers.nginx(WORK / "nginx", images, behind.port) as nginx,
            ):
                mine = self._stored(alone)
                for name, goal in (("50 KB", 0.15), ("5 MB", None)):
                    rows = [
                        tuple(
                            serving.requests_a_second(url, seconds)
                            for url in (
                                f"{nginx.url}/files/{large[name]}",
                                f"{alone.url}/images/{mine[name]}",
                                f"{nginx.url}/images/{large[name]}",
                                f"{nginx.url}/direct/{large[name]}",
                            )
                        )
                        for _ in range(turns)
                    ]
                    section = f"GET of {name}, {serving.CONNECTIONS} connections"
                    self._row(section, "nginx from the date folder", [row[0] for row in rows], "/s")
                    self._row(section, "imges", [row[1] for row in rows], "/s")
                    self._row(
                        section, "imges / nginx", [row[1] / row[0] for row in rows], "", (">=", goal) if goal else None
                    )
                    handed = [row[2] / row[0] for row in rows]
                    self._row(section, "nginx with accel_redirect / nginx", handed, "")
                    direct = [row[3] / row[0] for row in rows]
                    self._row(section, "nginx with the variant of the deploy file / nginx", direct, "")

    def _stored(self, server: Server) -> dict[str, str]:
        """Stores a picture of about 50 KB and one of about 5 MB, and returns their keys."""
        keys: dict[str, str] = {}
        for name, side, quality in (("50 KB", 520, 88), ("5 MB", 4000, 94)):
            content = corpus.photo_of(side, quality, WORK)
            with Connection(server.port) as connection:
                keys[name] = connection.upload(content, "jpg")["url"].partition("/images/")[2]
        return keys

    # Memory

    def memory(self) -> None:
        with servers.imges(WORK / "imges") as mine:
            time.sleep(1)
            self._row("memory", "idle", [mine.memory() / 2**20], "MB")
            largest = [0.0]
            with Background(mine.port, [Picture(corpus.largest(WORK), "largest")], 4):
                for _ in range(10 if self._quick else 30):
                    time.sleep(0.2)
                    largest.append(mine.memory() / 2**20)
            self._row("memory", "under the largest pictures", [max(largest)], "MB", ("<=", 768))

    # Correct results

    def correct(self) -> None:
        with servers.imges(WORK / "imges") as mine:
            found = {p.path.name: checks.check(mine.port, p) for many in self._pictures.values() for p in many}
        for name, quality in found.items():
            if quality is not None and not name.startswith("gif"):
                self._row("PSNR of the medium to a full decode", name, [quality], "dB")


QUICK = ("correct", "starting", "icons", "stills", "latency")
FULL = (*QUICK[:2], "mix", *QUICK[2:], "tuned", "kinds", "others", "steps", "fairness", "serving", "memory", "catalog")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--quick", action="store_true", help="the rows that matter most, in less than a minute")
    parser.add_argument("--save", action="store_true", help="record the results, for the next run to be compared with")
    parser.add_argument("--recorded", action="store_true", help="print the last recorded run, measure nothing")
    parser.add_argument("only", nargs="*", help=f"only these rows of {', '.join(FULL)}")
    asked = parser.parse_args()
    if asked.recorded:
        print(markdown())
        return
    report = Report()
    bench = Bench(report, quick=asked.quick)
    for name in asked.only or (QUICK if asked.quick else FULL):
        began = time.perf_counter()
        measure: Callable[[], None] = getattr(bench, name)
        measure()
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    report.show()
    if asked.save:
        report.save()


if __name__ == "__main__":
    main()
