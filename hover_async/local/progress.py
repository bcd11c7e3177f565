"""Long work, told as it goes: what is being done, that it still is, and how long it took."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio import sleep

from hover_async.concurrency import task_group

Report = Callable[[str], None]
_REMIND_EVERY_S = 10


@asynccontextmanager
async def telling(report: Report, doing: str, done: str) -> AsyncIterator[None]:
    """Report `doing` now and every ten seconds, and `done` with its time when the block ends."""
    began = time.monotonic()
    report(f"{doing} ...")

    async def remind() -> None:
        while True:
            await sleep(_REMIND_EVERY_S)
            report(f"{doing} ... ({time.monotonic() - began:.0f} s)")

    async with task_group() as reminders:
        reminders.start_soon(remind)
        yield
        reminders.cancel_scope.cancel()
    report(f"{done} in {time.monotonic() - began:.1f} s")
