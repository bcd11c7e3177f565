"""CloudFormation: stacks, and what it foresees of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from hover_async.values import FunctionName


@dataclass(frozen=True)
class StackDescription:
    """A stack as it stands. `outputs` are the template's, by name; `tags` those it was given."""

    id: str
    name: str
    status: str
    reason: str
    outputs: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StackRequest:
    """A create or an update. `token` marks the operation: sent twice, it happens once.

    `template` is the template's text, or the URL of its object where it is too large to send.
    """

    name: str
    template: str
    template_is_url: bool
    role_arn: str | None
    tags: Mapping[str, str]
    token: str


@dataclass(frozen=True)
class StackEvent:
    """`at_s` is when it happened by CloudFormation's clock, in seconds since 1970."""

    id: str
    logical_id: str
    kind: str
    status: str
    reason: str
    token: str | None
    physical_id: str = ""
    stack_id: str = ""
    at_s: float = 0.0


class ChangeSetState(StrEnum):
    WORKING = "working"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class ForeseenChange:
    """What CloudFormation foresees for one resource; the words are its own.

    `stack` is the path of logical ids to the nested stack it is in, empty for the root. `action` is
    Add, Modify, Remove, Import or Dynamic; `replacement` True, False, Conditional or empty;
    `policy` what becomes of what it removes (Delete, Retain, ReplaceAndRetain, ...). `properties`
    names what changes; `is_certain` is False when all of it depends on other resources' values.
    """

    stack: str
    logical_id: str
    kind: str
    action: str
    replacement: str = ""
    policy: str = ""
    properties: Sequence[str] = ()
    is_certain: bool = True


@dataclass(frozen=True)
class ChangeSet:
    """A change set; without changes it is READY and empty."""

    state: ChangeSetState
    reason: str = ""
    changes: Sequence[ForeseenChange] = ()


class Stacks(Protocol):
    async def describe(self, name: str) -> StackDescription | None:
        """The stack, or None when there is none (a deleted one is none)."""

    async def create(self, request: StackRequest) -> None:
        """Accepted when it returns; the work goes on. Safe to repeat with the same token."""

    async def update(self, request: StackRequest) -> bool:
        """False when there is nothing to update. Otherwise as `create`."""

    async def delete(self, name: str, *, token: str) -> None: ...

    async def events(
        self, name: str, *, token: str | None, since: str | None = None
    ) -> Sequence[StackEvent]:
        """The events of the operation marked `token` (None: of the last one, and of a deletion
        that followed it), oldest first; of those only what came after the event `since`."""

    async def functions(self, name: str) -> Mapping[FunctionName, str]:
        """Every Lambda function of the stack and of its nested stacks, all pages, each with the
        logical id of the nested stack that it is in, or an empty text for the stack itself.

        A stack that is not there has none."""

    async def templates(self, name: str) -> Mapping[str, str]:
        """The deployed template as it was sent, under `""`; each nested stack's under the path of
        logical ids that leads to it, as in `Queues/More`. Empty when there is no stack."""


class ChangeSets(Protocol):
    """What CloudFormation foresees, asked without doing it."""

    async def create(self, request: StackRequest, name: str, *, creates: bool) -> None:
        """Ask what the request would do, nested stacks included. Accepted when it returns.

        For a stack that is not there (`creates`) an empty one is made, REVIEW_IN_PROGRESS. Safe to
        repeat: a name is one change set.
        """

    async def describe(self, stack: str, name: str) -> ChangeSet:
        """How far it is, and what it foresees. Raises `NotFound` when there is none."""

    async def names(self, stack: str) -> Sequence[str]:
        """The names of the stack's change sets; none when there is no stack."""

    async def delete(self, stack: str, name: str) -> None:
        """Gone already counts as done. Raises `Conflict` while it cannot be deleted yet."""
