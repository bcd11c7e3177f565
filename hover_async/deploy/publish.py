"""A new version of every function: published at once, each waited for until it is Active."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from anyio import current_time

from hover_async.concurrency import bounded_map
from hover_async.deploy.versions import DEADLINE_S, is_active, is_updated, wait_until, wake
from hover_async.errors import VersionFailed
from hover_async.events import Reporter, VersionPublished
from hover_async.ports import Functions, FunctionState
from hover_async.values import LATEST, BuildId, FunctionName, Version

AT_ONCE = 32
"""Functions in hand at a time. Lambda's 15 requests a second are kept by the adapter's pacer."""


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
        latest = await wait_until(is_updated, function, LATEST, lambdas, give_up_at)
        if latest.image_uri != image_uri and give_image:
            await give_image(latest, function)
            latest = await wait_until(is_updated, function, LATEST, lambdas, give_up_at)
        if latest.image_uri != image_uri:
            raise VersionFailed(
                f"function '{function}' holds image {latest.image_uri}, not this build's",
                hint="something else updated it during this deploy; deploy again",
            )
        version = await lambdas.publish(
            function, code_sha256=latest.code_sha256, description=build_id
        )
        await wake(function, version, lambdas)
        published = await wait_until(is_active, function, version, lambdas, give_up_at)
        if published.code_sha256 != latest.code_sha256:
            raise VersionFailed(
                f"version {version} of '{function}' does not hold this build's image",
                hint="something else published it during this deploy; deploy again",
            )
        report(VersionPublished(function, version))
        return function, version

    return Versions(dict(await bounded_map(publish, functions, limit=AT_ONCE)))
