"""One `up` or `down` at a time, for every instance of this user."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import sleep

from hover_async.errors import LocalError
from hover_async.local.progress import Report

_WAIT_AT_MOST_S = 900
_LOOK_EVERY_S = 0.2


@asynccontextmanager
async def only_one(path: Path, report: Report) -> AsyncIterator[None]:
    """Hold the lock for the block. It falls when the process does, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _take(handle, path, report)
        yield
    finally:
        os.close(handle)


async def _take(handle: int, path: Path, report: Report) -> None:
    import fcntl  # Windows has none, and must get as far as our own words for that

    for turn in range(round(_WAIT_AT_MOST_S / _LOOK_EVERY_S)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if turn == 0:
                report("another 'hover-async local' is at work; waiting for it ...")
            await sleep(_LOOK_EVERY_S)
        else:
            return
    raise LocalError(
        f"another 'hover-async local' has been at work for {_WAIT_AT_MOST_S // 60} minutes",
        hint=f"see which process holds {path} and stop it, then run it again",
    )
