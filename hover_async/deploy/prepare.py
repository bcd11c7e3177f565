"""What a deploy stands on: bucket, repository and queues made, and what is live looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from anyio import CancelScope, move_on_after

from hover_async.concurrency import Feed, bounded_map, task_group
from hover_async.deploy.queues import StandingQueues, ensure_queues
from hover_async.deploy.records import LIVE_KEY, manifest_of
from hover_async.errors import AwsError, NotFound
from hover_async.events import LiveNow, Reporter
from hover_async.manifest import Manifest
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


async def prepare(functions: Sequence[FunctionName], cloud: Cloud, places: Feed[str]) -> Ground:
    """Make bucket and repository if they are missing, and look up what is live.

    The repository is fed to `places` as soon as both stand, so that bytes can be sent meanwhile.
    """

    async def stand_places() -> str:
        async with task_group() as standing:
            standing.start_soon(cloud.assets.ensure_bucket)
            repository = standing.start_soon(cloud.registry.ensure_repository)
        places.put(repository.return_value)
        return repository.return_value

    async with task_group() as ground:
        stood = ground.start_soon(stand_places)
        live = ground.start_soon(live_versions, functions, cloud.functions)
    return Ground(stood.return_value, live.return_value)


async def stand_queues(
    manifest: Manifest, cloud: Cloud, report: Reporter, *, so_far: StandingQueues | None = None
) -> StandingQueues:
    """`ensure_queues`, beside what is live now.

    With the lock held it is asked again, with what it said before: a rival that held the lock
    meanwhile has recorded a release, and may have changed queues after its flip.
    """
    document = await cloud.documents.read(LIVE_KEY)
    record = document.etag if document else None
    if so_far and so_far.record == record:
        return so_far
    before = manifest_of(document)
    standing = await ensure_queues(manifest, cloud.queues, report, before=before)
    return replace(standing, record=record)


async def still_live(live: Live, functions: Sequence[FunctionName], lambdas: Functions) -> Live:
    """What is live, to be asked with the lock held.

    A version that was live stays one until the flip; but a rival that held the lock before us may
    have activated a function for the first time.
    """
    others = [function for function in functions if function not in live]
    return {**live, **await live_versions(others, lambdas)}


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


async def tell_what_is_live(
    functions: Sequence[FunctionName], cloud: Cloud, report: Reporter
) -> None:
    """After a failure: where every alias points, asked for anew, as far as AWS still answers."""
    with CancelScope(shield=True), move_on_after(3), suppress(AwsError):
        report(LiveNow(await live_versions(functions, cloud.functions)))
