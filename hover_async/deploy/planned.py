"""What a plan says: the next deploy, told before it does anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Literal

from hover_async.deploy.upload import PlannedUpload
from hover_async.template.difference import Action, Change, PropertyChange
from hover_async.values import BuildId, FunctionName, Lane, Version


@dataclass(frozen=True)
class PlannedStack:
    """What becomes of the stack, and how that is known.

    `obstacle` says why a deploy could not begin as the stack stands. `source` is where `changes`
    come from, `unreadable` why the templates could not tell; `confirmed` whether CloudFormation
    itself has told, and `unconfirmed` why it has not. `remarks` tell where its answer differed.
    `refused`: why the direct lane would refuse the deploy, where that is asked for.
    """

    name: str
    does: Literal["create", "update", "nothing"]
    status: str
    changes: Sequence[Change]
    source: Literal["templates", "change-set"]
    confirmed: bool
    unconfirmed: str = ""
    unreadable: str = ""
    obstacle: str = ""
    remarks: Sequence[str] = ()
    refused: Sequence[str] = ()

    def count(self, action: Action) -> int:
        return sum(change.action is action for change in self.changes)


@dataclass(frozen=True)
class PlannedFunction:
    """`live` is the version now, None where none was ever activated (or the function is new)."""

    name: FunctionName
    live: Version | None
    does: Literal["new", "new-version", "nothing", "removed"]


@dataclass(frozen=True)
class PlannedImage:
    """`digest` is known once it is in the registry; `problem`: why Lambda would refuse it there."""

    tag: str
    in_registry: bool
    digest: str | None
    problem: str | None = None


class QueueFate(StrEnum):
    """What becomes of a queue. It is never deleted, and no message in it is lost."""

    MADE = "made"
    TAKEN_OVER = "taken over"
    """It is there and no function of the stage works on it: what is in it will be worked on."""
    CHANGED = "changed"
    STAYS = "stays"
    LEFT = "left"
    """It leaves the manifest: it stays with what is in it, and nobody works on that any more."""
    REFUSED = "refused"
    """It is another stage's: a deploy ends there."""


@dataclass(frozen=True)
class PlannedQueue:
    """A queue beside the stack. `messages` are all that are in it now (0 where it is not there);
    `problem` says why it is refused."""

    name: str
    does: QueueFate
    messages: int = 0
    changes: Sequence[PropertyChange] = ()
    problem: str = ""


class LogsFate(StrEnum):
    """What becomes of a log group. It is never deleted by a deploy."""

    MADE = "made"
    ADOPTED = "adopted"
    """It is there and was not the live release's: it stays with what is in it."""
    CHANGED = "changed"
    STAYS = "stays"
    LEFT = "left"
    """Its function leaves: it stays with its logs, kept for as long as they are now."""


@dataclass(frozen=True)
class PlannedLogs:
    """A log group beside the stack, with the days it keeps logs now and then (None: for ever)."""

    name: str
    does: LogsFate
    days_before: int | None
    days: int | None

    @property
    def loses(self) -> bool:
        """Whether logs that it holds now may be older than it will keep them."""
        if self.does not in {LogsFate.ADOPTED, LogsFate.CHANGED} or self.days is None:
            return False
        return self.days_before is None or self.days < self.days_before


@dataclass(frozen=True)
class PlannedBeside:
    """What stands beside the stack, by name."""

    queues: Sequence[PlannedQueue]
    logs: Sequence[PlannedLogs]

    @property
    def has_changes(self) -> bool:
        return any(queue.does is not QueueFate.STAYS for queue in self.queues) or any(
            group.does is not LogsFate.STAYS for group in self.logs
        )


@dataclass(frozen=True)
class PlannedEnvironment:
    """Names of the manifest's variables, against those of the live release.

    `unknown`: those of both, whose values cannot be compared. `is_known` is False when the live
    release does not tell its names.
    """

    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    unchanged: Sequence[str] = ()
    unknown: Sequence[str] = ()
    is_known: bool = True


@dataclass(frozen=True)
class Plan:
    """What the next deploy of a build would do.

    `live_build` is the one that is live now; `deploying` who deploys the stage at this moment.
    """

    stage: str
    build_id: BuildId
    live_build: BuildId | None
    region: str
    stack: PlannedStack
    functions: Sequence[PlannedFunction]
    image: PlannedImage
    assets: PlannedUpload
    commands: Sequence[str]
    environment: PlannedEnvironment
    beside: PlannedBeside
    deploying: str | None = None
    lane: Lane = Lane.STACK

    @property
    def has_changes(self) -> bool:
        """Whether anything would be different afterwards; commands run in any case."""
        return bool(
            self.stack.does != "nothing"
            or self.beside.has_changes
            or not self.image.in_registry
            or self.assets.send.files
            or self.assets.copy.files
            or any(function.does != "nothing" for function in self.functions)
            or self.environment.added
            or self.environment.removed
        )

    @property
    def exit_code(self) -> int:
        return CHANGES if self.has_changes else 0

    def as_json(self) -> Mapping[str, object]:
        """The same for machines; `exit_code` is the command's."""
        return {**asdict(self), "has_changes": self.has_changes, "exit_code": self.exit_code}


CHANGES = 2
"""The exit code of `hover-async plan` when there is something to do, as Terraform has it."""
