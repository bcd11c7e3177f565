"""Whole schedules drawn from a seed: functions, rivals, latencies, faults, kills, cancellations.

    python -m tests.process.schedules                    20,000 seeds, on every core
    python -m tests.process.schedules --write            and the figures into docs/reliability.md
    python -m tests.process.schedules --seed 4711        one of them again, step by step, its story

A schedule is one to three deploys of one stage, at about the same time. What must hold of a deploy
is asked of each; then an interrupted activation is ended by `recover`, or by the next deploy, which
nothing disturbs, and which must leave a stage of one build.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import trio

from benchmarks.figures import ROOT, write_section
from hover_async.deploy.deployment import Order
from hover_async.deploy.lock import Holder
from hover_async.deploy.recover import recover_stage
from hover_async.errors import ActivationMixed, AliasesElsewhere, HoverError, LockHeld
from hover_async.testing import FakeCloud, Fault, Process, RecordingReporter, Sent
from hover_async.testing.clients import ports_over
from hover_async.values import LATEST, FunctionName
from tests.process.cores import within
from tests.process.invariants import FLIP, violations, watch
from tests.process.stage import MANIFEST, Stage
from tests.process.trial import (
    Scene,
    Trial,
    let_leases_run_out,
    replayed,
    state_of,
    trial_of,
)

SEEDS = 20_000
FAULTS = [fault for fault in Fault if fault is not Fault.RIVAL]
MOST_FUNCTIONS = 60
SLOW_S = 0.5
"""Above this a request is slow enough to hold an interrupted deploy up."""
STARTED_WITHIN_S = 30.0


@cache
def directory() -> Path:
    return Path(tempfile.mkdtemp(prefix="hover-async-schedules-"))


@cache
def stage_of(functions: int) -> tuple[Scene, Sequence[Order]]:
    """A stage of so many functions whose first build is live, and the builds that follow."""
    head = MANIFEST.partition("queue:")[0]
    queues = "".join(f"  jobs-{number}: {{}}\n" for number in range(functions - 2))
    stage = Stage(directory() / str(functions), head + (f"queue:\n{queues}" if queues else ""))
    stage.cloud.stacks.operation_s, stage.cloud.lambdas.settle_s = 4.0, 0.5
    first, *others = [stage.build() for _ in range(6)]
    scene = Scene(str(functions), stage.cloud, first, others[0])
    trial = trial_of(scene, cloud=stage.cloud)
    replayed(trial.run, at_s=100.0)
    if trial.error:
        raise trial.error
    return replace(scene, memory=trial.process.memory), others


@dataclass
class Plan:
    """What the seed says of one deploy."""

    starts_at_s: float
    mean_s: float
    faults: Sequence[tuple[int, Fault]]
    cancelled_after_s: float | None

    def __str__(self) -> str:
        faults = ", ".join(f"{fault} at request {number}" for number, fault in self.faults)
        cancelled = self.cancelled_after_s
        return (
            f"starts after {self.starts_at_s:.1f} s, {self.mean_s * 1000:.0f} ms a way"
            + (f", {faults}" if faults else "")
            + (f", cancelled after {cancelled:.1f} s" if cancelled else "")
        )


@dataclass
class Schedule:
    """Everything that one seed means, and what came of it."""

    seed: int
    functions: int
    plans: Sequence[Plan]
    recovers: bool
    trials: list[Trial] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @classmethod
    def drawn(cls, seed: int) -> Schedule:
        draw = random.Random(seed)  # noqa: S311 - a schedule, no secret
        functions = min(MOST_FUNCTIONS, 1 + int(draw.paretovariate(1.1)))
        deploys = draw.choice([1, 1, 2, 2, 3])
        plans = [_plan(draw, functions) for _ in range(deploys)]
        return cls(seed, max(functions, 2), plans, draw.random() < 0.5)

    def run(self) -> Schedule:
        scene, orders = stage_of(self.functions)
        cloud = scene.copied()
        draw = random.Random(f"{self.seed} latencies")  # noqa: S311 - the same
        memory = dict(scene.memory)
        for plan, order in zip(self.plans, orders, strict=False):
            self.trials.append(self._trial(plan, cloud, order, memory, draw))
        replayed(self._all, seed=self.seed)
        for trial in self.trials:
            self.broken += [f"{trial.order.build.build_id}: {x}" for x in violations(trial)]
        self.broken += list(one_build(cloud, self.trials)) + list(lock_named(self.trials))
        self._end(cloud, orders[len(self.plans)])
        return self

    def _trial(
        self,
        plan: Plan,
        cloud: FakeCloud,
        order: Order,
        memory: dict[str, object],
        draw: random.Random,
    ) -> Trial:
        def way_s(_: Sent) -> float:
            return draw.expovariate(1 / plan.mean_s)

        process = Process(cloud, before=way_s, after=way_s, memory=memory)
        for number, fault in plan.faults:
            process.inject_at(fault, number)
        trial = Trial(cloud, order, process, has_rivals=len(self.plans) > 1)
        process.watchers.append(watch(trial))
        return trial

    async def _all(self) -> None:
        async with trio.open_nursery() as deploys:
            for plan, trial in zip(self.plans, self.trials, strict=True):
                deploys.start_soon(self._one, plan, trial)

    async def _one(self, plan: Plan, trial: Trial) -> None:
        await trio.sleep(plan.starts_at_s)
        if plan.cancelled_after_s is None:
            await trial.run()
            return
        began = trio.current_time()
        with trio.CancelScope(deadline=began + plan.cancelled_after_s):
            await trial.run()
        late_s = trio.current_time() - began - plan.cancelled_after_s
        flipped = any(sent.name == FLIP for sent in trial.process.sent)
        is_quick = not trial.process.met and plan.mean_s < SLOW_S
        if trial.is_cancelled and is_quick and not flipped and late_s > 5:
            self.broken.append(f"I19: cancelled, it took {late_s:.1f} s to end")

    def _end(self, cloud: FakeCloud, order: Order) -> None:
        """I10: the aliases after a recovery, and the stage after one more deploy."""
        let_leases_run_out(cloud)
        if self.recovers:
            touched = {name for trial in self.trials for name in trial.touched}
            # Where a run was told of an alias as it once was, the record of its flip says so, too.
            touched |= {
                FunctionName(sent.subject)
                for trial in self.trials
                for fault, sent in trial.process.met
                if fault is Fault.STALE and sent.name == "lambda.GetAlias"
            }
            self.broken += replayed(lambda: _recovered(cloud, order, touched), at_s=20_000.0)
        let_leases_run_out(cloud)
        last = Trial(cloud, order, Process(cloud))
        replayed(last.run, at_s=40_000.0)
        if last.error:
            self.broken.append(f"I10: the next run: {type(last.error).__name__}: {last.error}")
            return
        self.broken += [f"next run: {each}" for each in violations(last)]
        left = state_of(cloud, order)
        self.broken += [f"I10: {what} was left" for what in ("lock", "activation") if left[what]]

    def story(self) -> str:
        lines = [f"seed {self.seed}: {self.functions} functions"]
        for plan, trial in zip(self.plans, self.trials, strict=True):
            lines.append(f"\n{trial.order.build.build_id}: {plan}")
            met = {sent.number: fault for fault, sent in trial.process.met}
            lines += [
                f"  {sent.at_s:9.3f} {sent.number:4} {sent}"
                + (f"   <- {met[sent.number]}" if sent.number in met else "")
                for sent in trial.process.sent
            ]
            lines.append(f"  {outcome_of(trial)}: {trial.error!r}")
        lines += ["", *(self.broken or ["nothing is broken"])]
        return "\n".join(lines)


def _plan(draw: random.Random, functions: int) -> Plan:
    requests = 90 + 12 * functions
    faults = [
        (draw.randint(1, requests), draw.choice(FAULTS))
        for _ in range(draw.choice([0, 1, 1, 2, 4]))
    ]
    return Plan(
        draw.uniform(0, STARTED_WITHIN_S),
        draw.choice([0.01, 0.03, 0.1, 0.5]),
        sorted(faults),
        draw.uniform(0, 60) if draw.random() < 0.15 else None,
    )


async def _recovered(
    cloud: FakeCloud, order: Order, touched: AbstractSet[FunctionName]
) -> list[str]:
    """`recover` ends well, and leaves no record and no alias between two builds of its own.

    Where somebody else had moved an alias meanwhile it names that one, and leaves all as it is.
    """
    who = Holder.me("", doing="recovering")
    ports, before = ports_over(cloud), cloud.lambdas.live()
    try:
        recovery = await recover_stage(order.manifest, who, ports, RecordingReporter())
    except AliasesElsewhere as error:
        is_so = any(f"'{name}'" in error.message for name in touched)
        is_so = is_so and cloud.lambdas.live() == before
        return [] if is_so else [f"I10: recover: {type(error).__name__}: {error}"]
    except HoverError as error:
        return [f"I10: recover: {type(error).__name__}: {error}"]
    live = cloud.lambdas.live()
    return [
        f"I10: recover told {name} at {version}, it is at {live[name]}"
        for name, version in (recovery.live or {}).items()
        if live[name] != version
    ]


def one_build(cloud: FakeCloud, trials: Sequence[Trial]) -> Iterator[str]:
    """I7: with an exit 0 all functions serve one build, unless a later run says otherwise."""
    told = any(trial.is_killed or isinstance(trial.error, ActivationMixed) for trial in trials)
    if told or not any(trial.exit_code == 0 and not trial.is_cancelled for trial in trials):
        return
    functions = cloud.lambdas.functions.values()
    builds = {
        function.versions[function.live.version].image_uri
        for function in functions
        if function.live.version != LATEST
    }
    if len(builds) > 1:
        yield f"I7: mixed builds: {sorted(builds)}"


def lock_named(trials: Sequence[Trial]) -> Iterator[str]:
    """I7: the loser of the lock says which deploy has it."""
    builds = {trial.order.build.build_id for trial in trials}
    for trial in trials:
        if not isinstance(trial.error, LockHeld) or "lost" in str(trial.error):
            continue
        others = builds - {trial.order.build.build_id}
        if not any(other in str(trial.error) for other in others):
            yield f"I7: the holder is not named: {trial.error}"


def outcome_of(trial: Trial) -> str:
    if trial.is_killed:
        return "killed"
    if trial.is_cancelled:
        return "cancelled"
    return {0: "live", 3: "lock held", 4: "restored", 5: "mixed"}.get(
        trial.exit_code or 0, "failed"
    )


@dataclass(frozen=True)
class Result:
    seed: int
    functions: int
    deploys: int
    outcomes: Sequence[str]
    faults: int
    requests: int
    broken: Sequence[str]


def result_of(seed: int) -> Result:
    schedule = Schedule.drawn(seed).run()
    trials = schedule.trials
    return Result(
        seed,
        schedule.functions,
        len(trials),
        [outcome_of(trial) for trial in trials],
        sum(len(trial.process.met) for trial in trials),
        sum(len(trial.process.sent) for trial in trials),
        schedule.broken,
    )


def told(results: Sequence[Result]) -> str:
    ended: Counter[str] = Counter(each for result in results for each in result.outcomes)
    most = max(result.functions for result in results)
    broken = sum(bool(result.broken) for result in results)
    rows = {
        "schedules": len(results),
        "deploys in them": sum(result.deploys for result in results),
        "requests": sum(result.requests for result in results),
        "faults met": sum(result.faults for result in results),
        **{f"ended: {how}": count for how, count in sorted(ended.items())},
        "schedules with a violation": broken,
    }
    lines = ["| | |", "|---|--:|", *(f"| {what} | {count:,} |" for what, count in rows.items())]
    return (
        f"2 to {most} functions (heavy-tailed), one "
        "to three deploys of one stage at once, each with its latencies, faults, kills and "
        "cancellations; then `recover`, or at once the next deploy.\n\n" + "\n".join(lines)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, help="only this one, with its story")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=SEEDS)
    parser.add_argument("--seconds", type=float, help="as many seeds as fit in this time")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    asked = parser.parse_args()
    if asked.seed is not None:
        schedule = Schedule.drawn(asked.seed).run()
        sys.stdout.write(schedule.story() + "\n")
        sys.exit(bool(schedule.broken))
    results = []
    seeds = range(asked.first, asked.first + asked.count)
    for result in within(result_of, seeds, asked.seconds):
        results.append(result)
        if result.broken:
            sys.stdout.write(f"seed {result.seed}: {'; '.join(result.broken)}\n")
            sys.stdout.flush()
    sys.stdout.write(told(results) + "\n")
    if asked.write:
        write_section(
            ROOT / "docs/reliability.md", "schedules", told(results), command="make prove"
        )
    sys.exit(any(result.broken for result in results))


def steadily() -> None:
    """Begin anew where Python draws the order of sets: a seed must give the same run."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [*sys.orig_argv])  # noqa: S606 - this very command


if __name__ == "__main__":
    steadily()
    main()
