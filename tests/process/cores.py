"""Much to do on every core, in a time that may be bounded."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

C = TypeVar("C")
R = TypeVar("R")

AT_A_TIME = 20


def within(run: Callable[[C], R], cases: Sequence[C], seconds: float | None) -> Iterator[R]:
    """What `run` makes of each case, in a drawn order; with `seconds`, of as many as fit."""
    drawn = list(cases)
    random.Random(0).shuffle(drawn)  # noqa: S311 - an order, no secret
    ends_at = time.monotonic() + (seconds or float("inf"))
    cores = os.cpu_count() or 1
    size = AT_A_TIME * cores
    with ProcessPoolExecutor(cores) as pool:
        for first in range(0, len(drawn), size):
            if time.monotonic() >= ends_at:
                return
            yield from pool.map(run, drawn[first : first + size], chunksize=AT_A_TIME // 4)
