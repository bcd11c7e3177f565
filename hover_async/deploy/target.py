"""The release that a rollback goes to: which one is meant, and whether it stands as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hover_async.concurrency import bounded_map, task_group
from hover_async.deploy.ledger import why_not_whole
from hover_async.deploy.prepare import AT_ONCE, live_versions
from hover_async.deploy.records import (
    ACTIVATION_KEY,
    LIVE_KEY,
    Release,
    manifest_in,
    release_key,
    release_of,
)
from hover_async.deploy.versions import DEADLINE_S, require_version
from hover_async.errors import RecordDamaged, RollbackRefused
from hover_async.manifest import Manifest
from hover_async.ports import Cloud
from hover_async.values import BuildId, FunctionName, Role

REBUILD = "no live alias was touched; check out what it was made of, build, and deploy that"


@dataclass(frozen=True)
class Target:
    """The release to go back to with its manifest, and what is live and stands now."""

    release: Release
    manifest: Manifest
    live: Release
    standing: Manifest

    def __str__(self) -> str:
        return f"{self.release.build_id} is whole"

    def function(self, role: Role) -> FunctionName:
        return next(spec.name for spec in self.manifest.functions if spec.role is role)


async def require_any(cloud: Cloud) -> None:
    """Something went live, or was about to; a stage without that may have no bucket for a lock."""
    for key in (LIVE_KEY, ACTIVATION_KEY):
        if await cloud.documents.read(key) is not None:
            return
    raise nothing_live()


def nothing_live() -> RollbackRefused:
    return RollbackRefused("nothing is on record as live", hint="deploy a build first")


async def choose(to: BuildId | None, cloud: Cloud) -> Target:
    """The release that is meant, by the records. Raises `RollbackRefused`, `RecordDamaged`."""
    document = await cloud.documents.read(LIVE_KEY)
    live = release_of(document)
    if document is None:
        raise nothing_live()
    standing = manifest_in(live.standing.manifest) if live else None
    if live is None or standing is None:
        raise RecordDamaged(
            "the record of what is live (hover/live.json) cannot be read, so nobody knows what "
            "the stack's functions work on",
            hint="build and deploy: that writes it anew",
        )
    build_id = to or live.previous
    if build_id is None:
        raise RollbackRefused(
            f"no other build was live before {live.build_id}",
            hint="'hover-async releases' lists what there is; name one with --to",
        )
    if build_id == live.build_id:
        raise RollbackRefused(f"{build_id} is live already")
    found = await cloud.documents.read(release_key(build_id))
    if found is None:
        raise RollbackRefused(
            f"there is no release {build_id} on record",
            hint="'hover-async releases' lists what there is",
        )
    release = release_of(found)
    manifest = manifest_in(release.manifest) if release else None
    if release is None or manifest is None or release.build_id != build_id:
        raise RecordDamaged(
            f"the record of {build_id} ({release_key(build_id)}) cannot be read",
            hint="go back to another release, or build and deploy what this one was made of",
        )
    if release.pruned_at:
        raise RollbackRefused(
            f"{build_id} was pruned on {release.pruned_at}: its image and assets are gone",
            hint=REBUILD,
        )
    return Target(release, manifest, live, standing)


async def check_whole(target: Target, stack_name: str, cloud: Cloud) -> None:
    """All that the release needs is there and is what it was; versions are Active afterwards."""
    await _check_functions(target, stack_name, cloud)
    _check_queues(target)
    async with task_group() as checks:
        checks.start_soon(_check_versions, target, cloud)
        checks.start_soon(_check_image, target, cloud)
        checks.start_soon(_check_assets, target, cloud)


async def _check_functions(target: Target, stack_name: str, cloud: Cloud) -> None:
    build_id = target.release.build_id
    standing = await cloud.stacks.functions(stack_name)
    live = set(await live_versions(list(standing), cloud.functions))
    wanted = {spec.name for spec in target.manifest.functions}
    if extra := sorted(live - wanted):
        raise RollbackRefused(
            f"live functions that {build_id} does not have: {', '.join(extra)}", hint=REBUILD
        )
    if gone := sorted(wanted - live):
        raise RollbackRefused(
            f"functions of {build_id} that are not live now: {', '.join(gone)}", hint=REBUILD
        )
    if unknown := sorted(wanted - set(target.release.versions)):
        raise RecordDamaged(
            f"the record of {build_id} has no version of {', '.join(unknown)}", hint=REBUILD
        )


def _check_queues(target: Target) -> None:
    now, then = _owners(target.standing), _owners(target.manifest)
    odd = [
        f"'{queue}' (now {now.get(queue, 'nobody')}, then {then.get(queue, 'nobody')})"
        for queue in sorted(now.keys() | then.keys())
        if now.get(queue) != then.get(queue)
    ]
    if odd:
        raise RollbackRefused(
            f"the stack hands queues to other functions than {target.release.build_id} did: "
            + ", ".join(odd),
            hint=REBUILD,
        )


def _owners(manifest: Manifest) -> Mapping[str, str]:
    return {queue: key for key, spec in manifest.queues.items() for queue in spec.queues}


async def _check_versions(target: Target, cloud: Cloud) -> None:
    release = target.release

    async def check(function: FunctionName) -> None:
        await require_version(
            function,
            release.versions[function],
            release.digest,
            cloud.functions,
            deadline_s=DEADLINE_S,
        )

    await bounded_map(check, [spec.name for spec in target.manifest.functions], limit=AT_ONCE)


async def _check_image(target: Target, cloud: Cloud) -> None:
    build_id = target.release.build_id
    image = await cloud.registry.find(build_id)
    if image is None:
        raise RollbackRefused(f"the image of {build_id} is not in the registry", hint=REBUILD)
    if image.digest.partition(":")[2] != target.release.digest:
        raise RollbackRefused(
            f"the registry has another image as {build_id}: {image.digest}, not "
            f"{target.release.image}",
            hint=REBUILD,
        )


async def _check_assets(target: Target, cloud: Cloud) -> None:
    build_id = BuildId(target.release.build_id)
    if why := await why_not_whole(build_id, cloud.assets, cloud.documents):
        raise RollbackRefused(f"assets of {build_id} do not stand: {why}", hint=REBUILD)
