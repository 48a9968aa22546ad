"""The table: each row with its goal, and with its value in the last recorded run."""

import json
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
RECORD = HERE / "results.json"
"""The last recorded run."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line: *value* and its *spread* (both ends, of all turns), in *unit*, and the *goal* where there is one."""

    section: str
    name: str
    value: float
    unit: str = ""
    spread: tuple[float, float] | None = None
    goal: tuple[str, float] | None = None
    """`(">=", 0.92)`"""

    @property
    def key(self) -> str:
        return f"{self.section}: {self.name}"

    @property
    def is_met(self) -> bool | None:
        if self.goal is None:
            return None
        sign, limit = self.goal
        return self.value >= limit if sign == ">=" else self.value <= limit


class Report:
    """Rows as they come; shows them, and keeps them beside those of the last recorded run."""

    def __init__(self, record: Path = RECORD) -> None:
        self._record = record
        self._console = Console(width=130)
        self.rows: list[Row] = []
        self._before: dict[str, float] = {}
        if record.exists():
            self._before = {row["key"]: row["value"] for row in json.loads(record.read_text())["rows"]}

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._console.print(f"[dim]{row.key}: {figure(row.value)} {row.unit}[/]")

    def show(self) -> None:
        table = Table("what", "value", "spread", "goal", "last recorded", title="imges, measured")
        section = ""
        for row in self.rows:
            if row.section != section:
                section = row.section
                table.add_section()
                table.add_row(f"[bold]{section}[/]")
            table.add_row(*self._cells(row))
        self._console.print(table)

    def _cells(self, row: Row) -> list[str]:
        spread = f"{figure(row.spread[0])} to {figure(row.spread[1])}" if row.spread else ""
        goal = ""
        if row.goal:
            sign, limit = row.goal
            goal = (
                f"[{'green' if row.is_met else 'red'}]{sign.replace('>=', '≥').replace('<=', '≤')} {figure(limit)}[/]"
            )
        before = self._before.get(row.key)
        return [
            f"  {row.name}",
            f"{figure(row.value)} {row.unit}",
            spread,
            goal,
            "" if before is None else figure(before),
        ]

    def save(self) -> None:
        """Record this run; rows that it did not measure stay as they were."""
        rows = {row.key: {"key": row.key, **asdict(row)} for row in self.rows}
        if self._record.exists():
            old = {row["key"]: row for row in json.loads(self._record.read_text())["rows"]}
            rows = {**old, **rows}
        said = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": _machine(), "revision": _revision()}
        self._record.write_text(json.dumps({**said, "rows": list(rows.values())}, indent=1) + "\n")


def markdown(record: Path = RECORD) -> str:
    """The last recorded run, as docs/performance.md has it."""
    said = json.loads(record.read_text())
    sections: dict[str, list[str]] = {}
    for row in said["rows"]:
        spread = " to ".join(map(figure, row["spread"])) if row["spread"] else ""
        goal = f"{row['goal'][0].replace('>=', '≥').replace('<=', '≤')} {figure(row['goal'][1])}" if row["goal"] else ""
        cells = (row["name"], f"{figure(row['value'])} {row['unit']}".strip(), spread, goal)
        sections.setdefault(row["section"], []).append(f"| {' | '.join(cells)} |")
    lines = ["| | value | spread | goal |", "|---|--:|---|---|"]
    for name, rows in sections.items():
        lines += [f"| **{name}** | | | |", *rows]
    return "\n".join((f"{said['machine']}, {said['when']}, revision {said['revision']}\n", *lines))


def figure(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _machine() -> str:
    found = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{len(found)} x {found[0] if found else platform.machine()}, Python {platform.python_version()}"


def _revision() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()
