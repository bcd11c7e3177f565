"""Every remote call of a deploy, met by every fault, on the real adapters and a virtual clock.

    python -m tests.process.matrix                  all cells, on every core; prints the table
    python -m tests.process.matrix --write          and writes it into docs/reliability.md
    python -m tests.process.matrix --cell 'second|lambda.UpdateAlias shop-dev-cli|killed before ...'

A cell is a deploy in which one fault befalls one request. What must hold of any deploy is asked of
it; then, without a fault, the same build is deployed again (after a rival the next one); it must
leave the same behind as a deploy that nothing has disturbed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from benchmarks.figures import ROOT, write_section
from hover_async.testing import Fault, Process, Sent
from tests.process.cores import within
from tests.process.invariants import violations, watch
from tests.process.rivals import Rival
from tests.process.trial import (
    Scene,
    Trial,
    let_leases_run_out,
    replayed,
    scenes,
    state_of,
    trial_of,
)


@dataclass(frozen=True)
class Cell:
    """One request of one scene, and what befalls it."""

    scene: str
    name: str
    subject: str
    occurrence: int
    fault: Fault

    def __str__(self) -> str:
        sent = Sent(0, self.name, self.subject, self.occurrence, 0.0)
        return f"{self.scene}|{sent}|{self.fault}"


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: in a word, and what did not hold."""

    cell: Cell
    ended: str
    broken: Sequence[str] = ()


@cache
def stages() -> dict[str, Scene]:
    """The scenes, in a directory of this process."""
    root = Path(tempfile.mkdtemp(prefix="hover-async-matrix-"))
    return {scene.name: scene for scene in scenes(root)}


@cache
def undisturbed(name: str) -> tuple[Trial, dict[str, object]]:
    scene = stages()[name]
    trial = trial_of(scene)
    replayed(trial.run)
    if trial.error:
        raise trial.error
    return trial, dict(state_of(trial.cloud, trial.order))


def cells() -> Iterator[Cell]:
    """Every request of an undisturbed deploy of each scene, with every fault."""
    for name in stages():
        for sent in undisturbed(name)[0].process.sent:
            for fault in Fault:
                yield Cell(name, *sent.place, fault)


def run(cell: Cell) -> Outcome:
    """Deploy with the fault, look; deploy again, look again."""
    scene = stages()[cell.scene]
    trial = trial_of(scene)
    trial.process.watchers.append(watch(trial))
    changed: list[bool] = []
    rival = Rival(trial)

    def changes(sent: Sent) -> bool:
        changed.append(rival(sent))
        return changed[-1]

    trial.process.rival = changes
    trial.process.inject(cell.fault, cell.name, cell.subject, occurrence=cell.occurrence)
    replayed(trial.run)
    if not trial.process.met:
        return Outcome(cell, "not reached", ["the request was never sent"])
    if cell.fault is Fault.STALE and not trial.process.was_stale:
        return Outcome(cell, "nothing to see", violations(trial))
    if cell.fault is Fault.RIVAL and not any(changed):
        return Outcome(cell, "nothing to see", violations(trial))
    return Outcome(cell, _ended(trial), violations(trial) + _again(scene, trial, cell.fault))


def _ended(trial: Trial) -> str:
    if trial.is_killed:
        return "killed"
    return {0: "live", 4: "restored", 5: "mixed"}.get(trial.exit_code or 0, "stopped")


def _again(scene: Scene, trial: Trial, fault: Fault) -> list[str]:
    """I10: what a run after it leaves behind, against an undisturbed one."""
    let_leases_run_out(trial.cloud)
    order = scene.later if fault is Fault.RIVAL else scene.order
    again = Trial(trial.cloud, order, Process(trial.cloud))
    replayed(again.run, at_s=10_000.0)
    if again.error:
        return [f"I10: the next run: {type(again.error).__name__}: {again.error}"]
    found = [f"next run: {each}" for each in violations(again)]
    left = state_of(again.cloud, order)
    if fault is Fault.RIVAL:
        return found + [f"I10: {what} was left" for what in ("lock", "activation") if left[what]]
    wanted = undisturbed(scene.name)[1]
    return found + [
        f"I10: {what} is {_short(left[what])}, not {_short(wanted[what])}"
        for what in wanted
        if left[what] != wanted[what]
    ]


def _short(value: object) -> str:
    return str(value)[:300]


@dataclass
class Tally:
    """What came of many cells, of so many that there are."""

    cells: int
    ended: dict[Fault, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    broken: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.ended[outcome.cell.fault][outcome.ended] += 1
        if outcome.broken:
            self.broken.append(outcome)

    def table(self) -> str:
        kinds = ["live", "stopped", "restored", "mixed", "killed", "nothing to see"]
        lines = [f"| fault | cells | {' | '.join(kinds)} | violations |", "|---|" + "--:|" * 8]
        for fault, ended in self.ended.items():
            broken = sum(outcome.cell.fault is fault for outcome in self.broken)
            counts = " | ".join(str(ended[kind] or "") for kind in kinds)
            lines.append(f"| {fault} | {ended.total()} | {counts} | {broken} |")
        total: Counter[str] = sum(self.ended.values(), Counter())
        counts = " | ".join(str(total[kind] or "") for kind in kinds)
        lines.append(f"| all | {total.total():,} | {counts} | {len(self.broken)} |")
        return "\n".join(lines)


def told(tally: Tally) -> str:
    sent = {name: len(undisturbed(name)[0].process.sent) for name in stages()}
    total = sum(sent.values())
    each = ", ".join(f"{count} of the {name} deploy" for name, count in sent.items())
    ran = sum(ended.total() for ended in tally.ended.values())
    part = "" if ran == tally.cells else f"**{ran:,} of {tally.cells:,} cells, drawn.** "
    return (
        f"{part}{total} requests ({each}) x {len(Fault)} faults, through the real adapters, each "
        "cell followed by a run without a fault that must leave the same behind as an undisturbed "
        "one. "
        "*Stopped*: a typed error, nothing live has changed. *Restored*: exit code 4. *Mixed*: "
        "exit code 5, with the truth about each function. *Nothing to see*: no earlier answer that "
        f"could be stale, or nothing for a rival to change.\n\n{tally.table()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    parser.add_argument("--cell", help="only the cells whose name contains this, with their story")
    parser.add_argument("--seconds", type=float, help="as many cells, drawn, as fit in this time")
    asked = parser.parse_args()
    chosen = [cell for cell in cells() if asked.cell is None or asked.cell in str(cell)]
    tally = Tally(len(chosen))
    for outcome in within(run, chosen, asked.seconds):
        tally.add(outcome)
        if outcome.broken or asked.cell:
            sys.stdout.write(f"{outcome.cell}: {outcome.ended}: {'; '.join(outcome.broken)}\n")
            sys.stdout.flush()
    sys.stdout.write(told(tally) + "\n")
    if asked.write:
        write_section(ROOT / "docs/reliability.md", "matrix", told(tally), command="make prove")
    sys.exit(bool(tally.broken))


if __name__ == "__main__":
    main()
