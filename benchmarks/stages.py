"""Live deploys on the local AWS: stages of 3, 20, 98 and 300 functions.

    python benchmarks/stages.py [--changes] [--quick] [--json FILE] [FUNCTIONS ...]

Each stage is deployed, deployed again with another image by its stack and in the direct lane, and
deleted; with `--changes` functions are renamed and added in between. The deploy is the real one,
without Docker's part (see `tests/e2e/tiny.py`). After each operation every `live` alias is asked
for.

Times are those of this machine and of MiniStack, which has no rate limits: they say how our own
work grows, not how long AWS takes; most of them is our pacer, which keeps Lambda's 15 requests a
second. CPU and memory are this process's alone. The largest stage has 5,000 assets.
"""

from __future__ import annotations

import platform
import random
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.report import Goal, Report, Row, parser, tell
from hover_async.assets import Asset, plan_assets
from hover_async.deploy.deployment import Deployment
from hover_async.local import down, up
from hover_async.local.places import MINISTACK
from hover_async.manifest.model import IMMUTABLE
from hover_async.values import FunctionName, Lane, Version
from tests.e2e.tiny import TinyStage, tiny_stage

INSTANCE = "stages"
SIZES, QUICK_SIZES = (3, 20, 98, 300), (3, 20)
BORDER = (50, 160)
"""A stage of the first size is one stack, one of the second is not."""
LARGE = 300
"""From this size on a stage has the assets, and is what the goals speak of."""
ASSETS = 5_000
GOAL_CPU_S, GOAL_MB = 5.0, 150
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What Linux takes in `clear_refs` to begin a new peak of resident memory."""


def main() -> int:
    options = parser(__doc__)
    options.add_argument("functions", type=int, nargs="*", help="how many, instead of all sizes")
    options.add_argument("--changes", action="store_true", help="rename and add functions, too")
    given = options.parse_args()
    sizes = given.functions or (QUICK_SIZES if given.quick else SIZES)
    busybox = shutil.which("busybox")
    assert busybox, "install busybox-static"
    runs = anyio.run(measure, sizes, Path(busybox), given.changes)
    about = (
        f"MiniStack {MINISTACK}, no rate limits of its own. `first` makes everything, `update` has "
        "the same manifest and another image, `direct` the same without the stack. Stages from "
        f"{LARGE} functions on have {ASSETS:,} assets."
    )
    report = Report(
        "Live deploys on the local AWS",
        [row for run in runs for row in run.rows],
        [goal for run in runs for goal in run.goals],
        [about],
    )
    return tell(report, given.json)


async def measure(sizes: Sequence[int], busybox: Path, changes: bool) -> Sequence[Run]:  # noqa: FBT001 - anyio.run takes no names
    local = await up(print, instance=INSTANCE)
    runs = []
    try:
        for size in sizes:
            with TemporaryDirectory() as directory:
                async with tiny_stage(local, busybox, Path(directory)) as stage:
                    if size >= LARGE:
                        stage.assets = assets(Path(directory) / "assets")
                    run = Run(stage, size)
                    runs.append(run)
                    await run.all(changes=changes)
    finally:
        await down(print, instance=INSTANCE)
    return runs


def assets(root: Path) -> Sequence[Asset]:
    """Files of 4 to 40 KB in a hundred directories, the same in every run."""
    draw = random.Random(5)  # noqa: S311 - sizes of files, no secrets
    for number in range(ASSETS):
        file = root / f"{number % 100:02}" / f"{number}.js"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(draw.randbytes(draw.randint(4_000, 40_000)))
    return plan_assets(root, lambda _: IMMUTABLE)


class Run:
    """What is done with a stage of this size, in order, and what it took."""

    def __init__(self, stage: TinyStage, functions: int) -> None:
        self.stage = stage
        self.functions = functions
        self.rows: list[Row] = []
        self.goals: list[Goal] = []

    def queue(self, count: int, **more: object) -> Mapping[str, object]:
        return {**{f"jobs-{number}": {} for number in range(count)}, **more}

    async def all(self, *, changes: bool) -> None:
        count = self.functions - 2
        await self.deploy("first", self.queue(count))
        await self.deploy("update", self.queue(count))
        await self.deploy("direct", self.queue(count), lane=Lane.DIRECT)
        if changes:
            await self.changes(count)
        await self.timed("deletion", self.stage.delete, self.is_gone)

    async def changes(self, count: int) -> None:
        renamed = self.queue(count - 1, renamed={"queues": [f"jobs-{count - 1}"]})
        await self.deploy("one function renamed", renamed)
        await self.deploy("one function more", {**renamed, "more": {}})
        if BORDER[0] <= self.functions < BORDER[1]:
            grown = {**renamed, **{f"more-{number}": {} for number in range(BORDER[1] - count)}}
            await self.deploy("grown over one stack's border", grown)

    async def deploy(
        self, operation: str, queue: Mapping[str, object], *, lane: Lane = Lane.STACK
    ) -> None:
        made: list[Deployment] = []

        async def work() -> None:
            made.append(await self.stage.deploy(queue, lane=lane))

        async def seen() -> str:
            live: Mapping[FunctionName, Version] = await self.stage.live()
            assert live == made[0].artifacts.versions.by_function
            assert len(live) == len(queue) + 2
            return critical_path(made[0])

        await self.timed(operation, work, seen)

    async def is_gone(self) -> str:
        assert await self.stage.cloud.stacks.functions(self.stage.name) == {}
        assert await self.stage.cloud.queues.find(f"jobs-0-{self.stage.name}")
        return "functions gone, queues there"

    async def timed(
        self,
        operation: str,
        work: Callable[[], Awaitable[object]],
        seen: Callable[[], Awaitable[str]],
    ) -> None:
        begin_peak()
        begun, used = time.monotonic(), time.process_time()
        await work()
        seconds, cpu_s = time.monotonic() - begun, time.process_time() - used
        peak = peak_mb()
        places = await self.stage.cloud.stacks.functions(self.stage.name)
        row: Row = {
            "functions": self.functions,
            "operation": operation,
            "stacks": len({"", *places.values()}) if places else 0,
            "wall s": seconds,
            "CPU s": cpu_s,
            "peak MB": peak,
            "critical path": await seen(),
        }
        print(f"{self.functions} functions, {operation}: {seconds:.1f} s", flush=True)
        self.rows.append(row)
        if self.functions >= LARGE and operation == "first":
            about = f"{self.functions} functions, {ASSETS:,} assets"
            cpu = Goal(
                f"own CPU, {about}", f"<= {GOAL_CPU_S:g} s", f"{cpu_s:.1f} s", cpu_s <= GOAL_CPU_S
            )
            memory = Goal(f"memory, {about}", f"<= {GOAL_MB} MB", f"{peak} MB", peak <= GOAL_MB)
            self.goals += [cpu, memory]


def critical_path(deployment: Deployment) -> str:
    path = [timed for timed in deployment.steps if timed.critical]
    longest = sorted(path, key=lambda timed: -timed.seconds)[:3]
    return ", ".join(f"{timed.step} {timed.seconds / deployment.seconds:.0%}" for timed in longest)


def begin_peak() -> None:
    CLEAR_REFS.write_text(RESET_PEAK)


def peak_mb() -> int:
    """The most resident memory of this process since `begin_peak`."""
    told = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(told["VmHWM"].split()[0]) // 1000


if __name__ == "__main__":
    assert platform.system() == "Linux", "memory is read from /proc"
    sys.exit(main())
