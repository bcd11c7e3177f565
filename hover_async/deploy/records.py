"""The records of what is live, as JSON in the stage's bucket.

`hover/releases/<build_id>.json` has a build that went live, with every time that it did.
`hover/live.json` is the record of the build that is live now. `hover/activation.json` stands while
aliases move: it holds the whole release that is about to be, so that no kill can lose it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from hover_async.events import Step
from hover_async.manifest import Manifest
from hover_async.ports import Document
from hover_async.steps import Timed
from hover_async.values import BuildId, FunctionName, Lane, Role, Version

ACTIVATION_KEY = "hover/activation.json"
LIVE_KEY = "hover/live.json"
RELEASES = "hover/releases/"
OF_THE_BUILD = frozenset(
    {"aws-profile", "build-args", "deploy", "deploy-commands", "dockerfile", "environment"}
)
R = TypeVar("R")


class Kind(StrEnum):
    """How a build went live."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class StepTime:
    """When a step began after the start of its run, and how long it took, in seconds."""

    step: str
    start_s: float
    seconds: float
    critical: bool = False


@dataclass(frozen=True)
class Activated:
    """One time that a build went live. `at` is ISO 8601 in UTC, `by` as in `ann@laptop`.

    `replaced` is the build that was live before. `steps` are those until the record was written,
    and after a deploy that ended well all of them; `recovered_by` finished what was interrupted.
    `lane`: how a deploy gave functions the image; `direct` leaves the stack's template at an older
    one.
    """

    at: str
    kind: Kind
    by: str
    versions: Mapping[FunctionName, Version]
    replaced: str | None = None
    seconds: float = 0.0
    steps: Sequence[StepTime] = ()
    recovered_by: str | None = None
    lane: Lane | None = None


@dataclass(frozen=True)
class StackOf:
    """The build whose template the stack has, and its manifest as far as a stack is made of it."""

    build_id: str
    manifest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """A build that went live: which versions of which image, and every time that it did.

    `environment` has the names of the manifest's variables, never their values: those are in the
    image alone (docs/decisions/014); None in a record of an older kind. `manifest` is the build's
    own, without what only a build needs. `stack` is set in `live.json` after a rollback, which
    moves aliases and leaves the stack as the newer build made it, and after a direct deploy.
    `pruned_at`: since then its image and assets are gone.
    """

    build_id: str
    image: str = ""
    versions: Mapping[FunctionName, Version] = field(default_factory=dict)
    git_revision: str | None = None
    environment: Sequence[str] | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    activations: Sequence[Activated] = ()
    stack: StackOf | None = None
    pruned_at: str | None = None

    @property
    def digest(self) -> str:
        """The image's SHA-256 in hexadecimal, as Lambda names its code."""
        return self.image.rpartition("@sha256:")[2]

    @property
    def last(self) -> Activated | None:
        return self.activations[-1] if self.activations else None

    @property
    def previous(self) -> str | None:
        """The build that was live before this one was deployed: what a rollback goes to."""
        deploys = [found for found in self.activations if found.kind is Kind.DEPLOY]
        others = [
            found.replaced for found in deploys if found.replaced not in {None, self.build_id}
        ]
        return others[-1] if others else None

    @property
    def standing(self) -> StackOf:
        """Whose template the stack has while this is what is live."""
        return self.stack or StackOf(self.build_id, self.manifest)

    def with_times(self, steps: Sequence[Timed], seconds: float) -> Release:
        """The same, with the step times of its last activation as they are known now."""
        if self.last is None:
            return self
        times = [
            StepTime(step.step, round(step.start_s, 3), round(step.seconds, 3), step.critical)
            for step in steps
        ]
        last = replace(self.last, steps=times, seconds=round(seconds, 3))
        return replace(self, activations=[*self.activations[:-1], last])

    def seconds_of(self, step: Step) -> float | None:
        """How long the step took when the build last went live."""
        steps = self.last.steps if self.last else ()
        return next((timed.seconds for timed in steps if timed.step == step), None)


@dataclass(frozen=True)
class RecordedMove:
    """An alias that is about to move. `role` decides the order."""

    function: FunctionName
    role: Role
    before: Version
    revision: str
    to: Version


@dataclass(frozen=True)
class Attempt:
    """An activation that was begun. `release` is None in a record of an older kind."""

    build_id: str
    moves: Sequence[RecordedMove]
    release: Release | None = None
    at: str = ""


def release_key(build_id: str) -> str:
    return f"{RELEASES}{build_id}.json"


def release_of(document: Document | None) -> Release | None:
    """The release in a record; None where there is none, or it is damaged."""
    return _read(Release, document)


def attempt_of(document: Document, roles: Mapping[FunctionName, Role]) -> Attempt | None:
    """The activation in its record; None when it is damaged.

    `roles` helps to read the older kind, which has only `before` and `after`.
    """
    return _read(Attempt, document) or _of_the_older_kind(document, roles)


def build_of(document: Document | None) -> BuildId | None:
    found = _read(_Named, document)
    try:
        return BuildId(found.build_id) if found else None
    except ValueError:
        return None


def manifest_of(record: Document | None) -> Manifest | None:
    """The manifest that the stack is made of, by the record of what is live."""
    release = release_of(record)
    return manifest_in(release.standing.manifest) if release else None


def manifest_in(kept: Mapping[str, Any]) -> Manifest | None:
    """A manifest as `of_the_stack` put it into a record."""
    try:
        return Manifest.model_validate(kept) if kept else None
    except (ValueError, TypeError):
        return None


def of_the_stack(manifest: Manifest) -> Mapping[str, Any]:
    """The keys that a stack is made of, as a record keeps them."""
    return {key: given for key, given in manifest.as_written.items() if key not in OF_THE_BUILD}


def body_of(record: Release | Attempt) -> bytes:
    return _adapter(type(record)).dump_json(record, indent=1)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class _Named:
    build_id: str


@dataclass(frozen=True)
class _Older:
    build_id: str
    before: Mapping[FunctionName, Version]
    after: Mapping[FunctionName, Version]


def _of_the_older_kind(document: Document, roles: Mapping[FunctionName, Role]) -> Attempt | None:
    found = _read(_Older, document)
    if found is None or set(found.before) != set(found.after):
        return None
    moves = [
        RecordedMove(name, roles.get(name, Role.QUEUE), version, "", found.after[name])
        for name, version in found.before.items()
    ]
    return Attempt(found.build_id, moves)


def _read(kind: type[R], document: Document | None) -> R | None:
    try:
        return _adapter(kind).validate_json(document.body) if document else None
    except ValidationError:
        return None


def _adapter(kind: type[R]) -> TypeAdapter[R]:
    """Made once: that takes longer than any use of it."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
