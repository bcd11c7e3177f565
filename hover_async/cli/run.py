"""Running the library's coroutines from a terminal: signals become structured cancellation.

On asyncio a Ctrl-C would pierce a shielded scope, and with it a flip that is half done. So the
command owns these signals and cancels its own scope: a shielded flip ends first.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import anyio
import click
from anyio.abc import TaskStatus

from hover_async.concurrency import task_group
from hover_async.errors import Interrupted

T = TypeVar("T")

STOPPING = "stopping: cleaning up ..."
STILL_STOPPING = (
    "still cleaning up: a flip in progress is finished or undone, never left half done; "
    "kill -9 would leave it to the next deploy"
)


def stopping_signals() -> list[signal.Signals]:
    """Ctrl-C, an orderly end, and a closed terminal, unless `nohup` asked to outlive that."""
    outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([] if outlives else [signal.SIGHUP])]


def run(work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work`; raises `Interrupted` when a signal stopped it first."""
    return anyio.run(_supervised, work)


async def _supervised(work: Callable[[], Awaitable[T]]) -> T:
    """The watch is outside of what a signal cancels, else a second one would meet no handler."""
    results: list[T] = []
    received: list[signal.Signals] = []
    scope = anyio.CancelScope()
    async with task_group() as group:
        await group.start(_watch, scope, received)
        with scope:
            results.append(await work())
        group.cancel_scope.cancel()
    if results:  # a signal in the middle of the flip came too late to stop it
        return results[0]
    raise Interrupted(
        f"stopped by {received[0].name}",
        hint="nothing live has changed; run it again, and what stands already is used",
    )


async def _watch(
    scope: anyio.CancelScope,
    received: list[signal.Signals],
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    with anyio.open_signal_receiver(*stopping_signals()) as signals:
        task_status.started()
        async for number in signals:
            received.append(signal.Signals(number))
            scope.cancel()
            with suppress(OSError):  # of a terminal that was closed nobody reads
                click.echo(STOPPING if len(received) == 1 else STILL_STOPPING, err=True)
