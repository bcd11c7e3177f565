"""What a plan says: the next deploy, told before it does anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from hover_async.deploy.upload import PlannedUpload
from hover_async.template.difference import Action, Change
from hover_async.values import BuildId, FunctionName, Version


@dataclass(frozen=True)
class PlannedStack:
    """What becomes of the stack, and how that is known.

    `obstacle` says why a deploy could not begin as the stack stands. `source` is where `changes`
    come from, `unreadable` why the templates could not tell; `confirmed` whether CloudFormation
    itself has told, and `unconfirmed` why it has not. `remarks` tell where its answer differed.
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
    deploying: str | None = None

    @property
    def has_changes(self) -> bool:
        """Whether anything would be different afterwards; commands run in any case."""
        return bool(
            self.stack.does != "nothing"
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
