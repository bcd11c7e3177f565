"""Kill -9 at every transport call of an end-to-end deploy, then run again: `make prove-kills`.

    python benchmarks/prove_kills.py [--faults] [--lanes N] [--only WORD] [--every N]

A new build of six functions and twenty assets over a live one, by the real program, through a proxy
on loopback to the local AWS (tests/e2e/proxy.py). Every call of an undisturbed deploy is a point;
at each the program is killed before the call has its effect, after it, and after the answer, and
the same build is deployed again. With `--faults`: every distinct operation meets a throttle, a 500,
an answer cut short and the like, once. Exits 1 when any promise did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from hover_async.local import LocalAws, down, up
from hover_async.local.places import INSTANCE_VARIABLE
from tests.e2e.calls import Call
from tests.e2e.kills import (
    KILLED,
    Trial,
    kill_and_run_again,
    scene,
    spoil_and_run_again,
    undisturbed,
)
from tests.e2e.proxy import FAULTS, KILLS, Spoil
from tests.e2e.scene import Scene

INSTANCE = "prove-kills"
IMAGES_KEPT = 20
RECOVER_EVERY = 4
"""No multiple of three: each kind of kill has its share."""
Todo = Callable[[Scene], Awaitable[Trial]]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--faults", action="store_true", help="faults instead of kills")
    arguments.add_argument("--lanes", type=int, default=4, help="stages deployed side by side")
    arguments.add_argument("--only", default="", help="calls whose name has this word")
    arguments.add_argument("--every", type=int, default=1, help="only every Nth of what is to do")
    given = arguments.parse_args()
    busybox = shutil.which("busybox")
    assert busybox, "install busybox-static"
    return asyncio.run(prove(given, Path(busybox)))


async def prove(given: argparse.Namespace, busybox: Path) -> int:
    begun = time.monotonic()
    named = os.environ.get(INSTANCE_VARIABLE)
    aws = await up(print, instance=named or INSTANCE)
    try:
        async with AsyncExitStack() as stack:
            lanes = [await lane(stack, aws, busybox) for _ in range(given.lanes)]
            calls = await undisturbed(lanes[0])
            todo = [*plan(calls, lanes[0].name, faults=given.faults, only=given.only)]
            todo = todo[:: given.every]
            print(f"{len(calls)} calls, {len(todo)} trials, {given.lanes} lanes", flush=True)
            trials = await work(lanes, todo)
    finally:
        if not named:
            await down(print, instance=aws.instance)
    report(len(calls), trials, time.monotonic() - begun)
    return int(any(trial.wrong for trial in trials))


async def lane(stack: AsyncExitStack, aws: LocalAws, busybox: Path) -> Scene:
    directory = Path(stack.enter_context(TemporaryDirectory(prefix="hover-kills-")))
    name = f"kills-{secrets.token_hex(3)}"
    return await stack.enter_async_context(scene(aws, busybox, directory, name))


def plan(calls: Sequence[Call], name: str, *, faults: bool, only: str) -> Iterator[Todo]:
    """What is to be tried: every call and kill, or every distinct operation and fault."""
    if faults:
        kinds = dict.fromkeys(call.kind for call in calls)
        for kind, spoil in product((kind for kind in kinds if only in kind), FAULTS):
            yield partial(spoil_and_run_again, kind=kind, spoil=spoil)
        return
    points = [point for point in product(calls, KILLS) if only in str(point[0])]
    for number, (call, spoil) in enumerate(points):
        recover = number % RECOVER_EVERY == 0
        yield partial(_kill, call=call, was=name, spoil=spoil, recover=recover)


async def _kill(stage: Scene, *, call: Call, was: str, spoil: Spoil, recover: bool) -> Trial:
    """In another lane's stage. A poll that did not come this time is waited for once more."""
    here = replace(call, subject=call.subject.replace(was, stage.name))
    trial = await kill_and_run_again(stage, here, spoil, recover=recover)
    if trial.met or trial.wrong:
        return trial
    return await kill_and_run_again(stage, here, spoil, recover=recover)


async def work(lanes: Sequence[Scene], todo: Sequence[Todo]) -> Sequence[Trial]:
    waiting, trials = iter(todo), list[Trial]()

    async def drive(stage: Scene) -> None:
        for attempt in waiting:
            old = stage.build_id
            trial = await attempt(stage)
            trials.append(trial)
            await asyncio.to_thread(tidy, stage, old)
            tell(trial, len(trials), len(todo))

    async with asyncio.TaskGroup() as group:
        for stage in lanes:
            group.create_task(drive(stage))
    return trials


def tidy(stage: Scene, old: str) -> None:
    """The local AWS keeps everything in memory, the engine every image."""
    stage.forget_assets(old)
    stage.abort_uploads()
    if len(stage.images) > IMAGES_KEPT:
        stage.remove_images(all_but=1)


def tell(trial: Trial, done: int, of: int) -> None:
    how = f"exit {trial.exit_code}, {trial.found}" if trial.met else "not met"
    print(f"{done:4}/{of}  {trial.call:52} {trial.spoil:20} {how}", flush=True)
    for wrong in trial.wrong:
        print(f"           WRONG: {wrong}", flush=True)


def report(calls: int, trials: Sequence[Trial], seconds: float) -> None:
    """One row for each way to spoil a call, and what did not hold."""
    print(f"\n{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(
        f"{calls} calls in an undisturbed deploy; {len(trials)} trials in {seconds / 60:.1f} min\n"
    )
    columns = ("trials", "not met", "exit 0", "exit 1", "exit 3", "exit 4", "exit 5", "killed")
    head = (*columns, "old", "mixed", "new", "converged")
    print(f"{'':22}" + "".join(f"{name:>10}" for name in head))
    for spoil in dict.fromkeys(trial.spoil for trial in trials):
        rows = [trial for trial in trials if trial.spoil is spoil]
        met = [trial for trial in rows if trial.met]
        codes = Counter(trial.exit_code for trial in met)
        found = Counter(trial.found for trial in met)
        figures = [
            len(rows),
            len(rows) - len(met),
            *(codes[code] for code in (0, 1, 3, 4, 5, KILLED)),
            *(found[where] for where in ("old", "mixed", "new")),
            sum(not trial.wrong for trial in rows),
        ]
        print(f"{spoil:22}" + "".join(f"{figure:10}" for figure in figures))
    good = sum(not trial.wrong for trial in trials)
    print(f"\nconverged: {good} of {len(trials)}")
    for trial in trials:
        if trial.wrong:
            print(f"  {trial.call}, {trial.spoil}: {'; '.join(trial.wrong)}")


if __name__ == "__main__":
    sys.exit(main())
