"""The progress of long commands: a bar on the terminal, and findings as lines of output."""

import sys
import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from imges.bytesize import size_formatted


class Bar:
    """The `imges.maintenance.progress.Progress` of commands. The bar is on stderr, if that is a terminal.

    Findings are lines of output, unless *lines_on_stderr*: the output is then for programs.
    """

    def __init__(self, *, lines_on_stderr: bool = False) -> None:
        self._lines_on_stderr = lines_on_stderr
        console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task: TaskID | None = None
        self._began = 0.0
        self._pieces = self._size = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, what: str, total: int | None = None) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(what, total=total, rate="")
        self._began, self._pieces, self._size = time.monotonic(), 0, 0

    def advance(self, pieces: int = 1, size: int = 0) -> None:
        self._pieces += pieces
        self._size += size
        if self._task is not None:
            self._progress.update(self._task, advance=pieces, rate=self._rate())

    def _rate(self) -> str:
        seconds = max(time.monotonic() - self._began, 0.001)
        rate = f"{self._pieces / seconds:,.0f}/s"
        return f"{rate}, {size_formatted(round(self._size / seconds))}/s" if self._size else rate

    def say(self, line: str) -> None:
        click.echo(line, err=self._lines_on_stderr)
