"""The direct lane beside the stack lane, simulated: the same build, the same AWS, two ways.

    python benchmarks/lanes.py [--quick] [--json FILE]

Each seed is one AWS: both lanes meet the very same durations in it. The deploy is the real one,
over the real adapters; AWS is `hover_async.testing.model`. Every figure is simulated.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import Goal, Report, Row, parser, tell
from benchmarks.simulated.account import Account, Run, ours
from hover_async.deploy.deployment import Order
from hover_async.testing.model import Model, Sizes
from hover_async.values import Lane

SIZES = (3, 20)
IMAGES_GB = (0.1, 0.5)
SEEDS, QUICK_SEEDS = 10, 5
GOAL = 0.30
CODE_STEP = {Lane.STACK: "stack", Lane.DIRECT: "versions"}
"""What gives functions their image: versions are made meanwhile, in both."""


def main() -> int:
    given = parser(__doc__).parse_args()
    seeds = QUICK_SEEDS if given.quick else SEEDS
    rows: list[Row] = []
    goals: list[Goal] = []
    for image_gb in IMAGES_GB:
        for functions in SIZES[:1] if given.quick else SIZES:
            row, whole = compare(functions, image_gb, seeds)
            rows.append(row)
            if functions == SIZES[0]:
                told = f"{whole:.0%} of the stack lane's time"
                figure = f"direct lane, {functions} functions, image of {image_gb} GB, simulated"
                goals.append(Goal(figure, f"<= {GOAL:.0%}", told, whole <= GOAL))
            print(f"{functions} functions, {image_gb} GB: {whole:.0%}", flush=True)
    about = (
        f"Simulated, medians of {seeds} seeds. `code` is from the beginning of the stack (or of "
        "the versions) until all are Active; `image` is the model's median for Lambda to make "
        "an image ready, 5 s and 27 s per GB, which is in both lanes and no way to deploy avoids. "
        "The push (60 MB at 100 Mbit/s), warming and a migration of 3 s are in both, too."
    )
    title = "The direct lane beside the stack lane, simulated"
    return tell(Report(title, rows, goals, [about]), given.json)


def compare(functions: int, image_gb: float, seeds: int) -> tuple[Row, float]:
    lanes = {
        lane: [deployed(functions, image_gb, seed, lane) for seed in range(seeds)] for lane in Lane
    }
    whole = {lane: statistics.median(run.seconds for run in runs) for lane, runs in lanes.items()}
    code = {
        lane: statistics.median(run.steps[CODE_STEP[lane]] for run in runs)
        for lane, runs in lanes.items()
    }
    row: Row = {
        "functions": functions,
        "image GB": image_gb,
        "image s": 5 + 27 * image_gb,
        "stack lane s": whole[Lane.STACK],
        "direct lane s": whole[Lane.DIRECT],
        "direct / stack": whole[Lane.DIRECT] / whole[Lane.STACK],
        "code s, stack": code[Lane.STACK],
        "code s, direct": code[Lane.DIRECT],
    }
    return row, whole[Lane.DIRECT] / whole[Lane.STACK]


def deployed(functions: int, image_gb: float, seed: int, lane: Lane) -> Run:
    """The second build in that lane; every run must have gone live."""
    model = Model(seed, Sizes(image_gb=image_gb))
    with TemporaryDirectory() as directory:
        run = Account(Path(directory), functions, model).measure(in_lane(lane))
    assert not run.error, run.error
    return run


def in_lane(lane: Lane) -> Callable[[Account, Order], Awaitable[Run]]:
    async def way(account: Account, order: Order) -> Run:
        return await ours(account, replace(order, lane=lane))

    return way


if __name__ == "__main__":
    sys.exit(main())
