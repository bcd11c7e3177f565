"""A new version of every function: published as soon as its own update is done, and Active.

The stack may still work on others meanwhile. A version that is published serves nobody: should the
stack fail after all, it stays unused, and nothing goes live (decision: publish before the stack is
done).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

from anyio import current_time, sleep

from hover_async.concurrency import Feed, task_group
from hover_async.errors import AwsError, StepTimedOut, VersionFailed
from hover_async.events import Reporter, VersionPublished
from hover_async.ports import Functions, FunctionState, Repeatable
from hover_async.values import LATEST, BuildId, FunctionName, Version

DEADLINE_S = 600
"""After a new image: seconds, almost two minutes for 4 GB (published measurements)."""
FIRST_POLL_S, LONGEST_POLL_S = 0.3, 3.0
PATIENCE = 8
"""Asked again after an eighth of the time waited so far: about two dozen times within 15 s."""
WAKE_TIMEOUT_S = 60
SETTLING = {"Pending", "InProgress", "Deleting"}


@dataclass(frozen=True)
class Published:
    """A version that is Active."""

    function: FunctionName
    version: Version


@dataclass(frozen=True)
class Versions:
    """The version of this build of every function; each is Active and holds the build's image."""

    by_function: Mapping[FunctionName, Version]

    def __str__(self) -> str:
        return f"{len(self.by_function)} functions"

    def __getitem__(self, function: FunctionName) -> Version:
        return self.by_function[function]


async def publish_versions(
    functions: Sequence[FunctionName],
    image_uri: str,
    build_id: BuildId,
    lambdas: Functions,
    report: Reporter,
    *,
    updated: Feed[FunctionName],
    published: Feed[Published] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Versions:
    """Publish every function once its own update is done; the same build gives the same version.

    `updated` tells which are done; when it ends, so are all others. Each version that has become
    Active is fed to `published`. No single wait is longer than `deadline_s`.
    Raises `VersionFailed` when a function or version fails, or holds another image than this
    build's; versions published by then stay, unused.
    """
    versions: dict[FunctionName, Version] = {}

    async def publish(function: FunctionName) -> None:
        latest = await _wait_until(_is_updated, function, LATEST, lambdas, deadline_s)
        if latest.image_uri != image_uri:
            raise VersionFailed(
                f"function '{function}' holds image {latest.image_uri}, not this build's",
                hint="something else updated it during this deploy; deploy again",
            )
        version = await lambdas.publish(
            function, code_sha256=latest.code_sha256, description=build_id
        )
        active = await _wait_until(_is_active, function, version, lambdas, deadline_s)
        if active.code_sha256 != latest.code_sha256:
            raise VersionFailed(
                f"version {version} of '{function}' does not hold this build's image",
                hint="something else published it during this deploy; deploy again",
            )
        report(VersionPublished(function, version))
        versions[function] = version
        if published:
            published.put(Published(function, version))

    async with task_group() as publishing:
        waiting = dict.fromkeys(functions)
        async with aclosing(updated.follow()) as done:
            async for function in done:
                if function in waiting:
                    del waiting[function]
                    publishing.start_soon(publish, function)
        for function in waiting:
            publishing.start_soon(publish, function)
    return Versions({function: versions[function] for function in functions})


async def _wait_until(
    is_ready: Callable[[FunctionState], bool],
    function: FunctionName,
    version: Version,
    lambdas: Functions,
    deadline_s: float,
) -> FunctionState:
    """Poll GetFunction, which has a bucket of its own (100/s), until ready or failed for good."""
    began = current_time()
    is_woken = False
    while True:
        state = await lambdas.state(function, version)
        if "Failed" in (state.state, state.last_update):
            reason = state.state_reason or state.last_update_reason or "no reason given"
            raise VersionFailed(
                f"function '{function}' version {version} failed: {reason}",
                hint="no live alias was touched; mend what the reason names and deploy again",
            )
        if is_ready(state):
            return state
        if state.state == "Inactive" and not is_woken:
            is_woken = True
            await _wake(function, version, lambdas)
            continue
        waited_s = current_time() - began
        pause_s = min(max(waited_s / PATIENCE, FIRST_POLL_S), LONGEST_POLL_S)
        if waited_s + pause_s > deadline_s:
            raise StepTimedOut(
                f"function '{function}' version {version} is still "
                f"{state.state}/{state.last_update}",
                hint="no live alias was touched; deploy again",
            )
        await sleep(pause_s)


async def _wake(function: FunctionName, version: Version, lambdas: Functions) -> None:
    """A version that was idle for weeks is Inactive: its first request fails, and revives it."""
    with suppress(AwsError):
        await lambdas.invoke(
            function,
            version,
            b'{"warmer_ping": true, "hold_ms": 0}',
            timeout_s=WAKE_TIMEOUT_S,
            repeatable=Repeatable.ONCE,
        )


def _is_updated(state: FunctionState) -> bool:
    return state.state not in SETTLING and state.last_update not in SETTLING


def _is_active(state: FunctionState) -> bool:
    return state.state == "Active"
