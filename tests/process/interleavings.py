"""Deploys of one stage against each other, in ever other orders: with the lock, and without it.

    python -m tests.process.interleavings                 2,000 seeds with the lock, 2,000 without
    python -m tests.process.interleavings --write         and the figures into docs/reliability.md
    python -m tests.process.interleavings --seed 7 --unlocked

Two or three deploys begin within a few seconds. Each request's way to the cloud and back is drawn,
and so is the order in which tasks that may go on do so. Without the lock each deploy has one of its
own: what is left then is the fence of the aliases' revisions, and of the images' digests.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import trio

from benchmarks.figures import ROOT, write_section
from hover_async.deploy.lock import LOCK_KEY
from hover_async.errors import ActivationMixed
from hover_async.ports import Cloud, Document, Documents
from hover_async.testing import FakeCloud, Process, Sent
from tests.process.cores import within
from tests.process.invariants import violations
from tests.process.schedules import lock_named, one_build, outcome_of, stage_of, steadily
from tests.process.trial import Trial, replayed

SEEDS = 2_000
FUNCTIONS = 4


@dataclass(frozen=True)
class LockOfOnesOwn:
    """`Documents` in which the lock is nobody else's: the guard, switched off."""

    documents: Documents
    key: str

    def _key(self, key: str) -> str:
        return self.key if key == LOCK_KEY else key

    async def read(self, key: str) -> Document | None:
        return await self.documents.read(self._key(key))

    async def keys(self, prefix: str) -> Sequence[str]:
        return await self.documents.keys(prefix)

    async def create(self, key: str, body: bytes) -> str:
        return await self.documents.create(self._key(key), body)

    async def replace(self, key: str, body: bytes, etag: str) -> str:
        return await self.documents.replace(self._key(key), body, etag)

    async def delete(self, key: str, etag: str) -> None:
        await self.documents.delete(self._key(key), etag)


@dataclass(frozen=True)
class Result:
    seed: int
    is_locked: bool
    outcomes: Sequence[str]
    broken: Sequence[str]


def raced(seed: int, *, is_locked: bool) -> tuple[FakeCloud, Sequence[Trial]]:
    """The deploys of a seed, as they ended."""
    draw = random.Random(seed)  # noqa: S311 - an order of events, no secret
    scene, orders = stage_of(FUNCTIONS)
    cloud = scene.copied()
    cloud.stacks.operation_s = draw.choice([0.5, 2.0, 8.0])
    mean_s = draw.choice([0.005, 0.05, 0.3])
    within_s = draw.choice([0.0, 1.0, 10.0])

    def way_s(_: Sent) -> float:
        return draw.expovariate(1 / mean_s)

    def own_lock(number: int, ports: Cloud) -> Cloud:
        if is_locked:
            return ports
        return replace(ports, documents=LockOfOnesOwn(ports.documents, f"{LOCK_KEY}.{number}"))

    trials = []
    for number, order in enumerate(orders[: draw.choice([2, 3])]):
        process = Process(cloud, before=way_s, after=way_s)
        trial = Trial(cloud, order, process, has_rivals=True)
        trial.ports = lambda ports, number=number: own_lock(number, ports)  # type: ignore[misc]
        trials.append(trial)
    starts = [draw.uniform(0, within_s) for _ in trials]

    async def one(trial: Trial, starts_at_s: float) -> None:
        await trio.sleep(starts_at_s)
        await trial.run()

    async def race() -> None:
        async with trio.open_nursery() as deploys:
            for trial, starts_at_s in zip(trials, starts, strict=True):
                deploys.start_soon(one, trial, starts_at_s)

    replayed(race, seed=seed)
    return cloud, trials


def result_of(seed: int, *, is_locked: bool) -> Result:
    cloud, trials = raced(seed, is_locked=is_locked)
    broken = list(one_build(cloud, trials))
    if is_locked:
        broken += [found for trial in trials for found in violations(trial)]
        broken += lock_named(trials)
    elif sum(trial.exit_code == 0 for trial in trials) > 1 and not any(
        isinstance(trial.error, ActivationMixed) for trial in trials
    ):
        last = {trial.order.build.build_id for trial in trials if _serves(cloud, trial)}
        if len(last) != 1:
            broken.append(f"I7: exit 0 of several, and {sorted(last)} serve")
    return Result(seed, is_locked, [outcome_of(trial) for trial in trials], broken)


def _serves(cloud: FakeCloud, trial: Trial) -> bool:
    """Whether every function serves this deploy's build."""
    if trial.deployment is None:
        return False
    return all(
        cloud.lambdas.functions[name].live.version == version
        for name, version in trial.deployment.artifacts.versions.by_function.items()
    )


def _result(case: tuple[bool, int]) -> Result:
    return result_of(case[1], is_locked=case[0])


def told(results: Sequence[Result]) -> str:
    ended = ["live", "lock held", "restored", "mixed", "failed"]
    lines = [
        f"| | races | {' | '.join(ended)} | mixed builds beside an exit 0 | other violations |",
        "|---|" + "--:|" * (len(ended) + 3),
    ]
    for is_locked, label in ((True, "with the lock"), (False, "lock switched off")):
        chosen = [result for result in results if result.is_locked is is_locked]
        counts = Counter(each for result in chosen for each in result.outcomes)
        mixed = sum(any("mixed" in each for each in result.broken) for result in chosen)
        others = sum(bool(result.broken) for result in chosen) - mixed
        cells = " | ".join(f"{counts[kind]:,}" for kind in ended)
        lines.append(f"| {label} | {len(chosen):,} | {cells} | {mixed} | {others} |")
    return (
        f"Two or three deploys of a stage of {FUNCTIONS} functions within ten seconds, every "
        "request's time and the order of all tasks drawn. The deploys by how they ended:\n\n"
        + "\n".join(lines)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--unlocked", action="store_true", help="with the lock switched off")
    parser.add_argument("--count", type=int, default=SEEDS)
    parser.add_argument("--seconds", type=float, help="as many races as fit in this time")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    asked = parser.parse_args()
    if asked.seed is not None:
        sys.stdout.write(f"{result_of(asked.seed, is_locked=not asked.unlocked)}\n")
        return
    results = []
    cases = list(product((True, False), range(asked.count)))
    for result in within(_result, cases, asked.seconds):
        results.append(result)
        if result.broken:
            sys.stdout.write(f"{result}\n")
            sys.stdout.flush()
    sys.stdout.write(told(results) + "\n")
    if asked.write:
        write_section(ROOT / "docs/reliability.md", "rivals", told(results), command="make prove")
    sys.exit(any(result.broken for result in results))


if __name__ == "__main__":
    steadily()
    main()
