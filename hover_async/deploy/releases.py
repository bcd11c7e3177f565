"""What is live, and what is about to be: two kinds of records in the stage's bucket.

`hover/activation.json` stands while aliases move: every function's old and new version. Found by a
later run, it tells that one was killed in the middle. `hover/releases/<build_id>.json` is the
history, one record a build, and `hover/live.json` names the build that is live.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from anyio import move_on_after

from hover_async.concurrency import shielded
from hover_async.errors import ActivationMixed, AwsError, Conflict, StepTimedOut
from hover_async.events import Reporter, Warned
from hover_async.manifest import Manifest
from hover_async.ports import Document, Documents
from hover_async.values import BuildId, FunctionName, Lane, Version

ACTIVATION_KEY = "hover/activation.json"
LIVE_KEY = "hover/live.json"
OF_THE_BUILD = frozenset(
    {"aws-profile", "build-args", "deploy", "deploy-commands", "dockerfile", "environment"}
)
WRITE_DEADLINE_S = 15
WRITE_TRIES = 3


@dataclass(frozen=True)
class Release:
    """A build that went live: which versions, of which image, by whom, and how long it took.

    `environment` has the names of the manifest's variables, never their values: those are in the
    image alone (docs/decisions/014).
    """

    build_id: str
    image: str
    versions: Mapping[FunctionName, Version]
    by: str
    git_revision: str | None
    seconds: Mapping[str, float]
    environment: Sequence[str] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """What the stack was made of; without what only a build needs."""
    lane: str = Lane.STACK
    """How the functions got the image: `direct` leaves the stack's template at an older one."""


@dataclass(frozen=True)
class LiveRelease:
    """What the record of the live build tells; `environment` is None in one of an older kind."""

    build_id: BuildId
    environment: Sequence[str] | None


def release_key(build_id: str) -> str:
    return f"hover/releases/{build_id}.json"


async def live_build(documents: Documents) -> BuildId | None:
    """The build that the last successful deploy made live, if its record can be read."""
    document = await documents.read(LIVE_KEY)
    return _build_of(document) if document else None


async def live_release(documents: Documents) -> LiveRelease | None:
    """As `live_build`, with what else is on record."""
    document = await documents.read(LIVE_KEY)
    build_id = _build_of(document) if document else None
    if document is None or build_id is None:
        return None
    names = json.loads(document.body).get("environment")
    return LiveRelease(build_id, names if isinstance(names, list) else None)


async def live_manifest(documents: Documents) -> Manifest | None:
    """The manifest of what is live, as far as its stack is concerned, if it can be read."""
    return manifest_of(await documents.read(LIVE_KEY))


def manifest_of(record: Document | None) -> Manifest | None:
    """The manifest in the record of a release, as `of_the_stack` put it there."""
    try:
        return Manifest.model_validate(json.loads(record.body)["manifest"]) if record else None
    except (ValueError, KeyError, TypeError):
        return None


def of_the_stack(manifest: Manifest) -> Mapping[str, Any]:
    """The keys that a stack is made of, as a record keeps them."""
    return {key: given for key, given in manifest.as_written.items() if key not in OF_THE_BUILD}


@asynccontextmanager
async def activation_record(
    documents: Documents,
    build_id: BuildId,
    before: Mapping[FunctionName, Version],
    after: Mapping[FunctionName, Version],
    report: Reporter,
) -> AsyncIterator[None]:
    """Keep a record of what is about to move while it moves.

    Written before the body runs, over whatever an interrupted run left behind. Deleted when the
    body succeeded or put everything back; it stays when aliases are mixed or the run is killed.
    """
    record = {"build_id": build_id, "at": _now(), "before": {**before}, "after": {**after}}
    body = json.dumps(record, indent=1).encode()
    etag = await shielded(
        lambda: _write(documents, ACTIVATION_KEY, body),
        deadline_s=WRITE_DEADLINE_S,
        what=f"writing {ACTIVATION_KEY}",
    )
    try:
        yield
    except ActivationMixed:
        raise
    except BaseException:
        await _forget(documents, etag, report)
        raise
    await _forget(documents, etag, report)


async def tell_of_interrupted_activation(documents: Documents, report: Reporter) -> None:
    """Warn when a run was killed while aliases moved; to be called with the lock held."""
    document = await documents.read(ACTIVATION_KEY)
    if document is not None:
        report(
            Warned(
                f"an earlier activation was interrupted ({_build_of(document)}): functions may "
                "serve different builds until this deploy has finished"
            )
        )


def tell_of_unrecorded(functions: Sequence[FunctionName], report: Reporter) -> None:
    """Warn of live functions that leave before the flip, because no record says what they do."""
    if functions:
        report(
            Warned(
                "live functions that no record of a release names leave before this build is live: "
                + ", ".join(sorted(functions))
            )
        )


async def record_release(documents: Documents, release: Release, report: Reporter) -> None:
    """Keep the release and name it as the live one; that failing changes nothing live."""
    body = json.dumps({**asdict(release), "activated_at": _now()}, indent=1).encode()

    async def write() -> None:
        await _write(documents, release_key(release.build_id), body)
        await _write(documents, LIVE_KEY, body)

    try:
        await shielded(write, deadline_s=WRITE_DEADLINE_S, what="recording the release")
    except (AwsError, StepTimedOut) as error:
        report(Warned(f"{release.build_id} is live, but could not be recorded: {error}"))


def _build_of(document: Document) -> BuildId | None:
    try:
        return BuildId(json.loads(document.body)["build_id"])
    except (ValueError, KeyError, TypeError):
        return None


async def _forget(documents: Documents, etag: str, report: Reporter) -> None:
    """Delete the activation record; that failing changes nothing about what is live."""
    try:
        with move_on_after(WRITE_DEADLINE_S, shield=True):
            await documents.delete(ACTIVATION_KEY, etag)
    except AwsError as error:
        report(Warned(f"{ACTIVATION_KEY} could not be deleted, the next deploy will: {error}"))


async def _write(documents: Documents, key: str, body: bytes) -> str:
    """Write whatever stands there; a rival's write in between is written over, too."""
    for _ in range(WRITE_TRIES):
        found = await documents.read(key)
        with suppress(Conflict):
            if found is None:
                return await documents.create(key, body)
            return await documents.replace(key, body, found.etag)
    raise Conflict(f"{key} was changed by somebody else {WRITE_TRIES} times in a row")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
