"""What a build or a deploy tells while it works: frozen values, given to one `Reporter`.

The core reports and never prints. The command line draws these events as lanes, as plain lines or
as JSON lines; a program passes a callable of its own. A reporter must not block; one that raises is
told nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Protocol

from hover_async.values import BuildId, FunctionName, Lane, Version


class Step(StrEnum):
    """A step that is timed and shown by this name."""

    # build
    RUNTIME = "runtime files"
    IMAGE = "image"
    TESTS = "tests"
    ASSETS_BUILD = "compile assets"
    SCAN = "scan"
    # deploy
    PREPARE = "prepare"
    UPLOAD = "assets"
    PUSH = "push"
    LOCK = "lock"
    STACK = "stack"
    PUBLISH = "versions"
    WARM = "warm"
    BOOT = "first boot"
    COMMANDS = "commands"
    HEALTH = "health"
    ACTIVATE = "activate"
    WORKERS = "workers"
    RECORD = "record"
    RECOVER = "recover"
    CHECK = "check"
    PRUNE = "prune"
    # plan
    READ = "read"
    CHANGE_SET = "change set"


@dataclass(frozen=True)
class DeployBegun:
    """The first event of a deploy: what is deployed, and in which lane."""

    stage: str
    build_id: BuildId
    lane: Lane


@dataclass(frozen=True)
class StepStarted:
    step: Step


@dataclass(frozen=True)
class StepFinished:
    """`summary` says in a few words what was done: `"312 sent, 4 unchanged"`."""

    step: Step
    seconds: float
    summary: str = ""


@dataclass(frozen=True)
class StepFailed:
    """The step raised, or was cancelled because another failed (`cancelled`)."""

    step: Step
    seconds: float
    cancelled: bool


@dataclass(frozen=True)
class Progress:
    """How far a step is: `done` of `total`, counted in `unit` (`bytes`, `files`, ...)."""

    step: Step
    done: int
    total: int
    unit: str
    item: str = ""


@dataclass(frozen=True)
class Output:
    """Text that something else printed (a build step, a deploy command), as it came."""

    step: Step
    source: str
    text: str


@dataclass(frozen=True)
class ResourceChanged:
    """A resource of the stack reached a status; `reason` is CloudFormation's own."""

    resource: str
    kind: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class CodeUpdated:
    """A function was given the build's image by itself, not by its stack."""

    function: str


@dataclass(frozen=True)
class VersionPublished:
    function: str
    version: str


@dataclass(frozen=True)
class ContainerWarmed:
    """A container of the new version answered; `boot_ms` is what its start cost it."""

    function: str
    instance: str
    cold: bool
    boot_ms: float


@dataclass(frozen=True)
class AliasMoved:
    """A `live` alias moved; `from_version` is empty where none was live before."""

    function: str
    from_version: str
    to_version: str


@dataclass(frozen=True)
class LiveNow:
    """After a failure: the version each function's `live` alias points to, as AWS says now."""

    versions: Mapping[FunctionName, Version]


@dataclass(frozen=True)
class Waiting:
    """The step waits for somebody else, for at most `seconds` from now."""

    step: Step
    what: str
    seconds: float


@dataclass(frozen=True)
class Warned:
    """Something a user should know that does not stop the work."""

    message: str
    hint: str | None = None


Event = (
    DeployBegun
    | StepStarted
    | StepFinished
    | StepFailed
    | Progress
    | Output
    | ResourceChanged
    | CodeUpdated
    | VersionPublished
    | ContainerWarmed
    | AliasMoved
    | LiveNow
    | Waiting
    | Warned
)


class Reporter(Protocol):
    """Takes each event as it happens, in order, on the event loop's thread."""

    def __call__(self, event: Event, /) -> None: ...


def silent(event: Event, /) -> None:
    """The reporter of programs that want none."""


def steadfast(report: Reporter) -> Reporter:
    """The reporter, until it raises; from then on nobody is told, and the work goes on.

    A log that is closed in the middle of a flip must not decide how the flip ends.
    """
    listening = True

    def tell(event: Event, /) -> None:
        nonlocal listening
        if listening:
            try:
                report(event)
            except Exception:  # noqa: BLE001 - whatever it raises, it is not the work's failure
                listening = False

    return tell


def as_json(event: Event) -> Mapping[str, object]:
    """The event as a JSON-ready mapping: its fields, and its class name as `event`."""
    plain = {field.name: getattr(event, field.name) for field in fields(event)}
    return {"event": type(event).__name__, **plain}
