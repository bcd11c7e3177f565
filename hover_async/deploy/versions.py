"""Waiting until a function, or one version of it, is as it must be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from anyio import current_time, sleep

from hover_async.errors import AwsError, NotFound, StepTimedOut, VersionFailed
from hover_async.ports import Functions, FunctionState, Repeatable
from hover_async.values import FunctionName, Version

DEADLINE_S = 600
"""After a new image: seconds, almost two minutes for 4 GB (published measurements)."""
FIRST_POLL_S, LONGEST_POLL_S = 0.3, 3.0
PATIENCE = 16
"""Asked again after a sixteenth of the time waited so far: about three dozen times within 15 s."""
WAKE_TIMEOUT_S = 60
SETTLING = {"Pending", "InProgress", "Deleting"}


async def wait_until(
    is_ready: Callable[[FunctionState], bool],
    function: FunctionName,
    version: Version,
    lambdas: Functions,
    deadline_s: float = DEADLINE_S,
) -> FunctionState:
    """Poll GetFunction, which has a bucket of its own (100/s), until ready or failed for good.

    A version that was idle for weeks is woken.
    """
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


async def require_version(
    function: FunctionName, version: Version, digest: str, lambdas: Functions, *, deadline_s: float
) -> None:
    """A version of earlier is there, holds the image of this digest, and is Active when it returns.

    An empty `digest` is not compared. Raises `VersionFailed` or `StepTimedOut`.
    """
    try:
        state = await lambdas.state(function, version)
    except NotFound as error:
        raise VersionFailed(
            f"version {version} of function '{function}' is gone",
            hint="no live alias was touched; build and deploy what it was made of",
        ) from error
    if digest and state.code_sha256 != digest:
        raise VersionFailed(
            f"version {version} of function '{function}' holds image {state.code_sha256[:12]}, "
            f"not {digest[:12]} as its release has it on record",
            hint="no live alias was touched; the function was deleted and made anew since: build "
            "and deploy what it was made of",
        )
    if not is_active(state):
        await wait_until(is_active, function, version, lambdas, deadline_s)


async def _wake(function: FunctionName, version: Version, lambdas: Functions) -> None:
    """The first request of an Inactive version fails, and revives it."""
    with suppress(AwsError):
        await lambdas.invoke(
            function,
            version,
            b'{"warmer_ping": true, "hold_ms": 0}',
            timeout_s=WAKE_TIMEOUT_S,
            repeatable=Repeatable.ONCE,
        )


def is_updated(state: FunctionState) -> bool:
    return state.state not in SETTLING and state.last_update not in SETTLING


def is_active(state: FunctionState) -> bool:
    return state.state == "Active"
