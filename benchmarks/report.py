"""What a benchmark script says: a table for people, and the same as JSON for `bench.py`.

A script is called as `python benchmarks/X.py [--quick] [--json FILE]`. The file then holds

    {"title": "...", "rows": [{"column": value, ...}, ...],
     "goals": [{"figure": "...", "goal": "...", "measured": "...", "met": true}, ...],
     "notes": ["..."]}

`rows` all have the same columns, in the order of the table; `notes` may be left out.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, str | float | None]


@dataclass(frozen=True)
class Goal:
    """A figure of the goals, what was asked of it and what was measured, in words."""

    figure: str
    goal: str
    measured: str
    met: bool


@dataclass(frozen=True)
class Report:
    title: str
    rows: Sequence[Row]
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    @classmethod
    def read(cls, file: Path) -> Report:
        told: dict[str, Any] = json.loads(file.read_text())
        goals = [Goal(**goal) for goal in told["goals"]]
        return cls(told["title"], told["rows"], goals, told.get("notes", ()))

    def as_markdown(self) -> str:
        parts = [f"### {self.title}", markdown(self.rows)]
        parts += self.notes
        if self.goals:
            parts.append(markdown(goal_rows(self.goals)))
        return "\n\n".join(parts)


def parser(about: str | None) -> ArgumentParser:
    """The options that every script has."""
    options = ArgumentParser(description=about, formatter_class=RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="fewer and smaller runs")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return options


def tell(report: Report, file: Path | None) -> int:
    """Print the report and write it; returns 1 when a goal was missed, else 0."""
    print(f"\n{report.title}\n\n{plain(report.rows)}")
    for note in report.notes:
        print(note)
    if report.goals:
        print(f"\n{plain(goal_rows(report.goals))}", flush=True)
    if file:
        file.write_text(json.dumps(asdict(report), indent=1) + "\n")
    return 0 if all(goal.met for goal in report.goals) else 1


def goal_rows(goals: Sequence[Goal]) -> Sequence[Row]:
    return [
        {
            "figure": goal.figure,
            "goal": goal.goal,
            "measured": goal.measured,
            "": "met" if goal.met else "NOT met",
        }
        for goal in goals
    ]


def markdown(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([shown(row.get(name)) for name in head] for row in rows)]
    return "\n".join("| " + " | ".join(escaped(cell) for cell in line) + " |" for line in lines)


def escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def plain(rows: Sequence[Row]) -> str:
    """The same for a terminal: numbers to the right, words to the left."""
    if not rows:
        return ""
    head = list(rows[0])
    lines = [head, *([shown(row.get(name)) for name in head] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    numeric = [all(isinstance(row.get(name), int | float) for row in rows) for name in head]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def shown(value: object) -> str:
    """A number with as many digits as it deserves; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, float):
        return f"{value:,}" if type(value) is int else str(value)
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:,.{digits}f}"
