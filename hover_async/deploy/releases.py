"""Writing and reading the records of what is live; `records.py` has their form."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from anyio import move_on_after

from hover_async.concurrency import shielded, task_group
from hover_async.deploy.records import (
    ACTIVATION_KEY,
    LIVE_KEY,
    Activated,
    Attempt,
    Release,
    StackOf,
    attempt_of,
    body_of,
    build_of,
    manifest_of,
    now,
    release_key,
    release_of,
)
from hover_async.errors import AwsError, Conflict, StepTimedOut
from hover_async.events import Reporter, Warned
from hover_async.manifest import Manifest
from hover_async.ports import Document, Documents
from hover_async.values import BuildId, FunctionName

WRITE_DEADLINE_S = 15
WRITE_TRIES = 3


@dataclass(frozen=True)
class LiveRelease:
    """What the record of the live build tells; `environment` is None in one of an older kind."""

    build_id: BuildId
    environment: Sequence[str] | None


@dataclass(frozen=True)
class Announced:
    """The record of an activation as it stands. `attempt` is None when it cannot be read."""

    etag: str
    attempt: Attempt | None


async def live_build(documents: Documents) -> BuildId | None:
    """The build that the last successful deploy made live, if its record can be read."""
    return build_of(await documents.read(LIVE_KEY))


async def live_release(documents: Documents) -> LiveRelease | None:
    """As `live_build`, with what else is on record."""
    document = await documents.read(LIVE_KEY)
    build_id, release = build_of(document), release_of(document)
    if build_id is None:
        return None
    return LiveRelease(build_id, release.environment if release else None)


async def was_released(documents: Documents, build_id: BuildId) -> bool:
    """Whether it ever went live: only then may a deploy of another build take it away."""
    return await documents.read(release_key(build_id)) is not None


async def live_manifest(documents: Documents) -> Manifest | None:
    """The manifest that the stack is made of while this is live, if it can be read."""
    return manifest_of(await documents.read(LIVE_KEY))


async def release_to_be(
    release: Release, activated: Activated, documents: Documents, *, stack: StackOf | None = None
) -> Release:
    """The release with one more activation, after those that are on record already.

    To be called with the lock held: it reads what is live, which this activation replaces.
    """
    async with task_group() as reads:
        own = reads.start_soon(documents.read, release_key(release.build_id))
        live = reads.start_soon(documents.read, LIVE_KEY)
    earlier = release_of(own.return_value)
    activated = replace(activated, replaced=build_of(live.return_value))
    before = earlier.activations if earlier else ()
    return replace(release, activations=[*before, activated], stack=stack, pruned_at=None)


async def stack_on_record(documents: Documents) -> StackOf | None:
    """Whose template the stack has, by the record of what is live."""
    live = release_of(await documents.read(LIVE_KEY))
    return live.standing if live else None


async def announce(attempt: Attempt, documents: Documents) -> str:
    """Keep on record what is about to move, over whatever stood there; its etag.

    Raises `AwsError` or `StepTimedOut`: then nothing may move.
    """
    return await shielded(
        lambda: _write(documents, ACTIVATION_KEY, body_of(attempt)),
        deadline_s=WRITE_DEADLINE_S,
        what=f"writing {ACTIVATION_KEY}",
    )


async def announced(documents: Documents, manifest: Manifest) -> Announced | None:
    """The activation that was begun and not ended; to be called with the lock held."""
    document = await documents.read(ACTIVATION_KEY)
    if document is None:
        return None
    roles = {spec.name: spec.role for spec in manifest.functions}
    return Announced(document.etag, attempt_of(document, roles))


async def record_release(
    documents: Documents, release: Release, announced: str, report: Reporter
) -> None:
    """Keep the release and name it as the live one; only then delete the record of its activation.

    Failing changes nothing live: what was announced stays, and the next run writes the rest.
    """

    async def write() -> bool:
        live = await documents.read(LIVE_KEY)
        found = await documents.read(ACTIVATION_KEY)
        if found is None or found.etag != announced:  # whoever takes over ends it, or writes his
            return False
        await _write(
            documents, release_key(release.build_id), body_of(replace(release, stack=None))
        )
        if live is None:
            await documents.create(LIVE_KEY, body_of(release))
        else:  # and not over what a rival has written since
            await documents.replace(LIVE_KEY, body_of(release), live.etag)
        return True

    try:
        is_ours = await shielded(write, deadline_s=WRITE_DEADLINE_S, what="recording the release")
    except (AwsError, StepTimedOut) as error:
        told = f"{release.build_id} is live, but could not be recorded: {error}"
        report(Warned(told, hint="the next deploy records it, or 'hover-async recover' does"))
        return
    if not is_ours:
        told = f"another run has taken over: it keeps the records, and {release.build_id} is not"
        report(Warned(f"{told} recorded", hint="see 'hover-async releases', then deploy again"))
        return
    await forget(documents, announced, report)


async def record_times(documents: Documents, release: Release, report: Reporter) -> None:
    """Keep the release once more, with the times of the steps that came after its first record."""
    try:
        with move_on_after(WRITE_DEADLINE_S, shield=True):
            body = body_of(replace(release, stack=None))
            await _write(documents, release_key(release.build_id), body)
    except AwsError as error:
        report(Warned(f"the times of the last steps could not be recorded: {error}"))


async def forget(documents: Documents, announced: str, report: Reporter) -> None:
    """Delete the record of an activation; that failing changes nothing about what is live."""
    try:
        with move_on_after(WRITE_DEADLINE_S, shield=True):
            await documents.delete(ACTIVATION_KEY, announced)
    except AwsError as error:
        report(Warned(f"{ACTIVATION_KEY} could not be deleted, the next deploy will: {error}"))


async def replace_release(documents: Documents, release: Release, found: Document) -> None:
    """Write a release over the record that was read. Raises `Conflict` if it changed meanwhile."""
    await documents.replace(release_key(release.build_id), body_of(release), found.etag)


def tell_of_unrecorded(functions: Sequence[FunctionName], report: Reporter) -> None:
    """Warn of live functions that leave before the flip, because no record says what they do."""
    if functions:
        report(
            Warned(
                "live functions that no record of a release names leave before this build is live: "
                + ", ".join(sorted(functions))
            )
        )


def pruned(release: Release) -> Release:
    return replace(release, pruned_at=now())


async def _write(documents: Documents, key: str, body: bytes) -> str:
    """Write whatever stands there; a rival's write in between is written over, too."""
    for _ in range(WRITE_TRIES):
        found = await documents.read(key)
        with suppress(Conflict):
            if found is None:
                return await documents.create(key, body)
            return await documents.replace(key, body, found.etag)
    raise Conflict(f"{key} was changed by somebody else {WRITE_TRIES} times in a row")
