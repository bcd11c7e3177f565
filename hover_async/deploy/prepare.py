"""What a deploy stands on: bucket and repository made, and what is live looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hover_async.concurrency import bounded_map, task_group
from hover_async.errors import NotFound
from hover_async.ports import Cloud, Functions
from hover_async.values import LATEST, LIVE, FunctionName, Version

AT_ONCE = 32


Live = Mapping[FunctionName, Version]
"""Where `live` points, of the functions that were activated before; others serve no one yet."""


@dataclass(frozen=True)
class Ground:
    """Bucket and repository stand (`repository` as images are pushed to it); what was live."""

    repository: str
    live: Live

    def __str__(self) -> str:
        return f"{len(self.live)} functions are live" if self.live else "first deploy"


async def prepare(functions: Sequence[FunctionName], cloud: Cloud) -> Ground:
    """Make bucket and repository if they are missing, and look up what is live."""
    async with task_group() as ground:
        ground.start_soon(cloud.assets.ensure_bucket)
        repository = ground.start_soon(cloud.registry.ensure_repository)
        live = ground.start_soon(live_versions, functions, cloud.functions)
    return Ground(repository.return_value, live.return_value)


async def still_live(ground: Ground, functions: Sequence[FunctionName], lambdas: Functions) -> Live:
    """What is live, to be asked with the lock held.

    A version that was live stays one until the flip; but a rival that held the lock before us may
    have activated a function for the first time.
    """
    others = [function for function in functions if function not in ground.live]
    return {**ground.live, **await live_versions(others, lambdas)}


async def live_versions(functions: Sequence[FunctionName], lambdas: Functions) -> Live:
    """Where `live` points, of the functions where it points to a published version.

    GetFunction reads it, which has 100 requests a second of its own; GetAlias would take from the
    15 a second that publishing and flipping need.
    """

    async def version(function: FunctionName) -> Version:
        try:
            return (await lambdas.state(function, Version(LIVE))).version
        except NotFound:
            return LATEST

    versions = await bounded_map(version, functions, limit=AT_ONCE)
    return {
        function: version
        for function, version in zip(functions, versions, strict=True)
        if version != LATEST
    }
