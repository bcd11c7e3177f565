"""Deploys on the model of AWS (docs/simulation.md): ours, other ways, and the bound. All simulated.

    python benchmarks/simulation.py [--quick] [--json FILE] [--write]

Every way meets the same draws of the same seeds. `--write` puts the figures into the documentation
and draws the chart anew. Exit code 1 when a goal is missed.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import write_section
from benchmarks.simulated.account import Account, Run, ours
from benchmarks.simulated.bound import Bound
from benchmarks.simulated.chart import chart
from benchmarks.simulated.ways import gather, rival, serial
from hover_async.testing.model import Model, Sizes

ROOT = Path(__file__).parents[1]
CALIBRATED = Sizes()
SEEDS = {3: 40, 20: 40, 98: 20, 300: 6}
OTHERS = {3: 10, 20: 10, 98: 6, 300: 2}
QUICK = {3: 8, 20: 8, 98: 3, 300: 1}
WAYS = {"hover-async": ours, "serial": serial, "gather": gather}
GOAL_P50, GOAL_P95, GOAL_SKEW = 1.05, 1.15, 1.1
SENSITIVITY: dict[str, Sizes] = {
    "as calibrated: 0.5 GB, 60 MB new, 12.5 MB/s": CALIBRATED,
    "image 2 GB": Sizes(image_gb=2.0),
    "image 4 GB": Sizes(image_gb=4.0),
    "all 500 MB new": Sizes(new_bytes=500e6),
    "uplink 2 MB/s": Sizes(uplink=2e6),
    "uplink 100 MB/s": Sizes(uplink=100e6),
}

Row = dict[str, Any]


@dataclass
class Group:
    """The runs of one way with so many functions, and each one's bound."""

    runs: list[Run] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)

    def add(
        self, functions: int, seed: int, way: Any, *, sizes: Sizes = CALIBRATED, beside: Any = None
    ) -> None:
        with TemporaryDirectory() as directory:
            account = Account(Path(directory), functions, Model(seed, sizes))
            self.runs.append(account.measure(way, rival=beside))
            self.bounds.append(account.bound)

    @property
    def good(self) -> Sequence[tuple[Run, Bound]]:
        return [(r, b) for r, b in zip(self.runs, self.bounds, strict=True) if not r.error]

    @property
    def lost(self) -> int:
        return sum(bool(run.error) for run in self.runs)

    def ratios(self) -> Sequence[float]:
        return sorted(run.seconds / bound.total_s for run, bound in self.good)

    def skews(self) -> Sequence[float]:
        return sorted(run.skew_s / bound.skew_s for run, bound in self.good)

    def seconds(self) -> float | None:
        return round(median(run.seconds for run, _ in self.good), 1) if self.good else None

    def mean(self, name: str) -> float:
        return round(fmean(getattr(run, name) for run in self.runs), 1)


def at(share: float, values: Sequence[float]) -> float | None:
    """The quantile, of sorted values; None of none."""
    return round(values[min(int(share * len(values)), len(values) - 1)], 3) if values else None


def main() -> int:
    options = ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--json", type=Path)
    options.add_argument("--write", action="store_true")
    asked = options.parse_args()
    seeds = QUICK if asked.quick else SEEDS
    groups = measure(seeds, QUICK if asked.quick else OTHERS)
    rows = main_rows(groups)
    goals = main_goals(groups)
    throttles = throttle_rows(2 if asked.quick else 8)
    sensitivity = sensitivity_rows(4 if asked.quick else 12)
    for table in (rows, goals, throttles, sensitivity):
        print(markdown(table), end="\n\n", flush=True)
    if asked.json:
        told = {
            "title": "Deploys, simulated",
            "rows": rows,
            "goals": goals,
            "notes": [markdown(throttles), markdown(sensitivity)],
        }
        asked.json.write_text(json.dumps(told, indent=1) + "\n")
    if asked.write:
        write(rows, goals, throttles, sensitivity, groups)
    return 0 if all(goal["met"] for goal in goals) else 1


def measure(seeds: dict[int, int], others: dict[int, int]) -> dict[tuple[int, str], Group]:
    groups: dict[tuple[int, str], Group] = {}
    for functions, count in seeds.items():
        for name, way in WAYS.items():
            group = groups.setdefault((functions, name), Group())
            for seed in range(count if way is ours else min(count, others[functions])):
                group.add(functions, seed, way)
            print(f"{functions} functions, {name}: {len(group.runs)} runs", file=sys.stderr)
    return groups


def main_rows(groups: dict[tuple[int, str], Group]) -> list[Row]:
    rows = []
    for (functions, way), group in groups.items():
        ratios = group.ratios()
        rows.append(
            {
                "functions": functions,
                "way": way,
                "runs": len(group.runs),
                "failed": group.lost,
                "median s": group.seconds(),
                "bound s": round(median(bound.total_s for bound in group.bounds), 1),
                "ratio p50": at(0.5, ratios),
                "ratio p95": at(0.95, ratios),
                "flip skew s": round(median(run.skew_s for run, _ in group.good), 2)
                if group.good
                else None,
                "429s": group.mean("refused"),
            }
        )
    return rows


def main_goals(groups: dict[tuple[int, str], Group]) -> list[Row]:
    goals: list[Row] = []

    def add(figure: str, goal: str, measured: str, *, met: bool) -> None:
        goals.append({"figure": figure, "goal": goal, "measured": measured, "met": met})

    own = {functions: group for (functions, way), group in groups.items() if way == "hover-async"}
    for functions, group in own.items():
        p50, p95 = at(0.5, group.ratios()) or 0.0, at(0.95, group.ratios()) or 0.0
        add(
            f"deploy of {functions} functions / lower bound, p50 and p95 (simulated)",
            f"<= {GOAL_P50} and <= {GOAL_P95}",
            f"{p50:.3f} and {p95:.3f}",
            met=p50 <= GOAL_P50 and p95 <= GOAL_P95,
        )
        if functions in {3, 98}:
            skew = at(0.5, group.skews()) or 0.0
            figure = f"flip skew of {functions} functions / its floor, p50 (simulated)"
            add(figure, f"<= {GOAL_SKEW}", f"{skew:.3f}", met=skew <= GOAL_SKEW)
    lost = sum(group.lost for group in own.values())
    add("deploys lost to throttling (simulated)", "0", str(lost), met=lost == 0)
    slopes = slopes_of(own)
    if len(slopes) > 1:
        first, last = slopes[0], slopes[-1]
        add(
            "seconds for one more function, between the two middle sizes and the two largest",
            "no more at the large end (linear)",
            f"{first:.2f} and {last:.2f}",
            met=last <= first * 1.15,
        )
    return goals


def slopes_of(own: dict[int, Group]) -> list[float]:
    """Seconds for each more function, between neighbouring sizes from 20 on."""
    sizes = sorted(size for size in own if size >= 20)
    times = {size: own[size].seconds() or 0.0 for size in sizes}
    return [(times[b] - times[a]) / (b - a) for a, b in pairwise(sizes)]


def throttle_rows(seeds: int, functions: int = 98) -> list[Row]:
    rows = []
    for beside in (None, rival):
        for name, way in WAYS.items():
            group = Group()
            for seed in range(seeds):
                group.add(functions, seed, way, beside=beside)
            rows.append(
                {
                    "way": name,
                    "other pipeline, 10 requests/s": "yes" if beside else "no",
                    "runs": len(group.runs),
                    "deploys lost": group.lost,
                    "median s": group.seconds(),
                    "calls": group.mean("calls"),
                    "429s": group.mean("refused"),
                    "the other's calls lost": f"{sum(r.rival_lost for r in group.runs)} of "
                    f"{sum(r.rival_sent for r in group.runs):,}"
                    if beside
                    else "",
                }
            )
    return rows


def sensitivity_rows(seeds: int, functions: int = 20) -> list[Row]:
    rows = []
    for name, sizes in SENSITIVITY.items():
        group = Group()
        for seed in range(seeds):
            group.add(functions, seed, ours, sizes=sizes)
        rows.append(
            {
                "20 functions": name,
                "median s": group.seconds(),
                "ratio p50": at(0.5, group.ratios()),
                "ratio p95": at(0.95, group.ratios()),
            }
        )
    return rows


def markdown(rows: Sequence[Row]) -> str:
    head = list(rows[0])
    lines = [head, ["---"] * len(head)]
    lines += [["" if row[name] is None else str(row[name]) for name in head] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(
    rows: Sequence[Row],
    goals: Sequence[Row],
    throttles: Sequence[Row],
    sensitivity: Sequence[Row],
    groups: dict[tuple[int, str], Group],
) -> None:
    """Figures into every page that has a place for them, and the chart beside them."""
    command = "python benchmarks/simulation.py --write"
    sections = {
        "simulation": "\n\n".join([markdown(rows), markdown(goals), markdown(sensitivity)]),
        "throttles": markdown(throttles),
    }
    for page in (
        ROOT / "docs" / name for name in ("simulation.md", "performance.md", "reliability.md")
    ):
        for name, text in sections.items():
            if page.exists() and f"<!-- figures: {name} -->" in page.read_text():
                write_section(page, name, text, command=command)
    (ROOT / "docs" / "simulation.svg").write_text(drawing(groups))


def drawing(groups: dict[tuple[int, str], Group]) -> str:
    lines: dict[str, list[tuple[float, float]]] = {"lower bound": []}
    for (functions, way), group in groups.items():
        if way == "hover-async":
            bound = median(bound.total_s for bound in group.bounds)
            lines["lower bound"].append((functions, bound))
        if seconds := group.seconds():
            lines.setdefault(way, []).append((functions, seconds))
    return chart("A deploy on the model of AWS (simulated)", lines, x="functions", y="seconds")


if __name__ == "__main__":
    sys.exit(main())
