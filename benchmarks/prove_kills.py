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

from benchmarks.figures import write_section
from hover_async.local import LocalAws, down, up
from hover_async.local.places import INSTANCE_VARIABLE
from tests.e2e.calls import Call
from tests.e2e.kills import (
    Trial,
    kill_and_run_again,
    scene,
    spoil_and_run_again,
    undisturbed,
)
from tests.e2e.proxy import FAULTS, KILLS, Spoil
from tests.e2e.scene import ASSET_COUNT, ROLES, Scene

INSTANCE = "prove-kills"
PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
FIRST_ROUNDS = 2
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
    minutes = (time.monotonic() - begun) / 60
    told = (faults_told if given.faults else kills_told)(calls, trials, minutes)
    print(f"\n{told}\n")
    for trial in trials:
        if trial.wrong:
            print(f"WRONG: {trial.call}, {trial.spoil}: {'; '.join(trial.wrong)}")
    if not (given.only or given.every > 1):
        name = "wire" if given.faults else "kills"
        write_section(PAGE, name, told, command=f"make prove-{name}")
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
    points = [
        (call, spoil)
        for call, spoil in product(calls, KILLS)
        if only in str(call) and in_the_sample(call)
    ]
    for number, (call, spoil) in enumerate(points):
        recover = number % RECOVER_EVERY == 0
        yield partial(_kill, call=call, was=name, spoil=spoil, recover=recover)


def in_the_sample(call: Call) -> bool:
    """All but later rounds of one poll: there, three of the six functions stand for all."""
    if call.operation != "GetFunction" or call.occurrence <= FIRST_ROUNDS:
        return True
    return call.subject.endswith(("http", "cli", "mail-queue"))


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


def kills_told(calls: Sequence[Call], trials: Sequence[Trial], minutes: float) -> str:
    """One row for each kind of kill; `then` is where the aliases were when it was dead."""
    polls = sum(not in_the_sample(call) for call in calls)
    head = ["", "kills", "then old", "then mixed", "then new", "recovered first", "converged"]
    rows = []
    for spoil in KILLS:
        met = [trial for trial in trials if trial.spoil is spoil and trial.met]
        found = Counter(trial.found for trial in met)
        figures = [
            len(met),
            *(found[where] for where in ("old", "mixed", "new")),
            sum(bool(trial.recovered) for trial in met),
            sum(not trial.wrong for trial in met),
        ]
        rows.append([str(spoil), *map(str, figures)])
    unmet = sum(not trial.met for trial in trials)
    orphans = sum(trial.orphans for trial in trials)
    good = sum(trial.met and not trial.wrong for trial in trials)
    return f"""\
{table(head, rows)}

**{good} of {len(trials) - unmet} converged.** An undisturbed deploy of {len(ROLES)} functions and
{ASSET_COUNT} assets over a live one makes {len(calls)} calls on the wire, those of the
image's push among them; {polls} are later rounds of polls of GetFunction for other functions, and
are left out. {unmet} trials did not meet their call again. `converged`: the same build deployed
again ends with exit code 0, every alias one version on, at the image of the build, with every asset
at its size, the records whole, no lock and no record of an activation left; no command was sent
twice in a run. {sum(trial.unlocked for trial in trials)} of the dead had the lock, which
`unlock --force` took away. {orphans} had begun an upload in parts: it is no object, and the
bucket's own rule ends it after a day. {minutes:.0f} minutes."""


def faults_told(calls: Sequence[Call], trials: Sequence[Trial], minutes: float) -> str:
    """One row for each fault."""
    kinds = len({call.kind for call in calls})
    head = [
        "",
        "operations",
        "live all the same",
        "failed cleanly",
        "exit codes",
        "well afterwards",
    ]
    rows = []
    for spoil in FAULTS:
        met = [trial for trial in trials if trial.spoil is spoil and trial.met]
        codes = Counter(trial.exit_code for trial in met if trial.exit_code)
        told = ", ".join(f"{code}: {count}" for code, count in sorted(codes.items())) or "-"
        good = [trial for trial in met if not trial.wrong]
        failed = sum(trial.exit_code != 0 for trial in good)
        figures = [str(len(met)), str(len(good) - failed), str(failed), told, str(len(good))]
        rows.append([str(spoil), *figures])
    failures = Counter(
        f"{trial.call}, {trial.spoil}" for trial in trials if trial.met and trial.exit_code
    )
    return f"""\
{table(head, rows)}

{kinds} distinct operations of the deploy met each fault once.
{sum(not trial.wrong for trial in trials)} of {len(trials)} kept every promise. Failed, with nothing
live changed and said so: {"; ".join(failures) or "none"}. {minutes:.0f} minutes."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
