"""Stages of 3, 19, 98 and 300 functions on the local AWS: deployed, updated, changed and deleted.

    python benchmarks/stages.py [FUNCTIONS ...]

The deploy is the real one, without Docker's part (see `tests/e2e/tiny.py`). After each operation
every `live` alias is asked for. Times are those of this machine and of MiniStack, which has no rate
limits: they say how our own work grows, not how long AWS takes. CPU is this process's alone.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

sys.path.insert(0, str(Path(__file__).parents[1]))

from hover_async.local import down, up
from hover_async.values import FunctionName, Version
from tests.e2e.tiny import TinyStage, tiny_stage

INSTANCE = "stages"
SIZES = (3, 19, 98, 300)
BORDER = (50, 160)
"""A stage of the first size is one stack, one of the second is not."""
HEAD = ("functions", "operation", "stacks", "seconds", "CPU s", "seen")


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    busybox = shutil.which("busybox")
    assert busybox, "install busybox-static"
    anyio.run(measure, sizes, Path(busybox))


async def measure(sizes: list[int], busybox: Path) -> None:
    local = await up(print, instance=INSTANCE)
    try:
        print("{:>9}  {:30} {:>6} {:>8} {:>6}  {}".format(*HEAD))
        for size in sizes:
            with TemporaryDirectory() as directory:
                async with tiny_stage(local, busybox, Path(directory)) as stage:
                    await Run(stage, size).all()
    finally:
        await down(print, instance=INSTANCE)


class Run:
    """What is done with a stage of this size, in order."""

    def __init__(self, stage: TinyStage, functions: int) -> None:
        self.stage = stage
        self.functions = functions

    def queue(self, count: int, **more: object) -> Mapping[str, object]:
        return {**{f"jobs-{number}": {} for number in range(count)}, **more}

    async def all(self) -> None:
        count = self.functions - 2
        await self.deploy("first deploy", self.queue(count))
        await self.deploy("same manifest, new image", self.queue(count))
        renamed = self.queue(count - 1, renamed={"queues": [f"jobs-{count - 1}"]})
        await self.deploy("one function renamed", renamed)
        await self.deploy("one function more", {**renamed, "more": {}})
        if BORDER[0] <= self.functions < BORDER[1]:
            grown = {**renamed, **{f"more-{number}": {} for number in range(BORDER[1] - count)}}
            await self.deploy("grown over one stack's border", grown)
        await self.timed("stack deleted", self.stage.delete, self.is_gone)

    async def deploy(self, operation: str, queue: Mapping[str, object]) -> None:
        published: dict[FunctionName, Version] = {}

        async def work() -> None:
            deployment = await self.stage.deploy(queue)
            published.update(deployment.artifacts.versions.by_function)

        async def seen() -> str:
            live = await self.stage.live()
            assert live == published
            assert len(live) == len(queue) + 2
            return f"{len(live)} live, of this deploy"

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
        begun, used = time.monotonic(), time.process_time()
        await work()
        seconds, cpu_s = time.monotonic() - begun, time.process_time() - used
        places = await self.stage.cloud.stacks.functions(self.stage.name)
        stacks = len({"", *places.values()}) if places else 0
        told = await seen()
        print(
            f"{self.functions:9}  {operation:30} {stacks:6} {seconds:8.1f} {cpu_s:6.1f}  {told}",
            flush=True,
        )


if __name__ == "__main__":
    main()
