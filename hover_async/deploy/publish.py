"""A new version of every function: published at once, each waited for until it is Active."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from anyio import current_time, sleep

from hover_async.concurrency import bounded_map
from hover_async.errors import AwsError, StepTimedOut, VersionFailed
from hover_async.events import Reporter, VersionPublished
from hover_async.ports import Functions, FunctionState, Repeatable
from hover_async.values import LATEST, BuildId, FunctionName, Version

AT_ONCE = 32
"""Functions in hand at a time. Lambda's 15 requests a second are kept by the adapter's pacer."""
DEADLINE_S = 600
"""After a new image: seconds, almost two minutes for 4 GB (published measurements)."""
FIRST_POLL_S, LONGEST_POLL_S = 0.2, 3.0
WAKE_TIMEOUT_S = 60
SETTLING = {"Pending", "InProgress", "Deleting"}


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
    give_image: Callable[[FunctionState, FunctionName], Awaitable[None]] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Versions:
    """Publish every function once its own update is done; the same build gives the same version.

    `give_image` is asked to update a function that holds another image although nothing updates it.
    Raises `VersionFailed` when a function or version fails, or holds another image than this
    build's; versions published by then stay, unused.
    """
    give_up_at = current_time() + deadline_s

    async def publish(function: FunctionName) -> tuple[FunctionName, Version]:
        latest = await _wait_until(_is_updated, function, LATEST, lambdas, give_up_at)
        if latest.image_uri != image_uri and give_image:
            await give_image(latest, function)
            latest = await _wait_until(_is_updated, function, LATEST, lambdas, give_up_at)
        if latest.image_uri != image_uri:
            raise VersionFailed(
                f"function '{function}' holds image {latest.image_uri}, not this build's",
                hint="something else updated it during this deploy; deploy again",
            )
        version = await lambdas.publish(
            function, code_sha256=latest.code_sha256, description=build_id
        )
        await _wake(function, version, lambdas)
        published = await _wait_until(_is_active, function, version, lambdas, give_up_at)
        if published.code_sha256 != latest.code_sha256:
            raise VersionFailed(
                f"version {version} of '{function}' does not hold this build's image",
                hint="something else published it during this deploy; deploy again",
            )
        report(VersionPublished(function, version))
        return function, version

    return Versions(dict(await bounded_map(publish, functions, limit=AT_ONCE)))


async def _wake(function: FunctionName, version: Version, lambdas: Functions) -> None:
    """A version that was idle for weeks is Inactive: its first request fails, and revives it."""
    if (await lambdas.state(function, version)).state == "Inactive":
        with suppress(AwsError):
            await lambdas.invoke(
                function,
                version,
                b'{"warmer_ping": true, "hold_ms": 0}',
                timeout_s=WAKE_TIMEOUT_S,
                repeatable=Repeatable.ONCE,
            )


async def _wait_until(
    is_ready: Callable[[FunctionState], bool],
    function: FunctionName,
    version: Version,
    lambdas: Functions,
    give_up_at: float,
) -> FunctionState:
    """Poll GetFunction, which has a bucket of its own (100/s), until ready or failed for good."""
    pause_s = FIRST_POLL_S
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
        if current_time() + pause_s > give_up_at:
            raise StepTimedOut(
                f"function '{function}' version {version} is still "
                f"{state.state}/{state.last_update}",
                hint="no live alias was touched; deploy again",
            )
        await sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_POLL_S)


def _is_updated(state: FunctionState) -> bool:
    return state.state not in SETTLING and state.last_update not in SETTLING


def _is_active(state: FunctionState) -> bool:
    return state.state == "Active"
