"""Every benchmark, one after the other, and docs/performance.md from their figures: `make bench`.

    python benchmarks/bench.py [--quick] [--only NAME ...] [--no-docs]

Prints every table, and in the end every goal with what was measured. Exits 1 when a goal is missed
or a script has failed; a script that has failed leaves its section of the docs as it was. It takes
under 20 minutes on two cores, most of them live deploys at Lambda's pace.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import write_section  # noqa: E402
from benchmarks.report import Goal, Report, goal_rows, markdown, plain  # noqa: E402

DOCS = ROOT / "docs" / "performance.md"
SCRIPTS: Mapping[str, Sequence[str]] = {
    "uploads": ("--install",),
    "simulation": (),
    "lanes": (),
    "stages": (),
    "startup": ("--install",),
    "runtime": (),
}
"""In the order of the goals, each with the options of its own."""


@dataclass(frozen=True)
class Ran:
    """A script that has ended; `report` is None where it failed before it had figures."""

    name: str
    seconds: float
    exit_code: int
    report: Report | None


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="fewer and smaller runs; no docs")
    options.add_argument("--only", nargs="+", choices=SCRIPTS, help="these scripts alone")
    options.add_argument("--no-docs", action="store_true", help="leave docs/performance.md alone")
    given = options.parse_args()
    names = given.only or list(SCRIPTS)
    with tempfile.TemporaryDirectory() as directory:
        ran = [run(name, Path(directory), quick=given.quick) for name in names]
    goals = [goal for each in ran if each.report for goal in each.report.goals]
    failed = [each.name for each in ran if each.report is None]
    print("\n" + "\n".join(f"{each.name}: {each.seconds:.0f} s" for each in ran))
    print(f"\n{plain(goal_rows(goals))}")
    missed = sum(not goal.met for goal in goals)
    print(f"\n{len(goals) - missed} of {len(goals)} goals are met")
    if failed:
        print(f"without figures: {', '.join(failed)}")
    if not given.quick and not given.no_docs:
        write(ran, goals, whole=given.only is None and not failed)
    return 1 if missed or failed else 0


def run(name: str, directory: Path, *, quick: bool) -> Ran:
    file = directory / f"{name}.json"
    script = ROOT / "benchmarks" / f"{name}.py"
    command: list[str | Path] = [sys.executable, script, "--json", file, *SCRIPTS[name]]
    print(f"\n== {name}", flush=True)
    began = time.monotonic()
    ended = subprocess.run([*command, *(["--quick"] if quick else [])], check=False)
    seconds = time.monotonic() - began
    try:
        report = Report.read(file)
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        print(f"{name}: no figures: {error!r}", file=sys.stderr)
        return Ran(name, seconds, ended.returncode, None)
    return Ran(name, seconds, ended.returncode, report)


def write(ran: Sequence[Ran], goals: Sequence[Goal], *, whole: bool) -> None:
    """A section for each script; that of all goals only from a run that measured all of them."""
    for each in ran:
        if each.report:
            options = "".join(f" {option}" for option in SCRIPTS[each.name])
            command = f"python benchmarks/{each.name}.py{options}"
            write_section(DOCS, each.name, each.report.as_markdown(), command=command)
    if whole:
        write_section(DOCS, "goals", markdown(goal_rows(goals)), command="make bench")


if __name__ == "__main__":
    sys.exit(main())
