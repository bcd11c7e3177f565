"""A new version of every function: published as soon as its own update is done, and Active.

The stack may still work on others meanwhile. A version that is published serves nobody: should the
stack fail after all, it stays unused, and nothing goes live (decision: publish before the stack is
done).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from hover_async.concurrency import Feed, task_group
from hover_async.deploy.versions import DEADLINE_S, is_active, is_updated, wait_until
from hover_async.errors import VersionFailed
from hover_async.events import Reporter, VersionPublished
from hover_async.ports import Functions, FunctionState
from hover_async.values import LATEST, BuildId, FunctionName, Version


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
    give_image: Callable[[FunctionState, FunctionName], Awaitable[None]] | None = None,
    deadline_s: float = DEADLINE_S,
) -> Versions:
    """Publish every function once its own update is done; the same build gives the same version.

    `updated` tells which are done; when it ends, so are all others. Each version that has become
    Active is fed to `published`. No single wait is longer than `deadline_s`.
    `give_image` is asked to update those that hold another image although nothing has updated them.
    Raises `VersionFailed` when a function or version fails, or holds another image than this
    build's; versions published by then stay, unused.
    """
    versions: dict[FunctionName, Version] = {}

    async def publish(function: FunctionName, *, by_itself: bool = False) -> None:
        latest = await wait_until(is_updated, function, LATEST, lambdas, deadline_s)
        if latest.image_uri != image_uri and by_itself and give_image:
            await give_image(latest, function)
            latest = await wait_until(is_updated, function, LATEST, lambdas, deadline_s)
        if latest.image_uri != image_uri:
            raise VersionFailed(
                f"function '{function}' holds image {latest.image_uri}, not this build's",
                hint="something else updated it during this deploy; deploy again",
            )
        version = await lambdas.publish(
            function, code_sha256=latest.code_sha256, description=build_id
        )
        active = await wait_until(is_active, function, version, lambdas, deadline_s)
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
            publishing.start_soon(partial(publish, function, by_itself=True))
    return Versions({function: versions[function] for function in functions})
