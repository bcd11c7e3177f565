"""Taking away builds that nobody goes back to: all but the last `retain` releases.

    versions of its functions ── its record is marked ── image ── assets ── its ledger

A build is taken away only if there is a record that it was released, and only while the lock is
held, which is proved before each. Its ledger goes last, so that a run that stops halfway is taken
up by the next one. Kept are, whatever their age, the build that is live, the one that a rollback
would go to, the one whose image the stack's template names, and every version that an alias or a
kept release reaches.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from anyio import get_cancelled_exc_class, move_on_after

from hover_async.concurrency import bounded_map, task_group
from hover_async.deploy.history import build_in, release_keys
from hover_async.deploy.ledger import LEDGERS, ledger_key
from hover_async.deploy.records import (
    ACTIVATION_KEY,
    LIVE_KEY,
    Release,
    release_key,
    release_of,
)
from hover_async.deploy.releases import pruned, replace_release
from hover_async.errors import AwsError, Conflict, NotFound
from hover_async.events import Reporter, Step, Warned
from hover_async.manifest import Manifest
from hover_async.ports import Cloud, Document, Functions
from hover_async.steps import step
from hover_async.values import LIVE, BuildId, FunctionName, Version

AT_ONCE = 32
DEADLINE_S = 60
MOST_BUILDS = 3
"""In one deploy: where `retain` was lowered, the next ones go on."""

Reached = AbstractSet[tuple[FunctionName, Version]]


@dataclass(frozen=True)
class Due:
    """A release that is to be taken away, and its record as it was read."""

    release: Release
    document: Document

    @property
    def build_id(self) -> BuildId:
        return BuildId(self.release.build_id)


@dataclass(frozen=True)
class Surplus:
    """The builds beyond those that are kept, the oldest first; what the kept ones reach.

    `images` are the digests of theirs: on AWS a tag that goes takes an image along only if it was
    its last, but not every registry is AWS's.
    """

    due: Sequence[Due] = ()
    reached: Reached = frozenset()
    images: AbstractSet[str] = frozenset()


@dataclass(frozen=True)
class Pruned:
    builds: Sequence[BuildId]
    kept: Sequence[BuildId] = ()
    """Not taken away after all: an alias of somebody's reaches a version of it."""

    def __str__(self) -> str:
        told = f"{', '.join(self.builds) or 'nothing'} taken away"
        return f"{told}; an alias still reaches {', '.join(self.kept)}" if self.kept else told


async def tidy_up(
    manifest: Manifest, is_ours: Callable[[], Awaitable[bool]], cloud: Cloud, report: Reporter
) -> None:
    """Take builds beyond `retain` away, for a minute at most; the next deploy goes on with it.

    The build is live and stays so: what fails here is told, and what is cancelled is left. It ends
    as soon as the lock is not ours (`is_ours`): a rival may be deploying what would go.
    """
    try:
        with move_on_after(DEADLINE_S):
            surplus = await find_surplus(manifest, cloud)
            if surplus.due:
                with step(report, Step.PRUNE) as done:
                    done(await prune(surplus, is_ours, cloud))
    except AwsError as error:
        report(Warned(f"old builds could not all be taken away: {error}"))
    except get_cancelled_exc_class():
        report(Warned("stopped while old builds were taken away; the next deploy goes on"))


async def find_surplus(manifest: Manifest, cloud: Cloud) -> Surplus:
    """What may be taken away; to be called with the lock held. Nothing is changed.

    Two requests where there is nothing. What is not on record, or has a damaged record, is nobody's
    to delete; and while an activation is not ended, nothing is.
    """
    retain = manifest.retain
    async with task_group() as lists:
        releasing = lists.start_soon(release_keys, cloud.documents)
        standing = lists.start_soon(cloud.documents.keys, LEDGERS)
    ledgers = set(standing.return_value)
    keys = [key for key in releasing.return_value if ledger_key(build_in(key)) in ledgers]
    if len(keys) <= retain:
        return Surplus()
    if await cloud.documents.read(ACTIVATION_KEY) is not None:
        return Surplus()
    live = release_of(await cloud.documents.read(LIVE_KEY))
    if live is None:
        return Surplus()

    async def read(key: str) -> Due | None:
        document = await cloud.documents.read(key)
        release = release_of(document)
        is_own = release is not None and release_key(release.build_id) == key
        return Due(release, document) if is_own and release and document else None

    found = [due for due in await bounded_map(read, keys, limit=AT_ONCE) if due]
    found.sort(key=_last_activated)
    always = {live.build_id, live.previous, live.standing.build_id}
    # A deploy that failed behind its stack has left an image in the template, and no record of it.
    deployed = "".join((await cloud.stacks.templates(manifest.stack_name)).values())
    kept = found[-retain:] + [
        due
        for due in found[:-retain]
        if due.build_id in always or (due.release.digest and due.release.digest in deployed)
    ]
    surplus = [due for due in found if due not in kept][:MOST_BUILDS]
    reached = {pair for due in kept for pair in due.release.versions.items()}
    images = {live.digest, *(due.release.digest for due in kept)}
    return Surplus(surplus, reached | set(live.versions.items()), images)


async def prune(surplus: Surplus, is_ours: Callable[[], Awaitable[bool]], cloud: Cloud) -> Pruned:
    """Take the builds away, one after the other. Raises `AwsError`; the next run goes on there."""
    gone: list[BuildId] = []
    kept: list[BuildId] = []
    for due in surplus.due:
        if not await is_ours():
            break
        if await _delete_versions(due.release, surplus.reached, cloud.functions):
            if not await _delete_rest(due, surplus.images, is_ours, cloud):
                break
            gone.append(due.build_id)
        else:
            kept.append(due.build_id)
    return Pruned(gone, kept)


async def _delete_versions(release: Release, reached: Reached, lambdas: Functions) -> bool:
    """False when an alias reaches one of them: then the build must stay."""
    named = _versions(release) - reached
    live = await _live(sorted({function for function, _ in named}), lambdas)

    async def delete(pair: tuple[FunctionName, Version]) -> bool:
        function, version = pair
        try:
            state = await lambdas.state(function, version)
            if state.code_sha256 == release.digest:  # else the function was made anew since
                await lambdas.delete_version(function, version)
        except NotFound:
            pass
        except Conflict:  # an alias of somebody else's
            return False
        return True

    if any(live.get(function) == version for function, version in named):
        return False
    return all(await bounded_map(delete, sorted(named), limit=AT_ONCE))


async def _live(
    functions: Sequence[FunctionName], lambdas: Functions
) -> Mapping[FunctionName, Version]:
    """Where `live` points now, whatever the records say."""

    async def live(function: FunctionName) -> tuple[FunctionName, Version | None]:
        try:
            return function, (await lambdas.state(function, Version(LIVE))).version
        except NotFound:
            return function, None

    found = await bounded_map(live, functions, limit=AT_ONCE)
    return {function: version for function, version in found if version}


async def _delete_rest(
    due: Due, images: AbstractSet[str], is_ours: Callable[[], Awaitable[bool]], cloud: Cloud
) -> bool:
    """False when the lock was lost on the way; a rival that has released the build keeps it all."""
    build_id = due.build_id
    await replace_release(cloud.documents, pruned(due.release), due.document)
    if due.release.digest not in images:
        if not await is_ours():
            return False
        await cloud.registry.untag([build_id])
    stored = list(await cloud.assets.keys(f"{build_id}/"))
    if not await is_ours():
        return False
    await cloud.assets.delete(stored)
    ledger = await cloud.documents.read(ledger_key(build_id))
    if ledger:
        await cloud.documents.delete(ledger_key(build_id), ledger.etag)
    return True


def _versions(release: Release) -> set[tuple[FunctionName, Version]]:
    """Every one that the build ever had, by its record."""
    each = [release.versions, *(activated.versions for activated in release.activations)]
    return {pair for versions in each for pair in versions.items()}


def _last_activated(due: Due) -> tuple[str, str]:
    return (due.release.last.at if due.release.last else "", due.release.build_id)
